"""Words that no numeric function needs: a first sieve before the sandbox, which must hold without it."""

import re

from nstk.c_text import lex
from nstk.corpus.sandbox.isolation import LIBRARY, MAX_CHARACTERS

_CALLS = frozenset(
    """
    abort accept access alarm alloca arc4random arc4random_buf arc4random_uniform atexit bind chdir chmod chown clock
    clock_gettime clone close connect creat ctime daemon difftime dlopen dlsym drand48 dup dup2 ecvt environ erand48
    execl execle execlp execv execve execvp execvpe exit fclose fcntl fcvt fdopen fflush fgetc fgets fopen fork fprintf
    fputc fputs fread freopen fscanf fseek ftell ftime fwrite gcvt getc getchar getcwd getenv getpid getppid getrandom
    getrusage gets gettimeofday getuid gmtime initstate ioctl jrand48 kill lcong48 link listen localtime longjmp lrand48
    mkdir mknod mktime mmap mprotect mrand48 munmap nanosleep nrand48 open openat perror pipe poll popen prctl
    printf ptrace pthread_create putc putchar putenv puts quick_exit raise rand rand_r random read recv remove rename
    rmdir sbrk scanf secure_getenv seed48 select send setenv setjmp setstate setuid siglongjmp sigaction signal
    sigsetjmp sleep snprintf socket sprintf srand srand48 srandom sscanf stat strdup strerror strftime strsignal strtok
    symlink syscall sysconf system time times truncate umask uname unlink unsetenv usleep vfork vfprintf vprintf
    vsnprintf vsprintf wait waitpid write _Exit _exit _longjmp _setjmp __errno_location
    """.split()  # noqa: SIM905
)
_WORDS = frozenset(
    """
    asm __asm __asm__ __attribute __attribute__ __declspec _Pragma __pragma __FILE__ __FILE_NAME__ __BASE_FILE__
    __LINE__ __DATE__ __TIME__ __TIMESTAMP__ __COUNTER__ __INCLUDE_LEVEL__ __has_include __has_include_next __has_embed
    _Thread_local __thread thread_local _Static_assert static_assert _Noreturn _Atomic constructor destructor
    """.split()  # noqa: SIM905
)
_DIRECTIVE = re.compile(r"^[ \t\v\f]*(?:#|%:|\?\?=)[ \t]*(?!define[ \t])(\w*)", re.MULTILINE)
_SPELLINGS = (
    (re.compile(r"\\[ \t\v\f]*(?:\r|\n|$)"), "line continuation"),
    (re.compile(r"\?\?[=/'()!<>-]"), "trigraph"),
    (re.compile(r"%:|<%|%>|<:|:>"), "digraph"),
    (re.compile(r"##"), "token pasting"),
    (re.compile(r"\[\s*\["), "attribute"),
    (re.compile(r"\bgoto\s*\*"), "computed goto"),
    (re.compile(r"\b(?:include|include_next|import|embed|pragma)\s*[<\"(]"), "include"),
)


def refuse(text: str) -> str | None:
    """Return why text is refused, for example `calls system`, or None.

    Args:
        text: A unit as `Candidate.text`; nothing about it is trusted.
    """
    if len(text) > MAX_CHARACTERS:
        return "too long"
    if re.search(r"[^\t\n -~]", text):
        return "not printable ASCII"
    if match := _DIRECTIVE.search(text):
        return f"directive {match[1][:20]}".rstrip()
    for pattern, reason in _SPELLINGS:
        if pattern.search(text):
            return reason
    tokens = lex(text)
    calls = _CALLS - _defined_functions(tokens)
    for token, following in zip(tokens, [*tokens[1:], ""], strict=False):
        if token in _WORDS or (token.startswith("__builtin_") and token not in LIBRARY):
            return token[:40]
        if token in calls and following == "(":
            return f"calls {token}"
        if token.startswith("nstk_"):
            return "reserved name"
    return None


def _defined_functions(tokens: list[str]) -> set[str]:
    """Return the names that stand before `(...) {`; isolation renames such a function and all calls of it."""
    found = set()
    opened: list[int] = []
    for position, token in enumerate(tokens):
        if token == "(":
            opened.append(position)
        elif token == ")" and opened:
            opening = opened.pop()
            if opening and tokens[position + 1 : position + 2] == ["{"]:
                found.add(tokens[opening - 1])
    return found

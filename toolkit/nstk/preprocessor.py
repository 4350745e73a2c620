"""The C preprocessor as far as reading a file needs it: which lines are live, what its own macros say.

Nothing is expanded: the program's text stays verbatim. Directives, comments and dead branches are only blanked in a
copy of equal length, which a C grammar without preprocessor can then parse.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nstk.constant_expression import evaluate
from nstk.errors import UsageError

_DIRECTIVE = r"""^[ \t]*\#(?:\\\n|/\*.*?(?:\*/|\Z)|//(?:\\\n|[^\n])*|"(?:\\.|[^"\\\n])*"|[^\n])*"""
_LEXEMES = re.compile(
    rf"""(?P<comment>/\*.*?(?:\*/|\Z)|//(?:\\\n|[^\n])*)
    |(?P<directive>{_DIRECTIVE})
    |(?P<string>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE | re.ASCII,
)
_MAX_BYTES = 5_000_000
_DEFINE = re.compile(r"([A-Za-z_]\w*)(\([^)]*\))?(.*)", re.DOTALL | re.ASCII)
_DEFINED = re.compile(r"\bdefined\s*(?:\(\s*(\w+)\s*\)|(\w+))", re.ASCII)
# Macros of these words only (API marks, inline spellings) say nothing about a signature and confuse the grammar.
_DECORATION = re.compile(r"(?:static|inline|__inline|__inline__|extern|__forceinline|__attribute__\s*\(\(.*\)\)|\s)*")
_PREDEFINED = {"__STDC__": "1", "__STDC_VERSION__": "199901L", "__GNUC__": "8", "__linux__": "1", "__unix__": "1"}


@dataclass(frozen=True)
class Directive:
    """One preprocessor line: its span in the text, `define`, and what follows it without comments and line breaks."""

    start: int
    end: int
    keyword: str
    argument: str
    live: bool

    @property
    def macro(self) -> str:
        """Name that a `#define`, `#undef`, `#ifdef` or `#ifndef` is about; empty for other lines."""
        match = re.match(r"[A-Za-z_]\w*", self.argument)
        return match[0] if match and self.keyword in ("define", "undef", "ifdef", "ifndef") else ""


@dataclass(frozen=True)
class Group:
    """Span from an outermost `#if` to its `#endif`."""

    start: int
    end: int


@dataclass
class Preprocessed:
    """What the preprocessor's lines say about a file; all spans are character offsets into `text`.

    Attributes:
        text: The file, with plain newlines.
        code: As long as `text`, with directives, comments, dead branches and decorations blanked; pure ASCII.
        directives: In file order.
        groups: Conditional groups, include guards apart, in file order.
        dead: Spans of branches not taken.
        comments: Spans of comments.
        decorations: Spans of macros such as `API` or `STATIC_INLINE`, which expand to no part of a type.
        macros: Live object-like macros and their bodies.
        functions: Names of live function-like macros.
    """

    text: str
    code: str = ""
    directives: list[Directive] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    dead: list[tuple[int, int]] = field(default_factory=list)
    comments: list[tuple[int, int]] = field(default_factory=list)
    decorations: list[tuple[int, int]] = field(default_factory=list)
    macros: dict[str, str] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)


def read_text(source: Path) -> str:
    """Read a C file as text (UTF-8, else Latin-1) with plain newlines.

    Raises:
        UsageError: No such file, a folder, empty, larger than 5 MB, or not text.
    """
    name = source.name or str(source)
    try:
        if source.is_dir():
            raise UsageError(f"'{source}' is a folder", "name a C file, or file.c:function")
        if source.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{name} is larger than 5 MB", "cut it down to the function and what it needs")
        data = source.read_bytes()
    except (OSError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read '{source}': {reason}", "name a C file, or file.c:function") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        if re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", text):
            text = "\0"
    if "\0" in text:
        raise UsageError(f"{name} is a binary file", "name a C source file")
    if not text.strip():
        raise UsageError(f"{name} is empty", "name a C source file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def identifiers(text: str) -> Iterator[str]:
    """Yield the identifiers of C text, directives included, comments and strings left out."""
    for match in _LEXEMES.finditer(text):
        if match.lastgroup == "name":
            yield match[0]
        elif match.lastgroup == "directive" and not re.match(r"[ \t]*#[ \t]*include\b", match[0]):
            yield from identifiers(match[0].replace("#", " ").replace("\\\n", " "))


def preprocess(text: str) -> Preprocessed:
    """Evaluate the conditionals of `text` from its own macros and blank what is not plain live C.

    Macros that neither the file nor the usual compiler defines count as undefined; a condition that cannot be read
    counts as false.
    """
    found = Preprocessed(text)
    words = []
    lines = []
    for match in _LEXEMES.finditer(text):
        if match.lastgroup == "comment":
            found.comments.append(match.span())
        elif match.lastgroup == "directive":
            lines.append(match.span())
        elif match.lastgroup == "name":
            words.append(match.span())
    _read_directives(found, lines)
    code = bytearray(re.sub(r"[^\x00-\x7f]", "@", text).encode())
    _blank(code, found.comments, lines, found.dead)
    decorative = {name for name, body in found.macros.items() if len(body) < 200 and _DECORATION.fullmatch(body)}
    found.decorations = [s for s in words if text[slice(*s)] in decorative and code[s[0]] != ord(" ")]
    _blank(code, found.decorations)
    found.code = code.decode("ascii")
    return found


def _blank(code: bytearray, *kinds: list[tuple[int, int]]) -> None:
    for spans in kinds:
        for start, end in spans:
            code[start:end] = re.sub(rb"[^\n]", b" ", code[start:end])


def _read_directives(found: Preprocessed, lines: list[tuple[int, int]]) -> None:
    text = found.text
    current = dict(_PREDEFINED)
    open_groups: list[list[int | bool]] = []  # [start, live outside, a branch was taken, this branch is live, guard]
    previous = (0, "")
    for start, end in lines:
        plain = re.sub(r"/\*.*?(?:\*/|\Z)|//[^\n]*", " ", text[start:end].replace("\\\n", " "), flags=re.DOTALL)
        match = re.match(r"[ \t]*#[ \t]*(\w*)(.*)", plain, re.DOTALL)
        keyword, argument = (match[1], match[2].strip()) if match else ("", "")
        live = not open_groups or bool(open_groups[-1][3])
        if not live:
            found.dead.append((previous[0], start))
        directive = Directive(start, end, keyword, argument, live)
        found.directives.append(directive)
        if keyword in ("if", "ifdef", "ifndef"):
            taken = live and condition_holds(keyword, argument, current)
            open_groups.append([start, live, taken, taken, False])
        elif keyword in ("elif", "else") and open_groups:
            top = open_groups[-1]
            taken = bool(top[1]) and not top[2] and (keyword == "else" or condition_holds("if", argument, current))
            top[2], top[3] = top[2] or taken, taken
        elif keyword == "endif" and open_groups:
            opened = open_groups.pop()
            if not opened[4] and all(outer[4] for outer in open_groups):
                found.groups.append(Group(int(opened[0]), end))
        elif keyword == "define" and live:
            if (
                open_groups
                and previous[1] == f"ifndef {directive.macro}"
                and not text[end:].lstrip().startswith("#endif")
            ):
                open_groups[-1][4] = argument == directive.macro  # an include guard
            _define(found, argument, current)
        elif keyword == "undef" and live:
            current.pop(directive.macro, None)
        previous = (end, f"{keyword} {directive.macro}")
    if open_groups:
        if not open_groups[-1][3]:
            found.dead.append((previous[0], len(text)))
        found.groups.extend(Group(int(opened[0]), len(text)) for opened in open_groups[:1] if not opened[4])


def _define(found: Preprocessed, argument: str, current: dict[str, str]) -> None:
    match = _DEFINE.match(argument)
    if match is None:
        return
    name, parameters, body = match.groups()
    if parameters is None:
        current[name] = found.macros[name] = body.strip()
    else:
        current[name] = "(("  # defined, but no constant
        found.functions.add(name)


def condition_holds(keyword: str, argument: str, macros: Mapping[str, str]) -> bool:
    """Evaluate the condition of an `if`, `ifdef` or `ifndef` line; one that cannot be read is false.

    Args:
        keyword: `if`, `ifdef` or `ifndef`.
        argument: What follows it.
        macros: Known object-like macros and their bodies; others count as undefined.
    """
    if keyword != "if":
        name = argument.split()[0] if argument.strip() else ""
        return (name in macros) == (keyword == "ifdef")
    known = _DEFINED.sub(lambda m: " 1 " if (m[1] or m[2]) in macros else " 0 ", argument)
    return bool(evaluate(known, macros, unknown=0))

"""Makes a unit of C unable to touch its neighbours in one translation unit, whatever its text says.

Every identifier gets the unit's prefix unless it is a keyword or a harmless library name of the list below. So macros,
types and functions of two units cannot meet, and inline assembly, attributes, pragmas and every library call that is
not listed mean nothing to the compiler: they are unknown names. The one way left to define an unprefixed symbol is a
definition whose name the text hides, in a macro for example; such text is refused.
"""

import re
from dataclasses import dataclass

#: Longest text of a unit.
MAX_CHARACTERS = 65_536

_KEYWORDS = frozenset(
    """
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef typeof union unsigned void volatile while _Bool
    _Alignof _Generic __auto_type __const __const__ __extension__ __func__ __inline __inline__ __int128 __restrict
    __restrict__ __signed __signed__ __typeof __typeof__ __volatile __volatile__ __VA_ARGS__ define
    """.split()  # noqa: SIM905
)
_OF_THREE_TYPES = """
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp10 exp2 expm1 fabs fdim floor fma
    fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround modf nan
    nearbyint nextafter nexttoward pow pow10 remainder remquo rint round scalbln scalbn sin sincos sinh sqrt tan tanh
    tgamma trunc
    """.split()  # noqa: SIM905
# No heap: only the stack is painted, so reads of what was never written there would pass as deterministic.
_OTHER = """
    drem dremf finite finitef lgamma_r lgammaf_r j0 j0f j1 j1f jn jnf y0 y0f y1 y1f yn ynf scalb scalbf significand
    significandf fpclassify isfinite isinf isnan isnormal signbit isgreater isgreaterequal isless islessequal
    islessgreater isunordered FP_INFINITE FP_NAN FP_NORMAL FP_SUBNORMAL FP_ZERO FP_ILOGB0 FP_ILOGBNAN
    HUGE HUGE_VAL HUGE_VALF HUGE_VALL INFINITY NAN M_E M_LOG2E M_LOG10E M_LN2 M_LN10 M_PI M_PI_2 M_PI_4 M_1_PI M_2_PI
    M_2_SQRTPI M_SQRT2 M_SQRT1_2 float_t double_t signgam
    abs labs llabs div ldiv lldiv div_t ldiv_t lldiv_t ffs NULL offsetof size_t ptrdiff_t wchar_t bool true false
    memchr memcmp memcpy memmove memset EXIT_FAILURE EXIT_SUCCESS INTMAX_MAX INTMAX_MIN UINTMAX_MAX
    CHAR_BIT CHAR_MAX CHAR_MIN SCHAR_MAX SCHAR_MIN UCHAR_MAX SHRT_MAX SHRT_MIN USHRT_MAX INT_MAX INT_MIN UINT_MAX
    LONG_MAX LONG_MIN ULONG_MAX LLONG_MAX LLONG_MIN ULLONG_MAX RAND_MAX SIZE_MAX PTRDIFF_MAX PTRDIFF_MIN
    FLT_RADIX FLT_ROUNDS FLT_EVAL_METHOD DECIMAL_DIG __FLT_MAX__ __FLT_MIN__ __FLT_EPSILON__ __DBL_MAX__ __DBL_MIN__
    __DBL_EPSILON__ __INT_MAX__
    __builtin_abs __builtin_clz __builtin_clzl __builtin_clzll __builtin_constant_p __builtin_ctz __builtin_ctzl
    __builtin_ctzll __builtin_expect __builtin_huge_val __builtin_huge_valf __builtin_inf __builtin_inff
    __builtin_isfinite __builtin_isgreater __builtin_isinf __builtin_isless __builtin_isnan __builtin_isnormal
    __builtin_labs __builtin_llabs
    __builtin_popcount __builtin_popcountl __builtin_popcountll __builtin_signbit __builtin_unreachable
    """.split()  # noqa: SIM905
#: Library names and built-in functions that keep their meaning.
LIBRARY = frozenset(
    [name + suffix for name in _OF_THREE_TYPES for suffix in ("", "f", "l")]
    + [f"__builtin_{name}{suffix}" for name in _OF_THREE_TYPES for suffix in ("", "f", "l")]
    + [
        f"{kind}_{what}"
        for kind in ("FLT", "DBL", "LDBL")
        for what in ("DECIMAL_DIG", "DIG", "EPSILON", "MANT_DIG", "TRUE_MIN", "HAS_SUBNORM")
    ]
    + [
        f"{kind}_{what}{exponent}"
        for kind in ("FLT", "DBL", "LDBL")
        for what in ("MIN", "MAX")
        for exponent in ("", "_EXP", "_10_EXP")
    ]
    + [f"{sign}int{kind}{bits}_t" for sign in ("", "u") for kind in ("", "_fast", "_least") for bits in (8, 16, 32, 64)]
    + [f"{sign}int{kind}_t" for sign in ("", "u") for kind in ("ptr", "max")]
    + [
        f"{sign}INT{kind}{bits}_{what}"
        for sign in ("", "U")
        for kind in ("", "_FAST", "_LEAST")
        for bits in (8, 16, 32, 64)
        for what in ("MIN", "MAX", "C")
    ]
    + _OTHER
)
#: All names that keep their meaning.
KEPT = _KEYWORDS | LIBRARY

_LEXEMES = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<number>\.?[0-9](?:[eEpP][+-]|[A-Za-z0-9_.])*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<hidden>["'\\@`$\#]|//|/\*|%:|<:|:>|<%|%>|\?\?[=/'()!<>-])
    |(?P<mark>[^\sA-Za-z0-9_])""",
    re.VERBOSE,
)
_DEFINE = re.compile(r"[ \t]*\#[ \t]*define[ \t]+([A-Za-z_][A-Za-z0-9_]*)(\(([^()]*)\))?(.*)", re.VERBOSE)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_MAX_EXPANDED = 20_000  # tokens after macro expansion; the longest honest unit has 512 before


class IsolationError(Exception):
    """The text cannot be kept apart from its neighbours; the message is a short stable reason."""


def isolate(text: str, prefix: str) -> str:
    """Return C text with every name prefixed that is neither a keyword nor a harmless library name.

    A library name that the text itself defines at file scope is prefixed too. Lines stay lines.

    Args:
        text: A unit as `Candidate.text`; nothing about it is trusted.
        prefix: Starts every name, for example `nstk_7_`.

    Raises:
        IsolationError: The text is too long or not printable ASCII; has a directive other than a one-line `#define` of
            a new name, a comment, line continuation, digraph, trigraph or token pasting; brackets do not balance, in
            the code or in a macro; macros expand to more than 20,000 tokens; or a definition's name cannot be read.
    """
    if len(text) > MAX_CHARACTERS:
        raise IsolationError("too long")
    if re.search(r"[^\n\t -~]", text):
        raise IsolationError("not printable ASCII")
    macros: dict[str, _Macro] = {}
    code: list[str] = []
    for line in text.split("\n"):
        if line.lstrip(" \t").startswith("#"):
            name, macro = _read_define(line)
            if name in macros:  # the first meaning could hide what the second does not
                raise IsolationError("directive")
            macros[name] = macro
        else:
            code += _tokens(line)
    _check_balance(code)
    _check_expansion(code, macros)
    kept = KEPT - macros.keys() - _defined_names(code, macros)
    return _LEXEMES.sub(lambda m: prefix + m[0] if m.lastgroup == "name" and m[0] not in kept else m[0], text)


@dataclass(frozen=True)
class _Macro:
    """A macro's parameters (None: it takes no arguments) and body."""

    parameters: list[str] | None
    body: list[str]


def _read_define(line: str) -> tuple[str, _Macro]:
    match = _DEFINE.fullmatch(line)
    if match is None:
        raise IsolationError("directive")
    name, call, parameters, rest = match.groups()
    if name in ("struct", "union", "enum", "define", "__VA_ARGS__"):
        raise IsolationError("directive")
    body = _tokens(rest)
    _check_balance(body)
    return name, _Macro([word.strip() for word in parameters.split(",")] if call else None, body)


def _tokens(line: str) -> list[str]:
    found = []
    for match in _LEXEMES.finditer(line):
        if match.lastgroup == "hidden":
            raise IsolationError("unreadable text")
        found.append(match[0])
    return found


def _check_balance(tokens: list[str]) -> None:
    opened: list[str] = []
    for token in tokens:
        if token in ("(", "[", "{"):
            opened.append(token)
        elif token in _PAIRS and (not opened or opened.pop() != _PAIRS[token]):
            raise IsolationError("brackets do not balance")
    if opened:
        raise IsolationError("brackets do not balance")


def _check_expansion(code: list[str], macros: dict[str, _Macro]) -> None:
    """Refuse macro bombs: count the tokens after expansion, arguments included, and stop at the limit."""
    steps = 0

    def measure(tokens: list[str], arguments: dict[str, int], active: frozenset[str]) -> int:
        nonlocal steps
        total = position = 0
        while position < len(tokens):
            token = tokens[position]
            position += 1
            steps += 1
            if steps > _MAX_EXPANDED or total > _MAX_EXPANDED:
                raise IsolationError("macros expand too far")
            macro = macros.get(token)
            if token in arguments:
                total += arguments[token]
            elif macro is None or token in active:
                total += 1
            elif macro.parameters is None:
                total += measure(macro.body, {}, active | {token})
            elif position < len(tokens) and tokens[position] == "(":
                given, position = _arguments(tokens, position)
                sizes = [measure(argument, arguments, active) for argument in given]
                named = dict(zip(macro.parameters, sizes, strict=False)) | {"__VA_ARGS__": sum(sizes)}
                total += measure(macro.body, named, active | {token})
        return total

    try:
        if measure(code, {}, frozenset()) > _MAX_EXPANDED:
            raise IsolationError("macros expand too far")
    except RecursionError:
        raise IsolationError("macros expand too far") from None


def _arguments(tokens: list[str], opening: int) -> tuple[list[list[str]], int]:
    """Return the arguments of a macro call whose `(` stands at `opening`, and the position after its `)`."""
    given: list[list[str]] = [[]]
    depth = 0
    for position in range(opening, len(tokens)):
        token = tokens[position]
        if token in ("(", "[", "{"):
            depth += 1
        elif token in _PAIRS:
            depth -= 1
            if depth == 0:
                return given, position + 1
        if depth == 1 and token == ",":
            given.append([])
        elif position > opening:
            given[-1].append(token)
    return given, len(tokens)  # a macro's name and `(` at the end of another macro's body


def _defined_names(code: list[str], macros: dict[str, _Macro]) -> set[str]:
    """Return the names that code defines at file scope.

    Raises:
        IsolationError: Something in braces is neither an initializer, a type nor the body of a function whose name
            stands there as it is.
    """
    with_braces = {name for name, macro in macros.items() if "{" in macro.body}
    while more := {n for n, macro in macros.items() if n not in with_braces and with_braces.intersection(macro.body)}:
        with_braces |= more
    found: set[str] = set()
    depth = nested = 0  # of braces, of parentheses and square brackets
    in_value = in_enum = False
    for position, token in enumerate(code):
        if token == "{":
            if depth == 0:
                in_enum = _open_brace(code, position, macros, found)
            depth += 1
        elif token == "}":
            depth -= 1
            if depth == 0:
                in_enum = False
        elif in_enum or depth == 0:
            if token in with_braces:
                raise IsolationError("hidden definition")
            following = code[position + 1] if position + 1 < len(code) else ""
            if token in ("(", "["):
                nested += 1
            elif token in (")", "]"):
                nested -= 1
            elif nested == 0 and token == "=":
                in_value = True
            elif nested == 0 and token in (",", ";"):
                in_value = False
            elif nested == 0 and not in_value and following in (";", ",", "=", "[", "}"):
                found.add(token)
    return found


def _open_brace(code: list[str], position: int, macros: dict[str, _Macro], found: set[str]) -> bool:
    """Say whether the file-scope brace at `position` opens an enumeration; enter a function's name in `found`."""
    before = code[position - 1] if position else ""
    if before == "=":
        return False
    if before == ")":
        depth = 0
        for opening in range(position - 1, 0, -1):
            depth += (code[opening] == ")") - (code[opening] == "(")
            if depth == 0:
                name = code[opening - 1]
                if re.fullmatch(r"[A-Za-z_]\w*", name) and name not in macros and name not in _KEYWORDS:
                    found.add(name)
                    return False
                break
    elif before in ("struct", "union", "enum"):
        return before == "enum"
    elif before not in macros and position > 1 and code[position - 2] in ("struct", "union", "enum"):
        return code[position - 2] == "enum"
    raise IsolationError("hidden definition")

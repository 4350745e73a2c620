"""Text that is safe to write into C: names, comments and float literals."""

import hashlib
import re
from collections.abc import Collection

import numpy as np

#: Of C99 to C23, C++11 to C++23, and names that common headers or compilers define as macros.
_KEYWORDS = frozenset(
    """
    alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor bool break case
    catch char char8_t char16_t char32_t class compl concept const consteval constexpr constinit const_cast
    continue co_await co_return co_yield decltype default delete do double dynamic_cast else enum explicit
    export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public reflexpr register reinterpret_cast requires restrict
    return short signed sizeof static static_assert static_cast struct switch synchronized template this
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while
    xor xor_eq typeof typeof_unqual linux unix i386 errno NULL EOF size_t main INFINITY NAN
    """.split()  # noqa: SIM905
)
_LONGEST = 31
_TOKEN = re.compile(
    r"""[A-Za-z_]\w*|\.?\d(?:[eEpP][+-]|[\w.])*|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?
    |<<=|>>=|\.\.\.|[-+*/%&|^=!<>]=|&&|\|\||<<|>>|\+\+|--|->|\#\#|[^\s\w]""",
    re.VERBOSE | re.ASCII,
)


def lex(text: str) -> list[str]:
    """Return the tokens of C text without comments: names, numbers, strings, punctuators."""
    return _TOKEN.findall(text)


def legal_name(name: str, taken: Collection[str] = ()) -> str:
    """Return a name that is an identifier in C99 and C++11, of at most 31 characters, and not in `taken`.

    Characters outside [A-Za-z0-9_] become underscores, a leading digit or underscore gets an `x` before it (leading
    underscores are reserved), keywords get an underscore after. Long names keep their beginning and get a hash.
    """
    legal = re.sub(r"[^A-Za-z0-9_]", "_", name) or "x"
    if not legal[0].isalpha():
        legal = "x" + legal
    if legal in _KEYWORDS:
        legal += "_"
    if len(legal) > _LONGEST:
        legal = legal[: _LONGEST - 7] + "_" + hashlib.sha256(name.encode()).hexdigest()[:6]
    candidate, count = legal, 1
    while candidate in taken:
        count += 1
        candidate = f"{legal[: _LONGEST - len(str(count)) - 1]}_{count}"
    return candidate


def comment_text(text: str) -> str:
    """Return text that cannot end or open a C comment, as printable ASCII on one line."""
    text = "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in text)
    return re.sub(r"\?\?(?=[=/'()!<>-])", "? ?", text.replace("*/", "* /").replace("/*", "/ *")).rstrip("\\ ")


def float_literal(value: float) -> str:
    """Return the shortest C literal that reads back as the float32 `value`, for example `0.1f` or `-1e-07f`.

    Args:
        value: Finite; rounded to float32 first.
    """
    single = np.float32(value)
    if not np.isfinite(single):
        raise ValueError(f"{value} has no literal")
    text = str(single)
    return f"{text}f"


def parse_float_literal(text: str) -> np.float32:
    """Read a float literal back: the inverse of `float_literal`.

    Raises:
        ValueError: The text is no such literal.
    """
    if not re.fullmatch(r"-?\d+\.?\d*(e[+-]?\d+)?f", text):
        raise ValueError(f"{text!r} is no float literal")
    with np.errstate(over="ignore"):
        return np.float32(text[:-1])

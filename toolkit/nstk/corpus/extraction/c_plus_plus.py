"""C++ spellings that have a plain C one, rewritten as text.

What has none is left as it is; such a function fails to parse or to compile later, and is counted there.
"""

import re
from bisect import bisect
from collections.abc import Collection

_SCALARS = r"(?:float|double|bool|int|unsigned|long|short|char|size_t|u?int(?:8|16|32|64)_t)"
_LIMITS = {"float": "FLT", "double": "DBL", "int": "INT"}
_LIMIT = r"(?:std\s*::\s*)?numeric_limits\s*<\s*(float|double|int)\s*>\s*::\s*(\w+)"
_NUMERIC_LIMITS = re.compile(rf"\(\s*{_LIMIT}\s*\)\s*\(\s*\)|{_LIMIT}\s*\(\s*\)")
_CASTS = re.compile(r"\b(?:static_cast|reinterpret_cast|const_cast)\s*<([\w\s:]+)>\s*\(")
_FUNCTIONAL_CAST = re.compile(rf"\b({_SCALARS})\s*\((?!\s*\*)")
#: Functions that C++ has for all arithmetic types, where C has one name per type or none.
OVERLOADED = ("max", "min", "abs")
_OVERLOADS = re.compile(r"((?<![\w.>:])|\bstd\s*::\s*)(max|min|abs)\s*(?:<\s*(\w+)\s*>)?\s*\(")
_PARENTHESIS = re.compile(r"[()]")
_SIDE_EFFECT = re.compile(r"\+\+|--|(?<![=!<>])=(?!=)|<<=|>>=")
_MEMBERS = re.compile(r"\b(?:(?!return\b|else\b|case\b)[A-Za-z_]\w*)?::\s*(?=[A-Za-z_])|(?<!\w)::\s*(?=[A-Za-z_])")
_TESTS = re.compile(r"\b(?:std\s*::\s*)?(isnan|isinf|isfinite|signbit)\s*\(")
_USING = re.compile(
    r"\busing\s+(?:namespace\s+)?[\w:\s]+;|\b[A-Z_]+_USING_STD(?:_MATH)?\s*\(\w+\)|\b[A-Z_]+_STD_USING\b"
)
_BRACE_INITIALISER = re.compile(rf"\b({_SCALARS})\s+(\w+)\s*\{{([^{{}}]*)\}}\s*;")
_PARENTHESIS_INITIALISER = re.compile(
    r"(?<=[;{}])(\s*(?:const\s+)?(?!return\b|else\b|delete\b|throw\b|goto\b|case\b)[A-Za-z_]\w*\s+)(\w+)\s*\(([^;{}]*)\)\s*;"
)
_NEEDED = re.compile(
    rf"""::|STD_USING|_USING_STD|\b(?:max|min|abs)\s*[(<]|_cast\b|\b(?:constexpr|auto|nullptr|using)\b
    |\b{_SCALARS}\s*[({{]|\b\w+[ \t]+\w+\s*[({{]""",
    re.VERBOSE,
)


def rewrite_in_c(text: str, own: Collection[str] = ()) -> str:
    """Rewrite what C++ text says in its own way but C can say too.

    Args:
        text: A function, constant or type without comments.
        own: Those of `OVERLOADED` that mean something else here, unless `std::` stands before.
    """
    if not _NEEDED.search(text):
        return text
    text = _USING.sub("", text)
    text = _NUMERIC_LIMITS.sub(_limit, text)
    text = _TESTS.sub(r"\1(", text)
    text = _replace_overloads(text, own)
    text = _MEMBERS.sub("", text)
    text = _replace_casts(text)
    text = _PARENTHESIS_INITIALISER.sub(r"\1\2 = \3;", text)
    text = _BRACE_INITIALISER.sub(lambda m: f"{m[1]} {m[2]} = {m[3].strip() or '0'};", text)
    text = _FUNCTIONAL_CAST.sub(r"(\1)(", text)
    text = re.sub(r"\bconstexpr\b", "const", text)
    text = re.sub(r"\bconst\s+const\b|\bconst\s+static\s+const\b", "const", text)
    text = re.sub(r"\bauto\b(?!\s*[&*])", "__auto_type", text)
    return re.sub(r"\bnullptr\b", "NULL", text)


def _limit(match: re.Match[str]) -> str:
    kind, what = match[1] or match[3], match[2] or match[4]
    prefix = _LIMITS[kind]
    if what in ("max", "epsilon"):
        return f"{prefix}_{what.upper()}"
    if what == "min":
        return f"{prefix}_MIN"
    if what == "lowest":
        return f"{prefix}_MIN" if kind == "int" else f"(-{prefix}_MAX)"
    return {"infinity": "INFINITY", "quiet_NaN": "NAN", "Inf": "INFINITY", "NaN": "NAN"}.get(what, match[0])


def _replace_overloads(text: str, own: Collection[str]) -> str:
    """Write macros of the closure's for `std::max` and the like; those name each argument twice."""
    effects = [match.start() for match in _SIDE_EFFECT.finditer(text)]
    ends = _closings(text) if effects else {}

    def replace(match: re.Match[str]) -> str:
        qualifier, name, kind = match.groups()
        if not qualifier and name in own:
            return match[0]
        if bisect(effects, match.end()) != bisect(effects, ends.get(match.end(), match.end())):
            return f"std_{name}("  # nothing has this name: the function is dropped for it
        return f"({kind})STD_{name.upper()}(" if kind else f"STD_{name.upper()}("

    return _OVERLOADS.sub(replace, text)


def _closings(text: str) -> dict[int, int]:
    """Return where parentheses end, by the place right after the opening one."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for match in _PARENTHESIS.finditer(text):
        if match[0] == "(":
            opened.append(match.end())
        elif opened:
            ends[opened.pop()] = match.end()
    return ends


def _replace_casts(text: str) -> str:
    """Turn `static_cast<T>(x)` into `((T)(x))`."""
    ends = _closings(text)
    edits: list[tuple[int, int, str]] = []
    for match in _CASTS.finditer(text):
        end = ends.get(match.end(), len(text))
        edits += [(match.start(), match.end(), f"(({match[1].strip()})("), (end, end, ")")]
    parts, position = [], 0
    for start, end, new in sorted(edits):
        parts += [text[position:start], new]
        position = end
    return "".join([*parts, text[position:]])

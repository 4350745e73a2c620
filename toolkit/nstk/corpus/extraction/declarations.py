"""The file-scope declarations of C and of C-like C++, found without a grammar so that odd neighbours cost nothing.

Braces and semicolons cut a file into items; namespaces, `extern "C"` and classes are looked into. Only the items that
turn out to be wanted are parsed properly later.
"""

import re
import string
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["macro", "type", "variable", "function"]

_STRINGS = r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n]){1,10}'"""
_OUTER = re.compile(rf"{_STRINGS}|[;{{}}]", re.ASCII)
_INNER = re.compile(rf"{_STRINGS}|[{{}}]", re.ASCII)
_BLOCK = re.compile(r'(?:\bnamespace\b[^()=]*|\bextern\s*"[^"]*"\s*|\bclass\b[^()=]*)$', re.ASCII)
_TYPE = re.compile(r"\b(struct|union|enum)\b[^()=;{}]*$", re.ASCII)
_METHOD = re.compile(r"\)\s*(?:const\s*)?(?:noexcept\s*)?\{", re.ASCII)
# What may stand between the parameters and the body: qualifiers, attribute macros, or old-style declarations.
_AFTER_PARAMETERS = re.compile(r"\)[\w\s,*;\[\]]*$", re.ASCII)
_OLD_STYLE_REST = re.compile(r"(?:\s*[A-Za-z_][\w\s,*\[\]]*;)*\s*\{", re.ASCII)
_OLD_STYLE_FIRST = re.compile(r"\(\s*[A-Za-z_][\w\s,]*\)\s*[A-Za-z_][\w\s,*\[\]]*$", re.ASCII)
_TYPEDEF_NAME = re.compile(r"(?:\(\s*\*\s*(\w+)\s*\)\s*\([^;]*|\b(\w+)\s*(?:\[[^\]]*\]\s*)*)$", re.ASCII)
_TAG = re.compile(r"\b(?:struct|union|enum)\s+(?:class\s+)?([A-Za-z_]\w*)\s*(?::[^{]*)?\{", re.ASCII)
_ENUMERATOR = re.compile(r"[{,]\s*([A-Za-z_]\w*)\s*(?=[,=}])", re.ASCII)
_VARIABLE = re.compile(r"\b([A-Za-z_]\w*)\s*(?:\[[^\[\]]*\]\s*)*=(?!=)", re.ASCII)
_TEMPLATE = re.compile(r"\btemplate\s*<\s*(?:typename|class)\s+(\w+)\s*>", re.ASCII)
_NAME = re.compile(r"(?<![\w:])(?:[A-Za-z_]\w*\s*::\s*)*([A-Za-z_]\w*)\s*$", re.ASCII)
_WORD_CHARACTERS = string.ascii_letters + string.digits + "_*&: \t\n"
#: Attributes in the spellings of compilers and of C23.
ATTRIBUTE = re.compile(
    r"""\b__attribute(?:__)?\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)
    |\b(?:__declspec|alignas|_Alignas)\s*\([^()]*\)|\[\[[^\[\]]*\]\]""",
    re.VERBOSE | re.ASCII,
)
_LONGEST_HEAD = 2000
_LONGEST_NAME = 200
_LONGEST_TYPEDEF_END = 300
_DEEPEST_BLOCK = 16  # each is searched for methods to its end


class Item(NamedTuple):
    """A file-scope declaration: `[start, end)` in the code, its first brace or -1."""

    kind: Kind
    start: int
    brace: int
    end: int


class Head(NamedTuple):
    """What stands before a function's body: words before the name, name, parameters, old-style declarations."""

    words: str
    name: str
    parameters: str
    rest: str
    template: str


def split_items(code: str) -> Iterator[Item]:
    """Yield the function definitions, type definitions and initialised variables of a file, in order."""
    position = start = depth = 0
    brace = -1
    while match := _OUTER.search(code, position):
        position, found = match.end(), match[0]
        if found == "}":  # of a block looked into
            start, brace, depth = position, -1, max(0, depth - 1)
        elif found == ";":
            if brace < 0 and _goes_on(code, start, position):
                continue
            if kind := _declared(code, start, brace, position):
                yield Item(kind, start, brace, position)
            start, brace = position, -1
        elif found == "{":
            head = code[max(start, position - _LONGEST_HEAD) : position - 1].rstrip()
            opened = _opened(head, code, position, depth)
            if opened == "block":
                start, brace, depth = position, -1, depth + 1
                continue
            end = _closing(code, position)
            if opened == "declaration":
                brace = position - 1 if brace < 0 else brace
            else:
                if opened == "function":
                    yield Item("function", start, position - 1, end)
                start, brace = end, -1
            position = end


def read_head(code: str, item: Item) -> Head | None:
    """Read what stands before a function's body, or None where it is no plain function."""
    text = code[max(item.start, item.brace - _LONGEST_HEAD) : item.brace].rstrip()
    if "__attribute__" in text or "__declspec" in text or "[[" in text:
        text = ATTRIBUTE.sub(" ", text)
    close = text.rfind(")")
    depth = 0
    for opening in range(close, -1, -1):
        depth += (text[opening] == ")") - (text[opening] == "(")
        if not depth:
            break
    else:
        return None
    name = _NAME.search(text[max(0, opening - _LONGEST_NAME) : opening])
    if name is None:
        return None
    before = text[: opening - len(name[0])]
    words = before[len(before.rstrip(_WORD_CHARACTERS)) :].split()
    if not words:
        return None
    template = _TEMPLATE.search(text)
    rest = text[close + 1 :].strip()
    return Head(" ".join(words), name[1], text[opening + 1 : close], rest, template[1] if template else "")


def declared_names(code: str, item: Item) -> list[str]:
    """Return the names that an item other than a function defines: types, tags, enumerators, variables."""
    text = code[item.start : item.end - 1]
    names = []
    if item.kind == "variable":
        plain = text if item.brace < 0 else re.sub(r"\{[^{}]*\}|\{.*", "", text, flags=re.DOTALL)
        return _VARIABLE.findall(plain)
    before = text.lstrip()
    if before.startswith("using"):
        match = re.match(r"using\s+(\w+)\s*=", before, re.ASCII)
        return [match[1]] if match else []
    if "typedef" in text[: item.brace - item.start if item.brace >= 0 else None]:
        match = _TYPEDEF_NAME.search(text.rstrip()[-_LONGEST_TYPEDEF_END:])
        if match:
            names.append(match[1] or match[2])
    if item.brace >= 0:
        if tag := _TAG.search(text):
            names.append(tag[1])
        body = text[item.brace - item.start :]
        if re.search(r"\benum\b", text[: item.brace - item.start]):
            names += _ENUMERATOR.findall(body[: body.find("}") + 1])
    return names


def _opened(head: str, code: str, position: int, depth: int) -> str:
    """Tell what a brace at file scope opens: a block to look into, part of a declaration, a function, or unknown."""
    if head.endswith("="):
        return "declaration"
    if head.endswith(")"):
        return "function"
    if _BLOCK.search(head):
        return "declaration" if re.search(r"\benum\s+class\b[^;]*$", head) else "block"
    if match := _TYPE.search(head):
        plain = match[1] == "enum" or depth >= _DEEPEST_BLOCK
        methods = not plain and _METHOD.search(code, position, _closing(code, position))
        return "block" if methods else "declaration"
    return "function" if _AFTER_PARAMETERS.search(head) else ""


def _closing(code: str, position: int) -> int:
    """Return where the block ends whose opening brace stands right before `position`."""
    depth = 1
    for match in _INNER.finditer(code, position):
        found = match[0]
        if found == "{":
            depth += 1
        elif found == "}":
            depth -= 1
            if not depth:
                return match.end()
    return len(code)


def _goes_on(code: str, start: int, position: int) -> bool:
    """Tell whether a semicolon ends only an old-style parameter declaration: `double f(x) double x; { ... }`."""
    head = code[max(start, position - _LONGEST_HEAD) : position - 1]
    if "=" in head or ")" not in head or head.lstrip().startswith(("typedef", "extern")):
        return False
    return bool(_OLD_STYLE_FIRST.search(head.replace(";", ",")) and _OLD_STYLE_REST.match(code, position))


def _declared(code: str, start: int, brace: int, position: int) -> Kind | None:
    text = code[start : brace if brace >= 0 else position]
    if "typedef" in text or text.lstrip().startswith("using"):
        return "type"
    if "=" in text:
        return "variable"
    return "type" if brace >= 0 and _TYPE.search(text[-_LONGEST_HEAD:]) else None

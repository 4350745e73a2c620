"""A definition as a candidate's text shows it: no storage classes, attributes or C++, arithmetic types resolved."""

import re
from typing import NamedTuple

from nstk.c_text import lex
from nstk.constant_expression import evaluate
from nstk.corpus.extraction.c_plus_plus import OVERLOADED, rewrite_in_c
from nstk.corpus.extraction.declarations import ATTRIBUTE, Kind
from nstk.corpus.extraction.definitions import Definition, Package
from nstk.corpus.extraction.live_code import Macro
from nstk.corpus.extraction.messages import drop_messages
from nstk.corpus.extraction.syntax import Use, read_names
from nstk.corpus.extraction.type_names import old_style_parameters, resolve_types, shown_type

_MACRO_LOCAL = re.compile(
    r"(?:^|[;{}]|\bfor\s*\()\s*(?:const\s+|unsigned\s+)?(?!return\b|else\b|goto\b|case\b)[A-Za-z_]\w*[\s*]+(\w+)\s*(?:[;,\[]|=(?!=))",
    re.ASCII,
)
_VARIABLE = re.compile(r"((?:[A-Za-z_]\w*[\s*]+)+)(?:\w+\s*::\s*)*([A-Za-z_]\w*)\s*(?:\[[^\[\]]*\]\s*)*=", re.ASCII)
_TYPE_START = re.compile(r"\b(?:typedef|struct|union|enum|using)\b")
_ASSEMBLY = re.compile(r"\b(?:asm|__asm|__asm__|_asm)\b")
_FORWARDING = r"\{[\s;]*(?:return\b)?[\s(]*(?:\((?:float|double)\)[\s(]*)?%s\s*\([^;]*;\s*\}"
_ACTING = re.compile(r"\b(?:return|goto|break|continue)\b|\+\+|--|(?<![=!<>])=(?!=)|\b[A-Z][A-Z_]{4,}\s*\(")
_ENUM = re.compile(r"\benum\s+[A-Za-z_]\w*\b(?!\s*\{)", re.ASCII)
_KEYWORDS = frozenset(
    """if else for while do return switch case default break continue goto sizeof const static struct union enum void
    volatile register inline extern typedef float double int unsigned signed long short char typeof __typeof__
    __extension__ __inline""".split()  # noqa: SIM905
)


_MOST_MACROS = 50  # that a macro is searched through
_LONGEST_HEAD = 2000  # of a variable, before its value
_LONGEST_TEXT = 20_000  # no 512 tokens of numeric code are as long


class UnusableError(Exception):
    """A function cannot be made self-contained.

    Attributes:
        reason: Why, in the few words that counts use.
        name: What is in the way.
    """

    def __init__(self, reason: str, name: str) -> None:
        super().__init__(reason, name)
        self.reason, self.name = reason, name


class Piece(NamedTuple):
    """A definition ready to be written.

    Attributes:
        kind: What it is.
        name: What it defines.
        text: Its C text; of a macro, the `#define` line.
        needs: Names it uses, and how, in order.
        declared: Names it declares inside.
        file: Number of the file, for the search of `needs`.
        position: Offset in the file.
        tokens: Length.
        value: Of a scalar variable, as an expression; else empty.
    """

    kind: Kind
    name: str
    text: str
    needs: dict[str, Use]
    declared: frozenset[str]
    file: int
    position: int
    tokens: int
    value: str = ""


def read_piece(package: Package, definition: Definition) -> Piece:
    """Turn a definition into text.

    Raises:
        UnusableError: It does not parse, or is no plain C.
    """
    if definition.macro is not None:
        return macro_piece(package, definition.macro, definition.file)
    if definition.kind == "function":
        return _helper(package, definition)
    _check_length(definition.text, definition.name)
    text = ATTRIBUTE.sub(" ", definition.text).strip()
    if definition.kind == "type":  # macros without semicolon may stand before it
        text = text[match.start() :] if (match := _TYPE_START.search(text)) else text
        if re.match(r"(?:typedef\s+)?enum\b", text) and (piece := _enumerator(package, definition, text)):
            return piece
    if package.files[definition.file].plus:
        text = _rewrite(package, text, definition.file)
    if definition.kind == "variable":
        return _variable(package, definition, text)
    match = re.match(r"using\s+(\w+)\s*=\s*([^;]+);", text)
    if match:
        text = f"typedef {match[2].strip()} {match[1]};"
    elif match := re.match(r"(struct|union)\s+(\w+)\s*\{", text):  # C++ needs no `struct` before the name
        text = f"{text}\ntypedef {match[1]} {match[2]} {match[2]};"
    return _finish(package, definition, tidy(text))


def macro_piece(package: Package, macro: Macro, file: int) -> Piece:
    """Turn a macro into its `#define` line.

    Raises:
        UnusableError: It pastes tokens.
    """
    body = _ENUM.sub("int", _drop_messages(package, ATTRIBUTE.sub(" ", macro.body).strip(), file))
    if _ASSEMBLY.search(body):
        raise UnusableError("needs assembly", macro.name)
    if "##" in body:
        raise UnusableError("needs a macro that pastes tokens", macro.name)
    body = re.sub(r"#\s*\w+", '""', body)  # a text is of no use but for messages
    if package.files[file].plus:
        body = _rewrite(package, body, file)
    inner = set(macro.parameters or ()) | set(_MACRO_LOCAL.findall(body)) | _KEYWORDS | {macro.name}
    body, needs = resolve_types(package, body, _names(body, inner), file, anywhere=True)
    if package.files[file].plus:
        body = _rewrite(package, body, file)
    shown = "" if macro.parameters is None else f"({', '.join(macro.parameters)})"
    text = f"#define {macro.name}{shown} {body}".rstrip()
    declared = frozenset(_MACRO_LOCAL.findall(body))
    return Piece("macro", macro.name, text, needs, declared, file, macro.position, len(lex(text)))


def library_pieces(text: str) -> dict[str, Piece]:
    """Return pieces of given lines, `#define` or a variable each, by name."""
    pieces = {}
    for line in text.strip().split("\n"):
        match = re.match(r"#define (\w+)|static \w+ (\w+)", line)
        assert match is not None
        name = match[1] or match[2]
        kind: Kind = "macro" if match[1] else "variable"
        needs: dict[str, Use] = {}
        pieces[name] = Piece(kind, name, line, needs, frozenset(), -1, -1, len(lex(line)))
    return pieces


def function_piece(package: Package, definition: Definition, returns: str, parameters: str) -> Piece:
    """Turn a function definition into text.

    Args:
        package: Where it is from.
        definition: Of a function.
        returns: Its return type, as shall be written.
        parameters: Its parameters, likewise.

    Raises:
        UnusableError: It does not parse as C.
    """
    assert definition.item is not None
    assert definition.head is not None
    body = definition.code[definition.item.brace : definition.item.end]
    _check_length(body, definition.name)
    body = ATTRIBUTE.sub(" ", body)
    if definition.head.template:
        body = re.sub(rf"\b{definition.head.template}\b", "double", body)
    if package.files[definition.file].plus:
        body = _rewrite(package, body, definition.file)
    body = _ENUM.sub("int", _drop_messages(package, body, definition.file))
    if package.files[definition.file].plus and re.fullmatch(_FORWARDING % definition.name, " ".join(body.split())):
        raise UnusableError("only calls another function of its own name", definition.name)
    return _finish(package, definition, f"{returns} {definition.name}({parameters})\n{tidy(body)}")


def tidy(text: str) -> str:
    """Drop blank lines, trailing blanks and tabs."""
    lines = (line.rstrip().expandtabs(4) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _check_length(text: str, name: str) -> None:
    """Keep long texts from all that takes more than one pass."""
    if len(text) > _LONGEST_TEXT:
        raise UnusableError("longer than 512 tokens", name)


def _drop_messages(package: Package, text: str, file: int) -> str:
    """Drop messages; a macro in capitals stays if it returns, assigns, or is not known."""

    def acts(name: str) -> bool:
        found = package.find(name, file)
        if found is None or found.macro is None:
            return found is None and name.isupper()
        bodies, seen = [found.macro.body], {name}
        while bodies:
            body = re.sub(r'"[^"]*"', "", bodies.pop())
            if _ACTING.search(body) or len(seen) > _MOST_MACROS:
                return True
            for inner in lex(body):
                if inner not in seen and (other := package.find(inner, file)) and other.macro:
                    seen.add(inner)
                    bodies.append(other.macro.body)
        return False

    return drop_messages(text, acts)


def _rewrite(package: Package, text: str, file: int) -> str:
    """Rewrite C++ text in C; of `max` and the like, the package's own stay."""
    found = {name: package.find(name, file) for name in OVERLOADED}
    own = [name for name, other in found.items() if other and (name != "abs" or other.macro)]
    return rewrite_in_c(text, own)


def _helper(package: Package, definition: Definition) -> Piece:
    head = definition.head
    assert head is not None
    words, parameters = head.words, " ".join(head.parameters.split())
    if re.search(r"[A-Za-z_]\w*\s*;|;\s*$", head.rest) and parameters:
        parameters = ", ".join(old_style_parameters(parameters, head.rest))
    if package.files[definition.file].plus:
        words, parameters = rewrite_in_c(words), rewrite_in_c(re.sub(r"=[^,]*", "", parameters))
        parameters = re.sub(r"\bconst\s+([A-Za-z_]\w*)\s*&", r"\1 ", parameters)
    if head.template:
        words, parameters = (re.sub(rf"\b{head.template}\b", "double", part) for part in (words, parameters))
    returns = shown_type(package, lex(words), definition.file)
    parameters = re.sub(r"\b(?:register|__restrict|__restrict__|restrict)\b", "", parameters)
    return function_piece(package, definition, returns, parameters or "void")


def _variable(package: Package, definition: Definition, text: str) -> Piece:
    head = text[: text.find("=") + 1]
    match = _VARIABLE.search(head) if len(head) <= _LONGEST_HEAD else None
    if match is None:
        raise UnusableError("needs a variable that is no constant", definition.name)
    declared = shown_type(package, lex(match[1]), definition.file)
    for declarator in _split_declarators(text[match.start(2) :].rstrip("; \n")):
        name, _, value = declarator.partition("=")
        own = re.fullmatch(r"(?:\w+\s*::\s*)*(\w+)\s*((?:\[[^\]]*\]\s*)*)", name.strip())
        if own and own[1] == definition.name and value:
            break
    else:
        raise UnusableError("needs a variable that is no constant", definition.name)
    sizes, value = own[2].strip(), " ".join(value.split())
    piece = _finish(package, definition, f"static const {declared} {definition.name}{sizes} = {value};")
    return piece if sizes or "{" in value or "*" in declared else piece._replace(value=f"(({declared})({value}))")


def _split_declarators(text: str) -> list[str]:
    """Split at commas outside of brackets."""
    parts, depth = [""], 0
    for part in re.split(r"([,(){}\[\]])", text):
        depth += (part in ("(", "{", "[")) - (part in (")", "}", "]"))
        if part == "," and not depth:
            parts.append("")
        else:
            parts[-1] += part
    return parts


def _enumerator(package: Package, definition: Definition, text: str) -> Piece | None:
    """Return an enumerator as a macro, or None where the name is that of the enumeration."""
    body = text[text.find("{") + 1 : text.rfind("}")]
    base, offset = "0", -1
    for part in _split_declarators(body):
        name, _, value = part.partition("=")
        base, offset = (value.strip(), 0) if value else (base, offset + 1)
        if name.strip() == definition.name:
            number = evaluate(base, {})
            shown = str(number + offset) if number is not None else f"({base}) + {offset}"
            macro = Macro(definition.name, None, f"({shown})" if not shown.isdigit() else shown, 0, True)
            return macro_piece(package, macro, definition.file)
    return None


def _finish(package: Package, definition: Definition, text: str) -> Piece:
    if _ASSEMBLY.search(text):
        raise UnusableError("needs assembly", definition.name)
    names = read_names(text)
    if names is None:  # types and decorations may be what confuses the grammar
        text, _ = resolve_types(package, text, _names(text, set()), definition.file, anywhere=True)
        names = read_names(text)
    if names is None:
        raise UnusableError("does not parse as C", definition.name)
    free = {used: use for used, use in names.free.items() if used != definition.name}
    text, needs = resolve_types(package, text, free, definition.file)
    if package.files[definition.file].plus:
        head, brace, body = text.partition("\n{") if definition.kind == "function" else ("", "", text)
        text = head + brace + _rewrite(package, body, definition.file)  # `real(x)` is a cast too
    kind, name, file, position = definition.kind, definition.name, definition.file, definition.position
    return Piece(kind, name, text, needs, names.declared, file, position, len(lex(text)))


def _names(body: str, known: set[str]) -> dict[str, Use]:
    tokens = lex(body)
    found: dict[str, Use] = {}
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if (token[0].isalpha() or token[0] == "_") and before not in (".", "->") and token not in known:
            found.setdefault(token, "function" if after == "(" else "name")
    return found

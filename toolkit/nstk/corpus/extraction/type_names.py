"""Types and names in pieces of C text: what a declaration's words say, and writing other names for some."""

import re
from collections.abc import Iterable, Mapping

from nstk.corpus.extraction.definitions import Package
from nstk.corpus.extraction.syntax import Use

_STORAGE = frozenset(
    """static inline extern const constexpr register __inline __inline__ __forceinline _Noreturn __extension__ virtual
    explicit friend typename consteval constinit __restrict __restrict__ restrict noexcept volatile""".split()  # noqa: SIM905
)
_TYPE_WORDS = frozenset(
    """float double int unsigned signed long short char void struct union enum bool _Bool size_t * _Complex complex
    __complex__ vector __vector""".split()  # noqa: SIM905
)
_DECORATION = re.compile(
    r"(?:static|inline|__inline|__inline__|extern|const|__forceinline|register|volatile|\s"
    r"|__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\))*"
)
_IDENTIFIER = re.compile(r"(?<![\w.])(?<!->)[A-Za-z_]\w*", re.ASCII)
_OLD_DECLARATION = re.compile(r"((?:[A-Za-z_]\w*\s+)+)(.+)", re.ASCII | re.DOTALL)


def shown_type(package: Package, words: Iterable[str], file: int) -> str:
    """Return the type that declaration specifiers name, without storage classes and decorations.

    Arithmetic types are resolved; other names stay.
    """
    kept: list[str] = []
    unknown: list[str] = []
    for word in words:
        if word in _STORAGE:
            continue
        if word in _TYPE_WORDS or (kept and kept[-1] in ("struct", "union", "enum")):
            kept.append(word)
        elif (base := package.arithmetic_type(word, file)) is not None:
            kept.append(base)
        elif (found := package.find(word, file)) is not None and found.kind == "type":
            kept.append(word)
        elif found is None or found.macro is None or not _DECORATION.fullmatch(found.macro.body):
            unknown.append(word)
    return " ".join(kept if any(word != "*" for word in kept) else unknown[-1:] + kept)


def old_style_parameters(names: str, declarations: str) -> list[str]:
    """Return the parameters `double x` of an old-style head `f(x, y) double x; int *y;`; undeclared ones are ints."""
    found: dict[str, str] = {}
    for declaration in declarations.split(";")[:-1]:
        match = _OLD_DECLARATION.match(declaration.strip())
        for declarator in match[2].split(",") if match else ():
            name = re.search(r"[A-Za-z_]\w*", declarator)
            if name:
                assert match is not None
                found[name[0]] = f"{' '.join(match[1].split())} {declarator.strip()}"
    return [found.get(name.strip(), f"int {name.strip()}") for name in names.split(",")]


def rename(text: str, names: Mapping[str, str]) -> str:
    """Replace identifiers; members of structures keep theirs."""
    return _IDENTIFIER.sub(lambda match: names.get(match[0], match[0]), text)


def resolve_types(
    package: Package, text: str, names: dict[str, Use], file: int, anywhere: bool = False
) -> tuple[str, dict[str, Use]]:
    """Write arithmetic types for the names that stand for them; drop decorations.

    Args:
        package: Where the text is from.
        text: C text.
        names: What it uses.
        file: Number of the file.
        anywhere: Whether any name may be a type, else only those that stand where one can.

    Returns:
        The text, and the names that are left.
    """
    known: dict[str, str] = {}
    for name, use in names.items():
        found = package.find(name, file)
        if found is not None and found.macro is not None and found.macro.parameters is None:
            if _DECORATION.fullmatch(found.macro.body):
                known[name] = "" if "const" not in found.macro.body else "const"
                continue
        elif found is not None and found.kind != "type":
            continue
        if use == "name" and not anywhere and not re.search(rf"\(\s*{name}\s*[*\s]*\)|\b{name}\s*\(", text):
            continue
        base = package.arithmetic_type(name, file)
        if base is not None and base != name:
            known[name] = base
    if known:
        text = rename(text, known)
    return text, {name: use for name, use in names.items() if name not in known}

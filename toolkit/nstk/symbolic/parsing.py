"""Programs' text parsed as C without headers: few types, values for names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from pycparser import c_ast
from pycparser.c_parser import CParser, ParseError

from nstk.symbolic.macros import expand_macros
from nstk.symbolic.words import DROPPED, NAMED_VALUES, TYPES

_MAX_TOKENS = 4000  # parsing them takes some 0.2 s


@dataclass(frozen=True, eq=False)
class Parsed:
    """A program, parsed; its types are reduced to `double`, `int` and `void`.

    Attributes:
        functions: By name.
        variables: Of the file.
        enums: Of the file, those with values.
        integers: Names of types that are integers.
        changed: Variables of the file that functions change.
        structures: Members of structures, by the name of a type or after `struct`.
        names: Of the file's variables.
    """

    functions: dict[str, c_ast.FuncDef]
    variables: list[c_ast.Decl]
    enums: list[c_ast.Enum]
    integers: frozenset[str]
    changed: frozenset[str]
    structures: dict[str, list[c_ast.Decl]]
    names: frozenset[str]

    def members(self, kind: c_ast.TypeDecl) -> list[c_ast.Decl] | None:
        """Return the members of a structure; None if a type is none that is known."""
        if isinstance(kind.type, c_ast.Struct):
            return kind.type.decls or self.structures.get(f"struct {kind.type.name}")
        names = getattr(kind.type, "names", [])
        return self.structures.get(names[0]) if len(names) == 1 else None

    def is_integer(self, kind: c_ast.Node) -> bool:
        """Tell whether a type is an integer, or its elements or what it returns are."""
        return _is_integer(kind, self.integers)


@lru_cache(maxsize=8)
def read_program(text: str) -> Parsed:
    """Parse the text of a program.

    Raises:
        ValueError: It is not plain C, or very long.
    """
    tokens = list(_plain(expand_macros(text)))
    if len(tokens) > _MAX_TOKENS:
        raise ValueError("too long")
    try:
        tree = CParser().parse(" ".join(tokens))
    except (ParseError, AssertionError, AttributeError, RecursionError) as error:
        raise ValueError(f"not plain C: {error}") from None
    integers: set[str] = set()
    enums = []
    structures: dict[str, list[c_ast.Decl]] = {}
    for node in tree.ext:
        if isinstance(node, c_ast.Typedef) and _is_integer(node.type, integers):
            integers.add(node.name)
        kind = getattr(node, "type", None)
        kind = kind.type if isinstance(kind, c_ast.TypeDecl) else kind
        if isinstance(kind, c_ast.Struct):
            if kind.decls and kind.name:
                structures[f"struct {kind.name}"] = kind.decls
            if isinstance(node, c_ast.Typedef):
                structures[node.name] = kind.decls or structures.get(f"struct {kind.name}", [])
        if isinstance(kind, c_ast.Enum) and kind.values:
            enums.append(kind)
    functions = {node.decl.name: node for node in tree.ext if isinstance(node, c_ast.FuncDef)}
    variables = [node for node in tree.ext if isinstance(node, c_ast.Decl) and node.name and not is_function(node)]
    names = frozenset(node.name for node in variables)
    own = {name: _declared(function) for name, function in functions.items()}
    changed = frozenset[str]().union(*((_change_targets(f) - own[name]) & names for name, f in functions.items()))
    for name, function in functions.items():
        if changed & own[name] or _hides_names(function.body, _declared(function.decl) - {name}):
            raise ValueError("a name for two variables")
    return Parsed(functions, variables, enums, frozenset(integers), changed, structures, names)


def is_function(node: c_ast.Decl) -> bool:
    """Tell whether something is declared as a function."""
    return isinstance(node.type, c_ast.FuncDecl)


def is_void(kind: c_ast.Node) -> bool:
    """Tell whether a type is `void`."""
    return isinstance(kind, c_ast.TypeDecl) and getattr(kind.type, "names", []) == ["void"]


def find_parameters(function: c_ast.FuncDef) -> list[c_ast.Decl]:
    """Return a function's parameters that have a name.

    Raises:
        ValueError: They are declared as before C89, or may be more.
    """
    given = function.decl.type.args.params if function.decl.type.args else []
    if function.param_decls or any(isinstance(p, c_ast.EllipsisParam) for p in given):
        raise ValueError("parameters without types")
    return [p for p in given if isinstance(p, c_ast.Decl) and p.name]


def list_statements(node: c_ast.Node | None) -> list[c_ast.Node]:
    """Return the statements of a block, a statement or none as a list."""
    if node is None:
        return []
    return list(node.block_items or []) if isinstance(node, c_ast.Compound) else [node]


def contains(node: c_ast.Node, *kinds: type) -> bool:
    """Tell whether a node is of some kinds, or anything in it is."""
    return any(isinstance(part, kinds) for part in _walk(node))


def changes_variables(node: c_ast.Node) -> bool:
    """Tell whether evaluating an expression assigns to variables."""
    return next(_changes(node), None) is not None


def _walk(node: c_ast.Node) -> Iterator[c_ast.Node]:
    """Yield a node and all in it."""
    left = [node]
    while left:
        node = left.pop()
        yield node
        left += node


def _changes(node: c_ast.Node) -> Iterator[c_ast.Node]:
    """Yield what is assigned to."""
    for part in _walk(node):
        if isinstance(part, c_ast.Assignment):
            yield part.lvalue
        elif isinstance(part, c_ast.UnaryOp) and part.op.strip("p") in ("++", "--"):
            yield part.expr


def _change_targets(node: c_ast.Node) -> set[str]:
    """Return the names of variables that are assigned to, in whole or in part."""
    return {part.name for target in _changes(node) for part in _walk(target) if isinstance(part, c_ast.ID)}


def _declared(node: c_ast.Node) -> frozenset[str]:
    """Return the names of variables and parameters that are declared."""
    return frozenset(part.name for part in _walk(node) if isinstance(part, c_ast.Decl))


def _hides_names(node: c_ast.Node, outer: frozenset[str]) -> bool:
    """Tell whether a block declares a name that a block or the function around it declares too."""
    own: frozenset[str] = frozenset()
    for child in node:
        if isinstance(child, c_ast.Decl | c_ast.DeclList):
            names = _declared(child)
            if names & outer:
                return True
            own |= names
        elif _hides_names(child, outer | own):
            return True
    return False


def _is_integer(kind: c_ast.Node, integers: set[str] | frozenset[str]) -> bool:
    while not isinstance(kind, c_ast.TypeDecl):
        if not hasattr(kind, "type"):
            return False
        kind = kind.type
    names = getattr(kind.type, "names", ["int"])
    return any(name == "int" or name in integers for name in names)


def _plain(tokens: Sequence[str]) -> Iterator[str]:
    """Yield tokens a C parser takes without headers."""
    tokens = [token for token in tokens if token not in DROPPED]
    for is_type, group in groupby(tokens, lambda token: token in TYPES):
        if is_type:
            kinds = {TYPES[token] for token in group}
            yield "void" if "void" in kinds else "double" if "float" in kinds else "int"
            continue
        for token in group:
            yield repr(float(NAMED_VALUES[token])) if token in NAMED_VALUES else token

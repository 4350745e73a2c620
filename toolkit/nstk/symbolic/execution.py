"""Runs a program on terms instead of numbers: what its outputs are in terms of its inputs.

Loops of known length are unrolled, helpers are put in where they are called, branches become choices.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pycparser import c_ast
from pycparser.c_parser import CParser, ParseError

from nstk.symbolic import library
from nstk.symbolic.terms import Algebra, Term, TooComplexError
from nstk.symbolic.words import library_name

_MAX_STEPS = 20_000  # nodes of the program that are looked at
_MAX_TURNS = 64  # of a loop
_MAX_DEPTH = 12  # of calls

#: What is known of a variable: a term and whether it is an integer, or a list of such for an array.
Value = tuple[Term, bool]
Cell = "Value | list[Cell]"


@dataclass(eq=False)
class Parsed:
    """A program, parsed.

    Attributes:
        functions: By name.
        variables: Of the file.
        constants: Enumerators.
        integers: Names of types that are integers.
    """

    functions: dict[str, c_ast.FuncDef]
    variables: list[c_ast.Decl]
    constants: dict[str, int] = field(default_factory=dict)
    integers: set[str] = field(default_factory=set)


def parse(tokens: Sequence[str]) -> Parsed:
    """Parse a program's tokens, types reduced to `double`, `int` and `unsigned`.

    Raises:
        ValueError: It is not plain C.
    """
    try:
        tree = CParser().parse(" ".join(tokens))
    except (ParseError, AssertionError, AttributeError, RecursionError) as error:
        raise ValueError(f"not plain C: {error}") from None
    functions = {node.decl.name: node for node in tree.ext if isinstance(node, c_ast.FuncDef)}
    variables = [node for node in tree.ext if isinstance(node, c_ast.Decl) and node.name and not _is_function(node)]
    found = Parsed(functions, variables)
    for node in tree.ext:
        if isinstance(node, c_ast.Typedef) and _is_integer(node.type, found):
            found.integers.add(node.name)
        if isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.Enum) and node.type.values:
            _number_enumerators(node.type, found.constants)
    return found


def _is_function(node: c_ast.Decl) -> bool:
    return isinstance(node.type, c_ast.FuncDecl)


def _number_enumerators(enum: c_ast.Enum, constants: dict[str, int]) -> None:
    count = 0
    for item in enum.values.enumerators:
        if item.value is not None:
            if not isinstance(item.value, c_ast.Constant):
                raise TooComplexError("an enumerator")
            count = int(item.value.value.rstrip("uUlL"), 0)
        constants[item.name] = count
        count += 1


@dataclass(eq=False)
class Execution:
    """Runs one program.

    Args:
        parsed: The program.
        algebra: Makes terms.
        number: Reads a literal.
    """

    parsed: Parsed
    algebra: Algebra
    number: Callable[[str], float]
    _steps: int = 0
    _depth: int = 0
    _globals: dict[str, "Cell"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.parsed.constants.items():
            self._globals[name] = (self.algebra.number(value), True)
        for declared in self.parsed.variables:
            self._declare(declared, self._globals)

    def call(self, name: str, arguments: Sequence["Cell"]) -> Value | None:
        """Return what a function of the program returns, None for nothing; arrays among the arguments are changed.

        Raises:
            TooComplexError: It cannot be said in a short formula.
        """
        function = self.parsed.functions[name]
        declared = function.decl.type.args.params if function.decl.type.args else []
        declared = [p for p in declared if not (isinstance(p, c_ast.Typename) or p.name is None)]
        if len(declared) != len(arguments) or self._depth > _MAX_DEPTH:
            raise TooComplexError("a call")
        variables = dict(self._globals)
        for parameter, argument in zip(declared, arguments, strict=True):
            variables[parameter.name] = self._converted(argument, _is_integer(parameter.type, self.parsed))
        self._depth += 1
        try:
            result = self._run(list(function.body.block_items or []), variables)
        finally:
            self._depth -= 1
        if result is None:
            return None
        return self._convert(result, _is_integer(function.decl.type.type, self.parsed))

    def _converted(self, cell: "Cell", integer: bool) -> "Cell":
        return cell if isinstance(cell, list) else self._convert(cell, integer)

    def _convert(self, value: Value, integer: bool) -> Value:
        term, was = value
        return (library.truncate(self.algebra, term) if integer and not was else term), integer

    def _run(self, statements: Sequence[c_ast.Node], variables: dict[str, "Cell"]) -> Value | None:
        """Run statements to their end; returns what they return, None if they run on."""
        rest = list(statements)
        while rest:
            node = rest.pop(0)
            self._count()
            if isinstance(node, c_ast.Return):
                return None if node.expr is None else self._value(node.expr, variables)
            if isinstance(node, c_ast.Compound):
                rest[:0] = node.block_items or []
            elif isinstance(node, c_ast.If):
                condition = self._truth(node.cond, variables)
                taken, other = _body(node.iftrue), _body(node.iffalse)
                if condition.is_number:
                    rest[:0] = taken if condition.value[0] else other
                elif any(map(_leaves, (*taken, *other))):
                    copy = _copied(variables)
                    first = self._run([*taken, *rest], copy)
                    second = self._run([*other, *rest], variables)
                    if first is None or second is None:
                        raise TooComplexError("a path that returns nothing")
                    chosen = self.algebra.choose(condition, first[0], second[0])
                    return chosen, first[1] and second[1]
                else:
                    copy = _copied(variables)
                    self._run(taken, copy)
                    self._run(other, variables)
                    for name in copy.keys() & variables.keys():
                        variables[name] = self._merge(condition, copy[name], variables[name])
            elif isinstance(node, c_ast.For | c_ast.While | c_ast.DoWhile):
                rest[:0] = self._unroll(node, variables)
            elif isinstance(node, _Test):
                if not node.turns:
                    raise TooComplexError("a long loop")
                condition = self._truth(node.cond, variables) if node.cond is not None else self.algebra.number(1.0)
                if not condition.is_number:
                    raise TooComplexError("a loop of unknown length")
                if condition.value[0]:
                    rest[:0] = [*node.body, _Test(node.cond, node.body, node.turns - 1)]
            elif isinstance(node, c_ast.DeclList):
                for declared in node.decls:
                    self._declare(declared, variables)
            elif isinstance(node, c_ast.Decl):
                self._declare(node, variables)
            elif not isinstance(node, c_ast.EmptyStatement):
                self._value(node, variables)
        return None

    def _unroll(self, node: c_ast.Node, variables: dict[str, "Cell"]) -> list[c_ast.Node]:
        """Return a loop as statements that test and repeat."""
        body = _body(node.stmt)
        if any(map(_breaks, body)):
            raise TooComplexError("a loop that is left early")
        if isinstance(node, c_ast.For):
            if node.init is not None:
                self._run([node.init], variables)
            body = [*body, *([node.next] if node.next is not None else [])]
        test = _Test(node.cond, body, _MAX_TURNS)
        return [*body, test] if isinstance(node, c_ast.DoWhile) else [test]

    def _merge(self, condition: Term, a: "Cell", b: "Cell") -> "Cell":
        if a is b:
            return b
        if isinstance(a, list) or isinstance(b, list):
            if not (isinstance(a, list) and isinstance(b, list) and len(a) == len(b)):
                raise TooComplexError("arrays")
            return [self._merge(condition, x, y) for x, y in zip(a, b, strict=True)]
        return self.algebra.choose(condition, a[0], b[0]), a[1] and b[1]

    def _declare(self, node: c_ast.Decl, variables: dict[str, "Cell"]) -> None:
        if not node.name or _is_function(node):
            return
        variables[node.name] = self._initial(node.type, node.init, variables)

    def _initial(self, kind: c_ast.Node, init: c_ast.Node | None, variables: dict[str, "Cell"]) -> "Cell":
        if isinstance(kind, c_ast.ArrayDecl):
            given = init.exprs if isinstance(init, c_ast.InitList) else []
            if init is not None and not isinstance(init, c_ast.InitList):
                raise TooComplexError("an array")
            size = len(given) if kind.dim is None else self._known(self._value(kind.dim, variables)[0])
            if size > 256 or any(isinstance(item, c_ast.NamedInitializer) for item in given):
                raise TooComplexError("an array")
            return [
                self._initial(kind.type, given[i] if i < len(given) else None, variables)
                for i in range(max(size, len(given)))
            ]
        if not isinstance(kind, c_ast.TypeDecl) or isinstance(kind.type, c_ast.Struct | c_ast.Union):
            raise TooComplexError("a pointer or a structure")
        integer = _is_integer(kind, self.parsed)
        if init is None:
            return self.algebra.number(0.0), integer
        if isinstance(init, c_ast.InitList):
            init = init.exprs[0]
        return self._convert(self._value(init, variables), integer)

    def _known(self, term: Term) -> int:
        if not term.is_number:
            raise TooComplexError("an index that is not known")
        return int(term.value[0])

    def _truth(self, node: c_ast.Node, variables: dict[str, "Cell"]) -> Term:
        return self.algebra.truth(self._value(node, variables)[0])

    def _value(self, node: c_ast.Node, variables: dict[str, "Cell"]) -> Value:
        found = self._cell(node, variables)
        if isinstance(found, list):
            raise TooComplexError("an array as a number")
        return found

    def _cell(self, node: c_ast.Node, variables: dict[str, "Cell"]) -> "Cell":
        """Evaluate an expression."""
        self._count()
        algebra = self.algebra
        if isinstance(node, c_ast.Constant):
            integer = "double" not in node.type and "float" not in node.type
            return algebra.number(self.number(node.value)), integer
        if isinstance(node, c_ast.ID):
            if node.name not in variables:
                raise TooComplexError("an unknown name")
            return variables[node.name]
        if isinstance(node, c_ast.ArrayRef):
            cells, index = self._element(node, variables)
            return cells[index]
        if isinstance(node, c_ast.BinaryOp):
            return self._binary(node.op, node.left, node.right, variables)
        if isinstance(node, c_ast.UnaryOp):
            return self._unary(node, variables)
        if isinstance(node, c_ast.Assignment):
            value = self._value(node.rvalue, variables)
            if node.op != "=":
                value = self._combine(node.op[:-1], self._value(node.lvalue, variables), value)
            return self._assign(node.lvalue, value, variables)
        if isinstance(node, c_ast.TernaryOp):
            condition = self._truth(node.cond, variables)
            if condition.is_number:
                return self._cell(node.iftrue if condition.value[0] else node.iffalse, variables)
            first, second = self._value(node.iftrue, variables), self._value(node.iffalse, variables)
            return algebra.choose(condition, first[0], second[0]), first[1] and second[1]
        if isinstance(node, c_ast.FuncCall):
            return self._call(node, variables)
        if isinstance(node, c_ast.Cast):
            if isinstance(node.to_type.type, c_ast.PtrDecl):
                raise TooComplexError("a pointer")
            if _is_void(node.to_type.type):
                return self._cell(node.expr, variables)
            return self._convert(self._value(node.expr, variables), _is_integer(node.to_type.type, self.parsed))
        if isinstance(node, c_ast.ExprList):
            for item in node.exprs[:-1]:
                self._cell(item, variables)
            return self._cell(node.exprs[-1], variables)
        raise TooComplexError(type(node).__name__)

    def _element(self, node: c_ast.ArrayRef, variables: dict[str, "Cell"]) -> tuple[list["Cell"], int]:
        cells = self._cell(node.name, variables)
        index = self._known(self._value(node.subscript, variables)[0])
        if not isinstance(cells, list) or not 0 <= index < len(cells):
            raise TooComplexError("an index out of range")
        return cells, index

    def _assign(self, target: c_ast.Node, value: Value, variables: dict[str, "Cell"]) -> Value:
        if isinstance(target, c_ast.ID) and target.name in variables:
            old = variables[target.name]
            if isinstance(old, list):
                raise TooComplexError("an array")
            value = self._convert(value, old[1])
            variables[target.name] = value
            return value
        if isinstance(target, c_ast.ArrayRef):
            cells, index = self._element(target, variables)
            old = cells[index]
            if isinstance(old, list):
                raise TooComplexError("an array")
            cells[index] = value = self._convert(value, old[1])
            return value
        if isinstance(target, c_ast.UnaryOp) and target.op == "*":
            cells = self._cell(target.expr, variables)
            if isinstance(cells, list) and cells and not isinstance(cells[0], list):
                cells[0] = value = self._convert(value, cells[0][1])
                return value
        raise TooComplexError("an assignment")

    def _unary(self, node: c_ast.UnaryOp, variables: dict[str, "Cell"]) -> Value:
        algebra, op = self.algebra, node.op
        if op == "*":
            cells = self._cell(node.expr, variables)
            if isinstance(cells, list) and cells and not isinstance(cells[0], list):
                return cells[0]
        if op in ("&", "*", "sizeof"):
            raise TooComplexError("a pointer")
        value = self._value(node.expr, variables)
        if op in ("++", "--", "p++", "p--"):
            step = 1.0 if "+" in op else -1.0
            changed = self._assign(node.expr, (algebra.sum(((1.0, value[0]),), step), value[1]), variables)
            return value if op[0] == "p" else changed
        if op == "-":
            return algebra.scale(-1.0, value[0]), value[1]
        if op == "+":
            return value
        if op == "!":
            return algebra.negate(value[0]), True
        if op == "~":
            return algebra.sum(((-1.0, value[0]),), -1.0), True
        raise TooComplexError(op)

    def _binary(self, op: str, left: c_ast.Node, right: c_ast.Node, variables: dict[str, "Cell"]) -> Value:
        if op in ("&&", "||"):
            first = self._truth(left, variables)
            if first.is_number and bool(first.value[0]) == (op == "||"):
                return first, True
            second = self._truth(right, variables)
            return (self.algebra.both if op == "&&" else self.algebra.either)(first, second), True
        return self._combine(op, self._value(left, variables), self._value(right, variables))

    def _combine(self, op: str, a: Value, b: Value) -> Value:
        algebra, integer = self.algebra, a[1] and b[1]
        if op == "+":
            return algebra.add(a[0], b[0]), integer
        if op == "-":
            return algebra.subtract(a[0], b[0]), integer
        if op == "*":
            return algebra.multiply(a[0], b[0]), integer
        if op == "/":
            found = algebra.divide(a[0], b[0])
            return (library.truncate(algebra, found), True) if integer else (found, False)
        if op == "%":
            return library.remainder(algebra, a[0], b[0]), True
        if op in ("<", "<=", ">", ">=", "==", "!="):
            return algebra.compare(op, a[0], b[0]), True
        if op in ("<<", ">>") and b[0].is_number:
            scaled = algebra.scale(2.0 ** (b[0].value[0] if op == "<<" else -b[0].value[0]), a[0])
            return (scaled if op == "<<" else library.floor(algebra, scaled)), True
        if op in ("&", "|", "^") and a[0].is_number and b[0].is_number:
            x, y = int(a[0].value[0]), int(b[0].value[0])
            return algebra.number({"&": x & y, "|": x | y, "^": x ^ y}[op]), True
        if op in ("&", "|", "^", "<<", ">>"):
            return algebra.function(op, (a[0], b[0]), -math.inf, math.inf, False), True
        raise TooComplexError(op)

    def _call(self, node: c_ast.FuncCall, variables: dict[str, "Cell"]) -> Value:
        if not isinstance(node.name, c_ast.ID):
            raise TooComplexError("a call")
        arguments = [self._cell(item, variables) for item in (node.args.exprs if node.args else [])]
        name = node.name.name
        if name in self.parsed.functions:
            result = self.call(name, arguments)
            return (self.algebra.number(0.0), True) if result is None else result
        terms = [argument[0] for argument in arguments if not isinstance(argument, list)]
        if len(terms) < len(arguments):
            raise TooComplexError("an array")
        name = library_name(name) or name
        whole = name in ("abs", "labs", "lround", "lrint", "isnan", "isinf", "isfinite", "signbit", "ilogb")
        return library.apply(self.algebra, name, terms), whole

    def _count(self) -> None:
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise TooComplexError("too many steps")


class _Test(c_ast.Node):
    """A loop's condition, and what follows if it holds."""

    __slots__ = ("body", "cond", "turns")

    def __init__(self, cond: c_ast.Node | None, body: list[c_ast.Node], turns: int) -> None:
        self.cond, self.body, self.turns = cond, body, turns

    def __iter__(self) -> Iterator[c_ast.Node]:
        return iter(self.body)


def _body(node: c_ast.Node | None) -> list[c_ast.Node]:
    if node is None:
        return []
    return list(node.block_items or []) if isinstance(node, c_ast.Compound) else [node]


def _leaves(node: c_ast.Node) -> bool:
    """Tell whether a statement may return."""
    if isinstance(node, c_ast.Return | c_ast.Goto | c_ast.Break | c_ast.Continue | c_ast.Switch):
        return True
    return any(_leaves(child) for child in node)


def _breaks(node: c_ast.Node) -> bool:
    """Tell whether a statement may end a turn or a loop early."""
    if isinstance(node, c_ast.Goto | c_ast.Break | c_ast.Continue):
        return True
    return any(_breaks(child) for child in node)


def _is_integer(kind: c_ast.Node, parsed: Parsed) -> bool:
    while not isinstance(kind, c_ast.TypeDecl):
        if not hasattr(kind, "type"):
            return False
        kind = kind.type
    names = getattr(kind.type, "names", ["int"])
    return any(name in ("int", "unsigned", "char") or name in parsed.integers for name in names)


def _is_void(kind: c_ast.Node) -> bool:
    return isinstance(kind, c_ast.TypeDecl) and getattr(kind.type, "names", []) == ["void"]


def _copied(variables: Mapping[str, "Cell"]) -> dict[str, "Cell"]:
    return {name: _copy(cell) for name, cell in variables.items()}


def _copy(cell: "Cell") -> "Cell":
    return [_copy(inner) for inner in cell] if isinstance(cell, list) else cell

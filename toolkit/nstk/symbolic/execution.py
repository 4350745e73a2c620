"""Runs a program on terms instead of numbers: what its outputs are in terms of its inputs.

Loops of known length are unrolled, helpers are put in where they are called, branches become choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pycparser import c_ast

from nstk.symbolic.cells import Array, Cell, Pointer, Record, Value, Variables, convert, copy_cell, count_cells, merge
from nstk.symbolic.expressions import Evaluator
from nstk.symbolic.parsing import Parsed, contains, find_parameters, is_function, list_statements
from nstk.symbolic.terms import Algebra, Term, TooComplexError

_MAX_TURNS = 64  # of a loop
_MAX_DEPTH = 12  # of calls
_MAX_SIZE = 256  # of an array
_MAX_COPIES = 50_000  # of variables, to follow both ways of a branch
_JUMPS = c_ast.Break, c_ast.Continue


@dataclass(frozen=True, eq=False)
class _Turn:
    """What a loop has left to do: a `for`'s step unless no turn was made, the condition and, if it holds, the body.

    Attributes:
        step: None if there is none.
        condition: None if there is none.
        body: Statements.
        left: Turns at most.
    """

    step: c_ast.Node | None
    condition: c_ast.Node | None
    body: list[c_ast.Node]
    left: int


class Execution:
    """Runs one program.

    Args:
        parsed: The program.
        algebra: Makes terms.
    """

    def __init__(self, parsed: Parsed, algebra: Algebra) -> None:
        self._parsed, self._algebra = parsed, algebra
        self._evaluator = Evaluator(parsed, algebra, self.call)
        self._depth = self._copies = 0
        self._shared: list[str] = []  # arrays that the caller of the running function knows too
        self._globals: Variables = {}
        for enum in parsed.enums:
            self._number_enumerators(enum)
        for declared in parsed.variables:
            try:
                self._declare(declared, self._globals)
            except TooComplexError:
                continue  # what uses it will not find it

    def call(self, name: str, arguments: Sequence[Cell]) -> Value | None:
        """Return what a function of the program returns, None for nothing; arrays among the arguments are changed.

        Raises:
            TooComplexError: It cannot be said in a short formula.
        """
        function, is_integer = self._parsed.functions[name], self._parsed.is_integer
        parameters = find_parameters(function)
        if len(parameters) != len(arguments) or self._depth > _MAX_DEPTH:
            raise TooComplexError("a call")
        variables, shared = dict(self._globals), self._shared
        if self._depth:
            self._evaluator.forget(variables)
        for parameter, argument in zip(parameters, arguments, strict=True):
            if isinstance(argument, tuple):
                argument = convert(self._algebra, argument, is_integer(parameter.type))
            elif isinstance(argument, Array):
                argument = Pointer(argument, 0)
            elif isinstance(argument, Record) and isinstance(parameter.type, c_ast.TypeDecl):
                argument = copy_cell(argument, {})  # a structure itself, not its address
            variables[parameter.name] = argument
        self._depth += 1
        self._shared = [p.name for p in parameters if not isinstance(variables[p.name], tuple)]
        try:
            result = self._run(list_statements(function.body), variables)
        finally:
            self._depth -= 1
            self._shared = shared
        return None if result is None else convert(self._algebra, result, is_integer(function.decl.type.type))

    def _run(self, statements: Sequence[c_ast.Node | _Turn], variables: Variables) -> Value | None:
        """Run statements to their end; returns what they return, None if they run on or return nothing."""
        rest = list(statements)
        evaluator = self._evaluator
        while rest:
            node = rest.pop(0)
            evaluator.count()
            if isinstance(node, c_ast.Return):
                return None if node.expr is None else evaluator.value(node.expr, variables)
            if isinstance(node, c_ast.If):
                condition = evaluator.truth(node.cond, variables)
                taken, other = list_statements(node.iftrue), list_statements(node.iffalse)
                if condition.is_number:
                    rest[:0] = taken if condition.value[0] else other
                elif any(contains(part, c_ast.Return, c_ast.Switch, *_JUMPS) for part in (*taken, *other)):
                    return self._fork(condition, [*taken, *rest], [*other, *rest], variables)
                else:
                    copy = self._copy(variables)
                    self._run(taken, copy)
                    self._run(other, variables)
                    self._merge(condition, copy, variables, [name for name in variables if name in copy])
            elif isinstance(node, c_ast.For | c_ast.While | c_ast.DoWhile):
                rest[:0] = self._unroll(node, variables)
            elif isinstance(node, _Turn):
                rest[:0] = self._repeat(node, variables)
            elif isinstance(node, _JUMPS):
                while rest and not isinstance(rest[0], _Turn):
                    del rest[0]
                if isinstance(node, c_ast.Break):
                    del rest[:1]
            elif isinstance(node, c_ast.Compound):
                rest[:0] = list_statements(node)
            elif isinstance(node, c_ast.DeclList):
                rest[:0] = node.decls
            elif isinstance(node, c_ast.Decl):
                self._declare(node, variables)
            elif not isinstance(node, c_ast.EmptyStatement):
                evaluator.cell(node, variables)
        return None

    def _fork(
        self, condition: Term, taken: list[c_ast.Node | _Turn], other: list[c_ast.Node | _Turn], variables: Variables
    ) -> Value | None:
        """Run both ways of a branch to the function's end; returns what it returns."""
        copy = self._copy(variables)
        first, second = self._run(taken, copy), self._run(other, variables)
        self._merge(condition, copy, variables, self._shared)
        if first is None and second is None:
            return None
        if first is None or second is None:
            raise TooComplexError("a path that returns nothing")
        return self._algebra.choose(condition, first[0], second[0]), first[1] and second[1]

    def _merge(self, condition: Term, taken: Variables, other: Variables, names: Sequence[str]) -> None:
        """Make some variables what they are in `taken` where the condition is true, else what they are in `other`."""
        done: set[int] = set()
        for name in names:
            other[name] = merge(self._algebra, condition, taken[name], other[name], done)

    def _unroll(self, node: c_ast.Node, variables: Variables) -> list[c_ast.Node | _Turn]:
        """Start a loop; returns what follows."""
        body, step = list_statements(node.stmt), None
        if isinstance(node, c_ast.For):
            step = node.next
            if node.init is not None:
                self._run([node.init], variables)
        turn = _Turn(step, node.cond, body, _MAX_TURNS)
        return [*body, turn] if isinstance(node, c_ast.DoWhile) else [turn]

    def _repeat(self, turn: _Turn, variables: Variables) -> list[c_ast.Node | _Turn]:
        """Return what a loop does next, nothing if its condition fails."""
        if not turn.left:
            raise TooComplexError("a long loop")
        if turn.step is not None and turn.left < _MAX_TURNS:
            self._evaluator.cell(turn.step, variables)
        if turn.condition is not None:
            condition = self._evaluator.truth(turn.condition, variables)
            if not condition.is_number:
                raise TooComplexError("a loop of unknown length")
            if not condition.value[0]:
                return []
        return [*turn.body, replace(turn, left=turn.left - 1)]

    def _copy(self, variables: Variables) -> Variables:
        self._copies += sum(map(count_cells, variables.values()))
        if self._copies > _MAX_COPIES:
            raise TooComplexError("too many variables")
        known: dict[int, Cell] = {}
        return {name: copy_cell(cell, known) for name, cell in variables.items()}

    def _number_enumerators(self, enum: c_ast.Enum) -> None:
        count = 0
        for item in enum.values.enumerators:
            if item.value is not None:
                count = self._evaluator.whole(item.value, self._globals)
            self._globals[item.name] = self._algebra.number(count), True
            count += 1

    def _declare(self, node: c_ast.Decl, variables: Variables) -> None:
        if node.name and not is_function(node):
            variables[node.name] = self._initialize(node.type, node.init, variables)

    def _initialize(self, kind: c_ast.Node, init: c_ast.Node | None, variables: Variables) -> Cell:
        """Return what a variable of some type holds at first; zeros if that is not said."""
        given = init.exprs if isinstance(init, c_ast.InitList) else []
        if isinstance(kind, c_ast.ArrayDecl):
            if any(isinstance(item, c_ast.NamedInitializer) for item in given) or (init is not None and not given):
                raise TooComplexError("an array")
            size = len(given) if kind.dim is None else self._evaluator.whole(kind.dim, variables)
            if size > _MAX_SIZE:
                raise TooComplexError("an array")
            size = max(size, len(given))
            self._evaluator.count(size)
            items = [*given, *[None] * (size - len(given))]
            return Array(self._initialize(kind.type, item, variables) for item in items)
        if isinstance(kind, c_ast.PtrDecl) and init is not None:
            return self._evaluator.pointer(init, variables)
        if isinstance(kind, c_ast.TypeDecl) and (members := self._parsed.members(kind)) is not None:
            return self._initialize_record(members, init, given, variables)
        if not isinstance(kind, c_ast.TypeDecl | c_ast.PtrDecl) or isinstance(kind.type, c_ast.Struct | c_ast.Union):
            raise TooComplexError("a union")
        integer = self._parsed.is_integer(kind)
        first = given[0] if given else init
        if first is None or isinstance(first, c_ast.InitList):
            return self._algebra.number(0.0), integer
        return convert(self._algebra, self._evaluator.value(first, variables), integer)

    def _initialize_record(
        self, members: list[c_ast.Decl], init: c_ast.Node | None, given: list[c_ast.Node], variables: Variables
    ) -> Cell:
        if init is not None and not isinstance(init, c_ast.InitList):
            found = self._evaluator.cell(init, variables)
            if not isinstance(found, Record):
                raise TooComplexError("a structure")
            return copy_cell(found, {})
        if len(given) > len(members) or any(isinstance(item, c_ast.NamedInitializer) for item in given):
            raise TooComplexError("a structure")
        items = [*given, *[None] * (len(members) - len(given))]
        return Record(
            (member.name, self._initialize(member.type, item, variables))
            for member, item in zip(members, items, strict=True)
        )

"""Evaluates expressions of C on terms."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pycparser import c_ast

from nstk.symbolic.cells import Array, Box, Cell, Pointer, Record, Value, Variables, convert, list_values, overwrite
from nstk.symbolic.library import apply, floor, remainder, truncate
from nstk.symbolic.parsing import Parsed, changes_variables, is_void
from nstk.symbolic.terms import Algebra, Term, TooComplexError
from nstk.symbolic.words import library_name, parse_number

_MAX_STEPS = 10_000  # nodes of the program that are looked at
_BITS = 64  # of an integer
_WHOLE = frozenset(("abs", "labs", "lround", "lrint", "isnan", "isinf", "isfinite", "signbit", "ilogb"))


@dataclass(eq=False)
class Evaluator:
    """Evaluates the expressions of one program.

    Args:
        parsed: The program.
        algebra: Makes terms.
        call: Runs a function of the program: what it returns, None for nothing.
    """

    parsed: Parsed
    algebra: Algebra
    call: Callable[[str, Sequence[Cell]], Value | None]
    _steps: int = 0
    _doubtful: bool = False  # what is evaluated may not happen

    def count(self, steps: int = 1) -> None:
        """Count steps of work.

        Raises:
            TooComplexError: They are too many.
        """
        self._steps += steps
        if self._steps > _MAX_STEPS:
            raise TooComplexError("too many steps")

    def forget(self, variables: Variables) -> None:
        """Make variables of the file unknown: what functions change is not followed from one into another."""
        for name in self.parsed.changed:
            variables[name] = self.algebra.unknown(), False

    def truth(self, node: c_ast.Node, variables: Variables) -> Term:
        """Return whether an expression is true, as 0 or 1."""
        return self.algebra.truth(self.value(node, variables)[0])

    def whole(self, node: c_ast.Node, variables: Variables) -> int:
        """Return the value of an expression whose value must be known."""
        term = self.value(node, variables)[0]
        if not term.is_number:
            raise TooComplexError("an index that is not known")
        return int(term.value[0])

    def value(self, node: c_ast.Node, variables: Variables) -> Value:
        """Evaluate an expression that is a number."""
        found = self.cell(node, variables)
        if not isinstance(found, tuple):
            raise TooComplexError("an array as a number")
        return found

    def pointer(self, node: c_ast.Node, variables: Variables) -> Cell:
        """Evaluate an expression; an array stands for where its first element is."""
        found = self.cell(node, variables)
        return Pointer(found, 0) if isinstance(found, Array) else found

    def cell(self, node: c_ast.Node, variables: Variables) -> Cell:
        """Evaluate an expression, change variables as it does.

        Raises:
            TooComplexError: It has no formula.
        """
        self.count()
        if isinstance(node, c_ast.Constant):
            if node.type == "string":
                raise TooComplexError("a string")
            integer = "double" not in node.type and "float" not in node.type
            return self.algebra.number(parse_number(node.value)), integer
        if isinstance(node, c_ast.ID):
            if node.name not in variables:
                raise TooComplexError("an unknown name")
            return _unboxed(variables[node.name])
        if isinstance(node, c_ast.ArrayRef):
            cells, index = self._element(node, variables)
            return _unboxed(cells[index])
        if isinstance(node, c_ast.StructRef):
            return _unboxed(self._record(node, variables)[node.field.name])
        if isinstance(node, c_ast.BinaryOp):
            return self._binary(node, variables)
        if isinstance(node, c_ast.UnaryOp):
            return self._unary(node, variables)
        if isinstance(node, c_ast.Assignment):
            value = self.pointer(node.rvalue, variables)
            if node.op != "=":
                if changes_variables(node.lvalue):
                    raise TooComplexError("a place that is looked at twice")
                value = self._combine(node.op[:-1], self.pointer(node.lvalue, variables), value)
            return self._assign(node.lvalue, value, variables)
        if isinstance(node, c_ast.TernaryOp):
            return self._choose(node, variables)
        if isinstance(node, c_ast.FuncCall):
            return self._call(node, variables)
        if isinstance(node, c_ast.Cast):
            return self._cast(node, variables)
        if isinstance(node, c_ast.ExprList):
            for item in node.exprs[:-1]:
                self.cell(item, variables)
            return self.cell(node.exprs[-1], variables)
        raise TooComplexError(type(node).__name__)

    def _element(self, node: c_ast.ArrayRef, variables: Variables) -> tuple[Array, int]:
        return _at(self.pointer(node.name, variables), self.whole(node.subscript, variables))

    def _record(self, node: c_ast.StructRef, variables: Variables) -> Record:
        """Return the structure of which a member is meant."""
        found = _follow(self.pointer(node.name, variables))
        if not isinstance(found, Record) or node.field.name not in found:
            raise TooComplexError("a structure")
        return found

    def _assign(self, target: c_ast.Node, value: Cell, variables: Variables) -> Cell:
        if isinstance(target, c_ast.UnaryOp) and target.op == "*":
            found = self.pointer(target.expr, variables)
            if isinstance(found, Record) and isinstance(value, Record):
                return overwrite(found, value)
            holder, place = _at(found, 0)
        else:
            holder, place = self._place(target, variables)
        old = _unboxed(holder[place])
        if isinstance(value, tuple):
            value = convert(self.algebra, value, old[1] if isinstance(old, tuple) else True)
        holder[place] = overwrite(holder[place], value)
        return value

    def _place(self, node: c_ast.Node, variables: Variables) -> tuple[Any, Any]:
        """Return what holds a variable, a member or an element, and by which key."""
        if isinstance(node, c_ast.ID) and node.name in variables:
            return variables, node.name
        if isinstance(node, c_ast.StructRef):
            return self._record(node, variables), node.field.name
        if isinstance(node, c_ast.ArrayRef):
            return self._element(node, variables)
        raise TooComplexError("an assignment or an address")

    def _choose(self, node: c_ast.TernaryOp, variables: Variables) -> Cell:
        condition = self.truth(node.cond, variables)
        if condition.is_number:
            return self.cell(node.iftrue if condition.value[0] else node.iffalse, variables)
        if changes_variables(node.iftrue) or changes_variables(node.iffalse):
            raise TooComplexError("a change that may be")
        first, second = self._doubt(node.iftrue, variables), self._doubt(node.iffalse, variables)
        return self.algebra.choose(condition, first[0], second[0]), first[1] and second[1]

    def _doubt(self, node: c_ast.Node, variables: Variables) -> Value:
        """Evaluate an expression that may not be."""
        before, self._doubtful = self._doubtful, True
        try:
            return self.value(node, variables)
        finally:
            self._doubtful = before

    def _cast(self, node: c_ast.Cast, variables: Variables) -> Cell:
        kind = node.to_type.type
        if isinstance(kind, c_ast.PtrDecl):
            raise TooComplexError("a pointer")
        if is_void(kind):
            return self.cell(node.expr, variables)
        return convert(self.algebra, self.value(node.expr, variables), self.parsed.is_integer(kind))

    def _unary(self, node: c_ast.UnaryOp, variables: Variables) -> Cell:
        algebra, op = self.algebra, node.op
        if op == "*":
            return _follow(self.pointer(node.expr, variables))
        if op == "&":
            return self._address(node.expr, variables)
        if op == "sizeof":
            raise TooComplexError("a size")
        if "++" in op or "--" in op:
            return self._step(node, variables)
        value = self.value(node.expr, variables)
        if op == "-":
            return algebra.scale(-1.0, value[0]), value[1]
        if op == "+":
            return value
        if op == "!":
            return algebra.negate(value[0]), True
        if op == "~":
            return algebra.sum(((-1.0, value[0]),), -1.0), True
        raise TooComplexError(op)

    def _address(self, node: c_ast.Node, variables: Variables) -> Cell:
        """Return where something is; numbers are put in a box for it."""
        if isinstance(node, c_ast.UnaryOp) and node.op == "*":
            return self.pointer(node.expr, variables)
        if isinstance(node, c_ast.ID) and node.name in self.parsed.names:
            raise TooComplexError("an address")
        holder, place = self._place(node, variables)
        if isinstance(holder, Array) and not isinstance(holder[place], Record):
            return Pointer(holder, place)
        if isinstance(holder[place], tuple):
            holder[place] = Box(Array([holder[place]]))
        found = holder[place]
        if isinstance(found, Pointer):
            raise TooComplexError("a pointer's address")
        return Pointer(found.cells, 0) if isinstance(found, Box) else found

    def _step(self, node: c_ast.UnaryOp, variables: Variables) -> Cell:
        if changes_variables(node.expr):
            raise TooComplexError("a place that is looked at twice")
        value = self.pointer(node.expr, variables)
        one = self.algebra.number(1.0), True
        changed = self._assign(node.expr, self._combine("+" if "++" in node.op else "-", value, one), variables)
        return value if node.op[0] == "p" else changed

    def _binary(self, node: c_ast.BinaryOp, variables: Variables) -> Cell:
        if node.op not in ("&&", "||"):
            return self._combine(node.op, self.pointer(node.left, variables), self.pointer(node.right, variables))
        first = self.truth(node.left, variables)
        if first.is_number and bool(first.value[0]) == (node.op == "||"):
            return first, True
        if not first.is_number and changes_variables(node.right):
            raise TooComplexError("a change that may be")
        evaluate = self.value if first.is_number else self._doubt
        second = self.algebra.truth(evaluate(node.right, variables)[0])
        return (self.algebra.both if node.op == "&&" else self.algebra.either)(first, second), True

    def _combine(self, op: str, a: Cell, b: Cell) -> Cell:
        if isinstance(a, Pointer) and isinstance(b, tuple) and b[0].is_number and op in ("+", "-"):
            return Pointer(a.cells, a.offset + int(b[0].value[0]) * (1 if op == "+" else -1))
        if not (isinstance(a, tuple) and isinstance(b, tuple)):
            raise TooComplexError("an address as a number")
        algebra, integer = self.algebra, a[1] and b[1]
        if op == "+":
            return algebra.add(a[0], b[0]), integer
        if op == "-":
            return algebra.subtract(a[0], b[0]), integer
        if op == "*":
            return algebra.multiply(a[0], b[0]), integer
        if op == "/":
            found = algebra.divide(a[0], b[0])
            return (truncate(algebra, found), True) if integer else (found, False)
        if op == "%":
            return remainder(algebra, a[0], b[0]), True
        if op in ("<", "<=", ">", ">=", "==", "!="):
            return algebra.compare(op, a[0], b[0]), True
        if op in ("&", "|", "^", "<<", ">>"):
            return self._combine_bits(op, a[0], b[0]), True
        raise TooComplexError(op)

    def _combine_bits(self, op: str, a: Term, b: Term) -> Term:
        algebra = self.algebra
        if op in ("<<", ">>") and b.is_number:
            if abs(b.value[0]) > _BITS:
                raise TooComplexError("a long shift")
            scaled = algebra.scale(2.0 ** (b.value[0] if op == "<<" else -b.value[0]), a)
            return scaled if op == "<<" else floor(algebra, scaled)
        if op in ("&", "|", "^") and a.is_number and b.is_number:
            x, y = int(a.value[0]), int(b.value[0])
            if max(abs(x), abs(y)) >= 2**_BITS:
                raise TooComplexError("a large integer")
            return algebra.number({"&": x & y, "|": x | y, "^": x ^ y}[op])
        return algebra.function(op, (a, b), -math.inf, math.inf, False)

    def _call(self, node: c_ast.FuncCall, variables: Variables) -> Value:
        if not isinstance(node.name, c_ast.ID):
            raise TooComplexError("a call")
        arguments = [self.pointer(item, variables) for item in (node.args.exprs if node.args else [])]
        name = node.name.name
        if name in self.parsed.functions:
            result = self._call_own(name, arguments)
            self.forget(variables)
            return (self.algebra.number(0.0), True) if result is None else result
        terms = [argument[0] for argument in arguments if isinstance(argument, tuple)]
        if len(terms) < len(arguments):
            raise TooComplexError("an array")
        name = library_name(name) or name
        return apply(self.algebra, name, terms), name in _WHOLE

    def _call_own(self, name: str, arguments: Sequence[Cell]) -> Value | None:
        if not self._doubtful:
            return self.call(name, arguments)
        before, self._doubtful = [list_values(argument) for argument in arguments], False
        result = self.call(name, arguments)
        self._doubtful = True
        if before != [list_values(argument) for argument in arguments]:
            raise TooComplexError("a change that may be")
        return result


def _unboxed(cell: Cell) -> Cell:
    return cell.cells[0] if isinstance(cell, Box) else cell


def _follow(found: Cell) -> Cell:
    """Return what is where an address leads."""
    if isinstance(found, Record):
        return found
    cells, index = _at(found, 0)
    return _unboxed(cells[index])


def _at(found: Cell, index: int) -> tuple[Array, int]:
    """Return the array and the index that an address and an index mean."""
    if not isinstance(found, Pointer) or not 0 <= found.offset + index < len(found.cells):
        raise TooComplexError("an index out of range")
    return found.cells, found.offset + index

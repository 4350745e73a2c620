"""Formulas with other terms in place of their inputs."""

from collections.abc import Callable, Sequence

from nstk.symbolic.library import apply
from nstk.symbolic.terms import COMPARISONS, Algebra, Term, TooComplexError


def substitute(
    algebra: Algebra, root: Term, inputs: Sequence[Term], change: Callable[[float], float] = lambda value: value
) -> Term:
    """Return a formula of other terms, simplified anew.

    Args:
        algebra: Of the inputs and the result; the formula may be of another.
        root: The formula.
        inputs: What stands for its inputs, by index.
        change: Of every factor and constant of its sums.

    Raises:
        TooComplexError: It has no finite value, or grows too large.
    """
    return _Substitution(algebra, inputs, change).of(root)


class _Substitution:
    def __init__(self, algebra: Algebra, inputs: Sequence[Term], change: Callable[[float], float]) -> None:
        self.algebra, self.inputs, self.change = algebra, inputs, change
        self.done: dict[Term, Term] = {}

    def of(self, term: Term) -> Term:
        if term not in self.done:
            self.done[term] = self._make(term)
        return self.done[term]

    def _make(self, term: Term) -> Term:
        algebra, op = self.algebra, term.op
        if op == "arg":
            return self.inputs[int(term.value[0])]
        if op == "num":
            return algebra.number(term.value[0])
        args = [self.of(arg) for arg in term.args]
        if op == "sum":
            constant, *factors = (self.change(value) for value in term.value)
            return algebra.sum(zip(factors, args, strict=True), constant)
        if op == "prod":
            product = algebra.number(1.0)
            for base, power in zip(args, term.value, strict=True):
                product = algebra.multiply(product, algebra.power(base, power))
            return product
        if op in COMPARISONS:
            return algebra.compare(COMPARISONS[op], args[0], algebra.number(0.0))
        return self._apply(op, args)

    def _apply(self, op: str, args: list[Term]) -> Term:
        algebra = self.algebra
        if op == "unknown":
            raise TooComplexError("nothing is known of it")
        own: dict[str, Callable[..., Term]] = {
            "not": algebra.negate,
            "and": algebra.both,
            "or": algebra.either,
            "?": algebra.choose,
            "max": algebra.greatest,
            "min": algebra.least,
            "abs": algebra.absolute,
        }
        return own[op](*args) if op in own else apply(algebra, op, args)

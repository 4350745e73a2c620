"""Random numeric expressions that keep their values in bounds.

Every expression carries an interval that holds its values for arguments from [-1, 1], so that logarithms, divisions
and exponentials are guarded where an author would guard them, and left alone where no guard is needed.
"""

import math
from dataclasses import dataclass
from random import Random

from nstk.corpus.generation.idioms import decimal

ATOM, PRODUCT, SUM, CHOICE = range(4)  # how tightly an expression holds together
BOUND = 6.0  # expressions grow no larger


@dataclass(frozen=True)
class Value:
    """A C expression and an interval that holds its values."""

    text: str
    lo: float
    hi: float
    level: int = ATOM

    def held(self, level: int) -> str:
        """Return the text, in parentheses if it holds together less than `level`."""
        return self.text if self.level <= level else f"({self.text})"

    @property
    def size(self) -> float:
        """Largest absolute value."""
        return max(abs(self.lo), abs(self.hi))


class Expressions:
    """Draws expressions over the variables in reach.

    Attributes:
        rng: Draws everything.
        scope: Variables in reach, arguments first, with their intervals.
        unused: Those that no expression has used yet, which are preferred.
    """

    def __init__(self, rng: Random, arguments: list[Value]) -> None:
        self.rng = rng
        self.scope = list(arguments)
        self.unused = list(arguments)

    def leaf(self) -> Value:
        """Return a variable, seldom a number; an unused variable first."""
        rng = self.rng
        if self.unused and rng.random() < 0.65:
            return self.unused.pop(int(rng.random() * len(self.unused)))
        if rng.random() < 0.85:
            return rng.choice(self.scope[-6:] if rng.random() < 0.5 else self.scope)
        return self.number()

    def number(self) -> Value:
        """Return a number as people write them."""
        rng = self.rng
        usual = (0.5, 2.0, 0.25, 0.1, 1.5, 3.0, 0.75, 1.0, 0.2, 0.3, 0.7, 0.8, 1.2, 0.05)
        text = f"{rng.choice(usual)}" if rng.random() < 0.5 else decimal(rng, math.exp(rng.uniform(-2.5, 1.2)))
        number = float(text)
        return Value(text, number, number)

    def expression(self, depth: int) -> Value:
        """Return an expression of some depth."""
        rng = self.rng
        if depth == 0 or (depth < 2 and rng.random() < 0.15):
            return self.leaf()
        kind = rng.random()
        if kind < 0.3:
            return self.call(self.expression(depth - 1))
        if kind < 0.36:
            return self.extreme(self.expression(depth - 1), self.expression(depth - 1))
        if kind < 0.42:
            value = self.leaf()
            if rng.random() < 0.25:
                return Value(f"pow({value.text}, {rng.choice(('2.0', '2', '2'))})", 0.0, value.size**2)
            square = self.multiply(value, value)
            return square if rng.random() < 0.6 else self.multiply(square, value)
        if kind < 0.5:
            return self.scale(self.expression(depth - 1))
        return self.join(self.expression(depth - 1), self.expression(rng.randrange(depth)))

    def scale(self, value: Value) -> Value:
        """Return the expression with a number added, multiplied or divided by, or its negative."""
        kind, number = self.rng.random(), self.number()
        if kind < 0.15:
            return Value(f"-{value.held(ATOM)}", -value.hi, -value.lo, PRODUCT)
        if number.text == "1.0" or kind < 0.4:
            return self.add(value, number) if kind < 0.3 else self.subtract(number, value)
        if kind < 0.5:
            return self.subtract(value, number)
        if kind < 0.6:
            return self.divide(value, number)
        return self.multiply(number, value) if kind < 0.85 else self.multiply(value, number)

    def join(self, a: Value, b: Value) -> Value:
        """Return the sum, difference, product or quotient of two expressions."""
        kind = self.rng.random()
        if kind < 0.35:
            return self.add(a, b)
        if kind < 0.55:
            return self.subtract(a, b)
        if kind < 0.85:
            return self.multiply(a, b)
        return self.divide(a, b)

    def add(self, a: Value, b: Value) -> Value:
        """Return a + b."""
        if a.text == b.text or a.text.endswith(f" - {b.text}"):
            b = self.number()
        return Value(f"{a.held(SUM)} + {b.held(PRODUCT)}", a.lo + b.lo, a.hi + b.hi, SUM)

    def subtract(self, a: Value, b: Value) -> Value:
        """Return a - b."""
        if a.text == b.text or a.text.endswith(f" {b.text}"):
            b = self.number()
        return Value(f"{a.held(SUM)} - {b.held(PRODUCT)}", a.lo - b.hi, a.hi - b.lo, SUM)

    def multiply(self, a: Value, b: Value) -> Value:
        """Return a * b, or a sum where that would grow too large."""
        if a.size * b.size > 4 * BOUND:
            return self.add(a, b)
        if a.lo == a.hi and b.lo == b.hi:
            b = self.rng.choice(self.scope)
        ends = (a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)
        lo, hi = (max(min(ends), 0.0), max(ends)) if a.text == b.text else (min(ends), max(ends))
        return Value(f"{a.held(PRODUCT)} * {b.held(ATOM)}", lo, hi, PRODUCT)

    def divide(self, a: Value, b: Value) -> Value:
        """Return a / b, with a guard where b can be zero."""
        rng = self.rng
        if b.lo < 0.1 and b.hi > -0.1:
            text = decimal(rng, math.exp(rng.uniform(-1.0, 0.7)))
            guard = float(text)
            if b.lo >= 0.0:
                b = Value(f"{b.held(SUM)} + {text}", guard, b.hi + guard, SUM)
            elif rng.random() < 0.5:
                b = Value(f"fabs({b.text}) + {text}", guard, b.size + guard, SUM)
            else:
                square = f"{b.text} * {b.text}" if b.text.isidentifier() else f"sqr({b.text})"
                b = Value(f"{square} + {text}", guard, b.size**2 + guard, SUM)
        nearest = min(abs(b.lo), abs(b.hi))
        return Value(f"{a.held(PRODUCT)} / {b.held(ATOM)}", -a.size / nearest, a.size / nearest, PRODUCT)

    def extreme(self, a: Value, b: Value) -> Value:
        """Return the smaller or larger of two expressions."""
        if a.text == b.text:
            b = self.number()
        if self.rng.random() < 0.5:
            return Value(f"fmin({a.text}, {b.text})", min(a.lo, b.lo), min(a.hi, b.hi))
        return Value(f"fmax({a.text}, {b.text})", max(a.lo, b.lo), max(a.hi, b.hi))

    def call(self, value: Value) -> Value:
        """Apply a function of math.h, guarded where it must be."""
        rng = self.rng
        x, lo, hi, size = value.text, value.lo, value.hi, value.size
        kind = rng.random()
        if lo == hi:
            return self.multiply(value, self.scope[0])
        if kind < 0.32:
            scale = rng.choice(("", "", "", "2.0 * ", "M_PI * ", "3.0 * ", "0.5 * "))
            return Value(f"{rng.choice(('sin', 'cos'))}({scale}{value.held(PRODUCT) if scale else x})", -1, 1)
        if kind < 0.42:
            return (
                Value(f"sqrt({x})", math.sqrt(lo), math.sqrt(hi))
                if lo >= 0
                else Value(f"sqrt(fabs({x}))", 0, size**0.5)
            )
        if kind < 0.56:
            if hi <= 1.5 and lo > -20:
                return Value(f"exp({x})", math.exp(lo), math.exp(hi))
            return Value(f"exp(-fabs({x}))" if lo < 0 else f"exp(-{value.held(ATOM)})", math.exp(-min(size, 50.0)), 1)
        if kind < 0.66:
            if lo > 0.05:
                return Value(f"log({x})", math.log(lo), math.log(hi))
            shift = decimal(rng, math.exp(rng.uniform(-1.5, 0.7)))
            return Value(f"log({shift} + fabs({x}))", math.log(float(shift)), math.log(float(shift) + size))
        if kind < 0.76:
            return Value(f"{rng.choice(('tanh', 'tanh', 'atan', 'erf', 'sigmoid'))}({x})", -1.5, 1.5)
        if kind < 0.86:
            return Value(f"fabs({x})", 0, size)
        if kind < 0.91:
            power = rng.choice(("2.0", "3.0", "1.5", "0.5", "2.2"))
            if size < 2.0:
                return Value(f"pow(fabs({x}), {power})", 0, size ** float(power))
        if kind < 0.95:
            name, scale = rng.choice(("floor", "ceil", "round")), rng.choice(("2.0", "3.0", "4.0", "2.5", "1.6"))
            return Value(f"{name}({scale} * {value.held(ATOM)})", -4 * size - 1, 4 * size + 1)
        other = self.expression(1)
        largest = max(3.2, size + other.size)
        return Value(f"{rng.choice(('atan2', 'hypot'))}({x}, {other.text})", -largest, largest)

    def condition(self) -> str:
        """Return a comparison that holds for some arguments and not for others."""
        rng = self.rng
        a = self.expression(rng.choice((0, 0, 1)))
        while a.lo == a.hi:
            a = rng.choice(self.scope)
        inside = a.lo + (a.hi - a.lo) * rng.uniform(0.3, 0.7)
        other = (
            rng.choice(self.scope).text if rng.random() < 0.3 else decimal(rng, inside) if abs(inside) > 0.05 else "0.0"
        )
        if other == a.text:
            other = "0.0"
        return f"{a.text} {rng.choice(('<', '>', '<=', '>='))} {other}"

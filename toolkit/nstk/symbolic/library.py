"""The C library's functions of terms: constants folded, spellings merged, ranges known."""

import math
from collections.abc import Callable, Sequence

from nstk.symbolic.terms import Algebra, Term, TooComplexError

_INFINITY = math.inf


def _sine_range(low: float, high: float, shift: float) -> tuple[float, float]:
    """Return the range of sin(x + shift)."""
    if not high - low < 2 * math.pi:
        return -1.0, 1.0
    low, high = low + shift, high + shift
    ends = [math.sin(low), math.sin(high)]
    if math.floor((high - math.pi / 2) / (2 * math.pi)) >= math.ceil((low - math.pi / 2) / (2 * math.pi)):
        ends.append(1.0)
    if math.floor((high + math.pi / 2) / (2 * math.pi)) >= math.ceil((low + math.pi / 2) / (2 * math.pi)):
        ends.append(-1.0)
    return min(ends), max(ends)


def _rising(function: Callable[[float], float], least: float, greatest: float) -> Callable[..., tuple[float, float]]:
    """Return the range of a function that rises from x = least to greatest."""

    def find(low: float, high: float) -> tuple[float, float]:
        ends = []
        for x, otherwise in ((low, -_INFINITY), (high, _INFINITY)):
            try:
                ends.append(function(min(max(x, least), greatest)))
            except (ValueError, OverflowError):
                ends.append(otherwise)
        return ends[0], ends[1]

    return find


def _tangent_range(low: float, high: float) -> tuple[float, float]:
    if -math.pi / 2 < low and high < math.pi / 2:
        return math.tan(low), math.tan(high)
    return -_INFINITY, _INFINITY


def _cosh_range(low: float, high: float) -> tuple[float, float]:
    ends = [math.cosh(x) if abs(x) < 700 else _INFINITY for x in (low, high)]
    return (1.0 if low < 0 < high else min(ends)), max(ends)


_ALL = (-_INFINITY, _INFINITY)
#: Functions of one argument: how constants fold, their range, and 1 if f(-x) = f(x), -1 if f(-x) = -f(x), else 0.
_UNARY: dict[str, tuple[Callable[[float], float], Callable[[float, float], tuple[float, float]], int]] = {
    "sin": (math.sin, lambda low, high: _sine_range(low, high, 0.0), -1),
    "cos": (math.cos, lambda low, high: _sine_range(low, high, math.pi / 2), 1),
    "tan": (math.tan, _tangent_range, -1),
    "asin": (math.asin, _rising(math.asin, -1.0, 1.0), -1),
    "acos": (math.acos, lambda low, high: (0.0, math.pi), 0),
    "atan": (math.atan, _rising(math.atan, *_ALL), -1),
    "sinh": (math.sinh, _rising(math.sinh, *_ALL), -1),
    "cosh": (math.cosh, _cosh_range, 1),
    "tanh": (math.tanh, _rising(math.tanh, *_ALL), -1),
    "asinh": (math.asinh, _rising(math.asinh, *_ALL), -1),
    "acosh": (math.acosh, _rising(math.acosh, 1.0, _INFINITY), 0),
    "atanh": (math.atanh, _rising(math.atanh, -1.0, 1.0), -1),
    "exp": (math.exp, _rising(math.exp, *_ALL), 0),
    "log": (math.log, _rising(math.log, 0.0, _INFINITY), 0),
    "erf": (math.erf, _rising(math.erf, *_ALL), -1),
    "erfc": (math.erfc, lambda low, high: (math.erfc(high), math.erfc(low)), 0),
    "cbrt": (
        lambda x: math.copysign(abs(x) ** (1 / 3), x),
        _rising(lambda x: math.copysign(abs(x) ** (1 / 3), x), *_ALL),
        -1,
    ),
    "tgamma": (math.gamma, lambda low, high: _ALL, 0),
    "lgamma": (math.lgamma, lambda low, high: _ALL, 0),
    **{name: (lambda x: 0.0, lambda low, high: _ALL, 0) for name in ("j0", "j1", "y0", "y1")},
}
_NO_CONSTANTS = frozenset(("j0", "j1", "y0", "y1"))
_NEVER = frozenset(("isnan", "isinf"))  # outputs that are not finite are in no pair


def floor(algebra: Algebra, a: Term) -> Term:
    """Return the largest whole number that is not above a."""
    low, high = (math.floor(x) if abs(x) < 1e15 else x for x in (a.low, a.high))
    if low == high and abs(low) < _INFINITY:
        return algebra.number(low)
    if a.op == "floor":
        return a
    return algebra.function("floor", (a,), low, high, False)


def ceil(algebra: Algebra, a: Term) -> Term:
    """Return the smallest whole number that is not below a."""
    return algebra.scale(-1.0, floor(algebra, algebra.scale(-1.0, a)))


def truncate(algebra: Algebra, a: Term) -> Term:
    """Return a rounded toward 0, as a conversion to an integer does."""
    if a.op in ("floor", "trunc", "rint") or a.op in ("lt", "le", "eq", "not", "and", "or"):
        return a
    if (
        a.op == "sum"
        and all(float(v).is_integer() for v in a.value)
        and all(t.op in ("floor", "trunc") for t in a.args)
    ):
        return a
    if a.low >= 0:
        return floor(algebra, a)
    if a.high <= 0:
        return ceil(algebra, a)
    low, high = (math.trunc(x) if abs(x) < 1e15 else x for x in (a.low, a.high))
    if low == high:
        return algebra.number(low)
    return algebra.function("trunc", (a,), low, high, False)


def remainder(algebra: Algebra, a: Term, b: Term) -> Term:
    """Return what C's `%` and `fmod` do: the rest of a / b with the sign of a."""
    if a.is_number and b.is_number and b.value[0] != 0:
        return algebra.number(math.fmod(a.value[0], b.value[0]))
    size = min(abs(b.low), abs(b.high)) if b.low > 0 or b.high < 0 else 0.0
    if -size < a.low and a.high < size:
        return a
    most = max(abs(b.low), abs(b.high))
    low, high = (0.0 if a.low >= 0 else max(a.low, -most)), (0.0 if a.high <= 0 else min(a.high, most))
    return algebra.function("fmod", (a, b), low, high, False)  # it is a itself where b is larger


def apply(algebra: Algebra, name: str, args: Sequence[Term]) -> Term:
    """Return a library function of terms.

    Raises:
        TooComplexError: It is not known, has other arguments, or is not defined at a constant.
    """
    if len(args) == 1:
        return _apply_one(algebra, name, args[0])
    if len(args) == 2:
        return _apply_two(algebra, name, *args)
    if name == "fma" and len(args) == 3:
        return algebra.add(algebra.multiply(args[0], args[1]), args[2])
    raise TooComplexError(name)


def _apply_one(algebra: Algebra, name: str, a: Term) -> Term:
    number = algebra.number
    if name in ("fabs", "abs", "labs"):
        return algebra.absolute(a)
    if name == "sqrt":
        if a.high < 0:
            raise TooComplexError("a root of what is below 0")
        return algebra.power(a, 0.5)
    if name in ("floor", "ceil"):
        return floor(algebra, a) if name == "floor" else ceil(algebra, a)
    if name == "trunc":
        return truncate(algebra, a)
    if name in ("round", "lround", "rint", "nearbyint", "lrint"):
        return floor(algebra, algebra.sum(((1.0, a),), 0.5))
    if name in ("exp2", "exp10"):
        return _apply_one(algebra, "exp", algebra.scale(math.log(2.0 if name == "exp2" else 10.0), a))
    if name in ("log2", "log10"):
        return algebra.scale(1 / math.log(2.0 if name == "log2" else 10.0), _apply_one(algebra, "log", a))
    if name == "expm1":
        return algebra.sum(((1.0, _apply_one(algebra, "exp", a)),), -1.0)
    if name == "log1p":
        return _apply_one(algebra, "log", algebra.sum(((1.0, a),), 1.0))
    if name in _NEVER:
        return number(0.0)
    if name == "isfinite":
        return number(1.0)
    if name == "signbit":
        return algebra.compare("<", a, number(0.0))
    if name not in _UNARY:
        raise TooComplexError(name)
    fold, find_range, parity = _UNARY[name]
    if a.is_number and name not in _NO_CONSTANTS:
        try:
            return number(fold(a.value[0]))
        except (ValueError, OverflowError):
            raise TooComplexError("no finite number") from None
    sign = 1.0
    if parity and algebra.monic(a)[0] < 0:
        a, sign = algebra.scale(-1.0, a), float(parity)
    if parity == 1 and a.op == "abs":
        a = a.args[0]
    if (name, a.op) in (("exp", "log"), ("log", "exp")):
        return a.args[0]
    low, high = find_range(a.low, a.high)
    return algebra.scale(sign, algebra.function(name, (a,), low, high))


def _apply_two(algebra: Algebra, name: str, a: Term, b: Term) -> Term:
    if name == "__builtin_expect":
        return a
    if name == "pow":
        return power(algebra, a, b)
    if name in ("fmin", "fmax"):
        return algebra.least(a, b) if name == "fmin" else algebra.greatest(a, b)
    if name == "hypot":
        square = algebra.add(algebra.power(a, 2.0), algebra.power(b, 2.0))
        return algebra.power(square, 0.5)
    if name == "fmod":
        return remainder(algebra, a, b)
    if name == "fdim":
        return algebra.greatest(algebra.subtract(a, b), algebra.number(0.0))
    if name == "copysign":
        size = algebra.absolute(a)
        return algebra.choose(algebra.compare("<", b, algebra.number(0.0)), algebra.scale(-1.0, size), size)
    if name in ("ldexp", "scalbn"):
        return algebra.multiply(a, power(algebra, algebra.number(2.0), b))
    if name == "atan2":
        if a.is_number and b.is_number:
            return algebra.number(math.atan2(a.value[0], b.value[0]))
        if b.low > 0:
            return _apply_one(algebra, "atan", algebra.divide(a, b))
        factor, a = algebra.monic(a)
        if abs(factor) != 1:
            b = algebra.scale(1 / abs(factor), b)
        low = 0.0 if a.low >= 0 else -math.pi
        high = 0.0 if a.low < 0 and a.high <= 0 else math.pi
        turned = algebra.function("atan2", (a, b), low, high)
        return algebra.scale(math.copysign(1.0, factor), turned)
    if name in ("remainder", "nextafter", "jn", "yn"):
        return algebra.function(name, (a, b), -_INFINITY, _INFINITY)
    raise TooComplexError(name)


def power(algebra: Algebra, a: Term, b: Term) -> Term:
    """Return a to the power of b."""
    if b.is_number:
        return algebra.power(a, b.value[0])
    if a.is_number and a.value[0] > 0:
        return _apply_one(algebra, "exp", algebra.scale(math.log(a.value[0]), b))
    high = _INFINITY
    if a.low >= 0 and a.high <= 1 and b.low >= 0:
        high = 1.0
    return algebra.function("pow", (a, b), 0.0 if a.low >= 0 else -_INFINITY, high)

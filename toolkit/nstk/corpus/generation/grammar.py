"""Random numeric functions: locals, branches, loops, iterations, tables and helpers drawn from a grammar."""

from collections.abc import Callable, Sequence

from nstk.corpus.generation.grammar_expressions import ATOM, BOUND, CHOICE, PRODUCT, SUM, Expressions, Value
from nstk.corpus.generation.idioms import decimal
from nstk.corpus.generation.writing import Draft

_ARGUMENT_SETS = tuple(
    names.split()
    for names in (
        "x", "x", "t", "a", "v", "angle", "temp", "val", "x y", "x y", "a b", "u v", "t x", "r theta", "x t", "dx dy",
        "p q", "x y z", "a b c", "x a b", "r g b", "t a b", "x mu sigma", "temp hum press", "u v w", "x0 x1 x2",
        "t freq amp",
        "a b c d", "x y z w", "x0 y0 x1 y1", "x a b c", "t t0 a k", "p0 p1 p2 p3", "lat lon alt h", "x y dx dy",
        "a b c d e", "x y z a b", "t v0 a0 x0 k", "x c0 c1 c2 c3", "temp rh p v h", "x1 y1 x2 y2 r",
        "a b c d e f", "x1 y1 z1 x2 y2 z2", "vx vy vz ax ay az", "m1 m2 r v g k",
        "a b c d e f g", "x y z a b c d", "t x0 v0 a k w phi", "a0 a1 a2 a3 b1 b2 x",
        "a b c d e f g h", "x0 y0 x1 y1 x2 y2 x3 y3", "k1 k2 k3 k4 v1 v2 v3 v4",
        "a b c d e f g h i", "m00 m01 m02 m10 m11 m12 m20 m21 m22", "x0 x1 x2 x3 x4 x5 x6 x7 x8",
        "ax ay az bx by bz cx cy cz",
    )
)  # fmt: skip
_SETS = {n: [names for names in _ARGUMENT_SETS if len(names) == n] for n in range(1, 10)}
_LOCALS = """
    a b c d e f g h k m n p q r s t u v w z tmp val res sum acc ratio scale delta diff base gain level coef k1 k2 s1 t1
    t2 r2 num den
    """.split()  # noqa: SIM905
_NAMES = """
    func f1 model response transform evaluate kernel update estimate combine adjust profile cost objective step value_at
    correction weight energy rate shape g h phi psi force offset_of index_of level
    """.split()  # noqa: SIM905


def write_random_function(draft: Draft, arguments: int, short: bool) -> tuple[str, str]:
    """Write a random function of some arguments into a draft; return a name for it and its value.

    A short one is an expression or two, as most functions of real code are.
    """
    grammar = _Grammar(draft, arguments)
    return grammar.write_short() if short else grammar.write()


class _Grammar(Expressions):
    """Draws the statements of one function; variables in reach are kept with their intervals."""

    def __init__(self, draft: Draft, arguments: int) -> None:
        self.draft = draft
        names = draft.rng.choice(_SETS[arguments])
        super().__init__(draft.rng, [Value(draft.new_name(name), -1.0, 1.0) for name in names])
        draft.parameters.extend(value.text for value in self.unused)
        self.arguments = arguments

    def write(self) -> tuple[str, str]:
        """Write all statements; return a name for the function and its value."""
        rng = self.rng
        kinds = (self._local, self._local, self._local, self._local, self._update, self._branch, self._choice,
                 self._early, self._loop, self._until, self._steps, self._table, self._helper)  # fmt: skip
        self._write_statements(kinds, rng.choice((0, 1, 1, 2, 2, 3, 3, 4)) + self.arguments // 4)
        value = self.expression(rng.choice((1, 2, 2, 3)))
        while self.unused:
            value = self.join(value, self.expression(1 if len(self.unused) < 3 else 2))
        if rng.random() < 0.25:
            value = self.call(value)
        return self._finish(value)

    def write_short(self) -> tuple[str, str]:
        """Write at most one statement; return a name for the function and its value."""
        rng = self.rng
        kinds = (self._local, self._local, self._update, self._branch, self._early, self._early, self._helper)
        self._write_statements(kinds, rng.choice((0, 0, 0, 1)))
        value = self.expression(rng.choice((1, 1, 1, 2)))
        while self.unused:
            value = self.join(value, self.leaf())
        if rng.random() < 0.12 and not self.draft.statements:
            other = self.expression(rng.choice((0, 1)))
            lo, hi = min(value.lo, other.lo), max(value.hi, other.hi)
            value = Value(f"{self.condition()} ? {value.text} : {other.text}", lo, hi, CHOICE)
        return self._finish(value)

    def _write_statements(self, kinds: Sequence[Callable[[], None]], count: int) -> None:
        for _ in range(count):
            unused, written = self.unused.copy(), len(self.draft.statements)
            self.rng.choice(kinds)()
            if len(self.draft.statements) == written:
                self.unused = unused

    def _finish(self, value: Value) -> tuple[str, str]:
        if value.size > 9.0:
            value = Value(f"{value.held(PRODUCT)} / {decimal(self.rng, value.size / 4)}", -6, 6, PRODUCT)
        return self.rng.choice(_NAMES), value.text

    def _declare(self, value: Value) -> None:
        if value.size > BOUND:
            value = Value(f"clamp({value.text}, -{BOUND}, {BOUND})", -BOUND, BOUND)
        name = self.draft.new_local(self.rng.choice(_LOCALS), value.text)
        self._reach(Value(name, value.lo, value.hi))

    def _reach(self, local: Value) -> None:
        """Bring a local into reach; what is declared should be used."""
        self.scope.append(local)
        self.unused.append(local)

    def _write(self, text: str) -> None:
        self.draft.statements.append(text)

    def _rebind(self, name: Value, lo: float, hi: float) -> None:
        """Widen what is known of a variable that was assigned again."""
        self.scope = [Value(v.text, min(lo, v.lo), max(hi, v.hi)) if v.text == name.text else v for v in self.scope]

    def _variable(self) -> Value:
        """Return a variable that may be assigned: a local if there is one."""
        return self.rng.choice(self.scope[self.arguments :] or self.scope)

    def _local(self) -> None:
        self._declare(self.expression(self.rng.choice((1, 2, 2, 3))))

    def _choice(self) -> None:
        a, b = self.expression(1), self.expression(1)
        self._declare(Value(f"{self.condition()} ? {a.text} : {b.text}", min(a.lo, b.lo), max(a.hi, b.hi), CHOICE))

    def _update(self) -> None:
        name, value = self._variable(), self.expression(1)
        operator, lo, hi = self.rng.choice((("+=", name.lo + value.lo, name.hi + value.hi),
                                            ("-=", name.lo - value.hi, name.hi - value.lo),
                                            ("*=", -name.size * value.size, name.size * value.size)))  # fmt: skip
        if max(abs(lo), abs(hi)) < BOUND and value.text != name.text:
            self._write(f"{name.text} {operator} {value.text};")
            self._rebind(name, lo, hi)

    def _branch(self) -> None:
        rng = self.rng
        name, condition = self._variable(), self.condition()
        first, second = self.expression(rng.choice((1, 2))), self.expression(1)
        text = f"if ({condition})\n    {name.text} = {first.text};"
        if first.size > BOUND or second.size > BOUND:
            return
        lo, hi = first.lo, first.hi
        if rng.random() < 0.5:
            text = f"if ({condition}) {{\n    {name.text} = {first.text};\n}} else {{\n"
            text += f"    {name.text} = {second.text};\n}}"
            lo, hi = min(lo, second.lo), max(hi, second.hi)
        self._write(text)
        self._rebind(name, lo, hi)

    def _early(self) -> None:
        if self.rng.random() < 0.6:
            condition = self.condition()
            value = self.expression(1)
            self._write(f"if ({condition})\n    return {value.text};")

    def _loop(self) -> None:
        """Accumulate over a few rounds."""
        rng = self.rng
        count = rng.choice((2, 3, 4, 4, 5, 8))
        counter = self.draft.new_name(rng.choice("iijkn"))
        value = self.call(
            self.multiply(Value(f"({counter} + 1)" if rng.random() < 0.5 else f"{counter}", 0, 1), self.leaf())
        )
        sums = self.draft.new_local(rng.choice(("sum", "acc", "s", "total", "r")), rng.choice(("0.0", "0.0", "1.0")))
        text = value.text if value.size * count < BOUND else f"{value.held(PRODUCT)} / ({counter} + 1.0)"
        size = min(1.0 + value.size * count, BOUND)
        if rng.random() < 0.3 and value.size < 3:
            text, size = f"0.5 * {sums} + {value.held(PRODUCT)}", 2 * value.size + 1
            self._write(f"for (int {counter} = 0; {counter} < {count}; {counter}++)\n    {sums} = {text};")
        else:
            self._write(f"for (int {counter} = 0; {counter} < {count}; {counter}++) {{\n    {sums} += {text};\n}}")
        self._reach(Value(sums, -size, size))

    def _until(self) -> None:
        """Iterate a contraction until it settles."""
        rng = self.rng
        start, pull = self.leaf(), self.leaf()
        name = self.draft.new_local(rng.choice("xyvuz") + "n", start.text)
        step = self.draft.new_local("delta" if rng.random() < 0.5 else "err", "1.0")
        counter = self.draft.new_name(rng.choice(("n", "iter", "it", "count")))
        factor = decimal(rng, rng.uniform(0.15, 0.8))
        form = rng.choice(("cos", "sin", "tanh", "atan"))
        limit, tolerance = rng.choice((10, 20, 50)), rng.choice(("1e-6", "1e-5", "1e-4", "1e-8"))
        self._write(
            f"int {counter} = 0;\nwhile (fabs({step}) > {tolerance} && {counter} < {limit}) {{\n"
            f"    {step} = {factor} * {form}({name}) + {decimal(rng, rng.uniform(0.2, 1.1))} * {pull.text} - {name};\n"
            f"    {name} += {step};\n    {counter}++;\n}}"
        )
        self._reach(Value(name, -start.size - 2, start.size + 2))

    def _helper(self) -> None:
        """Write a helper function of one or two arguments and call it."""
        rng = self.rng
        names = rng.choice((["x"], ["x"], ["t"], ["a", "b"], ["x", "k"], ["v", "w"]))
        outer = self.draft.statements, self.scope, self.unused
        self.draft.statements = []
        self.scope = [Value(name, -2.0, 2.0) for name in names]
        self.unused = list(self.scope)
        value = self.expression(2)
        while self.unused:
            value = self.join(value, self.leaf())
        self.draft.statements, self.scope, self.unused = outer
        name = self.draft.new_name(
            rng.choice(("helper", "f", "g", "curve", "blend", "bump", "fold", "term", "shape", "falloff", "aux"))
        )
        self.draft.helpers.append(
            f"real {name}({', '.join('real ' + n for n in names)})\n{{\n    return {value.text};\n}}\n"
        )
        values = [self.expression(rng.choice((0, 1))) for _ in names]
        if all(v.size <= 2.0 for v in values):
            self._declare(Value(f"{name}({', '.join(v.text for v in values)})", value.lo, value.hi))

    def _steps(self) -> None:
        """Cut a value into whole steps."""
        rng = self.rng
        value, levels = self.leaf(), rng.choice((2, 4, 5, 8, 10, 16))
        if value.lo == value.hi:
            return
        name = self.draft.new_name(rng.choice(("idx", "n", "ix", "bin", "q", "level")))
        self._write(f"int {name} = (int){rng.choice(('floor', ''))}({value.text} * {levels}.0);")
        size = value.size
        if rng.random() < 0.5:
            self._declare(Value(f"{value.text} * {levels}.0 - {name}", -1, 1, SUM))
        elif rng.random() < 0.5:
            self._declare(Value(f"{name} % 2 == 0 ? {value.text} : -{value.held(ATOM)}", -size, size, CHOICE))
        else:
            self._declare(Value(f"{name} / {levels}.0", -size - 1, size + 1, PRODUCT))

    def _table(self) -> None:
        """Evaluate a polynomial whose coefficients are a constant table."""
        rng = self.rng
        count, value = rng.choice((3, 4, 5, 6)), self.leaf()
        if value.size > 1.5 or value.lo == value.hi:
            return
        numbers = [decimal(rng, rng.uniform(-1.0, 1.0)) for _ in range(count)]
        table = self.draft.new_name(rng.choice(("coeffs", "table", "kernel", "c_tab", "TAB", "weights")))
        self.draft.constants.append(f"static const real {table}[{count}] = {{{', '.join(numbers)}}};")
        sums = self.draft.new_local(rng.choice(("p", "poly", "y", "res")), "0.0")
        counter = self.draft.new_name(rng.choice("ikj"))
        loop = f"int {counter} = {count - 1}; {counter} >= 0; {counter}--"
        self._write(f"for ({loop})\n    {sums} = {sums} * {value.text} + {table}[{counter}];")
        size = min(sum(abs(float(n)) * max(1.0, value.size) ** k for k, n in enumerate(numbers)), BOUND)
        self._reach(Value(sums, -size, size))

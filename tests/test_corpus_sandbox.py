"""The WebAssembly sandbox against hostile programs, among honest neighbours."""

import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import wasmtime

from nstk.corpus.extraction.c_library import PRELUDE
from nstk.corpus.sandbox import compiler, runner
from nstk.corpus.sandbox.denylist import refuse
from nstk.corpus.sandbox.execution import Outcome, Unit, execute, execute_admitted
from nstk.corpus.sandbox.isolation import KEPT, IsolationError, isolate

# The compiler builds its C library on its first use ever, in 20 seconds; so these tests keep to the user's own cache.

HOSTILE = Path(__file__).parent / "hostile" / "programs.txt"


def draw(columns: int) -> list[np.ndarray]:
    """Return two segments of inputs."""
    rng = np.random.default_rng(columns)
    return [rng.uniform(-1, 1, (rows, columns)).astype(np.float32) for rows in (2300, 512)]


#: Segments for functions of so many inputs.
SEGMENTS = {1: draw(1), 2: draw(2), 11: draw(9)}

#: Functions with what they should give; their names and macros collide with each other's and with hostile ones.
GOOD: list[tuple[str, int, Callable[[np.ndarray], np.ndarray]]] = [
    ("double f(double x) { return sin(x) + exp(x) * M_PI; }", 1, lambda x: np.sin(x[0]) + np.exp(x[0]) * np.pi),
    (
        "#define SQR(a) ((a) * (a))\ndouble f(double x, double y) { return sqrt(SQR(x) + SQR(y)); }",
        2,
        lambda x: np.hypot(x[0], x[1]),
    ),
    (
        "static const float table[3] = {1.0f, 2.5f, -3.0f};\n#define N 3\n"
        "float f(float x) { float s = 0; for (int i = 0; i < N; i++) s = s * x + table[i]; return s; }",
        1,
        lambda x: (x[0] + 2.5) * x[0] - 3,
    ),
    (
        "typedef struct { double re, im; } pair;\npair g(double a, double b) { pair p = {a * a - b * b, 2 * a * b}; "
        "return p; }\ndouble f(double x, double gamma) { pair p = g(x, gamma); return p.re + p.im; }",
        2,
        lambda x: x[0] ** 2 - x[1] ** 2 + 2 * x[0] * x[1],
    ),
    (
        "static const double gamma = 0.5, y0 = M_PI;\nenum { A = 2, B };\n"
        "float f(float x) { double y[B] = {0}; y[A] = x; return gamma * y[A] + y0 + y[1]; }",
        1,
        lambda x: 0.5 * x[0] + np.pi,
    ),
    (
        "double f(double a, double b, double c, double d, double e, double g, double h, double i, double j, double k, "
        "double l) { return a + 2 * j + 10 * k + 100 * l; }",
        11,
        lambda x: x[0] + 2 * x[8] + 110,
    ),
    (
        "double f(double x) { double y = x > 0 ? x : -x, r = 1; for (int i = 0; i < 200; i++) r = 0.5 * (r + y / r); "
        "return r; }",
        1,
        lambda x: np.sqrt(np.abs(x[0])),
    ),
    (
        'const char kind[] = "a\\"}{";\ndouble f(double x) { return x * (sizeof kind - 1) + kind[0] % \'{\'; }',
        1,
        lambda x: x[0] * 4 + 97,
    ),
]


def hostile() -> list[tuple[str, Unit, str, str]]:
    """Return title, unit, and the expected reasons with and without the denylist, `ok` for none."""
    _, *parts = re.split(r"^=== ", HOSTILE.read_text(), flags=re.MULTILINE)
    programs = []
    for part in parts:
        head, _, text = part.partition("\n")
        title, expected, *more = head.split(" | ")
        without = more[0] if more else expected
        programs.append((title, Unit(text, more[1] if len(more) > 1 else "f", 1), expected, without))
    return [*programs, *generated()]


def generated() -> list[tuple[str, Unit, str, str]]:
    """Return what is too long or too odd for a text file."""
    opening, closing, more = "(" * 9000, ")" * 9000, "+x"
    texts = {
        "NUL": ("double f(double x) { return x\0; }", "denied: not printable ASCII", "refused: not printable ASCII"),
        "vertical tab": ("\v#include <a>\ndouble f(double x) { return x; }", "denied: .*", "refused: .*"),
        "carriage return": ("\r#include <a>\ndouble f(double x) { return x; }", "denied: .*", "refused: .*"),
        "10 MB": (f"double f(double x) {{ return x{more * 5_000_000}; }}", "denied: too long", "refused: too long"),
        "nesting": (f"double f(double x) {{ return {opening}x{closing}; }}", "does not compile", "does not compile"),
        "long name": (f"double f(double {'x' * 50_000}) {{ return 1; }}", "ok", "ok"),
        "long expression": (f"double f(double x) {{ return x{more * 9000}; }}", "ok", "ok"),
    }
    return [(title, Unit(text, "f", 1), *expected) for title, (text, *expected) in texts.items()]


def mix(programs: Sequence[Unit]) -> tuple[list[Unit], list[Sequence[np.ndarray]]]:
    """Put an honest unit before every program and after the last one."""
    units: list[Unit] = []
    for number in range(len(programs) + 1):
        text, inputs, _ = GOOD[number % len(GOOD)]
        units += [Unit(text, "f", inputs), *programs[number : number + 1]]
    return units, [SEGMENTS[unit.inputs] for unit in units]


def check_good(outcome: Outcome, number: int) -> None:
    _, inputs, expected = GOOD[number % len(GOOD)]
    assert outcome.reason == "", GOOD[number % len(GOOD)][0]
    for y, x in zip(outcome.outputs, SEGMENTS[inputs], strict=True):
        assert y is not None
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, expected(x.T.astype(np.float64)), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("run", [execute, execute_admitted])
def test_hostile_programs_are_contained_and_their_neighbours_right(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    programs = hostile()
    assert len(programs) >= 100
    start = time.monotonic()
    wrong = []
    for first in range(0, len(programs), 48):
        part = programs[first : first + 48]
        units, segments = mix([unit for _, unit, _, _ in part])
        outcomes = run(units, segments)
        assert len(outcomes) == len(units)
        for number in range(len(part) + 1):
            check_good(outcomes[2 * number], number)
        for (title, _, expected, without), outcome in zip(part, outcomes[1::2], strict=True):
            if not re.fullmatch(expected if run is execute else without, outcome.reason or "ok"):
                wrong.append((title, outcome.reason or "ok"))
            if outcome.reason:
                assert outcome.outputs == (None, None)
    assert not wrong
    assert time.monotonic() - start < 60
    assert not list(tmp_path.iterdir())


def test_broken_text_never_costs_a_neighbour():
    rng = random.Random(1)
    pool = [unit.text for _, unit, _, _ in hostile() if len(unit.text) < 2000]
    words = [word for text in pool for word in re.findall(r"\w+|\S", text)]
    for _ in range(3):
        broken = []
        for _ in range(40):
            pieces = re.findall(r"\w+|\s+|\S", rng.choice(pool))
            for _ in range(rng.randrange(1, 5)):
                place = rng.randrange(len(pieces) + 1)
                pieces[place : place + rng.randrange(3)] = [f" {rng.choice(words)} "] * rng.randrange(2)
            broken.append(Unit("".join(pieces), "f", 1))
        outcomes = execute_admitted(*mix(broken))
        for number, outcome in enumerate(outcomes[::2]):
            check_good(outcome, number)


def test_a_unit_may_fail_on_later_segments_only():
    text = "double f(double x) { if (x > 5) for (;;) ; if (x < -5) return 1 / (int)(x * 0); return x; }"
    low, high, fine = (np.full((100, 1), value, np.float32) for value in (-9, 9, 0.5))
    (outcome,) = execute([Unit(text, "f", 1)], [[SEGMENTS[1][0], high, fine, low]])
    assert outcome.reason == ""
    first, none, third, also_none = outcome.outputs
    assert none is None
    assert also_none is None
    assert first is not None
    assert third is not None
    np.testing.assert_array_equal(first, SEGMENTS[1][0][:, 0])
    np.testing.assert_array_equal(third, np.full(100, 0.5, np.float32))


def test_nan_and_infinity_are_results():
    (outcome,) = execute([Unit("double f(double x) { return x > 0 ? NAN : 1 / (x * 0); }", "f", 1)], [SEGMENTS[1]])
    assert outcome.reason == ""
    assert outcome.outputs[0] is not None
    assert not np.isfinite(outcome.outputs[0]).any()


def test_results_do_not_depend_on_the_batch():
    units, segments = mix([])
    units, segments = units * 3, segments * 3
    alone = execute(units[:1], segments[:1])[0]
    for outcome in execute(units, segments):
        for y, expected in zip(outcome.outputs, alone.outputs, strict=True):
            np.testing.assert_array_equal(y, expected)


def test_no_units():
    assert execute([], []) == []


COMPILER_ATTACKS = {
    "file": '#include "/etc/passwd"',
    "endless file": '#include "/dev/zero"',
    "own input": '#include "/dev/stdin"\n#error end',
    "itself": "#include __FILE__",
    "macro bomb": "\n".join(
        f"#define {a} {b},{b},{b},{b},{b},{b},{b},{b},{b},{b}" for a, b in zip("BCDEFGHIJK", "ABCDEFGHIJ", strict=True)
    )
    + "\nint a[] = { K };",
    "huge data": "char a[1u << 31] = {1};",
    "error flood": "\n".join(f"int a{i} = b{i};" for i in range(100_000)),
    "file in assembly": 'asm(".incbin \\"/dev/zero\\"");',
}


@pytest.mark.parametrize("text", COMPILER_ATTACKS.values(), ids=COMPILER_ATTACKS.keys())
def test_compiler_is_limited(text):
    start = time.monotonic()
    binary, said = compiler.compile_text(text, cpu_seconds=1)
    assert binary is None
    assert len(said) <= 1 << 22
    assert time.monotonic() - start < 10


IMPORTS = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
__attribute__((constructor)) static void start(void) { for (;;) ; }
int nstk_count;
__attribute__((export_name("run"))) void nstk_run(int unit, int n, const float *x, float *y) {
    for (int i = 0; i < n; i++) y[i] = x[i];
    switch (unit) {
    case 0: break;
    case 1: y[0] = printf("%f", x[0]); fflush(stdout); break;
    case 2: y[0] = fopen("/etc/passwd", "r") != NULL; break;
    case 3: y[0] = time(NULL); break;
    case 4: y[0] = getenv("HOME") != NULL; break;
    case 5: exit(0);
    case 6: abort();
    case 7: remove("nstk_was_here"); break;
    }
}
"""


def test_whatever_a_module_imports_traps():
    binary, said = compiler.compile_text(IMPORTS, cpu_seconds=20)
    assert binary is not None, said
    module = wasmtime.Module(runner.engine(), binary)
    assert module.imports
    linked = runner.link(module)
    assert runner.evaluate(linked, 0, [SEGMENTS[1][0]], 2)[1] == ""
    for unit in range(1, 8):
        assert runner.evaluate(linked, unit, [SEGMENTS[1][0]], 2) == ((None,), "trap"), unit


HONEST = """
#define PI 3.14159265358979323846
#define MAX(a, b) ((a) > (b) ? (a) : (b))
typedef unsigned int uint32_t;
typedef double real;
typedef struct vec { real x, y; } vec;
static const double time = 3.0, clock[2] = {1, 2};
static real weights[2][2] = {{1, 2}, {3, 4}};
enum mode { FAST, SLOW = 5 };
union bits { float f; uint32_t i; };
real dot(vec a, vec b) { return a.x * b.x + a.y * b.y; }
float index(float rand, float exit) { register int i = (int)rand % 3; do { i++; } while (i < 0x1fu); return i * exit; }
"""


def test_honest_text_passes():
    assert refuse(HONEST) is None
    renamed = isolate(HONEST, "p_")
    assert renamed.count("\n") == HONEST.count("\n")
    assert "p_index(float p_rand, float p_exit)" in renamed
    assert "0x1fu" in renamed
    assert "typedef unsigned int p_uint32_t;" in renamed
    assert "(int)p_rand % 3" in renamed


@pytest.mark.parametrize(
    "text",
    ["#define A(x) x\n#define B A(\nint v = B 1);", "#define A(x\nint v;", "#define 3\nint v;", "int v[2] = {1}};"],
)
def test_isolation_refuses_odd_text(text):
    with pytest.raises(IsolationError, match=r"directive|brackets"):
        isolate(text, "p_")


def test_macros_may_name_each_other():
    text = "#define A B\n#define B A\n#define C(x) C(x)\ndouble f(double x) { double A = x; return B; }"
    (outcome,) = execute([Unit(text, "f", 1)], [SEGMENTS[1]])
    assert outcome.reason == "does not compile"


def test_units_that_are_all_blamed_are_compiled_again_in_reverse(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[list[int]] = []
    compile_text = compiler.compile_text

    def record(text: str, cpu_seconds: int) -> tuple[bytes | None, str]:
        orders.append([int(number) for number in re.findall(r'^#line 1 "u(\d+)"', text, re.MULTILINE)])
        return compile_text(text, cpu_seconds)

    compiler.compile_units([], runner.engine())  # whatever the first use prepares
    monkeypatch.setattr(compiler, "compile_text", record)
    good, bad = (Unit(f"double f(double x) {{ return {value}; }}", "f", 1) for value in ("x", "undeclared"))
    for batch, expected in (
        ([bad, bad, bad], [[0, 1, 2], [2, 1, 0]]),
        ([bad, good, bad], [[0, 1, 2], [1], [2, 0]]),
        ([bad], [[0]]),
    ):
        orders.clear()
        compiled = compiler.compile_units(batch, runner.engine())
        assert orders == expected
        assert compiled.reasons == {n: "does not compile" for n, unit in enumerate(batch) if unit is bad}
        assert [numbers for _, numbers in compiled.modules] == [[n] for n, unit in enumerate(batch) if unit is good]


def test_own_functions_may_have_denied_names() -> None:
    assert refuse("double rand(double x) { return x; }\ndouble f(double x) { return rand(x); }") is None
    assert refuse("double rand(double x);\ndouble f(double x) { while (rand(x)) { } return x; }") == "calls rand"
    assert refuse("double f(double x) { double s, c; __builtin_sincos(x, &s, &c); return s; }") is None


def test_extraction_counts_on_nothing_that_isolation_renames() -> None:
    assert sorted(PRELUDE - KEPT) == []


def test_segments_must_fit_the_unit():
    with pytest.raises(ValueError, match="11 inputs"):
        execute([Unit(GOOD[5][0], "f", 11)], [SEGMENTS[2]])

"""Programs as formulas: against compiled C, against Python, and token by token."""

import ctypes
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nstk.hypernetwork.postfix import list_formula
from nstk.hypernetwork.tokenization import MAX_TOKENS, Encoded, ProgramTokenizer, build_tokenizer
from nstk.symbolic.formulas import Argument, formulate
from nstk.symbolic.macros import expand_macros
from nstk.symbolic.parsing import read_program
from nstk.symbolic.terms import Term, TooComplexError, walk
from nstk.training.subformulas import compute, draw_parts

TOKENIZER = ProgramTokenizer(build_tokenizer())
VOCABULARY = TOKENIZER.words()
RANGES = ((-2.0, 3.0), (-1.0, 2.0))
POINTS = [(-1.9, -0.7), (-0.3, 1.9), (0.2, 0.1), (0.9, -0.2), (1.7, 1.3), (2.9, -0.9), (2.2, 0.6), (-1.2, 0.45)]

FUNCTIONS = {
    "sin": math.sin, "cos": math.cos, "exp": math.exp, "log": math.log, "atan": math.atan, "tanh": math.tanh,
    "floor": math.floor, "trunc": math.trunc, "fmod": math.fmod, "abs": abs, "min": min, "max": max,
    "atan2": math.atan2, "pow": math.pow, "cbrt": math.cbrt, "lt": lambda a: a < 0, "le": lambda a: a <= 0,
    "eq": lambda a: a == 0, "not": lambda a: 1 - a, "and": min, "or": max,
}  # fmt: skip


def formulas(text: str, ranges: Sequence[tuple[float, float]] = RANGES, **more) -> list[Term]:
    return formulate(read_program(text), "f", ranges, **more)


def expression(text: str, ranges: Sequence[tuple[float, float]] = RANGES) -> Term:
    return formulas(f"double f(double x, double y) {{ return {text}; }}", ranges)[0]


def evaluate(term: Term, point: Sequence[float]) -> float:
    """Return a term's value, NaN where it has none; all it is made of lies in its range."""
    if term.op == "num":
        return term.value[0]
    if term.op == "arg":
        return point[int(term.value[0])]
    if term.op == "?":
        return evaluate(term.args[1 if evaluate(term.args[0], point) else 2], point)
    args = [evaluate(arg, point) for arg in term.args]
    try:
        if term.op == "sum":
            value = term.value[0] + sum(c * a for c, a in zip(term.value[1:], args, strict=True))
        elif term.op == "prod":
            value = math.prod(math.pow(a, p) for a, p in zip(args, term.value, strict=True))
        else:
            value = float(FUNCTIONS[term.op](*args))
    except (ValueError, OverflowError, ZeroDivisionError):
        return math.nan
    assert not math.isfinite(value) or reaches(term, value), (term, point, value)
    return value


def reaches(term: Term, value: float) -> bool:
    slack = 1e-9 * (1 + abs(value))
    return term.low - slack <= value <= term.high + slack


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#define N 3\nN + N", "3 + 3"),
        ("#define SQ(x) ((x) * (x))\nSQ(a + 1)", "( ( a + 1 ) * ( a + 1 ) )"),
        ("#define A(x) B(x, 2)\n#define B(x, y) (x - y)\nA(A(1))", "( ( 1 - 2 ) - 2 )"),
        ("#define A A + 1\nA", "A + 1"),
        ("#define A B\n#define B A\nA B", "A B"),
        ("#define F(x) x\nF + (F)(1)", "F + ( F ) ( 1 )"),
        ("#define NOTHING()\n#define EMPTY\nNOTHING() 1 EMPTY", "1"),
        ("#define G(x) \\\n  x + 1 // more\nG((a, b)) /* G(2) */", "( a , b ) + 1"),
        ("#include <math.h>\n#pragma once\n#undef A\n1", "1"),
        ("#define C 'c' /* c */\nC", "'c'"),
    ],
)
def test_macros(text, expected):
    assert " ".join(expand_macros(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "#define F(x) x\nF(1",
        "#define F(x) x\nF(1, 2)",
        "#define F(x, y) x ## y\nF(a, b)",
        "#if A\n1\n#endif",
        "#ifdef A\n1\n#endif",
        "x " * 20_001,
        "#define A0 x x\n" + "".join(f"#define A{i + 1} A{i} A{i}\n" for i in range(30)) + "A30",
        "#define A0\n" + "".join(f"#define A{i + 1} A{i} A{i}\n" for i in range(30)) + "A30",
    ],
)
def test_macros_that_do_not_work(text):
    with pytest.raises(ValueError, match=r"conditional|macro|bracket"):
        expand_macros(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x * x", "pow(x, 2)"),
        ("x / 2", "0.5 * x"),
        ("x * (1 / y)", "x / y"),
        ("-(x - y)", "y - x"),
        ("2 * (x + y)", "x + y + x + y"),
        ("x > y ? x : y", "fmax(x, y)"),
        ("(x < y) ? x : y", "fmin(y, x)"),
        ("x < 0 ? -x : x", "fabs(x)"),
        ("sqrt(x * x)", "fabs(x)"),
        ("fabs(-3 * x)", "3 * fabs(x)"),
        ("pow(x, 0.5)", "sqrtf(x)"),
        ("sin(-x) + cos(-y)", "cos(y) - sin(x)"),
        ("exp2(x)", "exp(x * M_LN2)"),
        ("pow(2, x)", "exp2(x)"),
        ("log(exp(x))", "x"),
        ("expm1(x)", "exp(x) - 1"),
        ("hypot(x, y)", "sqrt(x * x + y * y)"),
        ("fma(x, y, x)", "x * (y + 1) - 0"),
        ("!(x < y)", "x >= y"),
        ("x < y && x < y", "!(y <= x)"),
        ("fdim(x, y)", "fmax(x - y, 0)"),
        ("ceil(x)", "-floor(-x)"),
        ("(x + y) / (2 * (x + y))", "0.5"),
        ("(int)(x + 5) % 100", "floor(x + 5)"),
        ("3 / 2 * x", "x"),
        ("0x10 * x + 010", "16 * x + 8.0f"),
        ("sin(1.0)", "0.8414709848078965"),
    ],
)
def test_one_function_is_one_term(one, other):
    both = expression(f"({one}) - ({other})")
    if one == "fma(x, y, x)":  # products are not multiplied out
        assert {term.op for term in walk([both])} == {"sum", "prod", "arg"}
    else:
        assert both.is_number, both
        assert both.value[0] == pytest.approx(0, abs=1e-15)


def test_what_differs_stays_apart():
    for text in ("x - y", "sin(x) - sin(y)", "floor(x) - trunc(x)", "(x < y) - (y < x)", "atan2(x, y) - atan2(y, x)"):
        assert not expression(text).is_number, text


VALUES = st.one_of(st.sampled_from(["x", "y"]), st.sampled_from(["0.5", "2.0", "3", "1.25", "-1.5", "7"]))
EXPRESSIONS = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds(
            "{}({})".format,
            st.sampled_from(["sin", "cos", "exp", "atan", "tanh", "fabs", "floor", "ceil", "sqrt", "log", "-"]),
            inner,
        ),
        st.builds(
            "{}({}, {})".format, st.sampled_from(["fmin", "fmax", "fmod", "atan2", "fdim", "hypot"]), inner, inner
        ),
        st.builds("choose({}, {}, {})".format, inner, inner, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["<", "<=", ">", ">=", "=="]), inner),
    ),
    max_leaves=12,
)
#: What C means by the same words, for Python.
MEANINGS = {
    name: getattr(math, name)
    for name in ["sin", "cos", "exp", "atan", "tanh", "fabs", "floor", "ceil", "sqrt", "log", "fmod", "atan2", "hypot"]
}
MEANINGS |= {"fmin": min, "fmax": max, "fdim": lambda a, b: max(a - b, 0.0), "choose": lambda c, a, b: a if c else b}


@settings(derandomize=True, max_examples=400, deadline=None)
@given(EXPRESSIONS, st.sampled_from([RANGES, ((0.5, 3.0), (1.0, 2.0)), ((-3.0, -0.25), (0.0, 0.0))]))
def test_formulas_compute_what_expressions_say(text, ranges):
    # Every number with a point, so that no division is one of integers.
    c = text.replace("3", "3.0").replace("7", "7.0").replace("3.0.0", "3.0")
    try:
        term = formulas(
            "double choose(double c, double a, double b) { return c ? a : b; }"
            f"double f(double x, double y) {{ return ({c}) + 0.0; }}",
            ranges,
        )[0]
    except TooComplexError:
        return
    for part in (0.1171875, 0.4140625, 0.6328125, 0.9296875):
        point = [low + part * (high - low) for low, high in ranges]
        try:
            expected = float(eval(c, {}, MEANINGS | dict(zip("xy", point, strict=True))))
        except (ValueError, OverflowError, ZeroDivisionError):
            continue  # not defined here
        jumps = any(word in c for word in ("floor", "ceil", "fmod", "<", ">", "=", "choose", "fdim"))
        found = evaluate(term, point)
        if jumps and not math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-6):
            # Beside a jump rounding decides; beside that point it does not.
            beside = [evaluate(term, [v + step for v in point]) for step in (-1e-7, 1e-7)]
            assert any(math.isclose(b, expected, rel_tol=1e-4, abs_tol=1e-4) for b in beside), (c, point)
            continue
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6), c


#: One a paragraph.
PROGRAMS = """
double f(double x, double y) { double *p = &x; *p += 1; if (y > 0) *p = y * x; return *p + x; }

static void g(double *p, double *q) { if (*p > *q) { double t = *p; *p = *q; *q = t; } }
double f(double x, double y) { g(&x, &y); return 3 * x - y; }

static double g(const double *c, int n, double x) { double s = *c++; do s = s * x + *c++; while (--n); return s; }
static const double c[] = {1, -2, 0.5, 3};
double f(double x, double y) { double d[3] = {x, y, 2}; return g(c, 3, x) + g(d, 2, y); }

static double g(const double *p, double x) { double s = x, *q = &s; *q += p[1]; return s * p[0]; }
double f(double x, double y) { double a[2] = {2, y}; return x > 0 && g(a, x) > y ? g(a, x) : g(a + 0, -x); }

static double g(double *p, int n) { double s = 0; for (; n > 0; n--) s += *p++ * n; return s; }
double f(double x, double y) { double a[2][3] = {{x, y, 1}, {2, x, y}}; return g(a[1], 3) - g(a[0] + 1, 2) + *(*a); }

double f(double x, double y) { double a[3] = {x, y, 3}, *p = a + 2, *q = &a[1]; if (x > 0) *q = 5; p -= 2; q--; *q += 1;
return p[0] + a[1] * 2; }

struct result { double value, error; };
static int g(double x, struct result *r) { if (x > 0) { r->value = x; r->error = 1; return 0; }
r->error = x; return 1; }
double f(double x, double y) { struct result r; r.value = y; int bad = g(x, &r); if (bad) return r.error - 2;
return r.value + r.error; }

typedef struct { double re, im; } number;
static void multiply(const number *a, const number *b, number *c) {
number r = {a->re * b->re - a->im * b->im, a->re * b->im + a->im * b->re}; *c = r; }
static double size(number a) { a.re *= a.re; return a.re + a.im * a.im; }
double f(double x, double y) { number z = {x, y}, w; multiply(&z, &z, &w); multiply(&w, &z, &w); w.im += z.re;
return size(w) + w.re; }

typedef struct point { double at[2]; int n; } point;
static void move(point *p, double by) { for (int i = 0; i < p->n; i++) p->at[i] += by * (i + 1); }
double f(double x, double y) { point p = {{x, y}, 2}, *q = &p, s[2]; move(q, x); s[1] = p; move(&s[1], y);
(*q).at[0] *= 2; return p.at[0] + 10 * s[1].at[1] + (&s[1])->at[0]; }

typedef struct { double a, b[2]; } both;
double f(double x, double y) { both p = {x, {y, 1}}, q = {2, {3, x}}; double *v = &p.a, *w = p.b; p = q;
*v += y; w[1] += 1; q.a = 9; return p.a + 2 * p.b[0] + 3 * p.b[1]; }

static void half(double *v) { *v /= 2; }
struct pair { double a, b; };
double f(double x, double y) { struct pair p = {x, y}; half(&p.b); if (y > 0) half(&p.a); return p.a * 3 + p.b; }

double f(double x, double y) { double s = 0; for (int i = 0; i < 9; i++) { if (x < i - 1) break; s += y; } return s; }

double f(double x, double y) { double s = 0; for (int i = 0; i < 6; i++) { if (i % 2) continue; s += x * i;
if (s > 3 * y) break; } return s; }

double f(double x, double y) { int n = 0; for (;;) { n++; for (int i = 0; i < 3; i++) { if (i > n) break; x += i; }
if (n == 4) break; } return x * n + y; }

double f(double x, double y) { int n = 0; double s = x; while (n < 5) { n++; if (s < 0) continue; s -= y * y; }
return s + n; }

double f(double x, double y) { int n = 0; do { n += 1; if (n == 2) continue; x += n * y; } while (n < 4); return x; }

double f(double x, double y) { if (x > y) return x; else return -y; }

double f(double x, double y) { if (x < 0) return 1; if (y < 0) { y = x; return y * 2; } return x + y; }

double f(double x, double y) { double s = 1; if (x > 0) { s = x; if (y > 1) s += y; } else s -= y; return s * s; }

double f(double x, double y) { double s = 0; for (int i = 0; i < 5; i++) s += i * x - y / (i + 1); return s; }

double f(double x, double y) { double s = 0; int i = 4; while (i--) { s = s * x + y; } return s + i; }

double f(double x, double y) { int n = 3; do { x = cos(x) * y; --n; } while (n > 0); return x; }

double f(double x, double y) { double s = 0; for (int i = 0; i < 3; ++i) { for (int j = i; j < 3; ++j) s += i
    * x + j * y; } return s; }

double f(double x, double y) { for (int i = 0; i < 9; i++) { if (x > i) return y + i; } return x; }

static double g(double a, double b) { return a > b ? a : b * 2; }
double f(double x, double y) { return g(g(x, y), g(y, 1)); }

static int sign(double a) { return (a > 0) - (a < 0); } double f(double x, double y) { return sign(x) * y + sign(y); }

static int cut(double a) { return a; } double f(double x, double y) { int k = x * 2; return cut(y * 3) + k; }

static const double table[4] = {0.5, -1, 2};
double f(double x, double y) { return table[1] * x + table[2] * y + table[3]; }

static const double m[2][2] = {{1, 2}, {3, 4}};
double f(double x, double y) { double v[2] = {x, y}, s = 0; for (int i = 0; i < 2; i++) s += m[i][0] * v[0] +
    m[i][1] * v[1] * i; return s; }

static void both(const double *a, double *out) { out[0] = a[0] + a[1]; *(out) *= 2; out[1] = a[0] - a[1]; }
double f(double x, double y) { double a[] = {x, y}, b[2]; both(a, b); return b[0] * b[1]; }

static void put(double a, double *out) { if (a > 0) *out = a; else *out = -2 * a; }
double f(double x, double y) { double r[1]; put(x, r); return r[0] + y; }

static void put(double a, double *out) { if (a < 0) { out[0] = 3; return; } out[0] = a; }
double f(double x, double y) { double r[1] = {0}; put(x, r); return r[0] + y; }

static int put(double a, double *out) { if (a < 0) { out[0] = 3; return 1; } out[0] = a; return 0; }
double f(double x, double y) { double r[1]; int k = put(x, r); return r[0] + y * k; }

double f(double x, double y) { int a = 7, b = -2; return a / b * x + a % 4 * y + (double)a / b + (a >> 1) + (a
    << 2) + (a & 3) + ~a; }

double f(double x, double y) { int k = (int)(x * 3), j = (int)y; return k / 2 + k % 2 + j; }

double f(double x, double y) { int i = 0; double a = i++ + x; double b = ++i * y; i -= 5; return a + b + i-- + i; }

double f(double x, double y) { return x > 1 ? y > 0 ? 1 : 2 : x < -1 && y < 1 || !(y > 0.5) ? x : 4; }

enum { A, B = 5, C, D = A - 3, E = 1 << 4 }; double f(double x, double y) { return A + B * x + C * y + D + E; }

typedef enum { LOW = 2, HIGH } level; typedef int whole; typedef double real;
real f(real x, real y) { whole k = x, l = (level)HIGH; return k * l + y * LOW; }

static double gain = 2, offset = 1 + 0.5; static const char *name = "unused";
double f(double x, double y) { return gain * x + offset * y; }

static double last; double f(double x, double y) { last = x * y; last += 1; return last * last; }

double f(double x, double y) { double f = 1, a = f, b; b = a += x; (void)a; return b, a * y; }

double f(double x, double y) { { double t = x; y += t; } { double t = 2; y *= t; } for (int i = 0; i < 2; i++)
    { double t = i; y -= t * x; } return y; }

double f(double x, double y) { if (x * x >= 0) { return y; } return x; }

double f(double x, double y) { return fmod(x * 5, 2) + fmod(y, 3) + copysign(2, x) + trunc(x * 2) + (long)y +
    ldexp(x, 2) + cbrt(y); }

static float old(void) { return 2; }
double f(double x, double y) { double s = 0; if (y > 0) { for (int i = 0; i < 3; i++) s += old() * x; } else
    if (x > 0) s = y; else ; return s; }

#define SQ(a) ((a) * (a))
#define TWICE(a, b) (SQ(a) + SQ(b))
double f(double x, double y) { return TWICE(x - y, SQ(y)); }
""".strip().split("\n\n")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    for index, text in enumerate(PROGRAMS):
        (folder / f"p{index}.c").write_text(f"#include <math.h>\n#define f f{index}\n{text}\n")
    sources = [f"p{index}.c" for index in range(len(PROGRAMS))]
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", "all.so", *sources, "-lm"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "all.so"))
    functions = [getattr(library, f"f{index}") for index in range(len(PROGRAMS))]
    for function in functions:
        function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * 2
    return functions


@pytest.mark.parametrize("index", range(len(PROGRAMS)))
def test_formulas_compute_what_compiled_programs_do(index, compiled):
    (term,) = formulas(PROGRAMS[index])
    for point in POINTS:
        value = evaluate(term, point)
        assert value == pytest.approx(compiled[index](*point), rel=1e-9, abs=1e-9), point
        assert reaches(term, value)


def test_outputs_are_written_through_pointers():
    text = "int f(double a[2], double *sum, double out[2]) { *sum = a[0] + a[1];"
    text += " if (a[0] > 0) { out[1] = a[0]; return 1; } out[0] = 7; return 2; }"
    arguments = {"a": Argument(0, 2), "sum": Argument(None), "out": Argument(None, 2)}
    terms = formulas(text, arguments=arguments)
    for point in POINTS:
        positive = point[0] > 0
        expected = [1 if positive else 2, sum(point), 0 if positive else 7, point[0] if positive else 0]
        assert [evaluate(term, point) for term in terms] == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "double f(double x, double y) { return *(int *)&x; }",
        "double f(double x, double y) { while (x > 0) x -= y; return x; }",
        "double f(double x, double y) { for (int i = 0; i < 65; i++) x += y; return x; }",
        "double f(double x, double y) { for (;;) x += y; return x; }",
        "double f(double x, double y) { return x > 0 ? f(x / 2, y) : y; }",
        "double f(double x, double y) { goto end; end: return x; }",
        "double f(double x, double y) { switch ((int)x) { case 1: return y; default: return x; } }",
        "union u { double a; int b; }; double f(double x, double y) { union u q; q.a = x; return q.b + y; }",
        "double f(double x, double y) { double a[2] = {x, y}, *p = a; if (x > y) p = &y; return *p; }",
        "double f(double x, double y) { double *p, a = x; p++; return *p + a + y; }",
        "double f(double x, double y) { double *p = &x; return *(p + 1) + y; }",
        "double f(double x, double y) { double *p = &x, *q = p; return q - p + y; }",
        "double f(double x, double y) { double *p = &x; double **q = &p; return **q + y; }",
        "static double n = 1; double f(double x, double y) { double *p = &n; return *p * x + y; }",
        "struct p { double a; }; double f(double x, double y) { struct p q = {x, y}; return q.a; }",
        "struct p { double a; }; double f(double x, double y) { struct p q = {x}; return q + y; }",
        "double f(double x, double y) { double a[2] = {x, y}; return a[(int)x]; }",
        "double f(double x, double y) { double a[2] = {x, y}; return a[2]; }",
        "double f(double x, double y) { double a[256][256]; a[0][0] = x; return a[0][0]; }",
        "double f(double x, double y) { return x / 0; }",
        "double f(double x, double y) { return log(-1.0) * x; }",
        "double f(double x, double y) { return x * pow(10, 400); }",
        "double f(double x, double y) { return x * (1 << 5000); }",
        "double f(double x, double y) { return unknown(x) + z; }",
        "double f(double x, double y) { return x * \"a\"; }",
        "double f(double x, double y) { x > 0 && (y = 2); return y; }",
        "double f(double x, double y) { x > 0 ? y++ : 0; return y; }",
        "static int g(double *p) { return *p = 3; } double f(double x, double y) { return (x > 0 ? g(&y) : 0) + y; }",
        "static int g(double *p) { *p = 3; return 1; } double f(double x, double y) { return (x > 0 && g(&y)) + y; }",
        "double f(double x, double y) { double a[2] = {x, y}; int i = 0; a[i++] += 2; return a[0] + i; }",
        "double f(double x, double y) { { double x = 1; y += x; } return x + y; }",
        "static int n; static int g(void) { return ++n; } double f(double x, double y) { g(); return x * g(); }",
        "double f(x, y) double x, y; { return x * y; }",
        "double f(double x, ...) { return x; }",
        "double f(double x, double y) { double a = {}; if (x > y) return a; }",
        "double f(double x, double y);",
        "template <typename T> T f(T x, T y) { return x * y; }",
        "double f(double x, double y) { return " + "(" * 500 + "x" + ")" * 500 + "; }",
        "double f(double x, double y) { return x" + " + y * x" * 2000 + "; }",
        "",
        "((((",
    ],
)  # fmt: skip
def test_programs_without_formula(text):
    with pytest.raises(ValueError):  # noqa: PT011 - of many kinds
        formulas(text)


def test_branches_that_the_domain_rules_out_are_dropped():
    text = "double f(double x, double y) { if (x < 0) return sin(y); while (x < -5) x = y; return fmax(x, -3); }"
    assert [term.op for term in walk(formulas(text, ((0, 1), (0, 1))))] == ["arg"]
    assert [term.op for term in formulas(text, ((-2, -1), (0, 1)))] == ["sin"]
    assert [term.op for term in formulas(text, ((-2, 1), (0, 1)))] == ["?"]
    with pytest.raises(TooComplexError, match="loop"):
        formulas(text, ((-6, 1), (0, 1)))


def words_of(encoded: Encoded) -> list[str]:
    return [TOKENIZER.tokenizer.id_to_token(i) for i in encoded.ids]


def test_operands_stand_before_what_is_done_with_them():
    listing = list_formula(expression("sin(2 * x) + 3 * y * y - 1.5", ((-1, 1), (0, 2))), 20)
    assert listing.words == ["arg0", "sin", "arg1", "square", "+", "+"]
    assert [number[0] for number in listing.numbers] == [2, 0, 0, 3, 0, -1.5]
    assert [number[1:] for number in listing.numbers[2:]] == [
        (0, 2), (0, 12), pytest.approx((-math.sin(2) * 0 - 1, 13)), pytest.approx((-2.5, 11.5)),
    ]  # fmt: skip
    assert listing.links == [(-1, -1), (0, -1), (-1, -1), (2, -1), (1, 3), (4, -1)]
    with pytest.raises(TooComplexError, match="too many tokens"):
        list_formula(expression("sin(x) + y * y"), 3)


def test_shared_parts_are_listed_once():
    (encoded,) = TOKENIZER.encode(
        "float f(float x, float y) { float s = sinf(x + y); return s * y + 2 * s + (s > y ? s : 3); }", "f", RANGES
    )
    words = words_of(encoded)
    assert words.count("sin") == 1
    assert words[-1] in ("+", "?")
    assert encoded.root == len(words) - 1
    for place, (links, level) in enumerate(zip(encoded.links.tolist(), encoded.levels.tolist(), strict=True)):
        assert all(link < place or link == 0 for link in links)
        assert level == max((encoded.levels[link] + 1 for link in links if link), default=0)


def test_every_output_has_its_formula():
    text = "void f(float x, float y, float *a, float *b) { *a = x + y; *b = cosf(y); }"
    arguments = {"x": Argument(0), "y": Argument(1), "a": Argument(None), "b": Argument(None)}
    first, second = TOKENIZER.encode(text, "f", RANGES, arguments, outputs=2)
    assert words_of(first) == ["[CLS]", "arg1", "arg0", "+"]
    assert words_of(second) == ["[CLS]", "arg1", "cos"]
    np.testing.assert_allclose(first.numbers[1:3], [[0, -1, 2], [0, -2, 3]])
    one, other = TOKENIZER.encode(text, "f", RANGES, arguments | {"b": Argument(1)}, outputs=2)
    assert one is other  # one formula for two outputs: the text is read
    assert one.root == 0


def test_text_without_formula_is_read_as_it_stands():
    text = "float f(float x) { goto end; end: return x * 3.5f; }"
    (encoded,) = TOKENIZER.encode(text, "f", [(-4, 6)])
    words = words_of(encoded)
    assert words[:6] == ["[CLS]", "float", "self", "(", "float", "arg0"]
    assert encoded.root == 0
    assert encoded.numbers[words.index("num")].tolist() == [3.5, 0, 0]
    assert encoded.numbers[5].tolist() == [0, -4, 6]
    assert encoded.links[:6].tolist() == [[0, 0], [0, 0], [1, 0], [2, 0], [0, 0], [4, 0]]
    assert encoded.levels[:6].tolist() == [0, 1, 2, 3, 0, 1]


def test_long_formulas_are_read_as_text():
    def terms(count: int) -> str:
        sines = " + ".join(f"sinf({i + 1} * x)" for i in range(count))
        return f"float f(float x) {{ return {sines}; }}"

    (short,), (long,) = (TOKENIZER.encode(terms(count), "f", [(-1, 1)]) for count in (150, 200))
    assert short.root == len(short.ids) - 1 == 150 * 3 - 1
    assert (long.root, len(long.ids)) == (0, MAX_TOKENS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exp(x) + 2 * cos(y) - sin(x)", "2 * cos(y) - (sin(x) - exp(x))"),
        ("sin(x) * cos(y) * y", "y * (cos(y) * sin(x))"),
        ("exp(x * x + y) / (y * cos(x) + 4)", "1 / (4 + cos(x) * y) * exp(y + x * x)"),
        ("fmax(sin(x), fmin(cos(y), x * y))", "fmax(fmin(y * x, cos(y)), sin(x))"),
        ("x > 0 && sin(y) > 0.5 ? x : y", "sin(y) > 0.5 && x > 0 ? x : y"),
    ],
)
def test_listing_does_not_depend_on_the_order_of_operands(one, other):
    first, second = (list_formula(expression(text), 99) for text in (one, other))
    assert (first.words, first.links) == (second.words, second.links)
    np.testing.assert_allclose(first.numbers, second.numbers, rtol=1e-12)


def test_long_sums_and_products_are_joined_pair_by_pair():
    for join in (" + ", " * "):
        text = join.join(f"cosf({i + 1} * x)" for i in range(40))
        (encoded,) = TOKENIZER.encode(f"float f(float x) {{ return {text}; }}", "f", [(-1, 1)])
        assert encoded.levels[-1] == 1 + 6  # 2^6 >= 40


def test_listing_does_not_depend_on_hashes():
    text = "float f(float x, float y) { float a = 0, b = 1, c = 2; if (x > y) { a = sinf(x); b = cosf(y); c = x * y; }"
    text += " return a * b + c * a + fmaxf(b, c); }"
    code = (
        "import sys; from nstk.hypernetwork.postfix import list_formula; from nstk.symbolic.formulas import formulate\n"
    )
    code += "from nstk.symbolic.parsing import read_program; program = read_program(sys.argv[1])\n"
    code += "print(vars(list_formula(formulate(program, 'f', [(-2, 3), (-1, 2)])[0], 99)))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code, text], env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in "123"
    }  # fmt: skip
    assert len(found) == 1


def looping(depth: int, turns: int, statement: str) -> str:
    loops = "".join(f"for (int {i} = 0; {i} < {turns}; {i}++) " for i in "ijk"[:depth])
    return f"float f(float x, float y) {{ float s = 1; {loops} {statement} return s; }}"


SLOW = {
    "loops": looping(3, 64, "s += x * i;"),
    "long sum": looping(2, 60, "s += sinf(x * (i * 60 + j));"),
    "long product": looping(2, 60, "s *= x + i * 60 + j;"),
    "branches": looping(1, 30, "{ if (x > i) s = s * x + i; else if (y > i) return s; }"),
    "arrays": looping(2, 40, "{ float a[200]; a[0] = y; if (x > y) s += a[0]; }"),
    "calls": "".join(f"float g{i + 1}(float x) {{ return g{i}(x) + g{i}(x + 1); }}\n" for i in range(11))
    + "float g0(float x) { return x * x; } float f(float x) { return g11(x); }",
    "iterations": looping(1, 31, "s -= (s - (5 + x) * sinf(s) - y) / (1 - (5 + x) * cosf(s));"),
    "blocks": looping(0, 0, "{" * 3000 + "}" * 3000),
    "signs": looping(0, 0, "s = " + "- " * 3000 + "x;"),
}


@pytest.mark.parametrize("case", SLOW)
def test_no_text_takes_long(case):
    start = time.process_time()
    (encoded,) = TOKENIZER.encode(SLOW[case], "f", RANGES)
    assert time.process_time() - start < 1  # some 0.1 s
    assert len(encoded.ids) <= MAX_TOKENS


PIECES = """
    int float x y f ( ) { } [ ] ; , . ? : + - * / % & ~ ! = < ++ << == && += if else for while do return enum
    typedef struct sizeof 0 1 2.5f 1e300 0x1p9999 'a' "s" sinf powf fabs # ## const ... goto
""".split()  # noqa: SIM905
INTERVALS = st.tuples(st.floats(), st.floats())


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=30),
    st.sampled_from(
        ["{}", "float f(float x, float y) {{ {} ; return x; }}", "float f(float x, float y) {{ return {} ; }}"]
    ),
    st.lists(INTERVALS, min_size=2, max_size=2),
)
def test_any_tokens_on_any_domain_are_encoded(pieces, frame, ranges):
    (encoded,) = TOKENIZER.encode(frame.format(" ".join(pieces)), "f", ranges)
    assert np.isfinite(encoded.numbers).all()
    assert len(encoded.ids) == len(encoded.links) == len(encoded.levels) <= MAX_TOKENS


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, st.lists(INTERVALS, min_size=2, max_size=2))
def test_any_domain_gives_finite_numbers(text, ranges):
    (encoded,) = TOKENIZER.encode(f"float f(float x, float y) {{ return {text}; }}", "f", ranges)
    assert np.isfinite(encoded.numbers).all()


def test_parts_are_worth_what_they_compute():
    (encoded,) = TOKENIZER.encode(
        "float f(float x, float y) { return expf(2 * x) * y + (x > y ? x * x : 3 * y) / (1 + fabsf(y)); }", "f", RANGES
    )
    words = words_of(encoded)
    x = np.random.default_rng(0).uniform([-2, -1], [3, 2], (64, 2))
    a, b = x.T
    square_or = np.where(a > b, a * a, 3 * b)
    expected = {
        "exp": np.exp(2 * a),
        "?": square_or,
        "fabs": np.abs(b),
        "square": a * a,
        "inverse": 1 / (1 + np.abs(b)),
    }
    checked = set()
    values = compute(encoded, VOCABULARY, x)
    for seed in range(40):
        parts = draw_parts(values, 64, seed)
        again = draw_parts(values, 64, seed)
        np.testing.assert_array_equal(parts.places, again.places)
        assert len(parts.places) == len(set(parts.places.tolist())) == 2
        assert encoded.root not in parts.places
        for place, y, mean, scale in zip(parts.places.tolist(), parts.y, parts.mean, parts.scale, strict=True):
            assert abs(y.mean(dtype=float)) < 1e-3
            if words[place] in expected:
                np.testing.assert_allclose(y * scale + mean, expected[words[place]], atol=4e-3 * scale)
                checked.add(words[place])
    assert checked == set(expected)


def test_parts_that_say_nothing_are_left_out():
    x = np.linspace(-1, 1, 32)[:, None]
    ids = np.array([VOCABULARY.index(word) for word in ("[CLS]", "arg0", "*", "exp", "num", "+")])
    links = np.array([[0, 0], [0, 0], [1, 0], [2, 0], [0, 0], [3, 4]])
    numbers = np.array([[number, 0, 0] for number in (0, 0, 1e200, 0, 2.0, 0)])
    huge = Encoded(ids, numbers, links, np.arange(6), 5)
    parts = draw_parts(compute(huge, VOCABULARY, x), 16, 0)
    assert (parts.places.tolist(), parts.y.shape) == ([1], (1, 16))
    assert draw_parts([], 16, 0).y.shape == (0, 16)  # text without formula

import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nstk.constant_expression import evaluate
from nstk.domain import Interval
from nstk.errors import NstkError, UnsupportedError, UsageError
from nstk.preprocessor import preprocess
from nstk.program import Program, read_program

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.c"))
STRICT = [
    "-std=c99",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wdouble-promotion",
    "-Wshadow",
    "-Werror",
]
Read = Callable[..., Program]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(text: str, function: str | None = None, **options: object) -> Program:
        path = tmp_path / "f.c"
        path.write_text(text)
        return read_program(path, function, **options)  # type: ignore[arg-type]

    return run


def check_syntax(text: str, *flags: str) -> None:
    command = ["gcc", "-x", "c", "-fsyntax-only", *(flags or ("-std=gnu11", "-Wall", "-Werror")), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + text


def refuse(kind: type[NstkError], message: str, read: Read, text: str, *args: object, **options: object) -> NstkError:
    with pytest.raises(kind) as caught:
        read(text, *args, **options)
    assert re.search(message, caught.value.message), caught.value.message
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.hint
    return caught.value


# Examples


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_read_and_their_slices_compile(path: Path) -> None:
    program = read_program(path)
    assert (program.file, program.tolerance) == (path.name, "0.1%" if path.stem == "invk2j" else None)
    assert path.read_text().splitlines()[program.line - 1].split("(")[0].endswith(program.name)
    assert all(item.interval != Interval(-1, 1) for item in program.inputs)
    check_syntax(program.source, *STRICT)
    check_syntax(path.read_text(), *STRICT)


def test_all_nine_examples_are_there() -> None:
    stems = "colebrook dew_point euclidean haversine invk2j kepler sincos sobel steinhart_hart"
    assert [path.stem for path in EXAMPLES] == stems.split()


def test_inverse_kinematics_in_full() -> None:
    path = Path(__file__).parent.parent / "examples" / "invk2j.c"
    program = read_program(path)
    assert program.name == "inverse_kinematics"
    assert [p.declaration for p in program.parameters] == ["float x", "float y", "float *theta1", "float *theta2"]
    assert [p.role for p in program.parameters] == ["value", "value", "pointer", "pointer"]
    assert program.returns is None
    assert program.input_names == ("x", "y")
    assert program.output_names == ("theta1", "theta2")
    assert {item.interval for item in program.inputs} == {Interval(0.1, 0.65)}


# Signatures


@pytest.mark.parametrize(
    ("spelling", "name", "lo", "hi"),
    [
        ("float", "float", 0, 0),
        ("double", "double", 0, 0),
        ("char", "char", -128, 127),
        ("signed char", "signed char", -128, 127),
        ("char unsigned", "unsigned char", 0, 255),
        ("short int", "short", -32768, 32767),
        ("unsigned short", "unsigned short", 0, 65535),
        ("signed", "int", -(2**31), 2**31 - 1),
        ("unsigned", "unsigned int", 0, 2**32 - 1),
        ("long unsigned int", "unsigned long", 0, 2**64 - 2048),
        ("long long", "long long", -(2**63), 2**63 - 1024),
        ("uint8_t", "uint8_t", 0, 255),
        ("int_least16_t", "int_least16_t", -32768, 32767),
        ("uint_fast8_t", "uint_fast8_t", 0, 255),
        ("int32_t", "int32_t", -(2**31), 2**31 - 1),
        ("size_t", "size_t", 0, 2**64 - 2048),
        ("ptrdiff_t", "ptrdiff_t", -(2**63), 2**63 - 1024),
        ("register volatile float", "float", 0, 0),
        ("const int", "int", -(2**31), 2**31 - 1),
    ],
)
def test_scalar_types(read: Read, spelling: str, name: str, lo: int, hi: int) -> None:
    program = read(f"#include <stdint.h>\n#include <stddef.h>\nfloat f({spelling} x) {{ return (float)x; }}")
    (parameter,) = program.parameters
    assert (parameter.ctype.name, parameter.ctype.lo, parameter.ctype.hi) == (name, lo, hi)
    assert parameter.declaration == f"{name} x"
    assert parameter.ctype.kind == (name if name in ("float", "double") else "int")
    assert program.inputs[0].interval == (Interval(0, 1) if lo == 0 and hi else Interval(-1, 1))


def test_typedef_chains_macros_and_arrays_resolve(read: Read) -> None:
    program = read(
        """
        typedef float f32; typedef f32 real; typedef const real creal; typedef unsigned char bool;
        #define REAL real
        typedef real vec3[3];
        enum { TWO = 2, THREE }; static const int FOUR = THREE + 1;
        #define COUNT (TWO * 2 - 3)
        REAL f(creal a, const vec3 v, f32 w[static THREE - 1], bool flag, const REAL one[COUNT], real *restrict out,
               vec3 more) { *out = a; more[0] = v[0]; return w[0] + flag + one[0] + FOUR; }
        """,
        outputs=["out", "more"],
    )
    assert [p.declaration for p in program.parameters] == [
        "float a",
        "const float v[3]",
        "float w[2]",
        "unsigned char flag",
        "const float one[1]",
        "float *out",
        "float more[3]",
    ]
    assert [p.role for p in program.parameters] == [
        "value",
        "array",
        "array",
        "value",
        "array",
        "pointer",
        "output_array",
    ]
    assert program.input_names == ("a", "v_0", "v_1", "v_2", "w_0", "w_1", "flag", "one_0")
    assert program.output_names == ("result", "out", "more_0", "more_1", "more_2")
    assert program.returns is not None
    assert program.returns.name == "float"
    check_syntax(program.source)


def test_names_that_collide_get_underscores(read: Read) -> None:
    program = read(
        "float f(const float w[2], float w_1, float w_1_, float result) { return w[0] + w_1 + w_1_ + result; }"
    )
    assert program.input_names == ("w_0", "w_1__", "w_1", "w_1_", "result")
    assert program.output_names == ("result_",)


def test_cpp_keywords_are_names(read: Read) -> None:
    assert read("float operator(float new, float class) { return new + class; }").input_names == ("new", "class")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("struct s { float a; };\nfloat f(struct s v) { return v.a; }", r"f\.c:2: struct s by value in f\(\)"),
        ("typedef struct { float a; } s;\nfloat f(s v) { return v.a; }", r"f\.c:2: 's', a typedef of struct"),
        ("union u { float a; };\nfloat f(union u v) { return v.a; }", "union u by value"),
        ("enum e { A };\nfloat f(enum e v) { return v; }", "enum e by value"),
        ("struct s { float a; };\nstruct s f(float v) { struct s r = {v}; return r; }", "struct s by value"),
        ("float f(float *p) { return *p; }", "pointer parameter 'p' not declared as output"),
        ("float f(float x,\n  const float *p) { return x + *p; }", r"f\.c:2: pointer parameter 'p'"),
        ("typedef float *fp; float f(fp p) { return *p; }", "'fp', a typedef of a pointer"),
        ("float f(float x, ...) { return x; }", "variadic"),
        ("float f(float w[]) { return w[0]; }", "array 'w' of unknown size"),
        ("float f(float w[N]) { return w[0]; }", "size 'N' is no positive constant"),
        ("float f(float w[0]) { return w[0]; }", "no positive constant"),
        ("float f(int n, float w[n]) { return w[0]; }", "size 'n'"),
        ("float f(float w[3][3]) { return w[0][0]; }", "nested declarator of 'w'"),
        ("float f(float **w) { return **w; }", "nested declarator of 'w'"),
        ("float f(float *w[3]) { return *w[0]; }", "nested declarator of 'w'"),
        ("float f(float (*w)[3]) { return w[0][0]; }", "nested declarator of 'w'"),
        ("float f(float (*g)(float)) { return g(1); }", "function pointer 'g'"),
        ("float f(float g(float)) { return g(1); }", "function pointer 'g'"),
        ("float f(float, float y) { return y; }", "parameter without a name"),
        ("float f(x) float x; { return x; }", "K&R"),
        ("float f(long double x) { return x; }", "long double"),
        ("long double f(float x) { return x; }", "long double"),
        ("float f(float _Complex x) { return x; }", "complex"),
        ("#include <complex.h>\nfloat complex f(float x) { return x; }", "complex"),
        ("float f(_Bool x) { return x; }", "boolean"),
        ("#include <stdbool.h>\nfloat f(bool x) { return x; }", "boolean"),
        ("float f(real x) { return x; }", "unknown type 'real'"),
        ("float f(__int128 x) { return x; }", "unknown type '__int128'"),
        ("float f(void *x) { return 1; }", "void pointer parameter 'x'"),
        ("float f(void) { return 1; }", "no input"),
        ("float f() { return 1; }", "no input"),
        ("void f(float x) { (void)x; }", "no output"),
        ("float *f(float x) { static float y; y = x; return &y; }", "pointer as return type"),
        ("typedef a b; typedef b a; float f(a x) { return x; }", "unknown type 'a'"),
        ("#define a b\n#define b a\nfloat f(a x) { return x; }", "unknown type 'a'"),
        ("float f(const float w[17]) { return w[0]; }", "17 scalar inputs"),
        (f"float f({', '.join(f'float x{i}' for i in range(17))}) {{ return x0; }}", "17 scalar inputs"),
    ],
)
def test_unsupported_signatures_are_named(read: Read, text: str, message: str) -> None:
    for function in ("f", None):
        error = refuse(UnsupportedError, message, read, text, function)
        assert re.match(r"f\.c:\d+: ", error.message)
        assert error.exit_code == 4


def test_sixteen_inputs_are_fine(read: Read) -> None:
    names = [f"x{i}" for i in range(16)]
    text = f"double f({', '.join(f'double {n}' for n in names)}) {{ return {'+'.join(names)}; }}"
    assert read(text).input_names == tuple(names)


def test_outputs_must_be_writable(read: Read) -> None:
    text = "float f(float x, const float *p, float *q, const float w[2]) { *q = x; return *p + w[0]; }"
    assert "x, p, q, w" in refuse(UsageError, "output 'z' is no parameter of f", read, text, "f", outputs=["z"]).hint
    refuse(UsageError, "'x' is passed by value", read, text, "f", outputs=["x"])
    refuse(UsageError, "'p' points to const", read, text, "f", outputs=["p"])
    refuse(
        UsageError,
        "'w' points to const",
        read,
        text.replace("const float *p", "float *p"),
        "f",
        outputs=["p", "q", "w"],
    )
    hint = refuse(UnsupportedError, "pointer parameter 'p'", read, text, "f", outputs=["q"]).hint
    assert "const float p[N]" in hint


# Which function


def test_the_choice_of_the_function(read: Read) -> None:
    pair = "float a(float x) { return x; }\n\nfloat b(float x) { return -x; }\n"
    error = refuse(UsageError, r"a \(line 1\), b \(line 3\)", read, pair)
    assert "f.c:a" in error.hint
    assert "--function a" in error.hint
    assert read(pair, "b").line == 3
    assert read("static " + pair).name == "b"
    assert read("// nstk: x=0:2\n" + pair).name == "a"
    assert read(pair.replace("float x) { return x", "float *x) { return *x")).name == "b"
    assert read(pair + "int main(int argc) { return argc; }", "a").name == "a"
    assert read("static float only(float x) { return x; } int main(int n) { return n; }").name == "only"
    assert read("#define LOCAL static\nLOCAL " + pair).name == "b"
    assert read("static float a(float x); " + pair, "a").name == "a"
    both = "/* nstk: x=0:1 */ float c(float x) { return x; } /* nstk: x=0:1 */ float d(float x) { return x; }"
    refuse(UsageError, r"meant: c \(line 3\), d \(line 3\)$", read, "float b(float x) { return x; }\n\n" + both)


def test_outputs_can_decide(read: Read) -> None:
    text = "float a(float x) { return x; } void b(float x, float *y) { *y = x; }"
    assert read(text).name == "a"
    assert read(text, outputs=["y"]).name == "b"


def test_unknown_functions_list_the_candidates(read: Read) -> None:
    text = "float dew_point(float t) { return t; } void log_it(void) {} int main(void) { return 0; }"
    error = refuse(UsageError, "no function 'dew_pont' in f.c", read, text, "dew_pont")
    assert "did you mean 'dew_point'? candidates: dew_point (line 1)" in error.hint
    assert "log_it" not in error.hint
    refuse(UnsupportedError, r"main\(\) cannot be replaced", read, text, "main")
    refuse(UsageError, "no function in f.c but main", read, "int main(void) { return 0; }")
    refuse(UsageError, "no function in f.c", read, "int x;")
    refuse(
        UnsupportedError, "no function in f.c has a supported signature; f.c:1: ", read, "void a(void){} void b(void){}"
    )


# The comment


def test_the_comment_gives_domain_outputs_and_tolerance(read: Read) -> None:
    text = """float u(float x) { return x; }
        /* Docs first. */
        /* nstk: a = 0:1,
         *       w = -3:4; outputs: p,
         *       q; tolerance: 1% */
        /** And more docs. */
        // A last remark.
        void f(int a, const float w[2], float *p, float q[2]) { *p = w[0]; q[0] = q[1] = a; }"""
    program = read(text)
    assert (program.name, program.line, program.tolerance) == ("f", 8, "1%")
    assert [item.interval for item in program.inputs] == [Interval(0, 1), Interval(-3, 4), Interval(-3, 4)]
    assert program.output_names == ("p", "q_0", "q_1")
    other = read(text, domain={"a": Interval(5, 6)}, outputs=["q", "p"])
    assert [item.interval for item in other.inputs] == [Interval(5, 6), Interval(-3, 4), Interval(-3, 4)]
    assert other.output_names == ("p", "q_0", "q_1")
    assert other.sha256 != program.sha256


@pytest.mark.parametrize(
    ("comment", "tolerance"),
    [
        ("/* nstk: tolerance: 0.5 */", "0.5"),
        ("// nstk: x=0:1; tolerance: 2%;", "2%"),
        ("//nstk: x=0:1\n// nstk: tolerance: 2%", "2%"),
        ("/**\n * Doubles.\n * nstk: x=0:1; tolerance: 3 % */", "3 %"),
        ("/* says nothing of nstk: here */", None),
    ],
)
def test_forms_of_the_comment(read: Read, comment: str, tolerance: str | None) -> None:
    program = read(f"float g(float y) {{ return y; }}\n{comment}\nfloat f(float x) {{ return 2 * x; }}", "f")
    assert program.tolerance == tolerance


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("/* nstk: x=1:0 */", r"f\.c:3: domain x=1:0 is empty"),
        ("/* nstk: y=0:1 */", r"f\.c:3: domain names 'y', which is no parameter"),
        ("/* nstk: p=0:1 */", r"f\.c:3: domain names 'p', which is an output"),
        ("/* nstk: x=0:1; colour: red */", r"f\.c:3: unknown clause 'colour: red'"),
        ("/* nstk: x=0:1; y=0:1 */", "unknown clause 'y=0:1'"),
        ("/* nstk: domain: x=0:1 */", "unknown clause"),
        ("/* nstk: */", "gives no domain"),
        ("/* nstk: x=0:1; tolerance: */", "gives no tolerance"),
        ("/* nstk: x=0:1; outputs: p, p */", "named twice"),
        ("/* nstk: x=0:1; outputs: *p */", r"'\*p' is no name"),
        ("/* nstk: x=0:1;; tolerance: 1 */", "unknown clause ''"),
        ("/* nstk: tolerance: 1; tolerance: 2 */", "tolerance given twice"),
        ("// nstk: x=0:1\n// nstk: x=0:2", "domain given twice"),
        ("/* nstk: x=0:1 */ int k;", "stands before no function"),
        ("/* nstk: x=0:1 */\n#define K", "stands before no function"),
    ],
)
def test_bad_comments_are_named(read: Read, comment: str, message: str) -> None:
    text = f"#include <math.h>\n\n{comment}\nfloat f(float x, float *p) {{ *p = x; return 2 * x; }}"
    assert refuse(UsageError, message, read, text, outputs=["p"]).exit_code == 2


def test_domains_must_fit_names_and_types(read: Read) -> None:
    text = "float f(signed char c, unsigned u, float x) { return c + u + x; }"
    error = refuse(UsageError, "domain names 'z', which is no parameter", read, text, domain={"z": Interval(0, 1)})
    assert error.hint == "the inputs: c, u, x"
    refuse(UsageError, "c=-129:5 does not fit signed char", read, text, domain={"c": Interval(-129, 5)})
    refuse(UsageError, "u=-1:5 does not fit unsigned int", read, text, domain={"u": Interval(-1, 5)})
    refuse(UsageError, "c=0.2:0.8 holds no whole number", read, text, domain={"c": Interval(0.2, 0.8)})
    assert [i.interval for i in read(text).inputs] == [Interval(-1, 1), Interval(0, 1), Interval(-1, 1)]


# The slice

BIG = r"""
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h> /* printf */
#pragma GCC diagnostic ignored "-Wunused-function"
#ifndef M_PI
#define M_PI 3.14159265358979323846
#endif
#define USED(x) (INNER(x) + 1.0f) // pulls INNER
#define INNER(x) \
    ((x) * SCALE)
#define SCALE 2.0f
#define UNUSED 17
#define LEVEL 2
#define TEMP 4
typedef struct { float a, b; } pair; typedef struct unused_s { int z; } unused_t;
typedef float real;
enum mode { SLOW, FAST };
struct point { real x, y; };
static const real TABLE[] = {1, 2, 3}, OTHER = 4;
static int counter;
static real helper(real x);
static real unrelated(real x) { return x * UNUSED; }
static real deep(struct point p) { return p.x * OTHER + (real)FAST; }
static real helper(real x) { struct point p = {x, x}; counter++; return deep(p) * TABLE[1] * TEMP; }
#undef TEMP
#ifdef FANCY
static real variant(real x) { return fancy(x); }
static real spare(real x) { return x; }
#else
static real variant(real x) { return x; }
static real surplus(real x) { return x + 1; }
#endif
static real only_fancy(real x) { return x; }
void show(pair q) { printf("%f target helper\n", q.a); }
/* main( in a comment */
real target(real x)
{
#if 0
    return gone(x);
#elif defined(FANCY) && LEVEL > 1
    return only_fancy(x);
#endif
    return USED(x) + helper(x) + variant(x) + (real)M_PI; /* "unrelated" */
}
#ifdef TEST
int main(void) { return (int)target(1); }
#endif
int main(void) { return (int)target(1); }
"""


def test_the_slice_holds_what_is_needed_and_nothing_else(read: Read) -> None:
    source = read(BIG, "target").source
    check_syntax(source)
    check_syntax(source, "-std=gnu11", "-DTEST")
    for needed in (
        "_GNU_SOURCE",
        "<math.h>",
        "<stdio.h>",
        "-Wunused-function",
        "#ifndef M_PI",
        "define INNER(x) \\\n",
        "SCALE 2",
    ):
        assert needed in source
    for needed in (
        "typedef float real",
        "enum mode",
        "struct point {",
        "TABLE[]",
        "counter;",
        "helper(real x);",
        "#undef TEMP",
    ):
        assert needed in source
    for needed in ("#ifdef FANCY", "deep(struct", "real variant(real x) { return x; }", "only_fancy"):
        assert needed in source
    for unrelated in ("UNUSED", "unrelated(", "unused_t", "pair", "surplus", "show", "main", "TEST"):
        assert unrelated not in source
    assert source.index("static real helper(real x);") < source.index("static real deep") < source.index("target")


def test_pieces_are_verbatim(read: Read) -> None:
    text = "#define  K   3 /* k */\nfloat\n f ( float   x )  /* why */\n{\n\treturn x*K ; }\n"
    assert read(text + "\nfloat g(float x) { return x; }\n", "f").source == text


def test_line_ends_and_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    text = "#define K \\\n 3\nfloat f(float x) { return x * K; }\n"
    hashes = set()
    for data in (text.encode(), text.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + text.encode()):
        (tmp_path / "f.c").write_bytes(data)
        hashes.add(read_program(tmp_path / "f.c").sha256)
    assert len(hashes) == 1


def test_preprocessor_branches(read: Read) -> None:
    text = """
        #ifndef F_H
        #define F_H
        #ifdef __cplusplus
        extern "C" {
        #endif
        #define WIDTH 4
        #if WIDTH > 3 && !defined(NARROW)
        typedef double real;
        #else
        typedef float real;
        #endif
        #if 0
        float old(float x) { return x; }
        #endif
        #define INLINE static __attribute__((always_inline)) inline
        INLINE real twice(real x) { return 2 * x; }
        #ifdef FANCY
        real f(real x, real y) {
        #else
        real f(real x) {
        #endif
            return twice(x);
        }
        #ifdef __cplusplus
        }
        #endif
        #endif
        """
    program = read(text)
    assert (program.name, program.parameters[0].declaration) == ("f", "double x")
    check_syntax(program.source)
    assert "__attribute__" in program.source
    assert "old" not in program.source
    assert "INLINE real twice" in program.source
    assert "F_H" not in program.source
    refuse(UsageError, r"f\.c:14: old\(\) stands in a branch that #if leaves out", read, text, "old")


def test_groups_of_includes_are_kept_and_others_with_main_are_not(read: Read) -> None:
    text = """
        #ifdef __ALTIVEC__
        #include <altivec.h>
        #endif
        #ifdef TEST
        #include <stdio.h>
        int main(void) { return 0; }
        #endif
        float f(float x) { return x; }"""
    source = read(text).source
    assert "<altivec.h>" in source
    assert "main" not in source


def test_macros_that_define_things_are_kept(read: Read) -> None:
    text = """
        #define OP(name, expr) static float name(float x) { return expr; }
        OP(square, x * x)
        OP(cube, x * x * x)
        float f(float x) { return cube(x); }"""
    program = read(text, "f")
    assert "OP(cube" in program.source
    assert "square" not in program.source
    check_syntax(program.source)


def test_old_and_new_spellings(read: Read) -> None:
    for text in (
        '__attribute__((noinline)) float f(float x __attribute__((unused))) { __asm__("nop"); return 1.0f; }',
        "float (f)(float x) { return x; }",
        "#define API\nAPI float f(float x) { return x; }",
        "#define EACH(i, n) for (int i = 0; i < n; i++)\nfloat f(float x) { EACH(i, 3) { x += 1; } return x; }",
        "inline static float f(float const x) { return x; };",
    ):
        program = read(text)
        assert program.parameters[0].declaration == "float x"
        check_syntax(program.source, "-std=gnu11")


# Bad files


def test_bad_files_are_usage_errors(tmp_path: Path) -> None:
    for name, data, message in (
        ("binary", b"\x7fELF\0\1", "binary"),
        ("control", b"\x89PNG\x01\xff", "binary"),
        ("empty", b"", "is empty"),
        ("blank", b" \n\t\n", "is empty"),
        ("large", b"int x;\n" * 800_000, "larger than 5 MB"),
    ):
        path = tmp_path / f"{name}.c"
        path.write_bytes(data)
        with pytest.raises(UsageError, match=message) as caught:
            read_program(path)
        assert caught.value.hint
    with pytest.raises(UsageError, match="folder"):
        read_program(tmp_path)
    for path in (tmp_path / "none.c", tmp_path / "empty.c" / "x", Path("a\0b"), Path("x" * 5000)):
        with pytest.raises(UsageError, match="cannot read"):
            read_program(path)
    (tmp_path / "latin.c").write_bytes("// Grö\xdfe\nfloat f(float x) { return x; }".encode("latin-1"))
    assert read_program(tmp_path / "latin.c").name == "f"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("float f(float x) {\n return x + ;\n}", r"f\.c:2: syntax error near ';'"),
        ("float f(float x) {\n return (x;\n}", r"f\.c:2: syntax error near"),
        ("float f(float x) {\n if (x > 0) { return x;\n", "syntax error near"),
        ("MYSTERY float f(float x) { return x; }", r"f\.c:1: syntax error near"),
        ("float f(float x { return x; }", "syntax error"),
        ("float gr\u00f6\u00dfe(float x) { return x; }", "syntax error"),
        ("))))", "syntax error near"),
    ],
)
def test_syntax_errors_are_usage_errors(read: Read, text: str, message: str) -> None:
    refuse(UsageError, message, read, text)


def test_errors_elsewhere_do_not_matter(read: Read) -> None:
    text = "float g(float x) { return x + ; }\nWEIRD(1, 2)\nfloat f(float x) { return x; }"
    assert "WEIRD" not in read(text, "f").source
    refuse(UsageError, r"f\.c:1: syntax error", read, text, "g")


# Properties

SPACE = st.sampled_from([" ", "  ", "\n", "\t", " /* float z, */ ", " // note )\n", "\\\n ", "\n\n"])
NAMES = st.lists(st.from_regex(r"[a-z]{1,3}_?q[0-9]?", fullmatch=True), min_size=6, max_size=6, unique=True)
TYPES = ["float", "double", "int", "unsigned short", "long long", "uint8_t", "size_t", "signed char"]


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, list[str], list[str], list[str]]:
    """Return C text, outputs, expected declarations and expected input names."""
    names = draw(NAMES)
    lines = ["#include <stdint.h>", "#include <stddef.h>"]
    declared, expected, inputs, outputs, uses = [], [], [], [], []
    for position in range(draw(st.integers(1, 5))):
        name, base = names[position], draw(st.sampled_from(TYPES))
        spelling = base
        for depth in range(draw(st.integers(0, 3))):
            alias = f"t{position}_{depth}"
            form = draw(st.sampled_from(["typedef {0} {1};", "#define {1} {0}"]))
            lines.append(form.format(spelling, alias))
            spelling = alias
        role = "value" if position == 0 else draw(st.sampled_from(["value", "array", "pointer", "output_array"]))
        size = draw(st.integers(1, 3))
        bound = draw(st.sampled_from([str(size), f"N{position}", f"{size + 1}-1", f"(N{position})", hex(size)]))
        form = draw(st.sampled_from(["#define N{0} {1}", "enum {{ N{0} = {1} }};", "enum {{ M{0} = {1} - 1, N{0} }};"]))
        lines.append(form.format(position, size))
        gap = draw(SPACE)
        if role == "value":
            declared.append(f"{draw(st.sampled_from(['', 'const ', 'volatile ']))}{spelling}{gap}{name}")
            expected.append(f"{base} {name}")
            inputs.append(name)
            uses.append(f"r += (double){name};")
        elif role == "array":
            const = draw(st.sampled_from(["", "const "]))
            declared.append(f"{const}{spelling}{gap}{name}[{gap}{bound}{gap}]")
            expected.append(f"{const}{base} {name}[{size}]")
            inputs += [f"{name}_{i}" for i in range(size)]
            uses.append(f"r += (double){name}[0];")
        elif role == "pointer":
            declared.append(f"{spelling}{gap}*{draw(st.sampled_from(['', 'const ', 'restrict ']))}{name}")
            expected.append(f"{base} *{name}")
            outputs.append(name)
            uses.append(f"*{name} = 1;")
        else:
            declared.append(f"{spelling} {name}[{bound}]")
            expected.append(f"{base} {name}[{size}]")
            outputs.append(name)
            uses.append(f"{name}[0] = 1;")
    helper, function = "helper", draw(st.sampled_from(["f", "calc", "main_"]))
    uses.append(f"r = {helper}(r);")
    noise = draw(st.sampled_from(["int noise;", "static float noise(float x) { return x; }", "#define noise 1", ""]))
    gap = draw(SPACE)
    text = "\n".join(
        [
            *lines,
            "#define BODY(x) ((x) * FACTOR)\n#define FACTOR 2.0",
            f"static double {helper}(double x) {{ return BODY(x); }}",
            noise,
            f"double{gap}{function}{gap}({gap}{f',{gap}'.join(declared)}{gap}){gap}{{ double r = 0;{gap}",
            *uses,
            "return r; }",
            "int main(void) { return 0; }",
        ]
    )
    return text, outputs, expected, inputs


SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


@settings(max_examples=150, **SLOW)  # type: ignore[arg-type]
@given(programs())
def test_any_layout_reads_alike(tmp_path: Path, drawn: tuple[str, list[str], list[str], list[str]]) -> None:
    text, outputs, expected, inputs = drawn
    (tmp_path / "f.c").write_text(text)
    program = read_program(tmp_path / "f.c", outputs=outputs)
    assert [p.declaration for p in program.parameters] == expected
    assert list(program.input_names) == inputs
    assert program.output_names[0] == "result"
    assert {p.name for p in program.parameters if p.role in ("pointer", "output_array")} == set(outputs)
    assert "int main" not in program.source
    assert "noise" not in program.source
    assert Program.from_json(json.loads(json.dumps(program.to_json()))) == program


@settings(max_examples=60, **SLOW)  # type: ignore[arg-type]
@given(programs())
def test_any_slice_compiles_with_the_resolved_prototype(
    tmp_path: Path, drawn: tuple[str, list[str], list[str], list[str]]
) -> None:
    text, outputs, _, _ = drawn
    (tmp_path / "f.c").write_text(text)
    program = read_program(tmp_path / "f.c", outputs=outputs)
    prototype = f"double {program.name}({', '.join(p.declaration for p in program.parameters)});\n"
    check_syntax(program.source + prototype, "-std=c99")


def try_reading(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.c"
        path.write_bytes(data)
        for options in ({}, {"function": "f"}, {"outputs": ["theta1", "theta2"]}):
            caught = None
            try:
                program = read_program(path, **options)  # type: ignore[arg-type]
            except NstkError as error:
                caught = error
            else:
                assert program.inputs
                assert program.outputs
            assert caught is None or len(caught.message.splitlines()) == 1


@settings(max_examples=150, **SLOW)  # type: ignore[arg-type]
@given(st.binary(max_size=200))
@example(b"#if (((((((((((((((((((")
@example(b"#define A A A\n#if A\n#endif\n#elif\n#else\n#endif\nfloat f(A x){}")
@example(b"/* nstk:")
@example(b"float f(" + b"(" * 3000)
@example(b"float f(float " + b"(" * 2000 + b"x" + b")" * 2000 + b") { return x; }")
@example(b"#if 1\n" * 500)
@example(b"#if 1 / 0\n#endif\n#if 1 << 99\n#endif\n#if -(-9\n#endif\nfloat f(float x[1 % 0]) {}")
def test_any_bytes_raise_our_errors_only(data: bytes) -> None:
    try_reading(data)


@settings(max_examples=250, **SLOW)  # type: ignore[arg-type]
@given(st.data())
def test_mutated_programs_raise_our_errors_only(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([BIG, *(path.read_text() for path in EXAMPLES)]))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        new = data.draw(
            st.sampled_from(
                ["", "{", "}", "(", ")", "/*", "*/", '"', "'", "#if", "\n#else\n", "\n#endif\n", "\n#define f", ";"]
            )
            | st.sampled_from(
                ["float", "static", "nstk:", "[", "]", "*", ",", "...", "é", "typedef ", "struct ", "const "]
            )
            | st.text(max_size=4)
        )
        text = text[:start] + new + text[end:]
    try_reading(text.encode("utf-8", "replace"))


# Saved programs and hashes


def test_json_round_trip_is_exact(read: Read) -> None:
    program = read(
        "/* nstk: x=0.1:0.3, n=1:100 log; tolerance: 1% */ double f(float x, long n, double *y) { *y = x; return n; }",
        outputs=["y"],
    )
    again = Program.from_json(json.loads(json.dumps(program.to_json())))
    assert again == program
    assert again.sha256 == program.sha256
    assert again.inputs[1].interval == Interval(1, 100, log=True)
    for broken in ({}, {**program.to_json(), "inputs": [{}]}, {**program.to_json(), "more": 1}, {"parameters": 3}):
        with pytest.raises(UsageError, match="not a saved program"):
            Program.from_json(broken)


def test_the_hash_follows_what_matters(read: Read) -> None:
    text = "#define K 2\nfloat g(float x) { return x; }\nfloat f(float x) { return x * K; }"
    first = read(text, "f").sha256
    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert read("\n\n// moved\n" + text.replace("return x; ", "return 0; "), "f").sha256 == first
    assert read(text.replace("K 2", "K 3"), "f").sha256 != first
    assert read(text, "f", domain={"x": Interval(0, 1)}).sha256 != first
    assert read(text, "f", domain={"x": Interval(-1, 1, log=False)}).sha256 == first


# The preprocessor's arithmetic


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("!1 == 0", 1),
        ("1 | 2 == 2", 1),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("010 + 0x1F - 1uL", 38),
        ("1 ? 2 : 3", 2),
        ("A * B", 9),
        ("~0 & 0xff", 255),
        ("1 << 4 >> 2", 4),
        ("3 > 2 > 1", 0),
        ("1.5", None),
        ("'a'", None),
        ("UNKNOWN", None),
        ("1 +", None),
        ("(1", None),
        ("1 2", None),
        ("", None),
        ("1/0", None),
        ("1 << 70", None),
        ("1?2", None),
        ("LOOP", None),
    ],
)
def test_constant_expressions(text: str, value: int | None) -> None:
    assert evaluate(text, {"A": "1 + 2", "B": "(1 + 3)", "LOOP": "LOOP + 1"}) == value


@settings(deadline=None)
@given(st.text(max_size=200))
def test_preprocessing_keeps_every_offset(text: str) -> None:
    text = text.replace("\r", "\n")
    code = preprocess(text).code
    assert len(code) == len(text)
    assert code.isascii()
    assert [i for i, c in enumerate(code) if c == "\n"] == [i for i, c in enumerate(text) if c == "\n"]

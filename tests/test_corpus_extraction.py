"""Numeric functions out of C and C++ files: what is found, how it is made self-contained, what is dropped and why."""

import time
from collections import Counter
from pathlib import Path

import pytest

from nstk import toolchain
from nstk.c_text import lex
from nstk.corpus.candidate import Candidate
from nstk.corpus.extraction.functions import extract
from nstk.corpus.source_file import SourceFile


def run(files: dict[str, str] | str) -> tuple[list[Candidate], Counter[str]]:
    """Extract from files of one package; a text alone is `a.c`."""
    if isinstance(files, str):
        files = {"a.c": files}
    counts: Counter[str] = Counter()
    return list(extract([SourceFile("p", path, text, "MIT") for path, text in files.items()], counts)), counts


def texts(files: dict[str, str] | str) -> dict[str, str]:
    """Return the candidates' texts by name, every run of white space one blank."""
    return {candidate.name: " ".join(candidate.text.split()) for candidate in run(files)[0]}


def only(files: dict[str, str] | str) -> str:
    found = texts(files)
    assert len(found) == 1, found
    return next(iter(found.values()))


def test_a_plain_function_stands_as_it_is() -> None:
    found, counts = run(
        "/* doc */\nstatic inline double f(const double x, float y)\n{\n\treturn x * y; // product\n}\n"
    )
    assert found == [Candidate(found[0].text, "f", 2, "p", "a.c", "MIT")]
    assert found[0].text == "double f(double x, float y)\n{\n    return x * y;\n}\n"
    assert counts == {"files": 1, "functions": 1, "numeric functions": 1}


@pytest.mark.parametrize(
    "head",
    [
        "int f(double x)",
        "double f(int x)",
        "double f(double *x)",
        "double *f(double x)",
        "double f(double x[3])",
        "double f(void)",
        "double f()",
        "long double f(double x)",
        "double f(long double x)",
        "double complex f(double x)",
        "double f(double x, ...)",
        "struct point f(double x)",
        "double f(double (*g)(double))",
        "vector float f(vector float x)",
    ],
)
def test_other_signatures_are_dropped(head: str) -> None:
    assert run(f"{head} {{ return 1; }}") == (
        [],
        {"files": 1, "functions": 1, "dropped: not only float and double by value": 1},
    )


@pytest.mark.parametrize(
    ("before", "head"),
    [
        ("typedef double real;", "real f(real x)"),
        ("typedef float single; typedef single real;", "real f(const real x)"),
        ("#define real double\n", "real f(real x)"),
        ('#define API __attribute__((visibility("default")))\n', "API double f(double x)"),
        ("", "static __inline __attribute__((const)) double f(register double x __attribute__((unused)))"),
        ("", "GLAPI_UNKNOWN gdouble f(gdouble x)"),
        ("", "double\nf(x)\n    double x;"),
        ("SOME_MACRO(a, b)\n", "double f(double x)"),
    ],
)
def test_types_and_decorations_are_resolved(before: str, head: str) -> None:
    kind = "float" if "single" in before else "double"
    assert only(f"{before}\n{head} {{ return x + 1; }}") == f"{kind} f({kind} x) {{ return x + 1; }}"


def test_old_style_parameters() -> None:
    found = only("double f(x, n, y) double x, y; float n; { return x * y + n; }")
    assert found == "double f(double x, float n, double y) { return x * y + n; }"


def test_unnamed_parameters_get_names() -> None:
    assert only({"a.cpp": "double f(double, double y = 1.0) { return y; }"}).startswith(
        "double f(double unused_0, double y)"
    )


def test_conditionals_are_evaluated_away_and_the_other_branch_is_read_too() -> None:
    found, _ = run(
        """
#define FAST 1
#if FAST && !defined(SLOW)
double f(double x) { return x; }
#else
double f(double x) { return x + 0.5; }
#endif
#ifdef UNKNOWN
double g(double x) { return 2 * x; }
#endif
#if 0
double h(double x) { return 3 * x; }
#endif
double k(double x) {
#ifdef UNKNOWN
    return 1;
#else
    return x;
#endif
}
"""
    )
    assert [(c.name, "0.5" in c.text) for c in found] == [("f", False), ("k", False), ("f", True), ("g", False)]
    assert all("#" not in c.text and "return 1" not in c.text for c in found)


def test_macros_constants_types_and_helpers_of_the_file_come_along() -> None:
    found = texts(
        r"""
#define GAIN 0.5 /* of the
                    filter */
#define SQ(a) ((a) * \
               (a))
#define UNUSED_HERE 3
enum { FIRST, SECOND = 4, THIRD };
typedef struct { double re, im; } pair;
union bits { float f; unsigned int u; };
static const double table[] = {1, 2, 3}, other = 7.0;
static double offset = 1.5;
typedef unsigned int word;
static double turn(pair p) { return p.re - p.im; }
static pair make(double x) { pair p = {x, GAIN}; return p; }
double f(double x) { word n = THIRD; return turn(make(SQ(x))) + table[1] + n + offset; }
float g(float x) { union bits b; b.f = x; b.u &= 0x7fffffff; return b.f; }
"""
    )
    assert found["f"] == (
        "#define THIRD 5 #define SQ(a) ((a) * (a)) #define GAIN 0.5 typedef struct { double re, im; } pair; "
        "static const double table[] = {1, 2, 3}; static const double offset = 1.5; "
        "double turn(pair p) { return p.re - p.im; } pair make(double x) { pair p = {x, GAIN}; return p; } "
        "double f(double x) { unsigned int n = THIRD; return turn(make(SQ(x))) + table[1] + n + offset; }"
    )
    assert found["g"].startswith("union bits { float f; unsigned int u; };")


def test_constants_of_constants_become_macros() -> None:
    found = only(
        "static const double A = 2.0;\nstatic const double B[2] = {A, 1};\ndouble f(double x) { return B[0] * x; }"
    )
    assert found.startswith("#define A ((double)(2.0)) static const double B[2] = {A, 1};")


def test_the_package_gives_what_the_file_has_not() -> None:
    found = texts(
        {
            "lib/a.c": '#include "b.h"\ndouble f(double x) { return helper(x) * SCALE; }',
            "lib/b.h": "#define SCALE 2.0\n",
            "lib/z.h": "#define SCALE 3.0\n",
            "lib/h.c": "double helper(double x) { return hidden(x); }\nstatic double hidden(double y) { return y; }",
            "other/h.c": "double helper(double x) { return x + 9; }",
            "other/g.c": "double g(double x) { return hidden(x); }",  # static elsewhere: not this one
        }
    )
    assert found["f"] == (
        "#define SCALE 2.0 double hidden(double y) { return y; } "
        "double helper(double x) { return hidden(x); } double f(double x) { return helper(x) * SCALE; }"
    )
    assert "g" not in found


def test_two_statics_of_one_name_are_told_apart() -> None:
    found = texts(
        {
            "a.c": "static const double k = 1;\ndouble f(double x) { return x + k + g(x); }",
            "b.c": "static const double k = 2;\ndouble g(double x) { return x * k; }",
        }
    )
    assert found["f"] == (
        "static const double k = 1; static const double k_2 = 2; "
        "double g(double x) { return x * k_2; } double f(double x) { return x + k + g(x); }"
    )


def test_functions_that_call_each_other_get_prototypes() -> None:
    found = texts(
        "double g(double); double f(double x) { return x > 0 ? g(x - 1) : x; } double g(double x) { return f(x) / 2; }"
    )
    assert found["f"].startswith("double f(double x); double g(double x) {")
    assert found["g"].endswith("double g(double x) { return f(x) / 2; }")


def test_the_library_is_there_and_messages_go() -> None:
    found = texts(
        """
double f(double x) { assert(x > 0); if (x < 0) fprintf(stderr, "is %g", x); errno = EDOM; return __ieee754_exp(x); }
double g(double x) { return M_PI * MAX(x, DBL_MIN) + sqrt(x); }
#define FAIL(msg, v) do { error(#msg, __FILE__, __LINE__); return v; } while (0)
double h(double x) { if (x > 1) FAIL("too large", NAN); return x; }
"""
    )
    assert found["f"] == (
        "#define EDOM 33 #define __ieee754_exp exp static int errno; "
        "double f(double x) { ; if (x < 0) ; errno = EDOM; return __ieee754_exp(x); }"
    )
    assert found["g"].startswith("#define MAX(a, b) ")
    assert found["h"].startswith("#define FAIL(msg, v) do { ; return v; } while (0)")


def test_c_plus_plus_that_c_can_say() -> None:
    found = texts(
        {
            "a.cpp": """
namespace math {
constexpr double kHalf = 0.5;
class Tool {
  public:
    static double scale(const double& x) { return x * kHalf; }
};
template <typename T> inline T square(T x) { return x * x; }
namespace {
double f(double x, float y) noexcept {
    using std::abs;
    const double z(std::max<double>(x, 1.0));
    double w{};
    auto u = static_cast<float>(abs(x));
    return square(z) + Tool::scale(w) + float(y) + u + std::numeric_limits<double>::epsilon() + ::sin(x);
}
}
}
extern "C" {
float g(float x) { return std::isnan(x) ? 0.f : x; }
double sin(double x) { return std::sin(x); }
}
"""
        }
    )
    assert found["f"] == (
        "#define STD_MAX(a, b) (((a) < (b)) ? (b) : (a)) #define STD_ABS(x) (((x) <= 0) ? 0 - (x) : (x)) "
        "static const double kHalf = 0.5; double square(double x) { return x * x; } "
        "double scale(double x) { return x * kHalf; } double f(double x, float y) { "
        "const double z = (double)STD_MAX(x, 1.0); double w = 0; __auto_type u = ((float)(STD_ABS(x))); "
        "return square(z) + scale(w) + (float)(y) + u + DBL_EPSILON + sin(x); }"
    )
    assert found["g"] == "float g(float x) { return isnan(x) ? 0.f : x; }"
    assert found["scale"].endswith("double scale(double x) { return x * kHalf; }")
    assert found["square"] == "double square(double x) { return x * x; }"
    assert "sin" not in found  # only a call of the library's


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("double f(double x) { return x + nowhere(x); }", "needs a function that is not there"),
        ("double f(double x) { return x + NOWHERE; }", "needs a constant or variable that is not there"),
        ("double f(double x) { nowhere_t y = x; return y; }", "needs a type that is not there"),
        ("#define CAT(a, b) a##b\ndouble f(double x) { return CAT(si, n)(x); }", "needs a macro that pastes tokens"),
        ('double f(double x) { __asm__("fsqrt" : "+t"(x)); return x; }', "needs assembly"),
        ("static int n = 0;\ndouble f(double x) { n++; return x * n; }", "keeps state between calls"),
        ("double f(double x) { return x +* ; }", "does not parse as C"),
        ("double f(double x) { return x" + " + 1" * 300 + "; }", "longer than 512 tokens"),
        (
            "static const double t[] = {" + "1, " * 300 + "};\ndouble f(double x) { return t[0]; }",
            "longer than 512 tokens",
        ),
        ("double f(double x) { return '\xe9' + x; }", "does not parse as C"),
    ],
)
def test_drops_are_counted_by_reason(text: str, reason: str) -> None:
    found, counts = run(text)
    if reason == "does not parse as C" and found:  # what is no ASCII was replaced
        assert all(character.isascii() for character in found[0].text)
        return
    assert not found
    assert counts[f"dropped: {reason}"] == 1, counts


def test_equal_texts_come_once_and_the_order_is_that_of_the_paths() -> None:
    files = {
        "b.c": "double f(double x) { return x; }\ndouble g(double x) { return x; }",
        "a.c": "double f(double x)\n{\n  return x; }\ndouble h(double x) { return x; }",
    }
    found, counts = run(files)
    assert [(c.name, c.file) for c in found] == [("f", "a.c"), ("h", "a.c"), ("g", "b.c")]
    assert counts["dropped: duplicate text"] == 1
    assert run(dict(reversed(files.items())))[0] == found


def test_odd_files_cost_nothing_but_themselves() -> None:
    odd = (
        "{" * 3000,
        "}" * 3000,
        "(" * 3000,
        '"' * 3001,
        "/*",
        "#if (\n" * 500,
        "\\\n" * 500,
        "a " * 20_000,
        "x = { " * 500,
        f"#define A {'__attribute__((a)) ' * 28}x\nA int f(int x) {{ return x; }}",
        f"double f(double x) {{ {'a' * 60_000}; return nowhere; }}",
        f"double f(double x) {{ return nowhere({'a' * 19_000}); }}",
        f"double f(double x) {{ double y = static_cast<{' ' * 19_000}(x); }}",
        f"double f(double x) {{ {'static_cast<int>(' * 1000} }}",
        f"double f(double x) {{{' ' * 19_000} return nowhere; }}",
        f"double f(double x) {{{'(' * 19_000} return nowhere; }}",
        f"typedef{' ' * 19_000}int foo, real;\nreal f(real x) {{ return x; }}",
        f"double f(double x) {{ {'[[' * 40_000} }}",
        f"double f(double x) {{ {'[[' * 9_000} }}",
        "struct a{" * 10_000 + "void g(){}" + "};" * 10_000,
        f"typedef struct {{{'(*a)(' * 40_000};}} x;",
        f"typedef struct {{{'a[' * 60_000};}} x;",
        f"{'a[' * 60_000} = 1;",
    )
    files = {f"{number}.cpp": text for number, text in enumerate(odd)}
    started = time.monotonic()
    assert set(texts({**files, "good.c": "double f(double x) { return x; }"})) == {"f"}
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("double f(double x) { return (long)x; }", "depends on the size of long"),
        ("typedef unsigned long word;\ndouble f(double x) { word n = x; return n; }", "depends on the size of long"),
        ("double f(double x) { size_t n = x; return n; }", "depends on the size of long"),
        ("double f(double x) { long double y = x; return y; }", "needs long double"),
        ("double f(double x) { return x * 1.5L; }", "needs long double"),
        ("double f(double x) { return sinl(x); }", "needs long double"),
    ],
)
def test_what_machines_disagree_on_is_dropped(text: str, reason: str) -> None:
    found, counts = run(text)
    assert not found
    assert counts[f"dropped: {reason}"] == 1, counts


def test_long_long_and_long_literals_stay() -> None:
    assert only("double f(double x) { unsigned long long n = x; long long int m = 1L; return n + m; }")


def test_overloads_of_c_plus_plus_keep_their_types() -> None:
    found = texts(
        {
            "a.cpp": "double f(double x) { int n = x * 9; return std::max(n, 3) / 2 + abs(n) / 2; }\n"
            "double g(double x) { return std::min(x++, 3.0); }\n"
            "double h(double x) { return std::abs(x += 1); }",
            "own.cpp": "double k(double x) { return max(x, 2.0) + std::max(x, 3.0); }",
            "own.h": "#define max(a, b) ((a) * (b))\n",
            "old.c": "#define abs(x) ((x) >= 0 ? (x) : -(x))\ndouble m(double x) { return abs(x); }",
        }
    )
    assert found.keys() == {"f", "k", "m"}
    assert found["f"].endswith("return STD_MAX(n, 3) / 2 + STD_ABS(n) / 2; }")
    assert found["k"].endswith("return max(x, 2.0) + STD_MAX(x, 3.0); }")
    assert found["m"] == "#define abs(x) ((x) >= 0 ? (x) : -(x)) double m(double x) { return abs(x); }"


@pytest.mark.parametrize(
    "macros", ["#define SAY(x, s) x++\n", "#define SAY(x, s) if (x < 0) leave(s)\n#define leave(s) return 0\n"]
)
def test_macros_that_act_are_no_messages(macros: str) -> None:
    assert 'SAY(x, "b");' in only(macros + 'double f(double x) { SAY(x, "b"); return x; }')


def test_continued_lines_are_joined() -> None:
    assert only("double f(double x) { return x + \\\n 1; }") == "double f(double x) { return x + 1; }"


def test_candidates_keep_the_contract_and_compile(tmp_path: Path) -> None:
    """The examples of this repository's own C, read as if they were a package."""
    folder = Path(__file__).parent.parent / "examples"
    found, _ = run({path.name: path.read_text() for path in folder.glob("*.c")})
    assert len(found) >= 5
    headers = "".join(
        f"#include <{name}.h>\n" for name in ("math", "float", "stdint", "stddef", "stdbool", "stdlib", "string")
    )
    for candidate in found:
        assert len(lex(candidate.text)) == candidate.tokens <= 512
        assert "/*" not in candidate.text
        assert all(line.startswith("#define ") for line in candidate.text.splitlines() if "#" in line)
        assert candidate.text.rstrip().endswith("}")
        source = f"#define _GNU_SOURCE\n{headers}{candidate.text}"
        toolchain.build(source, flags=("-O0", "-w"), shared=True, origin=candidate.file)


def test_time_grows_with_the_number_of_functions_only() -> None:
    helper = "#define C{0} {0}.0\nstatic double h{0}(double x) {{ return x * C{0}; }}\n"
    one = helper + "double f{0}(double x) {{ return h{0}(x); }}\n"
    text = "".join(one.format(number) for number in range(4_000))
    started = time.monotonic()
    found, _ = run({"a.c": text, "b.c": text})
    seconds = time.monotonic() - started
    assert len(found) == 8_000
    assert seconds < 20

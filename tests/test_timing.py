import time

import numpy as np
import pytest
from handmade import INT, array, output_array, pointer, program, value

from nstk.errors import MisbehaviorError, ToolError
from nstk.program import CType
from nstk.timing import time_host

DOUBLE = CType("real", "double")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSTK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


HEADER = """
#include <stddef.h>
static inline float f_surrogate(float a) { return a; }
static inline void f_surrogate_batch(size_t n, const float *a, float *out)
{
    for (size_t i = 0; i < n; i++) out[i] = a[i];
}
"""


def one_input(source: str, header: str = HEADER, **options: object) -> dict[str, float]:
    return time_host(program(source), header, np.linspace(-1, 1, 100)[:, None], **options)


def test_a_slow_function_and_a_fast_surrogate():
    started = time.monotonic()
    bench = one_input("#include <math.h>\nfloat f(float a) { for (int i = 0; i < 20; i++) a = sinf(a); return a; }")
    assert time.monotonic() - started < 6  # twice what it takes on an idle machine
    assert set(bench) == {
        *("original_ns", "surrogate_ns", "speedup", "original_batch_ns", "surrogate_batch_ns", "batch_speedup"),
        *("flags", "compiler", "cpu", "elements", "spread", "fast_math"),
    }
    assert 20 < bench["original_ns"] < 2000
    assert 0.1 < bench["surrogate_ns"] < 20
    assert 0.005 < bench["surrogate_batch_ns"] < 5
    assert bench["speedup"] == bench["original_ns"] / bench["surrogate_ns"] > 5
    assert bench["batch_speedup"] > 5
    assert bench["flags"] == "-O2, batch -O3 -march=native"
    assert bench["fast_math"]["flags"] == "-O3 -march=native -ffast-math"
    assert bench["fast_math"]["original_batch_ns"] > bench["fast_math"]["surrogate_batch_ns"]
    spread = bench["spread"]["original_ns"]
    assert 0 < spread["min"] <= bench["original_ns"]
    assert spread["iqr"] >= 0
    assert 3 <= spread["windows"] <= 25


def test_the_compiler_removes_nothing():
    bench = one_input("float f(float a) { for (int i = 0; i < 200; i++) a = a * 0.5f + 1; return a; }")
    assert bench["original_ns"] > 100  # 200 dependent steps


def test_every_kind_of_parameter():
    source = """
    #include <stdio.h>
    typedef double real;
    #define N 3
    inline real f(real a, int k, const float w[N], float m[2][2], int *low, real out[2])
    {
        m[0][0] += 1; *low = k; out[0] = a; out[1] = m[0][0]; printf("words\\n");
        return a * k + w[0] - w[2];
    }
    """
    parameters = (
        *(value("a", DOUBLE), value("k", INT), array("w", 3), array("m", 4, const=False)),
        *(pointer("low", INT), output_array("out", 2, DOUBLE)),
    )
    p = program(source, *parameters, returns=DOUBLE)
    arrays = [c.name for c in p.inputs] + [c.name for c in p.outputs]
    header = f"""
    #include <stddef.h>
    static inline real f_surrogate(real a, int k, const float w[N], float m[2][2], int *low, real out[2])
    {{
        m[0][0] += 1; *low = k; out[0] = a; out[1] = m[0][0];
        return w[0];
    }}
    static inline void f_surrogate_batch(size_t n, {", ".join(f"const float *{name}" for name in arrays[:9])},
                                         {", ".join(f"float *{name}" for name in arrays[9:])})
    {{
        for (size_t i = 0; i < n; i++) result[i] = low[i] = out_0[i] = out_1[i] = a[i] + k[i] + w_0[i] + m_3[i];
    }}
    """
    bench = time_host(p, header, np.ones((5, 9)))
    assert bench["original_ns"] > bench["surrogate_ns"]


def test_a_very_slow_function_finishes():
    source = "#include <unistd.h>\nfloat f(float a) { usleep(20000); return a; }"
    started = time.monotonic()
    bench = one_input(source)
    assert 2e7 <= bench["original_ns"] < 1e8
    assert bench["spread"]["original_ns"]["windows"] >= 3
    assert time.monotonic() - started < 6


def test_flags_of_the_user_are_used_by_both_sides(tmp_path):
    (tmp_path / "k.h").write_text("#define K 2\n")
    source = '#define _XOPEN_SOURCE 500\n#include "k.h"\nfloat f(float a) { return a * K * L; }'
    header = HEADER.replace("return a;", "return a * K * L;")
    bench = one_input(source, header, cflags=("-std=c99", "-DL=3"), includes=[tmp_path])
    assert bench["flags"].endswith("-std=c99 -DL=3")
    assert bench["speedup"] > 0


def test_another_name_for_the_surrogate():
    assert one_input("float f(float a) { return a; }", HEADER.replace("f_surrogate", "g"), callee="g")["speedup"] > 0


def test_a_header_that_does_not_compile():
    with pytest.raises(ToolError, match=r"^f.c:1: the C compiler says"):
        one_input("float f(float a) { return a; }", "oops")


def test_a_crash_while_timed():
    with pytest.raises(MisbehaviorError, match="f ended with status -"):
        one_input("float f(float a) { static int n; if (n++ > 9) __builtin_trap(); return a; }")

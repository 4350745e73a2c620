"""The hand-written C that headers carry."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import C99, CLANG, CLANGXX, CXX11, GCC, GXX, compile_c

from nstk.activation import rational_tanh
from nstk.resources import resource_dir

RUNTIME = resource_dir("runtime_c")
#: Which files a file builds on.
NEEDS = {"nstk_dense": ["nstk_clamp"]}
EMITTED = ["nstk_clamp", "nstk_dense", "nstk_lanes", "nstk_round", "nstk_spline", "nstk_table"]

EXPORTS = """
float call_round(float y, float lo, float hi) { return nstk_round(y, lo, hi); }
float call_clamp(float x, float lo, float hi) { return nstk_clamp(x, lo, hi); }
size_t call_dense(const float *w, const float *x, size_t inputs, float *u, size_t units)
{ return (size_t)(nstk_dense(w, x, inputs, u, units) - w); }
void call_output(const float *w, const float *h, size_t inputs, float *y, size_t outputs)
{ nstk_output(w, h, inputs, y, outputs); }
void call_tanh(const float *c, size_t p, size_t q, float *u, size_t units) { nstk_tanh(c, p, q, u, units); }
int call_lanes(void) { return NSTK_LANES; }
void call_clamp_v4(float *x, float lo, float hi)
{ const nstk_v4 zero = {0.0f}; nstk_v4 v = nstk_clamp_v4(nstk_load_v4(x), zero + lo, zero + hi);
  for (int i = 0; i < 4; i++) { x[i] = v[i]; } }
void call_limit_v4(float *x, float limit)
{ nstk_v4 v = nstk_limit_v4(nstk_load_v4(x), limit); for (int i = 0; i < 4; i++) { x[i] = v[i]; } }
void call_clamp_vn(float *x, float lo, float hi) { nstk_store_vn(x, nstk_clamp_vn(nstk_load_vn(x), lo, hi)); }
"""


def included(name: str) -> str:
    return "#include <stddef.h>\n" + "".join(f'#include "{RUNTIME}/{n}.h"\n' for n in [*NEEDS.get(name, []), name])


#: Integer arithmetic; what it computes is compared with its model in test_int16_emission.py.
INTEGER = [f"nstk_q_{part}" for part in ("tanh", "float", "table", "double", "int", "dense", "spline")]


@pytest.mark.parametrize("name", INTEGER)
def test_integer_files_compile_on_what_they_need(name, tmp_path):
    needed = [n for n in INTEGER[:3] if n != name] if name != "nstk_q_tanh" else []
    text = "#include <float.h>\n#include <stddef.h>\n#include <stdint.h>\n"
    text += "".join(f'#include "{RUNTIME}/{n}.h"\n' for n in [*needed, name]) + "extern int a;\nint a;\n"
    for compiler, flags in ((GCC, C99), (GXX, CXX11), (CLANG, C99), (CLANGXX, CXX11)):
        compile_c(tmp_path, text, compiler, [*flags, "-ffreestanding"])


@pytest.mark.parametrize("name", EMITTED)
def test_files_compile_alone(name, tmp_path):
    text = included(name) + "extern int a;\nint a;\n"
    for compiler, flags in ((GCC, C99), (GXX, CXX11), (CLANG, C99), (CLANGXX, CXX11)):
        compile_c(tmp_path, text, compiler, [*flags, "-ffreestanding"])


def test_window_timer_compiles(tmp_path):
    text = f'#include "{RUNTIME}/window_timer.h"\n'
    text += "size_t (*use)(const nstk_side *, int, size_t, double, double, size_t, double *const *) = nstk_compare;\n"
    compile_c(tmp_path, text, GCC, ["-std=gnu17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
    assert {p.stem for p in RUNTIME.glob("*.h")} == {*EMITTED, *INTEGER, "window_timer"}  # a new file needs its test


BUILDS = {
    "sse2": (GCC, []),
    "masks": (GCC, ["-U__SSE2__", "-D__ARM_NEON"]),  # the formulation other processors get
    "avx": (GCC, ["-mavx"]),
    "clang": (CLANG, []),
    "unoptimized": (GCC, ["-O0"]),
}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory) -> dict[str, ctypes.CDLL]:
    folder = tmp_path_factory.mktemp("runtime")
    text = "".join(map(included, EMITTED)).replace(included("nstk_clamp"), "", 1) + EXPORTS
    built = {}
    for name, (compiler, flags) in BUILDS.items():
        if name == "avx" and " avx " not in Path("/proc/cpuinfo").read_text():
            continue
        made = compile_c(folder, text, compiler, ["-O2", "-fPIC", "-shared", *flags])
        built[name] = ctypes.CDLL(str(made))
    return built


def floats(values) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


def call(function, *arguments):
    converted = [
        ctypes.c_void_p(a.ctypes.data)
        if isinstance(a, np.ndarray)
        else ctypes.c_size_t(a)
        if isinstance(a, int)
        else ctypes.c_float(a)
        for a in arguments
    ]
    return function(*converted)


def rounded(library: ctypes.CDLL, y: float, lo: float = -1e30, hi: float = 1e30) -> int:
    library.call_round.restype = ctypes.c_float
    return int(np.trunc(call(library.call_round, float(y), lo, hi)))  # as C's cast does


def half_away(y: np.float32) -> int:
    exact = float(y)
    return int(np.trunc(exact + np.copysign(0.5, exact)))  # exact in float64 up to 2^52


ROUNDED = [0, 0.25, 0.49999997, 0.5, 0.50000006, 1, 1.4999999, 1.5, 2.5, 3.5, 1e-45, 4194303.5, 4194304.5, 8388607.5]
ROUNDED += [8388608, 8388609, 8388611, 16777215, 16777216, 16777218, 2147483520, 9.2e18]


def test_round_half_away_from_zero(libraries):
    for library in libraries.values():
        for y in np.float32(ROUNDED):
            assert rounded(library, y) == half_away(y)
            assert rounded(library, -y) == half_away(-y)


def test_round_keeps_the_range(libraries):
    for library in libraries.values():
        assert rounded(library, 300.0, 0.0, 255.0) == 255
        assert rounded(library, 255.4, 0.0, 255.0) == 255
        assert rounded(library, 254.5, 0.0, 255.0) == 255
        assert rounded(library, -3.0, 0.0, 255.0) == 0
        assert rounded(library, float("inf"), -128.0, 127.0) == 127
        assert rounded(library, -float("inf"), -128.0, 127.0) == -128
        assert rounded(library, 3e9, -2147483648.0, 2147483520.0) == 2147483520
        assert rounded(library, float("nan"), -128.0, 127.0) == 0


@given(st.floats(-(2.0**31), 2.0**31, width=32))
def test_round_anything(libraries, y):
    assert rounded(libraries["sse2"], y) == half_away(np.float32(y))


def test_clamps_agree_and_keep_nan(libraries):
    x = floats([-np.inf, -5, -2, np.nextafter(np.float32(-2), 0), -0.0, 0, 1.5, 3, 3.0000002, 1e30, np.inf, np.nan])
    expected = np.clip(x, np.float32(-2), np.float32(3))
    for library in libraries.values():
        library.call_clamp.restype = ctypes.c_float
        one = floats([call(library.call_clamp, float(v), -2.0, 3.0) for v in x])
        np.testing.assert_array_equal(one, expected)
        for name in ("call_clamp_v4", "call_clamp_vn"):
            lanes = 4 if name.endswith("4") else library.call_lanes()
            for first in range(len(x)):
                v = floats(np.roll(x, -first)[:lanes])
                wanted = np.clip(v, np.float32(-2), np.float32(3))
                call(getattr(library, name), v, -2.0, 3.0)
                np.testing.assert_array_equal(v, wanted)
        v = floats([-9, 0.5, np.nan, 9])
        call(library.call_limit_v4, v, 2.5)
        np.testing.assert_array_equal(v, floats([-2.5, 0.5, np.nan, 2.5]))


def test_lanes_follow_the_processor(libraries):
    lanes = {name: library.call_lanes() for name, library in libraries.items()}
    expected = {"sse2": 4, "masks": 4, "avx": 8, "unoptimized": 4}
    assert all(lanes[name] == expected[name] for name in lanes if name != "clang")  # zig builds for the very CPU


@pytest.mark.parametrize(("inputs", "units"), [(1, 1), (2, 4), (9, 4), (16, 32)])
def test_dense_and_output(libraries, inputs, units):
    generator = np.random.default_rng(inputs)
    w, b, x = generator.normal(size=(units, inputs)), generator.normal(size=units), generator.normal(size=inputs)
    expected = floats(w).astype(np.float64) @ floats(x) + floats(b)
    for library in libraries.values():
        library.call_dense.restype = ctypes.c_size_t
        u = floats(np.zeros(units))
        used = call(library.call_dense, floats(np.concatenate([b[None], w.T]).ravel()), floats(x), inputs, u, units)
        assert used == units * (inputs + 1)
        np.testing.assert_allclose(u, expected, rtol=1e-5, atol=1e-5)
        u[:] = 0
        call(library.call_output, floats(np.concatenate([w.ravel(), b])), floats(x), inputs, u, units)
        np.testing.assert_allclose(u, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("reach", "error"), [(2.0, 1e-4), (2.75, 1e-6), (7.25, 1e-6), (100.0, 1e-6), (100.0, 1e-3)])
def test_tanh(libraries, reach, error):
    tanh = rational_tanh(reach, error)
    u = floats(np.linspace(-reach, reach, 999))
    p, q = len(tanh.numerator), len(tanh.denominator)
    c = floats([*tanh.numerator[::-1], *tanh.denominator[::-1], tanh.limit])
    for library in libraries.values():
        got = u.copy()
        call(library.call_tanh, c, p, q, got, len(got))
        np.testing.assert_allclose(got, tanh.evaluate(u.astype(np.float64)), rtol=2e-6, atol=0)
        assert np.abs(tanh.gain * got - np.tanh(u)).max() / 2 <= error * 1.2
        nothing = floats([np.nan, 0.0])
        call(library.call_tanh, c, p, q, nothing, 2)
        np.testing.assert_array_equal(nothing, floats([np.nan, 0.0]))


def test_nothing_is_left_undefined(tmp_path):
    text = "".join(map(included, EMITTED)).replace(included("nstk_clamp"), "", 1) + EXPORTS
    made = compile_c(tmp_path, text, GCC, ["-O2"])
    assert subprocess.run(["nm", "-u", str(made)], capture_output=True, text=True, check=True).stdout == ""

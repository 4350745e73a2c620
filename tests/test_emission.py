"""Emitted headers on real compilers.

After a wanted change of the emitted text, write the golden headers anew and read the difference:

    NSTK_WRITE_GOLDEN=1 python -m pytest tests/test_emission.py -k golden; git diff tests/golden
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from handmade import DOUBLE, INT, array, output_array, pointer, program, value
from networks import (
    C99,
    CLANG,
    CLANGXX,
    CXX11,
    GCC,
    GXX,
    Runners,
    compile_c,
    inputs_program,
    random_surrogate,
    runner_text,
    undefined_symbols,
    with_intervals,
)

from nstk.activation import RationalTanh
from nstk.c_text import parse_float_literal
from nstk.emission import emit, header_constants, header_names
from nstk.folding import Folded, FoldedLayer, FoldedNetwork, fold
from nstk.options import STYLES
from nstk.program import CType, Program, read_program
from nstk.sandbox import ProgramRunner

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = Path(__file__).parent.parent / "examples"
BYTE, SHORT = CType("uint8_t", "int", 0, 255), CType("short", "int", -(2.0**15), 2.0**15 - 1)
LONG = CType("long long", "int", -(2.0**63), 2.0**63 - 1024)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSTK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


UNCLAMPED = ("one", "far", "apart", "whole")


def many_programs() -> list[tuple[Program, dict]]:
    """Programs of every kind, with options of `random_surrogate`."""
    return [
        (inputs_program(1, "one"), {}),
        (inputs_program(2, "two"), {"hidden": (8, 8)}),
        (inputs_program(9, "nine"), {}),
        (inputs_program(16, "sixteen"), {}),
        (inputs_program(2, "steep"), {"spread": 30.0}),
        (with_intervals(inputs_program(2, "far"), (1000, 1001), (-3e-5, 7e-4)), {}),
        (program("", value("a"), pointer("p"), pointer("q"), name="shared", returns=None), {}),
        (program("", value("a"), pointer("p"), pointer("q"), name="apart", returns=None), {"shared": False}),
        (with_intervals(program("", value("t"), value("T"), pointer("t_"), name="cases"), (0, 1), (-2, 5)), {}),
        (program("", value("n"), value("i"), value("y"), value("x"), value("v"), name="locals"), {}),
        (
            program(
                "", array("w", 3, DOUBLE), output_array("out", 2, DOUBLE), value("b"), name="arrays", returns=DOUBLE
            ),
            {"hidden": (8, 8), "shared": False},
        ),
        (
            program("", value("k", INT), value("b", BYTE), pointer("s", SHORT), name="whole", returns=LONG),
            {"spread": 8.0},
        ),
        (
            program("", value("class"), value("template", INT), array("delete", 2), pointer("this"), name="new"),
            {},
        ),
        (program("", value("a" * 40), value("a" * 41), value("größe"), name="long_" * 9), {}),
    ]


def headers() -> dict[str, tuple[Program, str]]:
    """Return header texts by file name, each of a function of its own: `<program>_<style>_<in or un>.h`.

    Inputs are clamped in `in`; `un` is without, for some programs only.
    """
    found = {}
    for seed, (p, options) in enumerate(many_programs()):
        for style in STYLES:
            for clamp in (True, False) if p.name in UNCLAMPED else (True,):
                name = f"{p.name[:20]}_{style}_{'in' if clamp else 'un'}"
                renamed = replace(p, name=name)
                folded = fold(random_surrogate(renamed, seed=seed, **options), 1e-6, clamp)
                found[f"{name}.h"] = (renamed, emit(renamed, folded, style=style))
    return found


@pytest.fixture(scope="module")
def texts() -> dict[str, tuple[Program, str]]:
    return headers()


@pytest.fixture(scope="module")
def folder(texts, tmp_path_factory) -> Path:
    """A folder of headers, and `all.h` that includes each twice and uses every function."""
    folder = tmp_path_factory.mktemp("headers")
    lines = []
    for file, (_, text) in texts.items():
        (folder / file).write_text(text)
        lines += [f'#include "{file}"'] * 2
    bases = [header_names(p).base for p, _ in texts.values()]
    uses = [f"    (void (*)(void)){b}{s}" for b in bases for s in ("", "_f", "_batch")]
    count = f"[{len(uses)}]"
    lines += [
        f"extern void (*const used{count})(void);",
        f"void (*const used{count})(void) = {{",
        ",\n".join(uses),
        "};",
    ]
    (folder / "all.h").write_text("\n".join(lines) + "\n")
    return folder


NEON = ("-target", "aarch64-linux-musl")
CORTEX_M4 = ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp")
BUILDS = {
    "gcc": (GCC, [*C99, "-O2"]),
    "g++": (GXX, [*CXX11, "-O1"]),
    "clang": (CLANG, [*C99, "-O1"]),
    "clang++": (CLANGXX, [*CXX11, "-O1"]),
    "unoptimized": (GCC, ["-std=gnu17", *C99[1:], "-O0"]),
    "small": (GCC, [*C99, "-Os", "-ffreestanding"]),
    "fast": (GCC, [*C99, "-O1", "-ffast-math"]),
    "avx2": (GXX, ["-std=c++17", *CXX11[1:], "-O1", "-mavx2", "-mfma"]),
    "avx512": (GCC, [*C99, "-O1", "-mavx512f"]),
    "clang avx512": (CLANG, [*C99, "-O1", "-mavx512f", "-ffast-math"]),
    "no vectors": (GCC, [*C99, "-O1", "-DNSTK_NO_VECTORS"]),
    "neon": (CLANG, [*C99, "-O1", *NEON]),
    "cortex-m4": (CLANG, [*C99, "-Os", "-ffreestanding", *CORTEX_M4]),
    "i386": (CLANG, [*C99, "-O1", "-target", "x86-linux-musl", "-mno-sse"]),
}


@pytest.mark.parametrize("build", BUILDS)
def test_no_warnings(build, folder, tmp_path):
    compiler, flags = BUILDS[build]
    out = compile_c(tmp_path, '#include "all.h"\n', compiler, [*flags, f"-I{folder}"])
    if build not in ("neon", "cortex-m4", "i386"):  # which nm may not read
        assert undefined_symbols(out) == []
        listed = subprocess.run(["nm", str(out)], capture_output=True, text=True, check=True).stdout.splitlines()
        data = [line for line in listed if line.split()[-2] in "bBdDcC" and "used" not in line]
        assert data == []  # no mutable state


def test_each_header_stands_alone(texts, tmp_path):
    for file, (p, text) in texts.items():
        if file.split("_")[0] in ("one", "arrays", "whole", "apart"):
            use = f'#include "{file}"\nextern void (*const used)(void);\nvoid (*const used)(void) = '
            for compiler, flags in ((GCC, C99), (GXX, CXX11)):
                line = f"{use}(void (*)(void)){header_names(p).base};\n"
                compile_c(tmp_path, line, compiler, [*flags, f"-I{tmp_path}"], files={file: text})


def test_macros_of_users_do_no_harm(folder, tmp_path):
    """What Arduino, Windows and habit define."""
    prelude = """
    #define min(a, b) ((a) < (b) ? (a) : (b))
    #define max(a, b) ((a) > (b) ? (a) : (b))
    #define abs(x) ((x) > 0 ? (x) : -(x))
    #define round(x) ((x) + 1)
    #define radians(x) (x)
    #define sq(x) ((x) * (x))
    #define bit(b) (1 << (b))
    #define F(x) x
    #define PI 3.14
    #define EULER 2.7
    #define HIGH 1
    #define LOW 0
    #define B1 1
    #define A0 14
    #define N 3
    #define M 4
    #define I 5
    #define IN
    #define OUT
    #define near
    #define far
    #define small char
    #define CLAMP(x) x
    #define LO 1
    #define HI 2
    """.replace("    ", "")
    compile_c(tmp_path, prelude + '#include "all.h"\n', GCC, ["-std=c99", "-Wall", "-Werror", f"-I{folder}"])


def test_two_units_and_mixed_styles_link(texts, folder, tmp_path):
    """Both units hold both styles of several surrogates; the same call gives the same bits in both."""
    chosen = [file for file in texts if file.split("_")[0] in ("one", "two")]
    calls = []
    for file in chosen:
        p = texts[file][0]
        calls.append(f"{header_names(p).base}_f({', '.join(['x'] * len(p.inputs))})")
    unit = (
        "".join(f'#include "{file}"\n' for file in chosen)
        + f"float NAME(float x);\nfloat NAME(float x) {{ return {' + '.join(calls)}; }}\n"
    )
    main = (
        unit.replace("NAME", "first")
        + "float second(float x);\nint main(void) { return first(0.3f) == second(0.3f) ? 0 : 1; }\n"
    )
    (tmp_path / "main.c").write_text(main)
    (tmp_path / "second.c").write_text(unit.replace("NAME", "second"))
    for compiler, flags in ((GCC, C99), (GXX, CXX11)):
        language = ["-x", "c++"] if compiler == GXX else []
        command = [*compiler, *flags, *language, f"-I{folder}", str(tmp_path / "main.c"), str(tmp_path / "second.c")]
        subprocess.run([*command, "-o", str(tmp_path / "a.out")], check=True)
        assert subprocess.run([str(tmp_path / "a.out")], check=False).returncode == 0


def test_prototypes_are_the_originals(texts, folder, tmp_path):
    expected = {
        "one_speed_in": "float (*p{i})(float)",
        "arrays_size_in": "double (*p{i})(const double *, double *, float)",
        "whole_speed_un": "long long (*p{i})(int, uint8_t, short *)",
        "new_speed_in": "float (*p{i})(float, int, const float *, float *)",
        "shared_size_in": "void (*p{i})(float, float *, float *)",
    }
    text = '#include "all.h"\n'
    for i, (name, pointer_type) in enumerate(expected.items()):
        declared = pointer_type.format(i=i)
        text += f"extern {declared};\n{declared} = {name}_surrogate;\n"
    flat = {
        "two_speed_in_surrogate_f": "float (*q{i})(float, float)",
        "apart_speed_in_surrogate_f": "void (*q{i})(float, float *, float *)",
        "one_size_in_surrogate_batch": "void (*q{i})(size_t, const float *, float *)",
    }
    for i, (name, pointer_type) in enumerate(flat.items()):
        declared = pointer_type.format(i=i)
        text += f"extern {declared};\n{declared} = {name};\n"
    for compiler, flags in ((GCC, C99), (GXX, CXX11)):
        compile_c(tmp_path, text, compiler, [*flags, f"-I{folder}"])


def test_text_is_plain(texts):
    for p, text in texts.values():
        assert text.isascii()
        assert text.endswith("#endif\n")
        assert "\r" not in text
        assert all(line == line.rstrip() for line in text.splitlines())
        code = text.split("#ifndef", 1)[1]
        assert "math.h" not in code
        assert "malloc" not in code
        macros, _ = header_constants(p, fold(random_surrogate(p), 1e-6))
        assert len(macros) >= 2 * len(p.inputs)


def test_hostile_names_stay_in_comments(tmp_path):
    p = replace(inputs_program(1), file='evil.c */ #error "x" /* ??/')
    text = emit(p, fold(random_surrogate(p), 1e-6), errors={"result": "*/ #error ??/ \\"})
    compile_c(tmp_path, text + "extern int a;\nint a;\n", GCC, ["-std=c99", "-Wall", "-Wno-unused-function", "-Werror"])


# ---------------------------------------------------------------- golden headers


def golden_headers() -> dict[str, str]:
    """Emit the two golden headers: parameters from a seed, activations given, so that no solver's last digit shows."""
    shallow = RationalTanh((20.5, 140.25), (3.5, 61.125), 0.0625, 2.75, False, 8e-7)
    clamped = RationalTanh((9.5, 210.0, 1025.5), (2.25, 77.0, 410.5), 0.015625, 7.25, True, 6e-7)
    generator = np.random.default_rng(20240713)

    def network(widths: tuple[int, ...], outputs: tuple[int, ...]) -> FoldedNetwork:
        layers = []
        for i, o in pairwise(widths):
            activation = (shallow, clamped)[len(layers) % 2] if len(layers) < len(widths) - 2 else None
            weight, bias = (generator.uniform(-1, 1, size).astype(np.float32) for size in ((o, i), o))
            layers.append(FoldedLayer(weight, bias, activation))
        return FoldedNetwork(tuple(layers), outputs)

    dew_point = read_program(EXAMPLES / "dew_point.c")
    arm = read_program(EXAMPLES / "invk2j.c")
    dew_folded = Folded(*np.float32([[-20, 1], [60, 100], [0, 0]]), True, (network((2, 4, 4, 1), (0,)),))
    networks = (network((2, 4, 4, 1), (0,)), network((2, 8, 8, 1), (1,)))
    arm_folded = Folded(*np.float32([[0.1, 0.1], [0.65, 0.65], [0, 0.375]]), True, networks)
    return {
        "dew_point_speed.h": emit(dew_point, dew_folded, errors={"result": "at most 0.0421 (0.04 % of range)"}),
        "dew_point_size.h": emit(dew_point, replace(dew_folded, clamp=False), style="size"),
        "inverse_kinematics_speed.h": emit(arm, arm_folded),
        "inverse_kinematics_size.h": emit(arm, arm_folded, style="size"),
    }


def test_golden_headers():
    for name, text in golden_headers().items():
        if os.environ.get("NSTK_WRITE_GOLDEN"):
            GOLDEN.mkdir(exist_ok=True)
            (GOLDEN / name).write_bytes(text.encode())
        assert (GOLDEN / name).read_bytes() == text.encode(), f"{name} differs; see the top of this file"


def test_golden_headers_compile(tmp_path):
    text = "".join(f'#include "{GOLDEN / name}"\n' for name in ("dew_point_speed.h", "inverse_kinematics_size.h"))
    compile_c(tmp_path, text, GCC, C99)


def test_bytes_are_equal_in_another_process(texts):
    assert headers() == texts
    script = "import test_emission as t, hashlib; print(hashlib.sha256(repr(t.headers()).encode()).hexdigest())"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(repr(texts).encode()).hexdigest()


# ---------------------------------------------------------------- what the code computes

CHECKED = ["one", "two", "nine", "sixteen", "steep", "far", "shared", "apart", "locals"]
EXACT = ["-O2", "-ffp-contract=off", "-fPIC", "-shared"]
SAME_BITS = {
    "vectors": (GCC, EXACT),
    "scalars": (GCC, [*EXACT, "-DNSTK_NO_VECTORS"]),
    "scalars without sse": (GCC, [*EXACT, "-O1", "-DNSTK_NO_VECTORS", "-U__SSE2__"]),
    "unoptimized": (GCC, [*EXACT, "-O0"]),
    "avx2": (GCC, [*EXACT, "-O1", "-mavx2"]),
    "clang": (CLANG, [*EXACT, "-O1"]),
}


@pytest.fixture(scope="module")
def libraries(texts, tmp_path_factory) -> dict[str, Runners]:
    scratch = tmp_path_factory.mktemp("libraries")
    text = "#include <stddef.h>\n"
    for file, (p, header) in texts.items():
        if file.split("_")[0] in CHECKED:
            text += header + runner_text(p, file[:-2])
    has_avx2 = "avx2" in Path("/proc/cpuinfo").read_text()
    builds = {name: build for name, build in SAME_BITS.items() if name != "avx2" or has_avx2}
    return {name: Runners(compile_c(scratch, text, *build)) for name, build in builds.items()}


def named(texts, name: str, style: str, clamp: str) -> tuple[str, Program]:
    (file,) = [f for f in texts if f.split("_")[0] == name and f.endswith(f"_{style}_{clamp}.h")]
    return file[:-2], texts[file][0]


def points(p: Program, n: int, *, outside: bool = False) -> np.ndarray:
    lo = np.array([i.interval.lo for i in p.inputs])
    hi = np.array([i.interval.hi for i in p.inputs])
    generator = np.random.default_rng(n)
    unit = generator.random((n, len(lo)))
    if outside:
        unit = np.where(generator.random(unit.shape) < 0.5, unit, 5 * unit - 2)
    return (lo + unit * (hi - lo)).astype(np.float32)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((np.isnan(a) == np.isnan(b)).all() and (a[~np.isnan(a)].tobytes() == b[~np.isnan(b)].tobytes()))


def checked_keys() -> list[tuple[str, str, str]]:
    clamps = [(name, "in") for name in CHECKED] + [(name, "un") for name in CHECKED if name in UNCLAMPED]
    return [(name, style, clamp) for name, clamp in clamps for style in STYLES]


@pytest.mark.parametrize(("name", "style", "clamp"), checked_keys())
def test_all_forms_give_the_same_bits(texts, libraries, name, style, clamp):
    key, p = named(texts, name, style, clamp)
    outputs = len(p.outputs)
    x = points(p, 1003, outside=clamp == "in")
    expected = libraries["vectors"].run(f"{key}_one", x, outputs)
    assert np.isfinite(expected).all()
    assert len(np.unique(expected[:, 0])) > 100
    for library in libraries.values():
        for form in ("one", "many"):
            assert same_bits(library.run(f"{key}_{form}", x, outputs), expected)


@pytest.mark.parametrize("name", CHECKED)
def test_styles_and_clamps_agree_inside(texts, libraries, name):
    _, p = named(texts, name, "speed", "in")
    x, outputs = points(p, 500), len(p.outputs)
    runs = {
        (style, clamp): libraries["vectors"].run(f"{named(texts, name, style, clamp)[0]}_one", x, outputs)
        for style in STYLES
        for clamp in (("in", "un") if name in UNCLAMPED else ("in",))
    }
    for style in STYLES:
        assert same_bits(runs[style, "in"], runs.get((style, "un"), runs[style, "in"]))
    np.testing.assert_allclose(runs["size", "in"], runs["speed", "in"], atol=1e-4 if name == "steep" else 1e-5)


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("style", STYLES)
def test_not_a_number_infinity_and_outside(texts, libraries, name, style):
    key, p = named(texts, name, style, "in")
    count, outputs = len(p.inputs), len(p.outputs)
    lo, hi = np.float32([[i.interval.lo for i in p.inputs], [i.interval.hi for i in p.inputs]])
    x = points(p, 16 * count)
    rows = np.arange(len(x))
    nan, far, wild = x.copy(), x.copy(), points(p, 300, outside=True)
    nan[rows, rows // 16] = np.nan
    far[rows, rows // 16] = np.where(rows % 2, np.inf, -np.inf)
    for library in libraries.values():
        for form in (f"{key}_one", f"{key}_many"):
            assert np.isnan(library.run(form, nan, outputs)).all()
            assert same_bits(library.run(form, far, outputs), library.run(form, np.clip(far, lo, hi), outputs))
            assert same_bits(library.run(form, wild, outputs), library.run(form, np.clip(wild, lo, hi), outputs))


@pytest.mark.parametrize("name", ["one", "nine", "apart"])
def test_any_length_at_any_address(texts, libraries, name):
    for style in STYLES:
        key, p = named(texts, name, style, "in")
        outputs = len(p.outputs)
        x = points(p, 40)
        whole = libraries["vectors"].run(f"{key}_one", x, outputs)
        for library in libraries.values():
            for n in range(41):
                got = library.run(f"{key}_many", x[:n], outputs, offset=n % 5)
                assert got.shape == (n, outputs)
                assert same_bits(got, whole[:n])


def test_drop_in_rounds_and_converts(texts):
    for style in STYLES:
        p, text = texts[f"whole_{style}_in.h"]
        p = with_intervals(p, (-50, 50), (0, 200))
        s = random_surrogate(p, spread=8.0)
        s = replace(s, y_mean=np.array([0.0, 0.0]), y_std=np.array([1e9, 3e4]))
        text = emit(p, fold(s, 1e-6), style=style)
        x = np.stack(np.meshgrid(np.arange(-50, 51, 7.0), np.arange(0, 201, 11.0)), -1).reshape(-1, 2)
        with ProgramRunner(p, header=text, callee=f"whole_{style}_in_surrogate") as runner:
            got = runner.run(x)
        with ProgramRunner(p, header=text, callee=f"whole_{style}_in_surrogate_f", form="float") as runner:
            y = runner.run(x)
        rounded = np.trunc(y + np.copysign(0.5, y))
        np.testing.assert_array_equal(got[:, 0], rounded[:, 0])
        assert np.abs(y[:, 1]).max() > 40_000  # out of short's range, on both sides
        np.testing.assert_array_equal(got[:, 1], np.clip(rounded[:, 1], -32768, 32767))


def test_drop_in_takes_arrays_and_doubles(texts):
    p, text = texts["arrays_speed_in.h"]
    base = header_names(p).base
    x = points(p, 200).astype(np.float64)
    with (
        ProgramRunner(p, header=text, callee=base) as runner,
        ProgramRunner(p, header=text, callee=f"{base}_f", form="float") as flat,
    ):
        np.testing.assert_array_equal(runner.run(x), flat.run(x))


def test_macros_hold_the_domain(texts):
    p, text = texts["far_speed_in.h"]
    base = header_names(p).base.upper()
    defined = dict(line.split()[1:3] for line in text.splitlines() if line.startswith(f"#define {base}_A"))
    numbers = {name: float(parse_float_literal(v.strip("()"))) for name, v in defined.items()}
    assert numbers == {
        f"{base}_A0_LO": 1000.0,
        f"{base}_A0_HI": 1001.0,
        f"{base}_A0_CENTER": 1000.5,
        f"{base}_A1_LO": float(np.float32(-3e-5)),
        f"{base}_A1_HI": float(np.float32(7e-4)),
    }

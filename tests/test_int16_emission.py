"""int16 headers on real compilers, and that they compute exactly what the Python model says."""

import ctypes
import json
import subprocess
from dataclasses import replace
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

from nstk import sampling
from nstk.emission import header_names
from nstk.integer_emission import emit_integer
from nstk.options import STYLES
from nstk.program import CType, Program
from nstk.quantization import Quantized, quantize, quantize_inputs
from nstk.sandbox import ProgramRunner
from nstk.surrogate import Network, Surrogate
from nstk.topology import Topology

pytestmark = pytest.mark.usefixtures("cache")

ERROR = 3e-5
BYTE, SHORT = CType("uint8_t", "int", 0, 255), CType("short", "int", -(2.0**15), 2.0**15 - 1)
LONG = CType("long long", "int", -(2.0**63), 2.0**63 - 1024)
UNSIGNED = CType("unsigned", "int", 0, 2.0**32 - 1)


def many_programs() -> list[tuple[Program, dict]]:
    """Programs of every kind, with options of `random_surrogate`."""
    whole = program("", value("k", INT), value("b", BYTE), pointer("s", SHORT), name="whole", returns=LONG)
    wide = program("", value("u", UNSIGNED), value("n", LONG), pointer("p", BYTE), name="wide", returns=INT)
    cases = program("", value("t"), value("T"), pointer("t_"), pointer("q"), name="cases", returns=None)
    return [
        (inputs_program(1, "constant"), {"hidden": (8, 8)}),
        (inputs_program(9, "steep"), {"spread": 30.0}),
        (with_intervals(inputs_program(2, "far"), (1000, 1001), (-3e-5, 7e-4)), {}),
        (with_intervals(inputs_program(3, "extreme"), (1e29, 1e30), (-1e-30, 1e-30), (0, 3)), {}),
        (with_intervals(cases, (0, 1), (-2, 5)), {"shared": False}),
        (program("", value("y"), value("x"), value("u"), value("h"), value("w"), name="locals"), {"hidden": (3, 5, 6)}),
        (
            program(
                "", array("w", 3, DOUBLE), output_array("out", 2, DOUBLE), value("b"), name="arrays", returns=DOUBLE
            ),
            {"shared": False},
        ),
        (with_intervals(whole, (-500, 1000), (3, 200)), {"spread": 8.0}),
        (with_intervals(wide, (5, 4e9), (-1e15, 1e15)), {}),
    ]


#: Of outputs; those of `wide` pass the ends of their types.
_SCALES = {"far": 1e-7, "extreme": 1e25, "whole": 9000.0, "wide": np.array([2e9, 120.0])}
_CENTERS = {"cases": 1e4, "wide": np.array([1e9, 128.0])}


def quantized_programs() -> dict[str, tuple[Program, Quantized]]:
    """Return programs and their arithmetic by name; scales of outputs differ widely."""
    found = {}
    for seed, (p, options) in enumerate(many_programs()):
        s = random_surrogate(p, seed=seed, **options)
        mean, std = s.y_mean * _SCALES.get(p.name, 1.0), s.y_std * _SCALES.get(p.name, 1.0)
        if p.name == "constant":
            mean, std = np.array([7.3]), np.array([0.0])
        s = replace(s, y_mean=mean + _CENTERS.get(p.name, 0.0), y_std=std)
        found[p.name] = (p, quantize(s, ERROR))
    return found


@pytest.fixture(scope="module")
def arithmetic() -> dict[str, tuple[Program, Quantized]]:
    return quantized_programs()


@pytest.fixture(scope="module")
def texts(arithmetic) -> dict[tuple[str, str], tuple[Program, str]]:
    """Header texts by name and style, each of a function of its own."""
    found = {}
    for name, (p, quantized) in arithmetic.items():
        for style in STYLES:
            renamed = replace(p, name=f"{name}_{style}")
            found[name, style] = renamed, emit_integer(renamed, quantized, style=style)
    return found


@pytest.fixture(scope="module")
def folder(texts, tmp_path_factory) -> Path:
    """A folder of headers, and `all.h` that includes each twice and uses every function."""
    folder = tmp_path_factory.mktemp("headers")
    lines = []
    for p, text in texts.values():
        (folder / f"{p.name}.h").write_text(text)
        lines += [f'#include "{p.name}.h"'] * 2
    bases = [header_names(p).base for p, _ in texts.values()]
    uses = [f"    (void (*)(void)){b}{s}" for b in bases for s in ("", "_f", "_q", "_batch")]
    count = f"[{len(uses)}]"
    lines += [f"extern void (*const used{count})(void);", f"void (*const used{count})(void) = {{", ",\n".join(uses)]
    (folder / "all.h").write_text("\n".join([*lines, "};"]) + "\n")
    return folder


CORTEX_M0 = ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus")
RISCV = ("-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+c")
BARE = ["-ffreestanding", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"]
BUILDS = {
    "gcc": (GCC, [*C99, "-O1"]),
    "g++": (GXX, [*CXX11, "-O0"]),
    "clang": (CLANG, ["-std=gnu17", *C99[1:], "-O0"]),
    "small": (GCC, [*C99, "-Os", "-ffreestanding"]),
    "cortex-m0plus": (CLANG, [*C99, "-Os", *BARE, *CORTEX_M0]),
    "cortex-m0plus c++": (CLANGXX, [*CXX11, "-O1", *BARE, *CORTEX_M0]),
    "riscv": (CLANG, [*C99, "-O1", *BARE, *RISCV]),
}


@pytest.mark.parametrize("build", BUILDS)
def test_compiles_without_a_warning(build, folder, tmp_path):
    command, flags = BUILDS[build]
    built = compile_c(tmp_path, '#include "all.h"\n', command, [*flags, f"-I{folder}"])
    if build.startswith("cortex"):  # no soft float, no division, no shift of 64 bits from libgcc
        assert undefined_symbols(built) == []


def test_two_units_link(texts, folder, tmp_path):
    """Both units hold both styles of several surrogates; the same call gives the same bits in both."""
    chosen = [p for (name, _), (p, _) in texts.items() if name in ("constant", "locals")]
    calls = [f"{header_names(p).base}_f({', '.join(['x'] * len(p.inputs))})" for p in chosen]
    unit = "".join(f'#include "{p.name}.h"\n' for p in chosen)
    unit += f"float NAME(float x);\nfloat NAME(float x) {{ return {' + '.join(calls)}; }}\n"
    start = "float second(float x);\nint main(void) { return first(0.3f) == second(0.3f) ? 0 : 1; }\n"
    (tmp_path / "main.c").write_text(unit.replace("NAME", "first") + start)
    (tmp_path / "second.c").write_text(unit.replace("NAME", "second"))
    for compiler, flags in ((GCC, C99), (GXX, CXX11)):
        language = ["-x", "c++"] if compiler == GXX else []
        command = [*compiler, *flags, *language, f"-I{folder}", str(tmp_path / "main.c"), str(tmp_path / "second.c")]
        subprocess.run([*command, "-o", str(tmp_path / "a.out")], check=True)
        assert subprocess.run([str(tmp_path / "a.out")], check=False).returncode == 0


def test_text_is_plain(texts):
    for _, text in texts.values():
        assert text.isascii()
        assert text.endswith("#endif\n")
        assert "math.h" not in text
        assert all(line == line.rstrip() for line in text.splitlines())


def test_bytes_are_equal(texts):
    again = quantized_programs()
    for (name, style), (p, text) in texts.items():
        assert emit_integer(p, again[name][1], style=style) == text


def test_reference_network(tmp_path):
    """Error and size on a Cortex-M0+ of the network that the benchmarks measure; its range is narrow, 0.115."""
    data = json.loads((Path(__file__).parent.parent / "benchmarks" / "reference_net.json").read_text())
    layers = [[np.ravel(w), b] for w, b in zip(data["weights"], data["biases"], strict=True)]
    params = np.concatenate([part for layer in layers for part in layer]).astype(np.float32)
    p = inputs_program(9, "ref")
    s = Surrogate(p, (Network(Topology((9, 4, 4, 1)), params, (0,)),), np.zeros(1), np.ones(1), {})
    quantized = quantize(s, ERROR)
    x = sampling.draw(p.inputs, 50_000, 1)
    exact = s.predict(x)
    out = quantized.outputs[0]
    in_q = out.middle + out.step * quantized.evaluate_q(quantize_inputs(quantized.inputs, x))
    for got in (quantized.evaluate(x)[0], in_q):
        assert np.abs(got - exact).max() < 2e-4 * np.ptp(exact)
    for suffix, ctype in (("_q", "int16_t"), ("_f", "float")):
        head = f"{ctype} call({', '.join(f'{ctype} {i.name}' for i in p.inputs)})"
        text = emit_integer(p, quantized)
        text += f"{head};\n{head} {{ return ref_surrogate{suffix}({', '.join(p.input_names)}); }}\n"
        built = compile_c(tmp_path, text, CLANG, ["-Os", "-w", *BARE, *CORTEX_M0])
        assert undefined_symbols(built) == []
        sized = subprocess.run(["size", str(built)], capture_output=True, text=True, check=True).stdout
        code, data_bytes, bss = map(int, sized.splitlines()[1].split()[:3])
        assert code <= 1331  # 1.3 KB, tables included
        assert (data_bytes, bss) == (0, 0)


# ---------------------------------------------------------------- what the code computes

#: The second finds shifts and overflows that C does not define. Clang's code runs in test_targets_int16.py.
EXACT = {
    "gcc": (GCC, ["-O2", "-fPIC", "-shared"]),
    "checked": (GCC, ["-O0", "-fPIC", "-shared", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]),
}


def q_runner_text(p: Program, name: str) -> str:
    """Return a C function `<name>_q`: (n, int16 arrays in, int16 arrays out)."""
    inputs, outputs = range(len(p.inputs)), range(len(p.outputs))
    arguments = [f"x[{i}][i]" for i in inputs] + ([f"&y[{o}][i]" for o in outputs] if len(outputs) > 1 else [])
    target = "y[0][i] = " if len(outputs) == 1 else ""
    head = f"void {name}_q(size_t n, const int16_t *const *x, int16_t *const *y)"
    call = f"{target}{header_names(p).base}_q({', '.join(arguments)});"
    return f"{head};\n{head} {{ size_t i; for (i = 0; i < n; i++) {{ {call} }} }}\n"


@pytest.fixture(scope="module")
def libraries(texts, tmp_path_factory) -> dict[str, Path]:
    scratch = tmp_path_factory.mktemp("libraries")
    text = "#include <stddef.h>\n"
    for p, header in texts.values():
        text += header + runner_text(p, p.name) + q_runner_text(p, p.name)
    return {name: compile_c(scratch, text, *build) for name, build in EXACT.items()}


def run_q(library: Path, name: str, q: np.ndarray, outputs: int) -> np.ndarray:
    columns = [np.ascontiguousarray(c, np.int16) for c in q.T]
    results = [np.zeros(len(q), np.int16) for _ in range(outputs)]
    function = getattr(ctypes.CDLL(str(library)), f"{name}_q")
    function.restype = None
    arrays = [(ctypes.c_void_p * len(a))(*(c.ctypes.data for c in a)) for a in (columns, results)]
    function(ctypes.c_size_t(len(q)), *arrays)
    return np.stack(results, 1)


def int16_points(count: int, n: int = 4000) -> np.ndarray:
    generator = np.random.default_rng(count)
    q = generator.integers(-(2**15), 2**15, (n, count))
    q[: n // 4] = generator.choice([-(2**15), -1, 0, 1, 2**15 - 1], (n // 4, count))
    return q


def float_points(p: Program, n: int = 4000) -> np.ndarray:
    """Return float32 points inside and outside the domain, infinities, NaN, zeros and denormal numbers among them."""
    lo = np.array([i.interval.lo for i in p.inputs])
    hi = np.array([i.interval.hi for i in p.inputs])
    generator = np.random.default_rng(n)
    unit = generator.random((n, len(lo)))
    unit[n // 2 :] = 5 * unit[n // 2 :] - 2
    x = np.clip(lo + unit * (hi - lo), -3e38, 3e38)
    special = [0.0, -0.0, 1e-45, -1e-42, 3e38, -3e38, np.inf, -np.inf, np.nan, -np.nan]
    x = np.where(generator.random(x.shape) < 0.05, generator.choice(special, x.shape), x)
    return x.astype(np.float32).astype(np.float64)


NAMES = [p.name for p, _ in many_programs()]


@pytest.mark.parametrize("name", NAMES)
def test_int16_is_exactly_the_model(arithmetic, texts, libraries, name):
    p, quantized = arithmetic[name]
    q = int16_points(len(p.inputs))
    expected = quantized.evaluate_q(q)
    assert np.abs(expected).max() <= 2**15
    if name != "constant":
        assert len(np.unique(expected[:, 0])) > 50
    for style in STYLES:
        for library in libraries.values():
            assert (run_q(library, f"{name}_{style}", q, len(p.outputs)) == expected).all()


@pytest.mark.parametrize("name", NAMES)
def test_float_is_exactly_the_model(arithmetic, texts, libraries, name):
    p, quantized = arithmetic[name]
    x = float_points(p)
    expected = quantized.evaluate(x)[0]
    assert np.isfinite(expected).all()
    for style in STYLES:
        for library in libraries.values():
            for form in ("one", "many"):
                got = Runners(library).run(f"{name}_{style}_{form}", x, len(p.outputs))
                assert (got == expected).all()
                assert got.dtype == np.float32


def test_constant_output_is_exact(arithmetic):
    p, quantized = arithmetic["constant"]
    assert len(np.unique(quantized.evaluate(float_points(p))[0])) == 1


def run_drop_in(texts, name: str, style: str, x: np.ndarray) -> np.ndarray:
    p, text = texts[name, style]
    with ProgramRunner(p, header=text, callee=header_names(p).base) as runner:
        return runner.run(x)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["arrays", "cases"])
def test_drop_in_of_floats_and_doubles(arithmetic, texts, name, style):
    p, quantized = arithmetic[name]
    x = float_points(p)
    if name == "arrays":
        x[: len(x) // 2, :3] *= 1 + 2.0**-40  # no float32
    assert (run_drop_in(texts, name, style, x) == quantized.evaluate(x)[0]).all()


def round_away(y: np.ndarray) -> np.ndarray:
    return np.sign(y) * np.floor(np.abs(y) + 0.5)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["whole", "wide"])
def test_drop_in_of_integers(arithmetic, texts, name, style):
    """Inputs saturate at the domain, results at their type; both are exact otherwise."""
    p, quantized = arithmetic[name]
    generator = np.random.default_rng(5)
    lo, hi = ([getattr(i.interval, end) for i in p.inputs] for end in ("lo", "hi"))
    x = np.rint(generator.uniform(lo, hi, (2000, len(p.inputs))))
    kinds = [(i.ctype.lo, i.ctype.hi) for i in p.inputs]
    outside = np.stack([generator.choice([a, b, 0, 1, 250], 2000) for a, b in kinds], 1)
    x[1000:] = np.where(generator.random(x[1000:].shape) < 0.5, outside[1000:], x[1000:])
    inside = np.clip(x, lo, hi)
    fixed = [np.floor(np.ldexp(inside[:, i], f.bits)).astype(np.int64) for i, f in enumerate(quantized.inputs)]
    q = np.stack([f.from_fixed(v) for f, v in zip(quantized.inputs, fixed, strict=True)], 1)
    sums = quantized.sums(q)
    exact = [np.ldexp(f.to_fixed(sums[:, o]).astype(float), -f.bits) for o, f in enumerate(quantized.outputs)]
    expected = [np.clip(round_away(y), o.ctype.lo, o.ctype.hi) for y, o in zip(exact, p.outputs, strict=True)]
    got = run_drop_in(texts, name, style, x)
    for o, y in enumerate(expected):
        assert len(np.unique(y)) > 10
        assert (got[:, o] == y).all()

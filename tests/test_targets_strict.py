"""Headers of every number and style, under the strict flags, for every target: as C99, as C++11, freestanding."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from networks import C99, CLANG, CLANGXX, CXX11, inputs_program, random_surrogate

from nstk.emission import emit
from nstk.folding import fold
from nstk.integer_emission import emit_integer
from nstk.options import STYLES
from nstk.quantization import quantize
from nstk.targets.target import TARGETS

_BARE = ["-ffreestanding", "-fno-exceptions", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"]
_LINK = ["-Wl,-e,first", "-Wl,--gc-sections"]


def compilers() -> Iterator[pytest.ParameterSet]:  # type: ignore[name-defined]
    """Yield a command for every target, compiler and language, and what comes last on its command line."""
    for target in TARGETS.values():
        gxx = target.gcc.replace("gcc", "g++")
        arithmetic = ["-nostdlib", *(["-lm"] if target.family == "avr" else []), "-lgcc"]  # AVR's is in its libm
        for language, gcc, clang in (("C99", target.gcc, CLANG), ("C++11", gxx, CLANGXX)):
            missing = pytest.mark.skipif(shutil.which(gcc) is None, reason=f"no {gcc}")
            command = (gcc, *target.gcc_flags)
            yield pytest.param(command, language, arithmetic, id=f"{target.name} gcc {language}", marks=missing)
            if target.zig_flags:
                command = (*clang, *target.zig_flags)
                yield pytest.param(command, language, [], id=f"{target.name} zig {language}")


@pytest.fixture(scope="module")
def folder(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two units that both include all headers and each other's function: `first` and `second`."""
    folder = tmp_path_factory.mktemp("headers")
    names = []
    for style in STYLES:
        for number in ("float", "int16"):
            p = inputs_program(3, f"{number}_{style}")
            s = random_surrogate(p, seed=3)
            text = (
                emit(p, fold(s, 1e-6), style=style)
                if number == "float"
                else emit_integer(p, quantize(s, 3e-5), style=style)
            )
            (folder / f"{p.name}.h").write_text(text)
            names.append(p.name)
    unit = "".join(f'#include "{name}.h"\n' for name in names)
    unit += '#ifdef __cplusplus\nextern "C" {\n#endif\nfloat first(float x);\nfloat second(float x);\n'
    unit += "#ifdef __cplusplus\n}\n#endif\n"
    total = " + ".join(f"{name}_surrogate{form}(x, x, x)" for name in names for form in ("", "_f"))
    total += " + (float)(int16_speed_surrogate_q(1, 2, 3) + int16_size_surrogate_q(1, 2, 3))"
    batches = "".join(f"    {name}_surrogate_batch(1, &x, &x, &x, &y);\n" for name in names)
    body = f"{{\n    float y = {total};\n{batches}    return y"
    for ending in ("c", "cpp"):
        (folder / f"first.{ending}").write_text(f"{unit}float first(float x)\n{body} + second(y);\n}}\n")
        (folder / f"second.{ending}").write_text(f"{unit}float second(float x)\n{body};\n}}\n")
    return folder


@pytest.mark.parametrize(("command", "language", "libraries"), list(compilers()))
def test_two_units_link(
    command: tuple[str, ...], language: str, libraries: list[str], folder: Path, tmp_path: Path
) -> None:
    """No warning, no symbol twice, and no library but what the compiler brings for arithmetic."""
    flags, ending = (C99, "c") if language == "C99" else (CXX11, "cpp")
    sources = [str(folder / f"{unit}.{ending}") for unit in ("first", "second")]
    arguments = [
        *command,
        *flags,
        *_BARE,
        "-Os",
        "-ffunction-sections",
        "-fdata-sections",
        *sources,
        *_LINK,
        *libraries,
    ]
    zig = str(Path(os.environ["NSTK_CACHE"]) / "zig")
    environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": zig, "ZIG_LOCAL_CACHE_DIR": zig, "LC_ALL": "C"}
    done = subprocess.run(
        [*arguments, "-o", str(tmp_path / "out")], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:6000]

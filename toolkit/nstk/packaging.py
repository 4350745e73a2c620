"""Packages: one folder that is a library of Arduino, PlatformIO, Zephyr, ESP-IDF and CMake at once.

`src/` holds the surrogate's header and a self-test with golden vectors, which need nothing but the surrogate: what is
expected are the results of the model that rung 2 of verification compares with. How far the surrogate is from the
original, and what it costs, stands in the package's README.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk import __version__, sampling
from nstk.c_text import comment_text, float_literal
from nstk.emission import TERMS, Names, entry_comments, header_names
from nstk.folding import Folded
from nstk.integer_emission import integer_entry_comment, integer_program
from nstk.program import Program
from nstk.quantization import Quantized
from nstk.report import certificates, costs, errors, measuring_conditions, per_target, verdict_words
from nstk.resources import render

#: Golden vectors of a self-test; enough that every weight counts, few enough for the smallest parts.
VECTORS = 16

#: What a package holds besides the surrogate's header: templates in `codegen_templates/package/`, without `.j2`, ...
_TEMPLATES = (
    *("README.md", "LICENSE", "CMakeLists.txt", "library.properties", "library.json", "idf_component.yml"),
    *("zephyr/module.yml", "zephyr/CMakeLists.txt", "zephyr/Kconfig"),
    *("src/selftest.h", "examples/main.c", "examples/sketch.ino"),
)
#: ... and the files that are not called as their template.
_FILES = {"src/selftest.h": "src/{selftest}.h", "examples/sketch.ino": "examples/{name}/{name}.ino"}


@dataclass(frozen=True, eq=False)
class GoldenVectors:
    """Inputs of one entry point of a header, and what must come out.

    Attributes:
        entry: Suffix of the entry point's name: `_f`, or `_q` of an int16 header.
        ctype: C type of its arguments and results: `float` or `int16_t`.
        inputs: `(N, I)` values of that type.
        outputs: `(N, O)` values of that type.
        allowed: `(O,)` float32, how far floats may be off: twice the bound of the running error analysis, because
            compilers may contract products and sums, and AVR's arithmetic is not exactly IEEE 754's. None where
            results must be equal.
    """

    entry: str
    ctype: str
    inputs: NDArray[Any]
    outputs: NDArray[Any]
    allowed: NDArray[np.float32] | None


def golden_vectors(program: Program, arithmetic: Folded | Quantized) -> GoldenVectors:
    """Return a header's golden vectors: two corners and points spread over its inputs; equal arguments, equal vectors.

    Where a float header clamps, two of them are moved outside the domain.

    Args:
        program: The function that is replaced.
        arithmetic: Of the header.
    """
    if isinstance(arithmetic, Quantized):
        q = _spread(integer_program(program)).astype(np.int64)
        return GoldenVectors("_q", "int16_t", q, arithmetic.evaluate_q(q), None)
    x = _spread(program)
    if arithmetic.clamp:
        middle = x[:2].mean(0)
        x[-2:] = middle + 3 * (x[-2:] - middle)
    x = x.astype(np.float32).astype(np.float64)
    y, bound = arithmetic.evaluate(x)
    allowed = np.nextafter((2 * bound.max(0)).astype(np.float32), np.float32(np.inf))
    return GoldenVectors("_f", "float", x, y, allowed)


def write_package(
    folder: Path,
    program: Program,
    arithmetic: Folded | Quantized,
    header: str,
    report: Mapping[str, Any] | None = None,
) -> None:
    """Write the package of a surrogate into `folder`, which may not exist yet.

    Equal arguments give equal bytes.

    Args:
        folder: Gets the files.
        program: The function that is replaced.
        arithmetic: Of the header.
        header: Its text.
        report: Of the build, for the README's tables; None where nothing was measured.
    """
    context = _context(program, arithmetic, header_names(program), report)
    texts = [header, *(render(f"package/{template}.j2", **context) for template in _TEMPLATES)]
    for file, text in zip(package_files(program), texts, strict=True):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def package_files(program: Program) -> list[str]:
    """Return the files of a program's package as paths in it, the surrogate's header first."""
    names = header_names(program)
    files = [_FILES.get(template, template) for template in _TEMPLATES]
    own = {"name": names.base, "selftest": selftest_name(names)}
    return [f"src/{names.base}.h", *(file.format(**own) for file in files)]


def selftest_name(names: Names) -> str:
    """Return the name of a header's self-test, which is also that of its file."""
    return f"{names.base.removesuffix('_surrogate')}_selftest"


def _spread(program: Program) -> NDArray[np.float64]:
    """Return points (VECTORS, I): the ends of the domain's diagonal, then a low-discrepancy set."""
    corners = sampling.corners(program.inputs)
    return np.concatenate([corners[[0, -1]], sampling.sobol(program.inputs, VECTORS - 2, 0)])


def _context(
    program: Program, arithmetic: Folded | Quantized, names: Names, report: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what the templates' holes take."""
    vectors = golden_vectors(program, arithmetic)
    selftest = selftest_name(names)
    integer = isinstance(arithmetic, Quantized)
    clamps = isinstance(arithmetic, Quantized) or arithmetic.clamp
    middle = [float_literal(value) for value in sampling.snap(program.inputs, _spread(program)[:2].mean(0)[None])[0]]
    return {
        "name": names.base,
        "selftest": selftest,
        "function": comment_text(program.name),
        "version": __version__,
        "terms": TERMS,
        "entries": [*entry_comments(names), *([integer_entry_comment(names)] if integer else [])],
        "inputs": [(name, i.interval) for name, i in zip(names.inputs, program.inputs, strict=True)],
        "outputs": names.outputs,
        "integer": integer,
        "outside": "is clamped" if clamps else "is meaningless",
        "ctype": vectors.ctype,
        "rows_in": [_literals(row, vectors.ctype) for row in vectors.inputs],
        "rows_out": [_literals(row, vectors.ctype) for row in vectors.outputs],
        "allowed": None if vectors.allowed is None else _literals(vectors.allowed, "float"),
        "tested_call": _call(names, vectors.entry, [f"in[k][{i}]" for i in range(len(names.inputs))]),
        "example_call": _call(names, "_f", middle),
        "report": None if report is None else _measured(report),
    }


def _literals(values: NDArray[Any], ctype: str) -> list[str]:
    return [float_literal(value) if ctype == "float" else str(value) for value in values.tolist()]


def _call(names: Names, entry: str, arguments: Sequence[str]) -> str:
    """Return the statement that calls an entry point, whose results go to `y`."""
    if len(names.outputs) == 1:
        return f"y[0] = {names.base}{entry}({', '.join(arguments)});"
    return f"{names.base}{entry}({', '.join([*arguments, *(f'&y[{o}]' for o in range(len(names.outputs)))])});"


def _measured(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the README says of errors, costs and the verdict."""
    word, reason = verdict_words(report)
    return {
        "errors": errors(report),
        "certificates": certificates(report),
        "costs": [table for table in costs(report) if table.rows],
        "conditions": measuring_conditions(report),
        "verdict": f"{word}. {reason}",
        "per_target": per_target(report),
    }

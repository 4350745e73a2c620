"""What is done with a saved surrogate, without torch: `export`, `verify` and `bench`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk import sampling
from nstk.costing import (
    check_targets,
    cost_rivals,
    find_rivals,
    measure_on_targets,
    target_callee,
    time_on_host,
)
from nstk.emission import emit, header_names
from nstk.errors import UsageError
from nstk.folding import Folded, fold
from nstk.integer_emission import emit_integer
from nstk.options import DEFAULT_TOLERANCE, BuildOptions
from nstk.output import check_writable, replacing
from nstk.packaging import write_package
from nstk.pairs import read_pairs
from nstk.program import Program, read_program
from nstk.quantization import Quantized, quantize
from nstk.record import header_file
from nstk.sandbox import ProgramRunner
from nstk.surrogate import Surrogate, load_surrogate, save_surrogate, surrogate_folder, with_provenance
from nstk.targets.measuring import verify_target
from nstk.targets.target import find_target
from nstk.tolerance import Tolerance, parse_tolerance
from nstk.verification import (
    Comparison,
    Function,
    check_exhaustible,
    check_exhaustively,
    known_points,
    verify_header,
)

Array = NDArray[np.float64]
Progress = Callable[[str], None]


def quiet(_: str) -> None:
    """Tell nobody."""


def export(saved: Path, options: BuildOptions) -> Path:
    """Write a saved surrogate's header and package anew, with other emission options.

    The new header's banner and the package state no errors, because none were measured with these options: `verify`
    does that.

    Args:
        saved: Folder of the surrogate.
        options: `number`, `style`, `clamp`, `sigmoid_error` and `out` are used.

    Returns:
        The folder `out/<function>` with header, package and surrogate.
    """
    surrogate = load_surrogate(saved)
    surrogate = with_provenance(surrogate, emission=options.emission())
    folder = options.out / surrogate.program.name
    keep_saved(saved, folder)
    check_writable(folder)
    arithmetic = arithmetic_of(surrogate)
    header = emit_header(surrogate.program, arithmetic, options.style)
    with replacing(folder) as scratch:
        (scratch / header_file(surrogate.program)).write_text(header)
        write_package(scratch / "package", surrogate.program, arithmetic, header)
        save_surrogate(surrogate, scratch)
    return folder


def verify(saved: Path, options: BuildOptions, progress: Progress = quiet) -> dict[str, Any]:
    """Verify the header in a surrogate's folder on all three rungs.

    Args:
        saved: Folder that `build` or `export` wrote.
        options: `source` is the original's C file, or `saved` for the program stored with the surrogate; `tolerance`,
            `seed`, `exhaustive`, `pairs`, `targets`, `cflags` and `include` are used.
        progress: Told each step as it begins.

    Returns:
        The `verify` part of a report.
    """
    surrogate, original, header = _saved(saved, options)
    program, arithmetic = surrogate.program, arithmetic_of(surrogate)
    tolerance = parse_tolerance(options.tolerance or surrogate.provenance.get("tolerance", DEFAULT_TOLERANCE))
    if options.exhaustive:
        check_exhaustible(program)
    check_targets(options)
    progress("verifying")
    if options.pairs is not None:
        x, y = read_program_pairs(program, options.pairs)
        held_out = Comparison(x, y, np.full_like(y, np.nan))
        return verify_header(program, arithmetic, header, None, tolerance, options.seed, held_out).record
    with run_program(original, options) as runner:
        check_program(runner, original, options.seed)
        record = verify_header(program, arithmetic, header, runner.outputs, tolerance, options.seed).record
        if options.exhaustive:
            add_exhaustive(record, program, header, runner.outputs, tolerance, progress)
    if options.microcontrollers:
        style = surrogate.provenance["emission"]["style"]
        x = np.concatenate(
            [sampling.corners(program.inputs)[:64], sampling.draw(program.inputs, 192, options.seed + 6)]
        )
        callee = target_callee(program, header, header_names(program).base, options, style)
        bound = arithmetic.evaluate(x)[1]
        record["targets"] = {
            name: verify_target(callee, x, find_target(name), bound=bound) for name in options.microcontrollers
        }
        record["ok"] = bool(record["ok"] and all(found["ok"] for found in record["targets"].values()))
    return record


def bench(saved: Path, options: BuildOptions, progress: Progress = quiet) -> dict[str, Any]:
    """Time the header in a surrogate's folder and its rivals against the original.

    Returns:
        The `bench` part of a report, and for programs of up to three inputs its `rivals`.
    """
    surrogate, original, header = _saved(saved, options)
    check_targets(options)
    with run_program(original, options) as runner:
        check_program(runner, original, options.seed)
        tolerance = parse_tolerance(surrogate.provenance.get("tolerance", DEFAULT_TOLERANCE))
        known = known_points(original, runner.outputs, options.seed)
        allowed = np.array([tolerance.absolute(values) for values in known.expected.T])
        found, missed = find_rivals(original, runner.outputs, known, allowed, surrogate, options, progress)
    progress("timing")
    base, style = header_names(surrogate.program).base, surrogate.provenance["emission"]["style"]
    host = time_on_host(original, header, base, options, found)
    callee = target_callee(original, header, base, options, style)
    targets = measure_on_targets(callee, options, arithmetic_of(surrogate), progress)
    rivals = cost_rivals(callee, found, host, options, progress) + missed
    return {"host": host, "targets": targets, **({"rivals": rivals} if rivals else {})}


def keep_saved(saved: Path, folder: Path) -> None:
    """Refuse to replace the surrogate that is being read: its report would be lost."""
    if folder.resolve() == surrogate_folder(saved).resolve():
        raise UsageError(f"'{folder}' is the surrogate itself", "choose another folder with --out")


def _saved(saved: Path, options: BuildOptions) -> tuple[Surrogate, Program, str]:
    """Load surrogate, original (over the surrogate's domain; its name may be another) and header."""
    surrogate = load_surrogate(saved)
    program = surrogate.program
    made_with(saved, surrogate)
    if options.source != saved:
        function = options.function or program.name
        read = read_program(options.source, function, outputs=options.outputs or declared_outputs(program))
        if (read.parameters, read.returns) != (program.parameters, program.returns):
            raise UsageError(f"{read.name} in {read.file} has another signature than the surrogate", "build it anew")
        program = replace(read, inputs=program.inputs)
    file = surrogate_folder(saved) / header_file(surrogate.program)
    try:
        return surrogate, program, file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read '{file}': {error}", "nstk export writes it anew") from None


def made_with(saved: Path, surrogate: Surrogate) -> BuildOptions:
    """Return the options a saved surrogate's provenance tells: tolerance, and those of emission."""
    made = surrogate.provenance
    try:
        emission = {key: made["emission"][key] for key in ("number", "style", "clamp", "sigmoid_error")}
        return BuildOptions(saved, tolerance=made.get("tolerance"), **emission)
    except (KeyError, TypeError, OverflowError, UsageError) as error:
        raise UsageError(f"{saved}: damaged surrogate (provenance: {error})", "build it anew") from None


def declared_outputs(program: Program) -> tuple[str, ...] | None:
    """Return the parameters that are outputs, as `--outputs` names them; None if there are none."""
    return tuple(p.name for p in program.parameters if p.role in ("pointer", "output_array")) or None


def arithmetic_of(surrogate: Surrogate) -> Folded | Quantized:
    """Return what a surrogate's header computes, by the options of emission it was saved with."""
    emission = surrogate.provenance["emission"]
    if emission["number"] == "int16":
        return quantize(surrogate, emission["sigmoid_error"])
    return fold(surrogate, emission["sigmoid_error"], emission["clamp"])


def emit_header(
    program: Program, arithmetic: Folded | Quantized, style: str, errors: dict[str, str] | None = None
) -> str:
    """Return the text of a header, float or int16."""
    if isinstance(arithmetic, Quantized):
        return emit_integer(program, arithmetic, style=style, errors=errors)
    return emit(program, arithmetic, style=style, errors=errors)


def run_program(program: Program, options: BuildOptions) -> ProgramRunner:
    """Return what runs a program, compiled with the options' flags."""
    return ProgramRunner(program, includes=options.include, cflags=options.cflags)


def check_program(runner: ProgramRunner, program: Program, seed: int) -> None:
    """Find crashes, hangs, NaN and nondeterminism before anything is fitted."""
    x = np.concatenate([sampling.corners(program.inputs), sampling.draw(program.inputs, 512, seed + 3)])
    runner.outputs(x)
    runner.check_determinism(x)


def add_exhaustive(
    record: dict[str, Any],
    program: Program,
    header: str,
    original: Function,
    tolerance: Tolerance,
    progress: Progress,
) -> None:
    """Verify over every float of the only input, and put what is found into a record of `verify_header`."""

    def told(share: float) -> None:
        progress(f"verifying every float: {100 * share:.0f} %")

    found = check_exhaustively(program, header, original, tolerance, told)
    record["exhaustive"] = {"ok": all(o["ok"] for o in found), "outputs": found}
    record["ok"] = bool(record["ok"] and record["exhaustive"]["ok"])
    for output, every in zip(record["outputs"], found, strict=True):  # what the tables and the banner state
        output["n"] += every["n"]
        output["ok"] = bool(output["ok"] and every["ok"])
        if every["max_abs"] > output["max_abs"]:
            output |= {key: every[key] for key in ("max_abs", "worst_input", "worst_expected", "worst_got")}


def read_program_pairs(program: Program, file: Path) -> tuple[Array, Array]:
    """Read pairs and check that they lie in the domain."""
    x, y = read_pairs(file, program)
    inside = (x >= [i.interval.lo for i in program.inputs]) & (x <= [i.interval.hi for i in program.inputs])
    if not inside.all():
        row, column = np.argwhere(~inside)[0]
        name = program.inputs[column].name
        text = f"{file.name}: pair {row + 1}: {name} = {x[row, column]:g} is outside the domain"
        raise UsageError(text, f'widen it with --domain "{name}=LO:HI"')
    return x, y

"""The whole way from a C function to a verified, timed header, and the verbs that redo a part of it.

Torch is imported by `build` and `finetune` only; `export`, `verify` and `bench` of a saved surrogate run without it.
"""

import hashlib
import importlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nstk import __version__, sampling
from nstk.compilation import compile_program, hypernetwork_digest, method_name
from nstk.emission import emit, header_names
from nstk.errors import NstkError, UsageError
from nstk.folding import Folded, fold
from nstk.integer_emission import emit_integer
from nstk.options import DEFAULT_TOLERANCE, BuildOptions
from nstk.output import check_writable, replacing
from nstk.packaging import package_files, write_package
from nstk.pairs import read_pairs
from nstk.program import Program, read_program
from nstk.quantization import Quantized, quantize
from nstk.record import add_rounding, assemble_report, error_text, header_file, plot_data
from nstk.report import write_json
from nstk.rivals.building import Rival, build_rivals
from nstk.rivals.measuring import measure_rivals
from nstk.rivals.sizing import MOST_INPUTS
from nstk.sandbox import ProgramRunner
from nstk.surrogate import Surrogate, load_surrogate, save_surrogate, surrogate_folder, with_provenance
from nstk.targets.measuring import check_target, measure_target, verify_target
from nstk.targets.target import find_target
from nstk.timing import time_host
from nstk.tolerance import Tolerance, parse_tolerance
from nstk.toolchain import visible_text
from nstk.verification import (
    Comparison,
    Function,
    check_exhaustible,
    check_exhaustively,
    known_points,
    verify_header,
)

if TYPE_CHECKING:
    from nstk.fitting import Data, Fitted
    from nstk.hypernetwork.proposal import Compiled
    from nstk.report_page import PlotData

Array = NDArray[np.float64]
Progress = Callable[[str], None]


def _quiet(_: str) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Built:
    """A finished build.

    Attributes:
        report: As written to `report.json`.
        folder: Where the files are.
        fresh: False if nothing had changed since the last build, so that nothing was done.
    """

    report: dict[str, Any]
    folder: Path
    fresh: bool = True

    @property
    def ok(self) -> bool:
        """Whether every rung of verification passed, the tolerance included."""
        return bool(self.report["verify"]["ok"])


def build(options: BuildOptions, progress: Progress = _quiet) -> Built:
    """Build a surrogate: read, run, fit, emit, verify, time, report.

    Args:
        options: What is asked for.
        progress: Told each step as it begins.

    Raises:
        NstkError: Bad input; nothing is written then. A missed tolerance is no error: see `Built.ok`.
    """
    program = _read(options)
    return _run(program, options, None, progress)


def finetune(saved: Path, options: BuildOptions, progress: Progress = _quiet) -> Built:
    """Continue a saved surrogate on a program, or on pairs of its own program.

    Args:
        saved: Folder of the surrogate.
        options: As for `build`; `source` is a C file, or the surrogate's folder to keep its program. Style, clamp and
            sigmoid error stay the surrogate's, the number format as well.
        progress: Told each step as it begins.

    Raises:
        NstkError: As `build`; also if the program has other numbers of inputs or outputs.
    """
    surrogate = load_surrogate(saved)
    program = surrogate.program
    if options.source != saved:
        program = _read(replace(options, outputs=options.outputs or _declared_outputs(program)))
    made = _made_with(saved, surrogate)
    if options.tolerance is None and program.tolerance is None:
        options = replace(options, tolerance=made.tolerance)
    _keep(saved, options.out / program.name)
    return _run(program, replace(options, **made.emission()), surrogate, progress)


def _keep(saved: Path, folder: Path) -> None:
    """Refuse to replace the surrogate that is being read: its report would be lost."""
    if folder.resolve() == surrogate_folder(saved).resolve():
        raise UsageError(f"'{folder}' is the surrogate itself", "choose another folder with --out")


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
    _keep(saved, folder)
    check_writable(folder)
    arithmetic = _arithmetic(surrogate)
    header = _emit(surrogate.program, arithmetic, options.style)
    with replacing(folder) as scratch:
        (scratch / header_file(surrogate.program)).write_text(header)
        write_package(scratch / "package", surrogate.program, arithmetic, header)
        save_surrogate(surrogate, scratch)
    return folder


def verify(saved: Path, options: BuildOptions, progress: Progress = _quiet) -> dict[str, Any]:
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
    program = surrogate.program
    tolerance = parse_tolerance(options.tolerance or surrogate.provenance.get("tolerance", DEFAULT_TOLERANCE))
    if options.exhaustive:
        check_exhaustible(program)
    _check_targets(options)
    progress("verifying")
    if options.pairs is not None:
        x, y = _read_pairs(program, options.pairs)
        held_out = Comparison(x, y, np.full_like(y, np.nan))
        return verify_header(program, _arithmetic(surrogate), header, None, tolerance, options.seed, held_out).record
    with _runner(original, options) as runner:
        _check_program(runner, original, options.seed)
        record = verify_header(program, _arithmetic(surrogate), header, runner.outputs, tolerance, options.seed).record
        if options.exhaustive:
            _add_exhaustive(record, program, header, runner.outputs, tolerance, progress)
    if options.microcontrollers:
        style, arithmetic = surrogate.provenance["emission"]["style"], _arithmetic(surrogate)
        x = np.concatenate(
            [sampling.corners(program.inputs)[:64], sampling.draw(program.inputs, 192, options.seed + 6)]
        )
        record["targets"] = {
            name: verify_target(program, header, x, find_target(name), **_target_options(options, style, arithmetic, x))
            for name in options.microcontrollers
        }
        record["ok"] = bool(record["ok"] and all(found["ok"] for found in record["targets"].values()))
    return record


def bench(saved: Path, options: BuildOptions, progress: Progress = _quiet) -> dict[str, Any]:
    """Time the header in a surrogate's folder and its rivals against the original.

    Returns:
        The `bench` part of a report, and for programs of up to three inputs its `rivals`.
    """
    surrogate, original, header = _saved(saved, options)
    _check_targets(options)
    with _runner(original, options) as runner:
        _check_program(runner, original, options.seed)
        tolerance = parse_tolerance(surrogate.provenance.get("tolerance", DEFAULT_TOLERANCE))
        known = known_points(original, runner.outputs, options.seed)
        allowed = np.array([tolerance.absolute(values) for values in known.expected.T])
        found, missed = _rivals(original, runner.outputs, known, allowed, surrogate, options, progress)
    progress("timing")
    base, style = header_names(surrogate.program).base, surrogate.provenance["emission"]["style"]
    host = _time(original, header, base, options, found)
    targets = _count(original, header, base, options, style, _arithmetic(surrogate), progress)
    rivals = _measure_rivals(original, found, host, options, style, progress) + missed
    return {"host": host, "targets": targets, **({"rivals": rivals} if rivals else {})}


def _read(options: BuildOptions) -> Program:
    return read_program(options.source, options.function, domain=options.domain or None, outputs=options.outputs)


def _saved(saved: Path, options: BuildOptions) -> tuple[Surrogate, Program, str]:
    """Load surrogate, original (over the surrogate's domain; its name may be another) and header."""
    surrogate = load_surrogate(saved)
    program = surrogate.program
    _made_with(saved, surrogate)
    if options.source != saved:
        function = options.function or program.name
        read = read_program(options.source, function, outputs=options.outputs or _declared_outputs(program))
        if (read.parameters, read.returns) != (program.parameters, program.returns):
            raise UsageError(f"{read.name} in {read.file} has another signature than the surrogate", "build it anew")
        program = replace(read, inputs=program.inputs)
    file = surrogate_folder(saved) / header_file(surrogate.program)
    try:
        return surrogate, program, file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read '{file}': {error}", "nstk export writes it anew") from None


def _made_with(saved: Path, surrogate: Surrogate) -> BuildOptions:
    """Return the options a saved surrogate's provenance tells: tolerance, and those of emission."""
    made = surrogate.provenance
    try:
        emission = {key: made["emission"][key] for key in ("number", "style", "clamp", "sigmoid_error")}
        return BuildOptions(saved, tolerance=made.get("tolerance"), **emission)
    except (KeyError, TypeError, OverflowError, UsageError) as error:
        raise UsageError(f"{saved}: damaged surrogate (provenance: {error})", "build it anew") from None


def _declared_outputs(program: Program) -> tuple[str, ...] | None:
    """Return the parameters that are outputs, as `--outputs` names them; None if there are none."""
    return tuple(p.name for p in program.parameters if p.role in ("pointer", "output_array")) or None


def _run(program: Program, options: BuildOptions, start: Surrogate | None, progress: Progress) -> Built:
    folder = options.out / program.name
    digest = _digest(program, options, start)
    if (last := _unchanged(folder, program, digest)) is not None:
        return Built(last, folder, fresh=False)
    check_writable(folder)
    if options.exhaustive:
        check_exhaustible(program)
    _check_targets(options)
    # Torch takes seconds to import; the program is compiled and run meanwhile.
    heavy = "torch" if options.init == "random" else "nstk.hypernetwork.proposal"
    loading = threading.Thread(target=importlib.import_module, args=(heavy,), daemon=True)
    loading.start()
    tolerance = parse_tolerance(options.tolerance or program.tolerance or DEFAULT_TOLERANCE)
    with ExitStack() as stack:
        original: Function | None = None
        held_out: Comparison | None = None
        if options.pairs is None:
            progress(f"running {program.name}")
            runner = stack.enter_context(_runner(program, options))
            _check_program(runner, program, options.seed)
            original = runner.outputs
            progress("loading torch")
            data = _sample(program, original, options)
        else:
            data, held_out = _split(program, options)
        compiled = None
        if start is None:
            loading.join()  # two threads must not import torch at once
            compiled = compile_program(program, options.init, original, progress, (data.x, data.y))
        began = time.perf_counter()
        fitted = _fit(program, data, tolerance, options, start, compiled, progress)
        seconds = time.perf_counter() - began
        surrogate = with_provenance(fitted.surrogate, emission=options.emission(), tolerance=str(tolerance))
        init = "surrogate" if start is not None else method_name(options.init)
        surrogate = with_provenance(surrogate, init=init, effort=options.effort, seed=options.seed)
        unrounded = surrogate
        if options.number_format == "int16":
            surrogate = _finish(surrogate, data, progress)
        arithmetic = _arithmetic(surrogate)
        header = _emit(program, arithmetic, options.style)
        progress("verifying")
        verified = verify_header(program, arithmetic, header, original, tolerance, options.seed, held_out)
        if options.exhaustive and original is not None:
            _add_exhaustive(verified.record, program, header, original, tolerance, progress)
        errors = {o["name"]: error_text(o) for o in verified.record["outputs"]}
        verified_code = header.partition("*/")[2]
        header = _emit(program, arithmetic, options.style, errors)
        if header.partition("*/")[2] != verified_code:
            raise RuntimeError("the header's code changed with its banner")
        found: list[Rival] = []
        missed: list[dict[str, Any]] = []
        if original is not None and options.effort != "quick":
            allowed = np.array([output["tolerance"] for output in verified.record["outputs"]])
            found, missed = _rivals(program, original, verified.checked, allowed, surrogate, options, progress)
        progress("timing")
        host = _time(program, header, header_names(program).base, options, found) if original is not None else None
        targets = _count(program, header, header_names(program).base, options, options.style, arithmetic, progress)
        rivals = _measure_rivals(program, found, host or {}, options, options.style, progress) + missed
        plots = plot_data(program, surrogate, arithmetic, original, verified)
    report = assemble_report(
        program, options, fitted, surrogate, arithmetic, header, verified, host, targets, rivals, seconds
    )
    if isinstance(arithmetic, Quantized):
        add_rounding(report, unrounded, verified)
    report["verify"]["ok"] = bool(report["verify"]["ok"] and all(costs.get("ok", True) for costs in targets.values()))
    report["build"] |= {"digest": digest, "tolerance": str(tolerance)}
    progress("drawing")
    _write(folder, report, header, surrogate, arithmetic, plots, found)
    return Built(report, folder)


def _runner(program: Program, options: BuildOptions) -> ProgramRunner:
    return ProgramRunner(program, includes=options.include, cflags=options.cflags)


def _check_program(runner: ProgramRunner, program: Program, seed: int) -> None:
    """Find crashes, hangs, NaN and nondeterminism before anything is fitted."""
    x = np.concatenate([sampling.corners(program.inputs), sampling.draw(program.inputs, 512, seed + 3)])
    runner.outputs(x)
    runner.check_determinism(x)


def _sample(program: Program, original: Function, options: BuildOptions) -> "Data":
    from nstk.fitting import most_pairs, sample_data
    from nstk.topology import parse_hidden

    needed = most_pairs(parse_hidden(options.topology), options.effort, len(program.inputs))
    return sample_data(program, original, options.samples or needed, options.seed)


def _split(program: Program, options: BuildOptions) -> tuple["Data", Comparison]:
    from nstk.fitting import split_pairs

    assert options.pairs is not None
    return split_pairs(*_read_pairs(program, options.pairs), options.seed)


def _read_pairs(program: Program, file: Path) -> tuple[Array, Array]:
    """Read pairs and check that they lie in the domain."""
    x, y = read_pairs(file, program)
    inside = (x >= [i.interval.lo for i in program.inputs]) & (x <= [i.interval.hi for i in program.inputs])
    if not inside.all():
        row, column = np.argwhere(~inside)[0]
        name = program.inputs[column].name
        text = f"{file.name}: pair {row + 1}: {name} = {x[row, column]:g} is outside the domain"
        raise UsageError(text, f'widen it with --domain "{name}=LO:HI"')
    return x, y


def _fit(
    program: Program,
    data: "Data",
    tolerance: Tolerance,
    options: BuildOptions,
    start: Surrogate | None,
    compiled: "Compiled | None",
    progress: Progress,
) -> "Fitted":
    from nstk.fitting import Goal, fit, fit_further
    from nstk.topology import parse_hidden

    goal = Goal(
        tolerance,
        parse_hidden(options.topology),
        options.norm,
        options.effort,
        options.optimizer,
        options.seed,
        options.samples is not None or options.pairs is not None,
    )
    return (
        fit(program, data, goal, progress, compiled)
        if start is None
        else fit_further(start, program, data, goal, progress)
    )


def _finish(surrogate: Surrogate, data: "Data", progress: Progress) -> Surrogate:
    from nstk.integer_finishing import finish

    progress("rounding to int16")
    return finish(surrogate, surrogate.provenance["emission"]["sigmoid_error"], data.x, data.y)


def _arithmetic(surrogate: Surrogate) -> Folded | Quantized:
    emission = surrogate.provenance["emission"]
    if emission["number"] == "int16":
        return quantize(surrogate, emission["sigmoid_error"])
    return fold(surrogate, emission["sigmoid_error"], emission["clamp"])


def _emit(program: Program, arithmetic: Folded | Quantized, style: str, errors: dict[str, str] | None = None) -> str:
    if isinstance(arithmetic, Quantized):
        return emit_integer(program, arithmetic, style=style, errors=errors)
    return emit(program, arithmetic, style=style, errors=errors)


def _time(program: Program, header: str, callee: str, options: BuildOptions, rivals: Sequence[Rival]) -> dict[str, Any]:
    x = sampling.draw(program.inputs, 4096, options.seed + 4)
    others = {rival.callee: rival.header for rival in rivals}
    how: dict[str, Any] = {"cflags": options.cflags, "includes": options.include}
    return time_host(program, header, x, callee=callee, rivals=others, **how)


def _rivals(
    program: Program,
    original: Function,
    known: Comparison,
    allowed: Array,
    surrogate: Surrogate,
    options: BuildOptions,
    progress: Progress,
) -> tuple[list[Rival], list[dict[str, Any]]]:
    """Build rivals; int16 tables where they may be of use: on microcontrollers, or instead of an int16 surrogate."""
    if len(program.inputs) > MOST_INPUTS:
        return [], []
    progress("building rivals")
    integers = bool(options.microcontrollers) or surrogate.provenance["emission"]["number"] == "int16"
    return build_rivals(program, original, known, allowed, options.seed, integers=integers)


def _measure_rivals(
    program: Program,
    rivals: Sequence[Rival],
    host: dict[str, Any],
    options: BuildOptions,
    style: str,
    progress: Progress,
) -> list[dict[str, Any]]:
    x = sampling.draw(program.inputs, 64, options.seed + 5)
    how: dict[str, Any] = {"includes": options.include, "cflags": options.cflags, "optimize": _optimization(style)}
    return measure_rivals(program, rivals, host.pop("rivals_ns", {}), x, options.microcontrollers, progress, **how)


def _check_targets(options: BuildOptions) -> None:
    """Check before anything else that the targets asked for can be measured on."""
    for name in options.microcontrollers:
        check_target(find_target(name))


def _target_options(options: BuildOptions, style: str, arithmetic: Folded | Quantized, x: Array) -> dict[str, Any]:
    """Return how a surrogate is built and judged on a target; both roundings may differ by rung 2's bound there."""
    bound = 2 * arithmetic.evaluate(x)[1]
    return {"optimize": _optimization(style), "bound": bound, "includes": options.include, "cflags": options.cflags}


def _optimization(style: str) -> str:
    return "-Os" if style == "size" else "-O2"


def _count(
    program: Program,
    header: str,
    callee: str,
    options: BuildOptions,
    style: str,
    arithmetic: Folded | Quantized,
    progress: Progress,
) -> dict[str, Any]:
    """Measure on every target but the host; a target an original cannot be built for gets `error` and `hint`."""
    x = sampling.draw(program.inputs, 64, options.seed + 5)
    found: dict[str, Any] = {}
    for name in options.microcontrollers:
        progress(f"counting on {name}")
        how = _target_options(options, style, arithmetic, x)
        how["quantized"] = arithmetic if isinstance(arithmetic, Quantized) else None
        try:
            found[name] = measure_target(program, header, x, find_target(name), callee=callee, **how)
        except NstkError as error:
            found[name] = {"error": error.message, "hint": error.hint}
    return found


def _add_exhaustive(
    record: dict[str, Any],
    program: Program,
    header: str,
    original: Function,
    tolerance: Tolerance,
    progress: Progress,
) -> None:
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


def _write(
    folder: Path,
    report: dict[str, Any],
    header: str,
    surrogate: Surrogate,
    arithmetic: Folded | Quantized,
    plots: "PlotData",
    rivals: Sequence[Rival],
) -> None:
    from nstk.report_page import render_page

    page = render_page(report, plots)
    with replacing(folder) as scratch:
        for rival in rivals:
            (scratch / "rivals").mkdir(exist_ok=True)
            (scratch / rival.record["header"]).write_text(rival.header)
        (scratch / report["header"]["file"]).write_text(header)
        (scratch / "report.html").write_text(page)
        write_package(scratch / "package", surrogate.program, arithmetic, header, report)
        save_surrogate(surrogate, scratch)
        write_json(scratch / "report.json", report)


def _digest(program: Program, options: BuildOptions, start: Surrogate | None) -> str:
    """Hash all that decides a build's result."""
    pairs = (
        hashlib.sha256(options.pairs.read_bytes()).hexdigest() if options.pairs and options.pairs.is_file() else None
    )
    arrays: list[np.ndarray] = [*(n.params for n in start.networks), start.y_mean, start.y_std] if start else []
    weights = [a.tobytes().hex() for a in arrays]
    origin = f"{program.file}:{program.line}"
    seen = visible_text(program.source, includes=options.include, cflags=options.cflags, origin=origin)
    tolerance = options.tolerance or program.tolerance
    plain = options.plain() | {"program": program.sha256, "text": seen, "tolerance": tolerance}
    text = json.dumps([__version__, plain, pairs, weights, hypernetwork_digest(options.init)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _unchanged(folder: Path, program: Program, digest: str) -> dict[str, Any] | None:
    """Return the last report if it was made from the same inputs, all files are there and the header is as emitted."""
    try:
        report: dict[str, Any] = json.loads((folder / "report.json").read_text())
        packaged = [folder / "package" / file for file in package_files(program)]
        headers = [(folder / header_file(program)).read_bytes(), packaged[0].read_bytes()]
        load_surrogate(folder)
        for file in (folder / "report.html", *packaged):
            file.stat()
        same = {hashlib.sha256(header).hexdigest() for header in headers} == {report["header"]["sha256"]}
        same = same and report["build"]["digest"] == digest
    except (OSError, ValueError, KeyError, TypeError, UsageError):
        return None
    return report if same else None

"""The whole way from a C function, or from a saved surrogate, to a verified, timed header in its folder."""

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

from nstk import __version__
from nstk.compilation import compile_program, hypernetwork_digest, method_name
from nstk.costing import check_targets, cost_rivals, find_rivals, measure_on_targets, target_callee, time_on_host
from nstk.emission import header_names
from nstk.errors import UsageError
from nstk.folding import Folded
from nstk.options import DEFAULT_TOLERANCE, BuildOptions
from nstk.output import check_writable, replacing
from nstk.packaging import package_files, write_package
from nstk.program import Program, read_program
from nstk.quantization import Quantized
from nstk.record import add_rounding, assemble_report, error_text, header_file, plot_data
from nstk.report import write_json
from nstk.rivals.building import Rival
from nstk.saved import (
    add_exhaustive,
    arithmetic_of,
    check_program,
    declared_outputs,
    emit_header,
    keep_saved,
    made_with,
    quiet,
    read_program_pairs,
    run_program,
)
from nstk.surrogate import Surrogate, load_surrogate, save_surrogate, with_provenance
from nstk.tolerance import Tolerance, parse_tolerance
from nstk.toolchain import visible_text
from nstk.verification import (
    Comparison,
    Function,
    check_exhaustible,
    verify_header,
)

if TYPE_CHECKING:
    from nstk.candidates import Data
    from nstk.fitting import Fitted
    from nstk.hypernetwork.proposal import Compiled
    from nstk.report_page import PlotData

Array = NDArray[np.float64]
Progress = Callable[[str], None]


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


def build(options: BuildOptions, progress: Progress = quiet) -> Built:
    """Build a surrogate: read, run, fit, emit, verify, time, report.

    Args:
        options: What is asked for.
        progress: Told each step as it begins.

    Raises:
        NstkError: Bad input; nothing is written then. A missed tolerance is no error: see `Built.ok`.
    """
    program = _read(options)
    return _run(program, options, None, progress)


def finetune(saved: Path, options: BuildOptions, progress: Progress = quiet) -> Built:
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
        program = _read(replace(options, outputs=options.outputs or declared_outputs(program)))
    made = made_with(saved, surrogate)
    if options.tolerance is None and program.tolerance is None:
        options = replace(options, tolerance=made.tolerance)
    keep_saved(saved, options.out / program.name)
    return _run(program, replace(options, **made.emission()), surrogate, progress)


def _read(options: BuildOptions) -> Program:
    return read_program(options.source, options.function, domain=options.domain or None, outputs=options.outputs)


def _run(program: Program, options: BuildOptions, start: Surrogate | None, progress: Progress) -> Built:
    folder = options.out / program.name
    digest = _digest(program, options, start)
    if (last := _unchanged(folder, program, digest)) is not None:
        return Built(last, folder, fresh=False)
    check_writable(folder)
    if options.exhaustive:
        check_exhaustible(program)
    check_targets(options)
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
            runner = stack.enter_context(run_program(program, options))
            check_program(runner, program, options.seed)
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
        arithmetic = arithmetic_of(surrogate)
        header = emit_header(program, arithmetic, options.style)
        progress("verifying")
        verified = verify_header(program, arithmetic, header, original, tolerance, options.seed, held_out)
        if options.exhaustive and original is not None:
            add_exhaustive(verified.record, program, header, original, tolerance, progress)
        errors = {o["name"]: error_text(o) for o in verified.record["outputs"]}
        verified_code = header.partition("*/")[2]
        header = emit_header(program, arithmetic, options.style, errors)
        if header.partition("*/")[2] != verified_code:
            raise RuntimeError("the header's code changed with its banner")
        found: list[Rival] = []
        missed: list[dict[str, Any]] = []
        if original is not None and options.effort != "quick":
            allowed = np.array([output["tolerance"] for output in verified.record["outputs"]])
            found, missed = find_rivals(program, original, verified.checked, allowed, surrogate, options, progress)
        progress("timing")
        base = header_names(program).base
        host = time_on_host(program, header, base, options, found) if original is not None else None
        callee = target_callee(program, header, base, options, options.style)
        targets = measure_on_targets(callee, options, arithmetic, progress)
        rivals = cost_rivals(callee, found, host or {}, options, progress) + missed
        plots = plot_data(program, surrogate, arithmetic, original, verified)
    report = assemble_report(
        program, options, fitted, surrogate, arithmetic, header, verified, host, targets, rivals, seconds
    )
    if isinstance(arithmetic, Quantized):
        add_rounding(report, fitted.unrounded, verified)
    report["verify"]["ok"] = bool(report["verify"]["ok"] and all(costs.get("ok", True) for costs in targets.values()))
    report["build"] |= {"digest": digest, "tolerance": str(tolerance)}
    progress("drawing")
    _write(folder, report, header, surrogate, arithmetic, plots, found)
    return Built(report, folder)


def _sample(program: Program, original: Function, options: BuildOptions) -> "Data":
    from nstk.fitting import most_pairs, sample_data
    from nstk.topology import parse_hidden

    needed = most_pairs(parse_hidden(options.topology), options.effort, len(program.inputs))
    return sample_data(program, original, options.samples or needed, options.seed)


def _split(program: Program, options: BuildOptions) -> tuple["Data", Comparison]:
    from nstk.fitting import split_pairs

    assert options.pairs is not None
    return split_pairs(*read_program_pairs(program, options.pairs), options.seed)


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
        tolerance=tolerance,
        hidden=parse_hidden(options.topology),
        norm=options.norm,
        effort=options.effort,
        optimizer=options.optimizer,
        seed=options.seed,
        all_pairs=options.samples is not None or options.pairs is not None,
        sigmoid_error=options.emission()["sigmoid_error"] if options.number_format == "int16" else None,
    )
    return (
        fit(program, data, goal, progress, compiled)
        if start is None
        else fit_further(start, program, data, goal, progress)
    )


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

"""The command line: every verb is a thin function over a library call.

Results go to stdout, progress and messages to stderr. Heavy imports happen inside the verbs.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from nstk import __version__
from nstk.console import progress_bar, progress_shown, show_part, show_reports
from nstk.corpus.cli import corpus
from nstk.errors import NstkError, UsageError

if TYPE_CHECKING:
    from nstk.options import BuildOptions

app = typer.Typer(
    name="nstk",
    help="Neural surrogate toolkit: a numeric C function in, a tiny verified neural network in one C header out.",
    epilog="Exit codes: 0 done; 1 verification failed or tolerance not met; 2 usage; 3 tool missing or compiler "
    "failed; 4 program unsupported; 5 program misbehaved when run; 130 interrupted.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(corpus)

Function = Annotated[str | None, typer.Option("--function", help="Function to take from the file.")]
Domain = Annotated[str | None, typer.Option("--domain", help='Inputs\' intervals, "t=-20:60, rh=1:100".')]
Outputs = Annotated[str | None, typer.Option("--outputs", help="Pointer parameters that are outputs, a,b.")]
ToleranceText = Annotated[str | None, typer.Option("--tolerance", help="Largest error: 0.01 (output units) or 1%.")]
Norm = Annotated[str, typer.Option("--norm", help="rms, or max to aim at the largest error.")]
TopologyName = Annotated[str, typer.Option("--topology", help="auto, 4-4, 8-8, 16-16 or 32-32.")]
Number = Annotated[str, typer.Option("--number", help="auto, float or int16.")]
Style = Annotated[str, typer.Option("--style", help="speed or size.")]
Target = Annotated[list[str] | None, typer.Option("--target", help="Where to measure (repeatable): see nstk targets.")]
Init = Annotated[
    str,
    typer.Option("--init", help="Initial parameters: random, compnet, compnet-text, pretrained, maml, or a folder."),
]
Optimizer = Annotated[str, typer.Option("--optimizer", help="lm, or adam for the paper's protocol.")]
Samples = Annotated[int | None, typer.Option("--samples", help="Training pairs; default: what the topology needs.")]
Effort = Annotated[str, typer.Option("--effort", help="quick (without rivals), normal or high.")]
Seed = Annotated[int, typer.Option("--seed", help="Of every draw.")]
NoClamp = Annotated[bool, typer.Option("--no-clamp", help="Do not clamp inputs to the domain.")]
SigmoidError = Annotated[
    float | None, typer.Option("--sigmoid-error", help="Error allowed to the emitted activation.", show_default=False)
]
Pairs = Annotated[
    Path | None, typer.Option("--pairs", help="CSV, NPZ or Parquet pairs instead of running the program.")
]
Exhaustive = Annotated[bool, typer.Option("--exhaustive", help="Verify every float of a one-input program.")]
Out = Annotated[Path, typer.Option("--out", help="Folder that gets <function>/.")]
Cflags = Annotated[str, typer.Option("--cflags", help="Compiler flags the program needs.")]
Include = Annotated[list[Path] | None, typer.Option("--include", help="Folder of headers it needs (repeatable).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Folder = Annotated[Path, typer.Argument(metavar="SURROGATE", help="Folder that nstk build wrote.")]
SourceText = Annotated[str | None, typer.Argument(metavar="SOURCE[:FUNCTION]", help="C file.", show_default=False)]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
) -> None:
    if version:
        typer.echo(f"nstk {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command()
def build(
    context: typer.Context,
    source: SourceText = None,
    function: Function = None,
    domain: Domain = None,
    outputs: Outputs = None,
    tolerance: ToleranceText = None,
    norm: Norm = "rms",
    topology: TopologyName = "auto",
    number: Number = "auto",
    style: Style = "speed",
    target: Target = None,
    init: Init = "compnet",
    optimizer: Optimizer = "lm",
    samples: Samples = None,
    effort: Effort = "normal",
    seed: Seed = 0,
    no_clamp: NoClamp = False,
    sigmoid_error: SigmoidError = None,
    pairs: Pairs = None,
    exhaustive: Exhaustive = False,
    out: Out = Path("nstk-out"),
    cflags: Cflags = "",
    include: Include = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Turn a C function into a verified, timed header. Without SOURCE, build all that nstk.toml lists."""
    from nstk.domain import parse_domain
    from nstk.options import BuildOptions, read_config, split_flags, split_source
    from nstk.pipeline import build as run

    path, function = split_source(source or "", function)
    options = BuildOptions(
        source=path,
        function=function,
        domain=parse_domain(domain) if domain is not None else {},
        outputs=tuple(outputs.replace(",", " ").split()) if outputs is not None else None,
        tolerance=tolerance,
        norm=norm,
        topology=topology,
        number=number,
        style=style,
        targets=tuple(target or ()),
        init=init,
        optimizer=optimizer,
        samples=samples,
        effort=effort,
        seed=seed,
        clamp=not no_clamp,
        sigmoid_error=sigmoid_error,
        pairs=pairs,
        exhaustive=exhaustive,
        out=out,
        cflags=split_flags(cflags),
        include=tuple(include or ()),
    )
    builds = [options]
    if source is None:
        changes = _given(context, options)
        builds = [replace(listed, **changes) for listed in read_config(Path("nstk.toml"))]
        _check_apart(builds)
    with progress_shown() as progress:
        built = [run(options, progress) for options in builds]
    show_reports(built, as_json, listed=source is None)
    if not all(b.ok for b in built):
        raise typer.Exit(1)


@app.command()
def compile(
    source: Annotated[str, typer.Argument(metavar="SOURCE[:FUNCTION]", help="C file.", show_default=False)],
    function: Function = None,
    domain: Domain = None,
    outputs: Outputs = None,
    topology: TopologyName = "4-4",
    init: Init = "compnet",
    pairs: Pairs = None,
    seed: Seed = 0,
    out: Out = Path("nstk-out"),
    cflags: Cflags = "",
    include: Include = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compile a C function to an initial surrogate, which nstk finetune continues."""
    from nstk.compilation import compile_surrogate
    from nstk.domain import parse_domain
    from nstk.options import BuildOptions, split_flags, split_source

    path, function = split_source(source, function)
    options = BuildOptions(
        source=path,
        function=function,
        domain=parse_domain(domain) if domain is not None else {},
        outputs=tuple(outputs.replace(",", " ").split()) if outputs is not None else None,
        topology=topology,
        init=init,
        pairs=pairs,
        seed=seed,
        out=out,
        cflags=split_flags(cflags),
        include=tuple(include or ()),
    )
    with progress_shown() as progress:
        record = compile_surrogate(options, progress)
    if as_json:
        typer.echo(json.dumps(record))
        return
    for name, error in record["nrmse"].items():
        random = record["random_nrmse"][name]
        typer.echo(f"{name}: nrmse {error:.3g}, best of as many random starts {random:.3g}")
    typer.echo(f"Wrote {record['folder']}; 'nstk finetune {record['folder']} {source}' goes on.")


@app.command()
def finetune(
    surrogate: Folder,
    source: SourceText = None,
    pairs: Pairs = None,
    domain: Domain = None,
    tolerance: ToleranceText = None,
    norm: Norm = "rms",
    optimizer: Optimizer = "lm",
    samples: Samples = None,
    effort: Effort = "normal",
    seed: Seed = 0,
    out: Out = Path("nstk-out"),
    cflags: Cflags = "",
    include: Include = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Continue a saved surrogate on a C function, or on pairs of its own function."""
    from nstk.domain import parse_domain
    from nstk.options import BuildOptions, split_flags, split_source
    from nstk.pipeline import finetune as run

    if source is None and domain is not None:
        raise UsageError("--domain needs a SOURCE", "name the C file as well")
    path, named = split_source(source) if source is not None else (surrogate, None)
    options = BuildOptions(
        source=path,
        function=named,
        domain=parse_domain(domain) if domain is not None else {},
        tolerance=tolerance,
        norm=norm,
        optimizer=optimizer,
        samples=samples,
        effort=effort,
        seed=seed,
        pairs=pairs,
        out=out,
        cflags=split_flags(cflags),
        include=tuple(include or ()),
    )
    with progress_shown() as progress:
        built = run(surrogate, options, progress)
    show_reports([built], as_json)
    if not built.ok:
        raise typer.Exit(1)


@app.command()
def export(
    surrogate: Folder,
    number: Number = "auto",
    style: Style = "speed",
    no_clamp: NoClamp = False,
    sigmoid_error: SigmoidError = None,
    out: Out = Path("nstk-out"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a saved surrogate's header and package anew, with other emission options."""
    from nstk.options import BuildOptions
    from nstk.pipeline import export as run

    options = BuildOptions(
        source=surrogate, number=number, style=style, clamp=not no_clamp, sigmoid_error=sigmoid_error, out=out
    )
    folder = run(surrogate, options)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder)}))
    else:
        typer.echo(f"Wrote {folder}; 'nstk verify {folder}' measures its error.")


@app.command()
def verify(
    surrogate: Folder,
    source: SourceText = None,
    tolerance: ToleranceText = None,
    pairs: Pairs = None,
    exhaustive: Exhaustive = False,
    target: Target = None,
    seed: Seed = 0,
    cflags: Cflags = "",
    include: Include = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Verify a header: its constants, its arithmetic, and its closeness to the original function."""
    from nstk.options import BuildOptions, split_flags, split_source
    from nstk.pipeline import verify as run

    path, named = split_source(source) if source is not None else (surrogate, None)
    options = BuildOptions(
        source=path,
        function=named,
        tolerance=tolerance,
        pairs=pairs,
        exhaustive=exhaustive,
        targets=tuple(target or ()),
        seed=seed,
        cflags=split_flags(cflags),
        include=tuple(include or ()),
    )
    with progress_shown() as progress:
        record = run(surrogate, options, progress)
    show_part("verify", record, as_json)
    if not record["ok"]:
        raise typer.Exit(1)


@app.command()
def bench(
    surrogate: Folder,
    source: SourceText = None,
    target: Target = None,
    seed: Seed = 0,
    cflags: Cflags = "",
    include: Include = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Time a header against the original function on this CPU, and count on targets."""
    from nstk.options import BuildOptions, split_flags, split_source
    from nstk.pipeline import bench as run

    path, named = split_source(source) if source is not None else (surrogate, None)
    options = BuildOptions(
        source=path,
        function=named,
        targets=tuple(target or ()),
        seed=seed,
        cflags=split_flags(cflags),
        include=tuple(include or ()),
    )
    with progress_shown() as progress:
        record = run(surrogate, options, progress)
    show_part("bench", record, as_json)


@app.command()
def train(
    pack: Annotated[Path, typer.Argument(metavar="PACK", help="File that nstk corpus pack wrote.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; a run found there goes on.")] = Path("compnet"),
    preset: Annotated[
        str, typer.Option("--preset", help="compnet, compnet-paper (text alone), pretrained or maml.")
    ] = "compnet",
    steps: Annotated[int | None, typer.Option("--steps", help="Length of the run in optimizer steps.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Length in minutes instead.")] = None,
    batch: Annotated[int, typer.Option("--batch", help="Rows per step, over all processes.")] = 512,
    accumulate: Annotated[
        int | None, typer.Option("--accumulate", help="Parts a batch is computed in; default: what is fast.")
    ] = None,
    rate: Annotated[float, typer.Option("--rate", help="Peak learning rate.")] = 1e-3,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto (what is faster), bfloat16 or float32.")] = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    encoder: Annotated[Path | None, typer.Option("--encoder", help="Folder of a pretrained text encoder.")] = None,
    start: Annotated[
        Path | None, typer.Option("--start", help="Folder of a hypernetwork to go on from, as far as its weights fit.")
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option("--stage", help="trunk, text or joint, and no other; repeatable.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option("--origin", help="real, mutant or generated programs alone; repeatable.")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a hypernetwork; killed anywhere, the same command goes on."""
    from nstk.hypernetwork.initialization import BASELINES

    if preset in BASELINES:
        from nstk.training.baselines import train_baseline

        if steps is None:
            raise UsageError("how long to train is not clear", "give --steps")
        with progress_bar() as progress:
            losses = train_baseline(pack, out, preset, steps, batch=batch, seed=seed, progress=progress)
        typer.echo(json.dumps(losses) if as_json else f"Wrote {out / 'model'}: " + json.dumps(losses))
        return
    from nstk.corpus.candidate import ORIGINS
    from nstk.training.loop import train as run
    from nstk.training.options import TrainOptions

    options = TrainOptions(
        preset=preset,
        steps=steps,
        minutes=minutes,
        batch=batch,
        accumulate=accumulate,
        rate=rate,
        seed=seed,
        device=device,
        precision=precision,
        compiled=compiled,
        encoder=encoder,
        start=start,
        stages=tuple(stage or ()),
        origins=tuple(origin or ORIGINS),
    )
    with progress_bar() as progress:
        record = run(pack, out, options, progress)
    if as_json:
        typer.echo(json.dumps(record))
    else:
        for name, value in record["validation"].items():
            typer.echo(f"{name}: nmse {value:.3g}")
        typer.echo(f"Wrote {record['folder']} after {record['steps']} steps, {record['seconds'] / 60:.1f} minutes.")


@app.command()
def targets(as_json: Json = False, debug: Debug = False) -> None:
    """Show the microcontrollers costs can be measured on, and what that needs."""
    from nstk.doctor import examine_targets

    findings = examine_targets()
    if as_json:
        typer.echo(json.dumps({"targets": [f.record() for f in findings]}))
    else:
        for finding in findings:
            typer.echo(finding.line())


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Show what can be built here, and how to get what is missing."""
    from nstk.doctor import examine

    findings = examine()
    if as_json:
        typer.echo(
            json.dumps({"ok": all(f.ok for f in findings if f.needed), "findings": [f.record() for f in findings]})
        )
    else:
        for finding in findings:
            typer.echo(finding.line())
    if not all(f.ok for f in findings if f.needed):
        raise typer.Exit(3)


@app.command("cmake-dir")
def cmake_dir(as_json: Json = False, debug: Debug = False) -> None:
    """Print the folder that CMake's find_package(nstk) needs as nstk_DIR."""
    folder = str(Path(__file__).parent / "cmake")
    typer.echo(json.dumps({"folder": folder}) if as_json else folder)


def _given(context: typer.Context, options: "BuildOptions") -> dict[str, Any]:
    """Return the fields that were set on the command line: they win over `nstk.toml`.

    Raises:
        UsageError: One of them can only be meant for one function.
    """
    fields = {"target": "targets", "no_clamp": "clamp"}
    given = {}
    for name in context.params.keys() - {"source", "as_json", "debug"}:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            if name in ("function", "domain", "outputs", "pairs"):
                raise UsageError(f"--{name} needs a SOURCE", "each [[surrogate]] of nstk.toml has its own")
            field = fields.get(name, name)
            given[field] = getattr(options, field)
    return given


def _check_apart(builds: "list[BuildOptions]") -> None:
    """Read all programs before the first is built.

    Raises:
        NstkError: One cannot be read, or two would be written to one folder.
    """
    from nstk.program import read_program

    folders = set()
    for options in builds:
        program = read_program(options.source, options.function, domain=options.domain, outputs=options.outputs)
        folder = options.out.absolute() / program.name
        if folder in folders:
            raise UsageError(f"nstk.toml writes two surrogates to '{folder}'", "give one of them another 'out'")
        folders.add(folder)


class _Interrupt(BaseException):
    """A signal that asks us to end; no library knows it, so none swallows it."""


def _interrupted(*_: object) -> NoReturn:
    raise _Interrupt


def main() -> NoReturn:
    """Run the command line; errors become one line, a hint and the documented exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, _interrupted)
    arguments = sys.argv[1:]
    debug, as_json = "--debug" in arguments, "--json" in arguments
    try:
        status = app(prog_name="nstk", standalone_mode=False)
        sys.stdout.flush()
    except _Interrupt:
        status = _complain("interrupted", "what was there before is untouched", 130, as_json)
    except (BrokenPipeError, SystemExit):  # click turns the one into the other
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away: nobody to tell
        status = 141
    except Exception as error:
        if debug:
            raise
        status = _complain(*_explain(error, arguments), as_json)
    sys.exit(status or 0)


def _explain(error: Exception, arguments: list[str]) -> tuple[str, str, int]:
    """Return message, hint and exit code of an error."""
    if isinstance(error, NstkError):
        return error.message, error.hint, error.exit_code
    if hasattr(error, "format_message"):  # click's, which newer typers carry within and do not name
        return error.format_message(), f"nstk {_verb(arguments)}--help", 2
    if isinstance(error, ImportError):
        return f"{error}", "nstk doctor shows how to install what is missing", 3
    if isinstance(error, OSError) and error.strerror:
        place = f"'{error.filename}': " if error.filename else ""
        return f"{place}{error.strerror}", "is the disk full, or a folder not yours?", 2
    text = f"internal error: {type(error).__name__}: {error}"
    return text, "run again with --debug and report what it shows", 70


def _verb(arguments: list[str]) -> str:
    """Return the verb that arguments begin with and a blank, `corpus build ` for example, or an empty text."""
    command: Any = typer.main.get_command(app)
    words = ""
    for word in arguments:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        words += f"{word} "
    return words


def _complain(message: str, hint: str, status: int, as_json: bool) -> int:
    """Print an error; returns the exit code."""
    message, hint = " ".join(message.split()), " ".join(hint.split()) or "nstk --help"
    if as_json:
        print(json.dumps({"error": message, "hint": hint, "exit_code": status}), flush=True)
    print(f"error: {message}\nhint: {hint}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()

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
from nstk.cli_options import (
    Cflags,
    Debug,
    Domain,
    Effort,
    Exhaustive,
    Folder,
    Function,
    Include,
    Init,
    Json,
    NoClamp,
    Norm,
    Number,
    Optimizer,
    Out,
    Outputs,
    Pairs,
    Samples,
    Seed,
    SigmoidError,
    SourceText,
    Style,
    Target,
    ToleranceText,
    TopologyName,
)
from nstk.console import progress_shown, show_part, show_reports
from nstk.corpus.cli import corpus
from nstk.errors import NstkError, UsageError
from nstk.training.cli import train

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
    from nstk.saved import export as run

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
    from nstk.saved import verify as run

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
    from nstk.saved import bench as run

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


app.command()(train)


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

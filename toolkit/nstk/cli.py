"""The command line: every verb is a thin function over a library call.

Results go to stdout, progress and messages to stderr. Heavy imports happen inside the verbs.
"""

import contextlib
import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from nstk import __version__
from nstk.errors import NstkError

if TYPE_CHECKING:
    from nstk.options import BuildOptions
    from nstk.pipeline import Built

app = typer.Typer(
    name="nstk",
    help="Neural surrogate toolkit: a numeric C function in, a tiny verified neural network in one C header out.",
    epilog="Exit codes: 0 done; 1 verification failed or tolerance not met; 2 usage; 3 tool missing or compiler failed; "
    "4 program unsupported; 5 program misbehaved when run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Function = Annotated[str | None, typer.Option("--function", help="Function to take from the file.")]
Domain = Annotated[str | None, typer.Option("--domain", help='Inputs\' intervals, "t=-20:60, rh=1:100".')]
Outputs = Annotated[str | None, typer.Option("--outputs", help="Pointer parameters that are outputs, a,b.")]
ToleranceText = Annotated[str | None, typer.Option("--tolerance", help="Largest error: 0.01 (output units) or 1%.")]
Norm = Annotated[str, typer.Option("--norm", help="rms, or max to aim at the largest error.")]
TopologyName = Annotated[str, typer.Option("--topology", help="auto, 4-4, 8-8, 16-16 or 32-32.")]
Number = Annotated[str, typer.Option("--number", help="auto or float.")]
Style = Annotated[str, typer.Option("--style", help="speed or size.")]
Target = Annotated[list[str] | None, typer.Option("--target", help="Where to measure costs (repeatable): host.")]
Init = Annotated[str, typer.Option("--init", help="Initial parameters: random.")]
Optimizer = Annotated[str, typer.Option("--optimizer", help="lm, or adam for the paper's protocol.")]
Samples = Annotated[int | None, typer.Option("--samples", help="Training pairs; default: what the topology needs.")]
Effort = Annotated[str, typer.Option("--effort", help="quick, normal or high.")]
Seed = Annotated[int, typer.Option("--seed", help="Of every draw.")]
NoClamp = Annotated[bool, typer.Option("--no-clamp", help="Do not clamp inputs to the domain.")]
SigmoidError = Annotated[float, typer.Option("--sigmoid-error", help="Error allowed to the emitted activation.")]
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
SourceText = Annotated[str | None, typer.Argument(metavar="[SOURCE[:FUNCTION]]", help="C file.")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        typer.echo(f"nstk {__version__}")
        raise typer.Exit


@app.command()
def build(
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
    init: Init = "random",
    optimizer: Optimizer = "lm",
    samples: Samples = None,
    effort: Effort = "normal",
    seed: Seed = 0,
    no_clamp: NoClamp = False,
    sigmoid_error: SigmoidError = 1e-6,
    pairs: Pairs = None,
    exhaustive: Exhaustive = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder that gets <function>/ (nstk-out).")] = None,
    cflags: Cflags = "",
    include: Include = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Turn a C function into a verified, timed header. Without SOURCE, build all that nstk.toml lists."""
    from nstk.domain import parse_domain
    from nstk.options import BuildOptions, read_config, split_source, with_out
    from nstk.pipeline import build as run

    if source is None:
        builds = [with_out(options, out) for options in read_config(Path("nstk.toml"))]
    else:
        path, named = split_source(source)
        options = BuildOptions(
            source=path,
            function=function or named,
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
            cflags=tuple(shlex.split(cflags)),
            include=tuple(include or ()),
        )
        builds = [with_out(options, out)]
    with _progress() as progress:
        built = [run(options, progress) for options in builds]
    _show(built, as_json, listed=source is None)
    if not all(b.ok for b in built):
        raise typer.Exit(1)


@app.command()
def finetune(
    surrogate: Folder,
    source: SourceText = None,
    pairs: Pairs = None,
    domain: Domain = None,
    tolerance: ToleranceText = None,
    norm: Norm = "rms",
    style: Style = "speed",
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
    from nstk.options import BuildOptions, split_source
    from nstk.pipeline import finetune as run

    path, named = split_source(source) if source is not None else (surrogate, None)
    options = BuildOptions(
        source=path,
        function=named,
        domain=parse_domain(domain) if domain is not None else {},
        tolerance=tolerance,
        norm=norm,
        style=style,
        optimizer=optimizer,
        samples=samples,
        effort=effort,
        seed=seed,
        pairs=pairs,
        out=out,
        cflags=tuple(shlex.split(cflags)),
        include=tuple(include or ()),
    )
    with _progress() as progress:
        built = run(surrogate, options, progress)
    _show([built], as_json)
    if not built.ok:
        raise typer.Exit(1)


@app.command()
def export(
    surrogate: Folder,
    number: Number = "auto",
    style: Style = "speed",
    no_clamp: NoClamp = False,
    sigmoid_error: SigmoidError = 1e-6,
    out: Out = Path("nstk-out"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a saved surrogate's header anew, with other emission options."""
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
    seed: Seed = 0,
    cflags: Cflags = "",
    include: Include = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Verify a header: its constants, its arithmetic, and its closeness to the original function."""
    from nstk.options import BuildOptions, split_source
    from nstk.pipeline import verify as run

    path, named = split_source(source) if source is not None else (surrogate, None)
    options = BuildOptions(
        source=path,
        function=named,
        tolerance=tolerance,
        pairs=pairs,
        exhaustive=exhaustive,
        seed=seed,
        cflags=tuple(shlex.split(cflags)),
        include=tuple(include or ()),
    )
    with _progress() as progress:
        record = run(surrogate, options, progress)
    _show_part("verify", surrogate, record, as_json)
    if not record["ok"]:
        raise typer.Exit(1)


@app.command()
def bench(
    surrogate: Folder,
    source: SourceText = None,
    seed: Seed = 0,
    cflags: Cflags = "",
    include: Include = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Time a header against the original function on this CPU."""
    from nstk.options import BuildOptions, split_source
    from nstk.pipeline import bench as run

    path, named = split_source(source) if source is not None else (surrogate, None)
    options = BuildOptions(
        source=path, function=named, seed=seed, cflags=tuple(shlex.split(cflags)), include=tuple(include or ())
    )
    with _progress() as progress:
        record = run(surrogate, options, progress)
    _show_part("bench", surrogate, record, as_json)


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


def _show(built: "list[Built]", as_json: bool, listed: bool = False) -> None:
    """Print reports: one object, or a list under `builds` for nstk.toml."""
    if as_json:
        reports = [{**b.report, "folder": str(b.folder)} for b in built]
        typer.echo(json.dumps({"builds": reports} if listed else reports[0]))
        return
    from rich.console import Console

    from nstk.report import summary

    console = Console()
    for b in built:
        if b.fresh:
            console.print(summary(b.report, b.folder))
        else:
            console.print(f"{b.folder}: unchanged", highlight=False)


def _show_part(key: str, folder: Path, record: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({key: record}))
        return
    from rich.console import Console

    from nstk.report import part

    Console().print(part(key, record))


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show steps on stderr: a spinner on a terminal, a line each elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("reading") as status:
            yield lambda text: status.update(text)
    else:
        yield lambda text: print(text, file=sys.stderr, flush=True)


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """Run the command line; errors become one line, a hint and the documented exit code."""
    signal.signal(signal.SIGTERM, _interrupted)
    arguments = sys.argv[1:]
    debug, as_json = "--debug" in arguments, "--json" in arguments
    try:
        status = app(standalone_mode=False)
    except NstkError as error:
        if debug:
            raise
        sys.exit(_complain(error.message, error.hint, error.exit_code, as_json))
    except KeyboardInterrupt:
        sys.exit(_complain("interrupted", "nothing was written", 130, as_json))
    except Exception as error:
        import click

        if isinstance(error, click.ClickException):
            hint = f"nstk {arguments[0]} --help" if arguments else "nstk --help"
            sys.exit(_complain(error.format_message(), hint, 2, as_json))
        if debug:
            raise
        text = f"{type(error).__name__}: {error}".replace("\n", " ")
        sys.exit(_complain(f"internal error: {text}", "run again with --debug and report what it shows", 70, as_json))
    sys.exit(status or 0)


def _complain(message: str, hint: str, status: int, as_json: bool) -> int:
    """Print an error; returns the exit code."""
    message = " ".join(message.split())
    if as_json:
        print(json.dumps({"error": message, "hint": hint, "exit_code": status}))
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()

"""`nstk corpus`: build ExeStack, look into it, pack it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nstk.cli_options import Debug, Json
from nstk.console import stages_shown
from nstk.errors import UsageError

if TYPE_CHECKING:
    from nstk.corpus.sources import Source

corpus = typer.Typer(name="corpus", help="ExeStack: a corpus of executable numeric C functions.", no_args_is_help=True)

Corpus = Annotated[Path, typer.Argument(metavar="CORPUS", help="Folder that nstk corpus build wrote.")]
Names = list[str] | None


@corpus.command()
def build(
    out: Annotated[Path, typer.Argument(metavar="CORPUS", help="Folder to build in, or to go on in.")],
    source: Annotated[
        list[Path] | None, typer.Option("--source", help="Folder or archive of C files (repeatable).")
    ] = None,
    package: Annotated[Names, typer.Option("--package", help="One of the listed packages (repeatable).")] = None,
    debian: Annotated[Names, typer.Option("--debian", help="Any Debian source package (repeatable).")] = None,
    pypi: Annotated[Names, typer.Option("--pypi", help="Any Python source distribution (repeatable).")] = None,
    dataset: Annotated[
        Names, typer.Option("--dataset", help="Hub name, folder or file of The Stack's schema (repeatable).")
    ] = None,
    generated_only: Annotated[bool, typer.Option("--generated-only", help="No real functions.")] = False,
    permissive: Annotated[bool, typer.Option("--permissive", help="Only permissively licensed sources.")] = False,
    preset: Annotated[str, typer.Option("--preset", help="exestack, exestack-cpn or exestack-draft.")] = "exestack",
    mutants: Annotated[int | None, typer.Option("--mutants", min=0, help="Children tried per real function.")] = None,
    generated: Annotated[int | None, typer.Option("--generated", min=0, help="Generated functions tried.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of mutation, generation and domains.")] = 0,
    shards: Annotated[
        int, typer.Option("--shards", min=1, max=99_999, help="Tasks of every stage, files of the corpus.")
    ] = 32,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Tasks run at once.")] = 2,
    executor: Annotated[str, typer.Option("--executor", help="local, ray or slurm.")] = "local",
    partition: Annotated[str, typer.Option("--partition", help="Slurm's.")] = "cpu",
    time: Annotated[str, typer.Option("--time", help="Slurm's limit per task.")] = "04:00:00",
    archives: Annotated[Path | None, typer.Option("--archives", help="Where downloads are kept.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Build a corpus; killed anywhere, the same command goes on. Without a source: all listed packages."""
    from nstk.corpus.build import build as run
    from nstk.corpus.card import read_stats
    from nstk.corpus.recipe import Recipe, find_preset

    chosen = find_preset(preset)
    chosen = replace(
        chosen,
        mutants=chosen.mutants if mutants is None else mutants,
        generated=chosen.generated if generated is None else generated,
    )
    sources = _sources(source, package, debian, pypi, dataset, generated_only, shards)
    unknown = [found.name for found in sources if not found.licence and found.kind != "dataset"]
    if permissive and unknown:
        raise UsageError(
            f"the licence of '{unknown[0]}' is not known", "--permissive takes listed packages and datasets"
        )
    recipe = Recipe(chosen, sources, permissive, seed, shards)
    with stages_shown() as progress:
        options = {"partition": partition, "time": time}
        run(recipe, out, executor=executor, workers=workers, downloads=archives, slurm=options, progress=progress)
    if executor == "slurm":
        typer.echo(json.dumps({"folder": str(out)}) if as_json else f"Submitted; {out} holds the corpus at the end.")
        return
    found = read_stats(out)
    if as_json:
        typer.echo(json.dumps({"folder": str(out), "programs": found["programs"], "behaviours": found["behaviours"]}))
    else:
        size = f"{found['programs']:,} programs, {found['behaviours']:,} distinct behaviours"
        typer.echo(f"{size}; {out}/README.md is their card.")


def _sources(
    paths: list[Path] | None,
    packages: Names,
    debian: Names,
    pypi: Names,
    datasets: Names,
    generated_only: bool,
    shards: int,
) -> tuple["Source", ...]:
    """Return what the options name, all listed packages if they name nothing.

    Raises:
        UsageError: A folder, archive or listed package does not exist.
    """
    from nstk.corpus.sources import Source, find_package, listed_packages, package_source, path_source

    named = [path_source(path) for path in paths or ()]
    named += [find_package(name) for name in packages or ()]
    named += [package_source("debian", name) for name in debian or ()]
    named += [package_source("pypi", name) for name in pypi or ()]
    named += [Source("dataset", name, share=(share, shards)) for name in datasets or () for share in range(shards)]
    if generated_only and named:
        raise UsageError("--generated-only takes no sources", "drop one of them")
    return tuple(named) if named or generated_only else tuple(listed_packages().values())


@corpus.command()
def stats(folder: Corpus, as_json: Json = False, debug: Debug = False) -> None:
    """Show what a corpus holds, and what each step dropped and why."""
    from nstk.corpus.card import read_stats

    found = read_stats(folder)
    if as_json:
        typer.echo(json.dumps(found))
        return
    from rich.console import Console

    from nstk.corpus.tables import stats_tables

    Console().print(stats_tables(found))


@corpus.command()
def show(
    folder: Corpus,
    program: Annotated[str | None, typer.Argument(metavar="[ID]", help="Beginning of an id.")] = None,
    origin: Annotated[str | None, typer.Option("--origin", help="real, mutant or generated.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="train, validation or test.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the choice, where no ID is given.")] = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show one program: its text, where it came from, its outputs."""
    from nstk.corpus.tables import find_program, program_record, program_view

    row = find_program(folder, program, origin, split, seed)
    if as_json:
        typer.echo(json.dumps(program_record(row)))
        return
    from rich.console import Console

    recipe = json.loads((folder / "recipe.json").read_text())
    Console().print(program_view(row, recipe["preset"]["varying"]))


@corpus.command()
def pack(
    folder: Corpus,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The pack, an .npz file.")],
    limit: Annotated[float, typer.Option("--limit", min=0.0, max=1e6, help="Largest size in MiB.")] = 60.0,
    points: Annotated[int, typer.Option("--points", help="Outputs per program and domain, 256 to 512.")] = 384,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write what training needs of a corpus into one small file: texts, probes and pairs in half precision."""
    from nstk.corpus.pack import write_pack

    record = write_pack(folder, target, limit_mib=limit, points=points)
    if as_json:
        typer.echo(json.dumps(record))
        return
    typer.echo(
        f"Wrote {target}: {record['programs']:,} of {record['programs_in_corpus']:,} programs, {record['rows']:,} of "
        f"{record['rows_in_corpus']:,} program-domain rows, {record['bytes'] / 2**20:.1f} MiB."
    )

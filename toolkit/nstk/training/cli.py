"""`nstk train`: a packed corpus to a hypernetwork."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nstk.cli_options import Debug, Json, Seed
from nstk.console import progress_bar
from nstk.errors import UsageError


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
        if record["drawn"]:
            typer.echo(f"Not in {start}, and trained from random weights: {', '.join(record['drawn'])}")
        typer.echo(f"Wrote {record['folder']} after {record['steps']} steps, {record['seconds'] / 60:.1f} minutes.")

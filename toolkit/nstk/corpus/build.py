"""Builds a corpus: the stages, what runs them, and where they leave their work.

    OUT/data/{train,validation,test}-*.parquet   the corpus
    OUT/inputs.safetensors                       the points all programs were run on
    OUT/README.md, OUT/recipe.json               card; what the corpus was made from
    OUT/work/, OUT/logs/                         shards between the stages; datatrove's logs, statistics and completions

A task is a shard is a checkpoint: a build that was killed goes on with the tasks that had not ended.
"""

import contextlib
import fcntl
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.executor.base import PipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import setup_default_logger

from nstk.corpus.card import WriteCard
from nstk.corpus.recipe import Recipe
from nstk.corpus.selection import Deduplicate, Publish, Select
from nstk.corpus.shards import write_json
from nstk.corpus.steps import Execute, Extract, Generate, Mutate, ReadShards, ReadSources, WriteShards
from nstk.errors import ToolError, UsageError
from nstk.toolchain import cache_folder

EXECUTORS = ("local", "ray", "slurm")


@dataclass(frozen=True)
class Stage:
    """One pipeline: its name, its steps and how many tasks share its work."""

    name: str
    steps: list[PipelineStep]
    tasks: int


def build(
    recipe: Recipe,
    out: Path,
    *,
    executor: str = "local",
    workers: int = 1,
    downloads: Path | None = None,
    slurm: dict[str, Any] | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> None:
    """Build a corpus in `out`, or go on with one that was interrupted.

    Args:
        recipe: What to build; the folder remembers it.
        out: Folder of the corpus.
        executor: `local` or `ray`, which wait for the end, or `slurm`, which submits one job array per stage.
        workers: Tasks run at once.
        downloads: Where source packages are kept; None for a folder in the cache.
        slurm: Arguments of datatrove's Slurm executor, `partition` and `time` at least.
        progress: Called with a stage, its ended tasks and all its tasks, whenever one ends.

    Raises:
        UsageError: The folder holds something else, or another build is at work in it.
        ToolError: A source cannot be had.
    """
    if executor not in EXECUTORS:
        raise UsageError(f"no executor '{executor}'", f"executors: {', '.join(EXECUTORS)}")
    out = out.absolute()
    _check_recipe(recipe, out)
    with _locked(out):
        if not (out / "recipe.json").exists():
            write_json(out / "recipe.json", recipe.record())
        stages = plan(recipe, out, (downloads or cache_folder() / "sources").absolute())
        if executor == "ray":
            _start_ray(workers)
        with _watched(stages, out, progress), _logged(out / "logs" / "console.log"):
            last: PipelineExecutor | None = None
            for stage in stages:
                last = _executor(stage, out, executor, workers, slurm or {}, last)
                if executor != "slurm":
                    last.run()
                    if last.get_incomplete_ranks():
                        raise ToolError(
                            f"stage '{stage.name}' did not end", f"see {out / 'logs' / stage.name / 'logs'}"
                        )
            if executor == "slurm" and last is not None:
                last.run()  # submits what it depends on first


def plan(recipe: Recipe, out: Path, downloads: Path) -> list[Stage]:
    """Return the stages of a recipe, in order."""
    preset, shards, work = recipe.preset, recipe.shards, out / "work"
    tasks = max(len(recipe.sources), 1)
    read = ReadSources(recipe.sources, downloads, recipe.permissive)
    extract = [read, Extract(), WriteShards(work / "extracted", programs=False)]

    def run(first: list[PipelineStep], folder: str) -> list[PipelineStep]:
        return [*first, Execute(preset, recipe.seed), WriteShards(work / folder, programs=True)]

    real = ReadShards(work / "real")
    return [
        Stage("extract", extract, tasks),
        Stage("deduplicate", [Deduplicate(work / "extracted", work / "unique", tasks, shards)], 1),
        Stage("execute", run([ReadShards(work / "unique")], "real"), shards),
        Stage("mutate", run([real, Mutate(preset.mutants, recipe.seed)], "mutants"), shards),
        Stage("generate", run([Generate(preset.generated, recipe.seed)], "generated"), shards),
        Stage("select", [Select(work, shards)], 1),
        Stage("publish", [Publish(work, out / "data")], shards),
        Stage("card", [WriteCard(recipe, out)], 1),
    ]


def _executor(
    stage: Stage, out: Path, kind: str, workers: int, slurm: dict[str, Any], last: PipelineExecutor | None
) -> PipelineExecutor:
    shared = {"pipeline": stage.steps, "tasks": stage.tasks, "logging_dir": str(out / "logs" / stage.name)}
    if kind == "slurm":
        given = {"cpus_per_task": 1, "mem_per_cpu_gb": 4, "workers": workers, **slurm}
        return SlurmPipelineExecutor(**shared, **given, job_name=f"nstk-{stage.name}", depends=last)
    if kind == "ray":
        return RayPipelineExecutor(**shared, workers=workers)
    return LocalPipelineExecutor(**shared, workers=workers)


def _start_ray(workers: int) -> None:
    """Join the Ray cluster at hand, or start one of `workers` cores here."""
    import ray

    if ray.is_initialized():
        return
    try:
        ray.init(address="auto", log_to_driver=False)
    except ConnectionError:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)


def _check_recipe(recipe: Recipe, out: Path) -> None:
    """Compare the recipe with that of an earlier build in the folder, if there is one.

    Raises:
        UsageError: They differ, or the folder holds something else.
    """
    path = out / "recipe.json"
    if path.exists():
        try:
            known = json.loads(path.read_text())
        except ValueError:
            known = None
        if known != recipe.record():
            raise UsageError(f"'{out}' holds a corpus of another recipe", "choose another folder, or delete this one")
    elif out.exists() and (not out.is_dir() or any(not entry.name.startswith(".") for entry in out.iterdir())):
        raise UsageError(f"'{out}' holds files that are no corpus", "choose another folder")


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold the folder: two builds would undo each other.

    Raises:
        UsageError: Another build holds it, or it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("a")
    except OSError as error:
        raise UsageError(f"cannot write to '{out}': {error.strerror}", "choose another folder") from None
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with this process, whatever its children do
        except OSError:
            raise UsageError(f"another build is at work in '{out}'", "wait for it, or end it") from None
        yield


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Send what this process and those it starts say on stderr to a file: datatrove narrates at length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept, stream = os.dup(2), sys.stderr
    try:
        with path.open("a") as sys.stderr:
            os.dup2(sys.stderr.fileno(), 2)
            setup_default_logger()
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        sys.stderr = stream
        setup_default_logger()


@contextlib.contextmanager
def _watched(stages: list[Stage], out: Path, progress: Callable[[str, int, int], None]) -> Iterator[None]:
    """Report ended tasks from a thread, as datatrove marks them in the log folders."""
    stop = threading.Event()

    said = dict.fromkeys((stage.name for stage in stages), 0)

    def report() -> None:
        for stage in stages:
            ended = len(list((out / "logs" / stage.name / "completions").glob("*")))
            if ended > said[stage.name]:
                said[stage.name] = ended
                progress(stage.name, ended, stage.tasks)

    def watch() -> None:
        while not stop.wait(0.5):
            report()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        report()

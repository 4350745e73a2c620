"""What the command line shows: results on stdout, progress on stderr."""

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.progress import TaskID

    from nstk.pipeline import Built


def show_reports(built: "list[Built]", as_json: bool, listed: bool = False) -> None:
    """Print reports: one object, or a list under `builds` for nstk.toml."""
    if as_json:
        reports = [{**b.report, "folder": str(b.folder)} for b in built]
        print(json.dumps({"builds": reports} if listed else reports[0]))
        return
    from rich.console import Console

    from nstk.report import summary

    console = Console()
    for b in built:
        if b.fresh:
            console.print(summary(b.report, b.folder))
        else:
            console.print(f"{b.folder}: unchanged", highlight=False)


def show_part(key: str, record: dict[str, Any], as_json: bool) -> None:
    """Print the `verify` or `bench` part of a report: as JSON under its key, or as tables."""
    if as_json:
        print(json.dumps({key: record}))
        return
    from rich.console import Console

    from nstk.report import part

    Console().print(part(key, record))


@contextlib.contextmanager
def progress_shown() -> Iterator[Callable[[str], None]]:
    """Show steps on stderr: a spinner on a terminal, a line each elsewhere."""
    with _screen() as screen:
        if screen.isatty():
            from rich.console import Console

            with Console(file=screen).status("reading") as status:
                yield lambda text: status.update(text)
        else:
            yield lambda text: print(text, file=screen, flush=True)


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[float, str], None]]:
    """Show how much of a long run is done: a bar on a terminal, a line every half minute and at the end elsewhere."""
    with _screen() as screen:
        if screen.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
            with Progress(*columns, console=Console(file=screen)) as bar:
                task = bar.add_task("starting", total=1.0)
                yield lambda share, text: bar.update(task, completed=share, description=text)
        else:
            told = -math.inf

            def tell(share: float, text: str) -> None:
                nonlocal told
                if time.monotonic() - told > 30 or share >= 1:
                    print(f"{100 * share:.0f} %: {text}", file=screen, flush=True)
                    told = time.monotonic()

            yield tell


@contextlib.contextmanager
def stages_shown() -> Iterator[Callable[[str, int, int], None]]:
    """Show how many tasks of a stage are done on stderr: a bar on a terminal, a line each elsewhere."""
    with _screen() as screen:
        if screen.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=Console(file=screen)) as bars:
                known: dict[str, TaskID] = {}

                def update(stage: str, done: int, total: int) -> None:
                    if stage not in known:
                        known[stage] = bars.add_task(stage, total=total)
                    bars.update(known[stage], completed=done)

                yield update
        else:
            yield lambda stage, done, total: print(f"{stage}: {done} of {total}", file=screen, flush=True)


@contextlib.contextmanager
def _screen() -> Iterator[TextIO]:
    """Give stderr as it is now: work that sends its own chatter elsewhere must not take the progress with it."""
    try:
        number = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # no file, in a test for example
        yield sys.stderr
        return
    with os.fdopen(number, "w") as screen:
        yield screen

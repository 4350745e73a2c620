"""Result folders, written whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nstk.errors import UsageError


def check_writable(folder: Path) -> None:
    """Check, before hours of work, that `folder` can be made or replaced; leaves nothing behind.

    Raises:
        UsageError: It cannot.
    """
    parent = folder.absolute().parent
    while not parent.exists():
        parent = parent.parent
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".nstk-"):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot write to '{folder.parent}': {error.strerror}", "choose another folder with --out"
        ) from None
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"'{folder}' is in the way and no folder", "choose another folder with --out")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a temporary sibling to fill; at the end it takes the place of `folder`, if nothing was raised.

    Files that are only in the old folder are gone afterwards: a folder is one build's result.
    """
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    except OSError as error:
        raise UsageError(
            f"cannot write to '{folder.parent}': {error.strerror}", "choose another folder with --out"
        ) from None
    try:
        new, old = scratch / "new", scratch / "old"
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(old)
        try:
            new.replace(folder)
        except OSError:
            old.rename(folder)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)

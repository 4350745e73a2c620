"""Result folders, written whole or not at all."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nstk.errors import UsageError

_HINT = "choose another folder with --out"


def check_writable(folder: Path) -> None:
    """Check, before hours of work, that `folder` can be made or replaced; leaves nothing behind.

    Raises:
        UsageError: It cannot, or it holds what is no result of ours and would be lost.
    """
    try:
        parent = folder.absolute().parent
        while not parent.exists():
            parent = parent.parent
        with tempfile.TemporaryDirectory(dir=parent, prefix=".nstk-"):
            pass
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"'{folder}' is in the way and no folder", _HINT)
        # Folders alone lose nothing: build tools make those of the files they expect.
        holds_files = folder.exists() and any(not path.is_dir() for path in folder.rglob("*"))
        if holds_files and not (folder / "surrogate.json").exists():
            raise UsageError(f"'{folder}' holds files that are no surrogate's", _HINT)
    except OSError as error:
        raise UsageError(f"cannot write to '{folder.parent}': {error.strerror}", _HINT) from None


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a temporary sibling to fill; at the end it takes the place of `folder`, if nothing was raised.

    Files that are only in the old folder are gone afterwards: a folder is one build's result. If something is raised,
    an interrupt for example, all is as before: no new folder above `folder` stays, either.
    """
    folder = folder.absolute()
    made = [parent for parent in folder.parents if not parent.exists()]  # innermost first
    try:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        except OSError as error:
            raise UsageError(f"cannot write to '{folder.parent}': {error.strerror}", _HINT) from None
        new, old = scratch / "new", scratch / "old"
        try:
            new.mkdir()
            yield new
            try:
                if folder.exists():
                    folder.rename(old)
                new.replace(folder)
            except BaseException:
                if old.exists() and not folder.exists():
                    old.rename(folder)
                raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except BaseException:
        for parent in made:
            with contextlib.suppress(OSError):  # another build may have put its result there
                parent.rmdir()
        raise

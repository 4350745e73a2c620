"""C and C++ files of folders and archives, in memory only."""

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nstk.errors import UsageError

SUFFIXES = frozenset((".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".inl"))
_LARGEST = 2_000_000  # bytes of a file; larger ones are tables
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError)


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file is an archive that can be read."""
    return path.suffix in (".tar", ".tgz", ".zip") or path.stem.endswith(".tar")


def read_folder(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield path inside the folder and text of its C and C++ files, in the order of their paths; follows no links."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(place) / name
            if _wanted(name) and not path.is_symlink() and path.stat().st_size <= _LARGEST:
                yield path.relative_to(folder).as_posix(), decode(path.read_bytes())


def read_archive(path: Path) -> Iterator[tuple[str, str]]:
    """Yield path inside the archive and text of its C and C++ files, in the archive's order.

    Raises:
        UsageError: The archive is damaged or of an unknown kind.
    """
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as packed:
                for entry in packed.infolist():
                    if _wanted(entry.filename) and entry.file_size <= _LARGEST:
                        yield entry.filename, decode(packed.read(entry))
            return
        with tarfile.open(path, "r|*") as stream:
            for member in stream:
                if member.isfile() and _wanted(member.name) and member.size <= _LARGEST:
                    data = stream.extractfile(member)
                    if data is not None:
                        yield member.name, decode(data.read())
    except _DAMAGED as error:
        raise UsageError(f"cannot read archive '{path}': {error}", "is it complete?") from None


def decode(data: bytes) -> str:
    """Return bytes as text with plain newlines: UTF-8, else Latin-1."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _wanted(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES

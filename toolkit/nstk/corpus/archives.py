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
#: Bytes of a file; larger ones are tables.
LARGEST = 2_000_000
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted zip, or (NotImplementedError) one packed by an unknown method
)


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file is an archive that can be read."""
    return path.suffix in (".tar", ".tgz", ".zip") or path.stem.endswith(".tar")


def read_folder(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield path inside the folder and text of its C and C++ files, in the order of their paths; follows no links.

    Raises:
        UsageError: A file cannot be read.
    """
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(place) / name
            if not _wanted(name) or path.is_symlink() or not path.is_file():
                continue
            try:
                data = path.read_bytes() if path.stat().st_size <= LARGEST else None
            except OSError as error:
                raise UsageError(f"cannot read '{path}': {error.strerror}", "may this user read it?") from None
            if data is not None:
                yield _clean(path.relative_to(folder).as_posix()), decode(data)


def read_archive(path: Path) -> Iterator[tuple[str, str]]:
    """Yield path inside the archive and text of its C and C++ files, in the archive's order.

    Raises:
        UsageError: The archive is damaged or of an unknown kind.
    """
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as packed:
                for entry in packed.infolist():
                    if _wanted(entry.filename) and entry.file_size <= LARGEST:
                        yield _clean(entry.filename), decode(packed.read(entry))
            return
        with tarfile.open(path, "r|*") as stream:
            for member in stream:
                if member.isfile() and _wanted(member.name) and member.size <= LARGEST:
                    data = stream.extractfile(member)
                    if data is not None:
                        yield _clean(member.name), decode(data.read())
    except _DAMAGED as error:
        raise UsageError(f"cannot read archive '{path}': {error}", "is it complete?") from None


def decode(data: bytes) -> str:
    """Return bytes as text with plain newlines: UTF-8, else Latin-1."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _clean(name: str) -> str:
    """Return a path as text that UTF-8 can hold: a name that is none has lone surrogates."""
    return name.encode("utf-8", "replace").decode()


def _wanted(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES

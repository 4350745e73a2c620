"""Sources: what a corpus is made from, one unit of work each.

`packages.toml` lists the packages of the full corpus with their licences and splits.
"""

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from nstk.corpus.archives import is_archive, read_archive, read_folder
from nstk.corpus.downloads import fetch_debian, fetch_pypi
from nstk.corpus.source_file import SourceFile
from nstk.errors import UsageError

Kind = Literal["path", "debian", "pypi", "dataset"]
_TEST, _VALIDATION = 5, 3  # per cent of a dataset's repositories
#: SPDX identifiers of licences that ask for no more than notices; `LicenseRef-snd` grants everything without even that.
_PERMISSIVE = frozenset(
    """
    0BSD Apache-2.0 BSD-1-Clause BSD-2-Clause BSD-3-Clause BSL-1.0 CC0-1.0 GD HPND ICU ImageMagick ISC LicenseRef-snd
    MIT MIT-0 NCSA PSF-2.0 Qhull SGI-B-2.0 SunPro TCL Unlicense WTFPL X11 Zlib
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Source:
    """A unit of work: a package, or a share of a dataset.

    Attributes:
        kind: `path` (a folder or an archive), `debian`, `pypi` or `dataset`.
        name: Path, name of the package or of the dataset.
        licence: SPDX expression; of a dataset each row says its own.
        split: `train`, `validation` or `test`; of a dataset each repository has its own.
        share: Which share of a dataset, of how many.
    """

    kind: Kind
    name: str
    licence: str = ""
    split: str = "train"
    share: tuple[int, int] = (0, 1)


@functools.cache
def listed_packages() -> dict[str, Source]:
    """Return the packages of the full corpus by name."""
    table = tomllib.loads(Path(__file__).with_name("packages.toml").read_text())
    return {name: Source(entry["kind"], name, entry["licence"], entry["split"]) for name, entry in table.items()}


def find_package(name: str) -> Source:
    """Return a listed package.

    Raises:
        UsageError: It is not listed.
    """
    packages = listed_packages()
    if name not in packages:
        raise UsageError(f"package '{name}' is not listed", f"listed: {', '.join(packages)}; others: --debian, --pypi")
    return packages[name]


def package_source(kind: Kind, name: str) -> Source:
    """Return the source of any `debian` or `pypi` package; a listed one has its licence and split."""
    listed = listed_packages().get(name)
    return replace(listed, kind=kind) if listed else Source(kind, name)


def path_source(path: Path) -> Source:
    """Return the source of a folder or archive; one that is called as a listed package has its licence and split.

    Raises:
        UsageError: There is no such folder or archive.
    """
    if not path.is_dir() and not (path.is_file() and is_archive(path)):
        raise UsageError(f"'{path}' is no folder or archive", "name a folder, .tar, .tar.gz, .tar.xz, .tar.bz2 or .zip")
    listed = listed_packages().get(_package_of(path))
    return Source("path", str(path.resolve()), listed.licence if listed else "", listed.split if listed else "train")


def read_source(source: Source, downloads: Path) -> Iterator[tuple[SourceFile, str]]:
    """Yield the files of a source, those of a package one after the other, and the split of each.

    Args:
        source: What to read.
        downloads: Where source packages are kept.

    Raises:
        UsageError: A folder, archive or dataset cannot be read.
        ToolError: A package cannot be had.
    """
    if source.kind == "dataset":
        from nstk.corpus.datasets import read_dataset

        for file in read_dataset(source.name, source.share):
            yield file, repository_split(file.package)
        return
    path = Path(source.name)
    if source.kind == "path":
        package = _package_of(path)
        found = read_folder(path) if path.is_dir() else read_archive(path)
    else:
        package = source.name
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._-]*", package):
            raise UsageError(f"'{package}' is no name of a package", "letters, digits, + - . and _")
        fetch = fetch_debian if source.kind == "debian" else fetch_pypi
        found = (entry for archive in fetch(package, downloads) for entry in read_archive(archive))
    for name, text in found:
        yield SourceFile(package, name, text, source.licence), source.split


def repository_split(name: str) -> str:
    """Return the split of a dataset's repository: of a hash of its name, so that all its files agree."""
    place = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100
    return "test" if place < _TEST else "validation" if place < _TEST + _VALIDATION else "train"


def is_permissive(licence: str) -> bool:
    """Tell whether an SPDX expression can be met by permissive licences alone; unknown ones are not permissive."""
    if "(" in licence:  # not worth a parser: all that is named must be permissive
        licence = re.sub(r"[()]", " ", licence).replace(" OR ", " AND ")
    return any(all(part.strip() in _PERMISSIVE for part in choice.split(" AND ")) for choice in licence.split(" OR "))


def _package_of(path: Path) -> str:
    """Return the package of a folder or archive called `name`, `name-1.2`, `name_1.2.orig.tar.xz` and the like."""
    name = re.sub(r"(?:\.orig)?\.(?:tar(?:\.\w+)?|tgz|zip)$", "", path.resolve().name)
    return re.sub(r"[-_]v?\d[\w.+~-]*$", "", name) or name

"""Source packages by name, through the tools that know where they are: apt-get, and the Python package index.

A package is the folder `debian/NAME` or `pypi/NAME` of the downloads; it is there whole or not at all.
"""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nstk.corpus.archives import is_archive
from nstk.errors import ToolError

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage

#: What makes apt-get find sources, on a system whose list is in the current format.
ENABLE_SOURCES = "sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources && apt-get update"


def fetch_debian(name: str, downloads: Path) -> list[Path]:
    """Return the upstream archives of a Debian source package, downloaded if they are not there yet.

    Raises:
        ToolError: apt-get is missing, knows no sources or no such package, or cannot download it.
    """
    return _fetch(downloads / "debian" / name, lambda folder: _apt(name, folder))


def fetch_pypi(name: str, downloads: Path) -> list[Path]:
    """Return the newest source distribution of a Python package, downloaded if it is not there yet.

    Raises:
        ToolError: The index cannot be reached, or has none.
    """
    return _fetch(downloads / "pypi" / name, lambda folder: _index(name, folder))


def _fetch(target: Path, download: Callable[[Path], None]) -> list[Path]:
    """Return the archives in `target`, made by `download` if it is not there; sorted by name."""
    if not target.is_dir():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
                folder = Path(scratch) / "new"
                folder.mkdir()
                download(folder)
                try:
                    folder.replace(target)
                except OSError:
                    if not target.is_dir():  # else another process was faster
                        raise
        except OSError as error:
            raise ToolError(f"cannot keep downloads in '{target.parent}': {error.strerror}", "--archives DIR") from None
    archives = sorted(path for path in target.iterdir() if is_archive(path) and ".debian." not in path.name)
    if not archives:
        raise ToolError(f"'{target}' holds no source archive", "delete it, and the package is downloaded again")
    return archives


def _apt(name: str, folder: Path) -> None:
    command = ["apt-get", "source", "-qq", "--download-only", "--tar-only", name]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ToolError("apt-get is not installed", "give the sources as folders or archives with --source") from None
    if done.returncode == 0 and any(map(is_archive, folder.iterdir())):
        return
    said = next((line for line in done.stderr.splitlines() if line.startswith("E:")), "E: nothing was downloaded")
    hint = ENABLE_SOURCES if "deb-src" in done.stderr else "is the name right?"
    raise ToolError(f"cannot download Debian source package '{name}': {said[2:].strip()}", hint)


def _index(name: str, folder: Path) -> None:
    from packaging.version import InvalidVersion, Version
    from pypi_simple import DigestMismatchError, NoSuchProjectError, PyPISimple
    from requests import RequestException

    def version(package: "DistributionPackage") -> Version:
        try:
            return Version(package.version or "0")
        except InvalidVersion:
            return Version("0")

    try:
        with PyPISimple() as index:
            found = [p for p in index.get_project_page(name).packages if p.package_type == "sdist" and not p.is_yanked]
            final = [package for package in found if not version(package).is_prerelease]
            if not final:
                raise ToolError(f"Python package '{name}' has no source distribution", "is the name right?")
            newest = max(final, key=version)
            index.download_package(newest, folder / Path(newest.filename).name)  # checks the digest
    except NoSuchProjectError:
        raise ToolError(f"no Python package '{name}'", "is the name right?") from None
    except DigestMismatchError:
        raise ToolError(f"the download of '{name}' is damaged", "try again") from None
    except RequestException as error:
        raise ToolError(
            f"cannot download '{name}': {type(error).__name__}", "is the package index reachable?"
        ) from None

"""C files from The Stack, or any dataset of its schema: one row per file."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from nstk.corpus.archives import LARGEST, SUFFIXES
from nstk.corpus.source_file import SourceFile
from nstk.errors import ToolError, UsageError

_HINT = "name a dataset of the hub as OWNER/NAME, a Parquet file, or a folder of them"


class Columns(NamedTuple):
    """Names of a dataset's columns; The Stack's by default.

    Attributes:
        content: Text of the file.
        licence: Licence, or a list of them; `license` where there is no such column.
        repository: Name of the repository.
        path: Path of the file in the repository.
    """

    content: str = "content"
    licence: str = "max_stars_repo_licenses"
    repository: str = "max_stars_repo_name"
    path: str = "max_stars_repo_path"


def read_dataset(name: str, share: tuple[int, int] = (0, 1), columns: Columns = Columns()) -> Iterator[SourceFile]:
    """Yield the C and C++ files of a share of a dataset, sorted by repository and path.

    The share is held in memory for that: take as many shares as the dataset has files, or more.

    Args:
        name: Name on the hub (`NAME:FOLDER` for one of its folders), a Parquet file, or a folder of them.
        share: Which share, of how many.
        columns: Names of its columns.

    Raises:
        UsageError: There is no such dataset, it cannot be read, or a column is missing.
        ToolError: It cannot be downloaded.
    """
    found = []
    for row in _rows(name, share, columns):
        text, path = row[columns.content], row[columns.path]
        if isinstance(text, str) and len(text) <= LARGEST and PurePosixPath(str(path)).suffix.lower() in SUFFIXES:
            licence = row.get(columns.licence, row.get("license"))
            shown = " AND ".join(map(str, licence)) if isinstance(licence, list) else str(licence or "")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            found.append(SourceFile(str(row[columns.repository]), str(path), text, shown))
    yield from sorted(found, key=lambda file: (file.package, file.path))


def _rows(name: str, share: tuple[int, int], columns: Columns) -> Iterator[dict[str, Any]]:
    from datasets import load_dataset
    from datasets.distributed import split_dataset_by_node
    from datasets.exceptions import DatasetsError

    local = Path(name)
    try:
        if local.exists():
            files = sorted(map(str, local.rglob("*.parquet"))) if local.is_dir() else [name]
            if not files:
                raise UsageError(f"no Parquet file in '{name}'", "name a folder with .parquet files")
            data = load_dataset("parquet", data_files=files, split="train", streaming=True)
        else:
            hub, _, folder = name.partition(":")
            if hub.endswith(".parquet") or not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", hub):  # a path with a typo
                raise UsageError(f"no such file or dataset '{name}'", _HINT)
            data = load_dataset(hub, data_dir=folder or None, split="train", streaming=True)
        for row in split_dataset_by_node(data, rank=share[0], world_size=share[1]):
            missing = sorted({columns.content, columns.repository, columns.path} - row.keys())
            if missing:
                raise UsageError(f"'{name}' has no column '{missing[0]}'", f"it has {', '.join(sorted(row))}")
            yield row
    except ConnectionError as error:
        raise ToolError(f"cannot download '{name}': {_first_line(error)}", "check the network") from None
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"cannot read dataset '{name}': {_first_line(error)}", _HINT) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

"""Input-output pairs from files, for programs that cannot be run here."""

import csv
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nstk.errors import ToolError, UsageError
from nstk.program import Program

#: Fewest pairs a surrogate can be fitted to.
MIN_ROWS = 32

Array = NDArray[np.float64]


def read_pairs(path: Path, program: Program) -> tuple[Array, Array]:
    """Read pairs from a `.csv` (first line: names), `.npz` or `.parquet` file.

    Columns are found by name: one per scalar input and output of the program, in any order; others are ignored.

    Args:
        path: The file.
        program: Its signature gives the names.

    Returns:
        x (N, I) and y (N, O), float64, in the program's own units.

    Raises:
        UsageError: No such file, unknown or broken format, missing columns, fewer than 32 rows, or a value that is not
            a finite number.
        ToolError: A Parquet file, and pyarrow is not installed.
    """
    ins = [column.name for column in program.inputs]
    outs = [column.name for column in program.outputs]
    readers = {".csv": _read_csv, ".npz": _read_npz, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"cannot read pairs from '{path}'", f"use one of {', '.join(readers)}")
    if not path.is_file():
        raise UsageError(f"no such file '{path}'", "--pairs takes a CSV, NPZ or Parquet file")
    columns = reader(path, [*ins, *outs])
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise UsageError(f"{path.name}: its columns have different lengths")
    rows = lengths.pop()
    if rows < MIN_ROWS:
        raise UsageError(f"{path.name}: {rows} pairs are too few", f"give at least {MIN_ROWS}, better 1,000")
    for name, column in columns.items():
        bad = np.flatnonzero(~np.isfinite(column))
        if bad.size:
            raise UsageError(f"{path.name}: pair {bad[0] + 1}: '{name}' is {column[bad[0]]}", "remove such pairs")
    x = np.stack([columns[name] for name in ins], axis=1)
    y = np.stack([columns[name] for name in outs], axis=1)
    return x, y


def _read_csv(path: Path, names: list[str]) -> dict[str, Array]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            header = [name.strip() for name in next(lines, [])]
            _require(path, names, header)
            places = {name: header.index(name) for name in names}
            values: dict[str, list[float]] = {name: [] for name in names}
            for line in lines:
                if not line:
                    continue
                for name, place in places.items():
                    text = line[place] if place < len(line) else ""
                    try:
                        values[name].append(float(text))
                    except ValueError:
                        where = f"{path.name}:{lines.line_num}"
                        raise UsageError(f"{where}: '{text}' in column '{name}' is not a number") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path.name} is not a CSV file: {error}") from None
    return {name: np.array(column) for name, column in values.items()}


def _read_npz(path: Path, names: list[str]) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            _require(path, names, list(archive.files))
            return {name: _numbers(path, name, archive[name]) for name in names}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path.name} is not an NPZ file of plain arrays: {error}") from None


def _read_parquet(path: Path, names: list[str]) -> dict[str, Array]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ToolError("reading Parquet files needs pyarrow", "pip install 'nstk[corpus]'") from None
    try:
        _require(path, names, pyarrow.parquet.read_schema(path).names)
        table = pyarrow.parquet.read_table(path, columns=names)
    except pyarrow.ArrowException as error:
        raise UsageError(f"{path.name} is not a Parquet file: {str(error).splitlines()[0]}") from None
    return {name: _numbers(path, name, table[name].to_numpy()) for name in names}


def _require(path: Path, names: list[str], present: list[str]) -> None:
    missing = [name for name in names if name not in present]
    if missing:
        found = ", ".join(present[:20]) or "nothing"
        raise UsageError(
            f"{path.name} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} (it has {found})",
            f"name one column per input and output: {', '.join(names)}",
        )


def _numbers(path: Path, name: str, column: NDArray[np.generic]) -> Array:
    if column.ndim != 1 or column.dtype.kind not in "fiub":
        shape = f"{column.dtype} of shape {column.shape}"
        raise UsageError(f"{path.name}: column '{name}' is {shape}, not a list of numbers")
    return column.astype(np.float64)

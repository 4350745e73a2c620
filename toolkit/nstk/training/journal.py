"""Curves of a run: one JSON object a line, and TensorBoard's files where it is installed."""

import json
from pathlib import Path
from typing import Any


class Journal:
    """Writes curves.

    Args:
        folder: Of the run; gets `curves.jsonl` and `tensorboard/`.
        step: Where the run goes on; what was written for later steps is dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / "curves.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        path.write_text("".join(f"{line}\n" for line in kept))
        self._file = path.open("a", buffering=1)
        self._board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, group: str, values: dict[str, float]) -> None:
        """Write some values of one step."""
        self._file.write(json.dumps({"step": step, "group": group, **values}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        """Finish the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()

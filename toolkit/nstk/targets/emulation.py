"""Runs images of Arm and RISC-V targets in unicorn, and counts what they execute."""

import importlib
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.errors import MisbehaviorError, ToolError
from nstk.targets.firmware import FLASH, MEMORY_BYTES, RAM, Image
from nstk.targets.target import Target
from nstk.targets.timing_tables import TABLES, decode

#: Instructions of one call after which it counts as endless.
MOST_INSTRUCTIONS = 50_000_000

# The upper half of RAM holds, from below: the stack, what it grows down from, the row, and the return address.
_STACK_BYTES = MEMORY_BYTES // 4
_STACK_TOP = RAM + MEMORY_BYTES // 2 + _STACK_BYTES
_ROW = _STACK_TOP + 64
_RETURN = RAM + MEMORY_BYTES - 64
_PAINT = 0xA5


@dataclass(frozen=True, eq=False)
class Run:
    """What running an image over rows gave.

    Attributes:
        rows: (N, bytes) after the calls.
        counts: (N,) instructions, or cycles where the simulator counts these.
        cycles: (N,) cycles: estimated from the static table, or counted.
        stack_bytes: Deepest stack of all calls.
    """

    rows: NDArray[np.uint8]
    counts: NDArray[np.int64]
    cycles: NDArray[np.float64]
    stack_bytes: int


def run_image(image: Image, rows: NDArray[np.uint8], target: Target) -> Run:
    """Call an image's function with every row; deterministic.

    Every instruction the core issues counts, also one in an IT block whose condition fails: it takes a cycle as well.

    Args:
        image: What to run.
        rows: (N, bytes) of arguments.
        target: The core.

    Raises:
        ToolError: unicorn is not installed.
        MisbehaviorError: The function reads or writes where no memory is, or does not end.
    """
    core = _Core(image, target)
    results = np.empty_like(rows)
    counts, cycles = np.empty(len(rows), np.int64), np.empty(len(rows))
    for number, row in enumerate(rows):
        results[number], counts[number], cycles[number] = core.call(row)
    return Run(results, counts, cycles, core.stack_bytes())


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0].replace("elftools", "pyelftools")
        raise ToolError(f"{package} is not installed", "pip install 'nstk[mcu]'") from None


class _Core:
    """An emulated core with an image in its memory."""

    def __init__(self, image: Image, target: Target) -> None:
        unicorn, arm, riscv = (_module(name) for name in ("unicorn", "unicorn.arm_const", "unicorn.riscv_const"))
        self._target, self._error = target, unicorn.UcError
        self._table = TABLES[target.table]
        if target.family == "arm":
            self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
            self._uc.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_{target.model}"))
            self._registers = (arm.UC_ARM_REG_SP, arm.UC_ARM_REG_R0, arm.UC_ARM_REG_LR)
        else:
            self._uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
            self._registers = (riscv.UC_RISCV_REG_SP, riscv.UC_RISCV_REG_A0, riscv.UC_RISCV_REG_RA)
        for start in (FLASH, RAM):
            self._uc.mem_map(start, MEMORY_BYTES)
        elf = _module("elftools.elf.elffile").ELFFile(BytesIO(image.path.read_bytes()))
        for segment in elf.iter_segments():
            if segment["p_type"] == "PT_LOAD":
                self._uc.mem_write(segment["p_vaddr"], segment.data())
        self._entry = elf["e_entry"] | (target.family == "arm")  # the lowest bit of an address means Thumb
        if target.family == "arm" and target.fpu:
            self._uc.reg_write(arm.UC_ARM_REG_FPEXC, 1 << 30)
        elif target.fpu:
            self._uc.reg_write(riscv.UC_RISCV_REG_MSTATUS, 1 << 13)
        self._uc.mem_write(_STACK_TOP - _STACK_BYTES, bytes([_PAINT]) * _STACK_BYTES)
        self._blocks: dict[tuple[int, int], tuple[int, float, float]] = {}
        self._uc.hook_add(unicorn.UC_HOOK_BLOCK, self._enter)

    def call(self, row: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int, float]:
        """Return the row after the call, and the instructions and cycles it took."""
        self._count, self._cycles, self._next, self._taken = 0, 0.0, 0, 0.0
        self._uc.mem_write(_ROW, row.tobytes())
        thumb = self._target.family == "arm"
        for register, value in zip(self._registers, (_STACK_TOP, _ROW, _RETURN | thumb), strict=True):
            self._uc.reg_write(register, value)
        try:
            self._uc.emu_start(self._entry, _RETURN)
        except self._error as error:
            raise MisbehaviorError(
                f"emulated {self._target.name}: {error}", "does the program use an array beyond its end, or recurse?"
            ) from None
        if self._count > MOST_INSTRUCTIONS:
            text = f"emulated {self._target.name}: a call takes more than {MOST_INSTRUCTIONS} instructions"
            raise MisbehaviorError(text, "leave out this target")
        after = np.frombuffer(bytes(self._uc.mem_read(_ROW, len(row))), np.uint8)
        return after, self._count, self._cycles + self._taken  # the last branch is the return

    def stack_bytes(self) -> int:
        """Return how far the stack grew in all calls so far."""
        area = np.frombuffer(bytes(self._uc.mem_read(_STACK_TOP - _STACK_BYTES, _STACK_BYTES)), np.uint8)
        touched = np.flatnonzero(area != _PAINT)
        return _STACK_BYTES - int(touched[0]) if len(touched) else 0

    def _enter(self, uc: Any, address: int, size: int, _: object) -> None:
        """Count a block of instructions as it is entered."""
        if address == _RETURN:
            return
        block = self._blocks.get((address, size))
        if block is None:
            kinds = decode(self._target.family, bytes(uc.mem_read(address, size)))
            block = (len(kinds), self._table.cost(kinds), self._table.taken.get(kinds[-1][0], 0.0))
            self._blocks[address, size] = block
        if address != self._next:  # also true of the first block, before which nothing is taken
            self._cycles += self._taken
        self._count += block[0]
        self._cycles += block[1]
        self._taken = block[2]
        self._next = address + size
        if self._count > MOST_INSTRUCTIONS:
            uc.emu_stop()

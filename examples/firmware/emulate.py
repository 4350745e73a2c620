"""Runs the firmware in unicorn, whose processor gets a serial line and a timer that counts instructions.

    python emulate.py cortex-m0plus build/cortex-m0plus/zig.elf

Prints what the firmware sends. Needs `pip install 'nstk[mcu]'` and no other tool.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const

from nstk.targets.target import TARGETS
from nstk.targets.timing_tables import decode

UART, UART_DATA = 0x40004000, 0x0
SYSTEM, SYSTICK_VALUE = 0xE000E000, 0x18
MEMORY = {0x00000000: 4 << 20, 0x20000000: 4 << 20}
SYS_EXIT, DONE = 0x18, 0x20026


class Board:
    """An MPS2 board with a firmware in its memory."""

    def __init__(self, core: str, firmware: Path) -> None:
        target = TARGETS[core]
        self._instructions = 0
        self._blocks: dict[tuple[int, int], int] = {}
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._uc.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_{target.model}"))
        for start, size in MEMORY.items():
            self._uc.mem_map(start, size)
        with firmware.open("rb") as file:
            for segment in ELFFile(file).iter_segments():
                if segment["p_type"] == "PT_LOAD":
                    self._uc.mem_write(segment["p_paddr"], segment.data())
        self._uc.mmio_map(UART, 0x1000, lambda *_: 0, None, self._send, None)
        self._uc.mmio_map(SYSTEM, 0x1000, self._read_system, None, lambda *_: None, None)
        self._uc.hook_add(unicorn.UC_HOOK_BLOCK, self._enter)
        self._uc.hook_add(unicorn.UC_HOOK_INTR, lambda uc, *_: uc.emu_stop())
        if target.fpu:
            self._uc.reg_write(arm_const.UC_ARM_REG_FPEXC, 1 << 30)

    def run(self) -> int:
        """Run from reset to semihosting's exit; return 0 if that reports success."""
        stack, reset = (int.from_bytes(self._uc.mem_read(address, 4), "little") for address in (0, 4))
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._uc.emu_start(reset, 0)
        call, reason = (self._uc.reg_read(r) for r in (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1))
        return 0 if (call, reason) == (SYS_EXIT, DONE) else 1

    def _enter(self, uc: Any, address: int, size: int, _: Any) -> None:
        """Count a block: also instructions whose condition fails, which take a cycle as well."""
        if (address, size) not in self._blocks:
            self._blocks[address, size] = len(decode("arm", bytes(uc.mem_read(address, size))))
        self._instructions += self._blocks[address, size]

    def _send(self, _: Any, offset: int, __: int, value: int, *___: Any) -> None:
        if offset == UART_DATA:
            sys.stdout.write(chr(value))

    def _read_system(self, _: Any, offset: int, *__: Any) -> int:
        return -self._instructions & 0xFFFFFF if offset == SYSTICK_VALUE else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("core", choices=[t.name for t in TARGETS.values() if t.family == "arm"])
    parser.add_argument("firmware", type=Path)
    arguments = parser.parse_args()
    sys.exit(Board(arguments.core, arguments.firmware).run())

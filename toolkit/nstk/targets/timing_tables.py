"""How many instructions and, by a static table, cycles a stretch of machine code takes.

Tables give what the cores' manuals state for code and data in memory without wait states; a range is taken at its
middle. Stalls between instructions, caches and dual issue are not modelled: the cycles are an estimate, the
instructions are exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass

#: What an instruction is to the tables, and how many registers or words it moves.
Kind = tuple[str, int]


@dataclass(frozen=True)
class TimingTable:
    """Cycles of one core.

    Attributes:
        source: The manual it is from.
        cycles: Cycles by kind of instruction; of those not listed 1.
        each: Cycles more for every register or word, by kind.
        taken: Cycles more when the flow goes elsewhere, by kind of the last instruction before.
    """

    source: str
    cycles: Mapping[str, float]
    each: Mapping[str, float]
    taken: Mapping[str, float]

    def cost(self, kinds: list[Kind]) -> float:
        """Return the cycles of instructions in a row."""
        return sum(self.cycles.get(kind, 1.0) + self.each.get(kind, 0.0) * count for kind, count in kinds)


_M0PLUS = TimingTable(
    "Cortex-M0+ Technical Reference Manual (ARM DDI 0484C), instruction set summary, single-cycle multiplier",
    {"load": 2, "store": 2, "system": 3},
    {"multiple": 1},
    {"branch": 1, "call": 2, "multiple": 2},
)
_FLOW = dict.fromkeys(("branch", "call", "multiple", "load", "table", "other"), 2.0)  # P, 1 to 3
_M3 = TimingTable(
    "Cortex-M3 Technical Reference Manual (ARM DDI 0337I), table 3-1",
    {"load": 2, "store": 2, "multiply_add": 2, "multiply_long": 4, "multiply_add_long": 5.5, "divide": 7, "table": 2},
    {"multiple": 1},
    _FLOW,
)
_M4 = TimingTable(
    "Cortex-M4 Technical Reference Manual (ARM DDI 0439B), tables 3-1 and 7-1",
    {
        **{"load": 2, "store": 2, "divide": 7, "table": 2},
        **{"float_multiply_add": 3, "float_divide": 14, "float_root": 14},
    },
    {"multiple": 1},
    _FLOW,
)
_CV32E40P = TimingTable(
    "OpenHW CV32E40P User Manual, cycle counts per instruction type, FPU latencies 0",
    {"multiply_long": 5, "divide": 19, "float_divide": 10, "float_root": 10},
    {},
    {"jump": 1, "branch": 2},
)
#: Tables by the name targets use. Arm publishes none for Cortex-M7 (it issues two instructions at once and is faster)
#: and Cortex-M33: the one of Cortex-M4 stands in.
TABLES = {"cortex-m0plus": _M0PLUS, "cortex-m3": _M3, "cortex-m4": _M4, "cv32e40p": _CV32E40P}

# Patterns (mask, value, kind), the first match counts. From the Armv7-M and Armv8-M Architecture Reference Manuals.
_THUMB16 = (
    (0xF800, 0x4800, "load"),  # LDR literal
    (0xF800, 0x5000, "store"),  # STR, STRH register
    (0xFE00, 0x5400, "store"),  # STRB register
    (0xF000, 0x5000, "load"),  # other loads, register
    (0xF800, 0x6000, "store"),
    (0xF800, 0x6800, "load"),
    (0xF800, 0x7000, "store"),
    (0xF800, 0x7800, "load"),
    (0xF800, 0x8000, "store"),
    (0xF800, 0x8800, "load"),
    (0xF800, 0x9000, "store"),  # to the stack
    (0xF800, 0x9800, "load"),
    (0xF600, 0xB400, "multiple"),  # PUSH, POP
    (0xF000, 0xC000, "multiple"),  # LDM, STM
    (0xFF80, 0x4780, "call"),  # BLX
    (0xFF80, 0x4700, "branch"),  # BX
    (0xF500, 0xB100, "branch"),  # CBZ, CBNZ
    (0xF000, 0xD000, "branch"),
    (0xF800, 0xE000, "branch"),
)
_THUMB32 = (
    (0xF800D000, 0xF000D000, "call"),  # BL
    (0xF800D000, 0xF0008000, "system"),  # MSR, MRS, barriers; B<cond>.W is told apart below
    (0xF8009000, 0xF0009000, "branch"),  # B.W
    (0xFFF0FFE0, 0xE8D0F000, "table"),  # TBB, TBH
    (0xFE400000, 0xE8000000, "multiple"),  # LDM.W, STM.W
    (0xFE400000, 0xE8400000, "pair"),  # LDRD, STRD
    (0xFE100000, 0xF8000000, "store"),
    (0xFE100000, 0xF8100000, "load"),
    (0xFFD00000, 0xFB900000, "divide"),
    (0xFFC00000, 0xFBC00000, "multiply_add_long"),
    (0xFF800000, 0xFB800000, "multiply_long"),
    (0xFF80F000, 0xFB00F000, "other"),  # MUL
    (0xFF800000, 0xFB000000, "multiply_add"),
    (0xFFE00E00, 0xEC400A00, "pair_move"),  # VMOV of two registers
    (0xFF300E00, 0xED100A00, "load"),  # VLDR
    (0xFF300E00, 0xED000A00, "store"),  # VSTR
    (0xFE000E00, 0xEC000A00, "multiple"),  # VLDM, VSTM, VPUSH, VPOP
    (0xFF000E10, 0xFE000A00, "other"),  # VSEL, VMAXNM, VRINT
    (0xFF000E10, 0xEE000A10, "other"),  # VMOV, VMRS, VMSR of one core register
    (0xFFB00F50, 0xEE800A00, "float_divide"),
    (0xFFBF0FD0, 0xEEB10AC0, "float_root"),
    (0xFFA00E00, 0xEE000A00, "float_multiply_add"),  # VMLA, VMLS, VNMLA, VNMLS
    (0xFFB00E00, 0xEEA00A00, "float_multiply_add"),  # VFMA, VFMS
    (0xFFB00E00, 0xEE900A00, "float_multiply_add"),  # VFNMA, VFNMS
)
# From the RISC-V Unprivileged ISA, 32-bit forms, then the compressed ones that change the flow.
_RISCV32 = (
    (0xFE00707F, 0x02000033, "other"),  # MUL
    (0xFE00407F, 0x02000033, "multiply_long"),
    (0xFE00407F, 0x02004033, "divide"),
    (0xFE00007F, 0x18000053, "float_divide"),
    (0xFE00007F, 0x58000053, "float_root"),
    (0x0000007F, 0x0000006F, "jump"),
    (0x0000007F, 0x00000067, "jump"),
    (0x0000007F, 0x00000063, "branch"),
)
_RISCV16 = (
    (0x6003, 0x2001, "jump"),  # C.J, C.JAL
    (0xE07F, 0x8002, "jump"),  # C.JR, C.JALR
    (0xC003, 0xC001, "branch"),  # C.BEQZ, C.BNEZ
)


def decode(family: str, code: bytes) -> list[Kind]:
    """Return the kinds of the instructions in a stretch of Thumb or RISC-V code.

    Args:
        family: `arm` or `riscv`.
        code: Whole instructions.
    """
    kinds = []
    position = 0
    while position < len(code):
        first = int.from_bytes(code[position : position + 2], "little")
        wide = first >> 11 in (0x1D, 0x1E, 0x1F) if family == "arm" else first & 3 == 3
        second = int.from_bytes(code[position + 2 : position + 4], "little") if wide else 0
        if family == "arm":
            kinds.append(_thumb(first, second) if wide else _thumb_narrow(first))
        else:
            word = first | second << 16
            kinds.append((_match(_RISCV32 if wide else _RISCV16, word), 0))
        position += 4 if wide else 2
    return kinds


def _match(patterns: tuple[tuple[int, int, str], ...], word: int) -> str:
    return next((kind for mask, value, kind in patterns if word & mask == value), "other")


def _thumb_narrow(word: int) -> Kind:
    kind = _match(_THUMB16, word)
    if kind != "multiple":
        return kind, 0
    stack = word & 0xF000 == 0xB000  # the ninth bit is LR or PC
    return kind, (word & (0x1FF if stack else 0xFF)).bit_count()


def _thumb(first: int, second: int) -> Kind:
    kind = _match(_THUMB32, first << 16 | second)
    if kind == "system" and first >> 6 & 0xF < 0xE:  # a condition, so B<cond>.W
        return "branch", 0
    if kind in ("pair", "pair_move"):
        return "multiple", 2 if kind == "pair" else 1
    if kind == "multiple":
        return kind, second & 0xFF if first & 0xFC00 == 0xEC00 else second.bit_count()
    return kind, 0

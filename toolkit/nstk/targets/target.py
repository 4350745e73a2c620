"""The targets: microcontroller cores, and how compilers and emulator are told about them."""

from dataclasses import dataclass

from nstk.errors import UsageError


@dataclass(frozen=True)
class Target:
    """One microcontroller core.

    Attributes:
        name: As `--target` takes it.
        summary: What it is, in a few words.
        family: `arm`, `riscv` or `avr`.
        gcc: The GNU compiler for it.
        gcc_flags: What tells that compiler the core and the calling convention.
        zig_flags: The same for zig; empty where zig cannot build for it.
        model: Name of the emulator's model of the core.
        table: Name of its table in `timing_tables`; empty where the simulator counts cycles itself.
        fpu: Whether it has an FPU, of single precision (unicorn has no Cortex-M7 with another).
        exact: Whether float arithmetic is IEEE 754's, so that results must equal the host's bit for bit.
    """

    name: str
    summary: str
    family: str
    gcc: str
    gcc_flags: tuple[str, ...]
    zig_flags: tuple[str, ...]
    model: str
    table: str
    fpu: bool = False
    exact: bool = True

    @property
    def unit(self) -> str:
        """What is counted: `instructions`, or `cycles` on AVR."""
        return "instructions" if self.table else "cycles"


_FPU = {False: ", no FPU", True: ", single-precision FPU"}


def _cortex(name: str, cpu: str, model: str, table: str, fpu: str = "", features: str = "") -> Target:
    """Return an Arm target; `fpu` is gcc's name of the FPU, `features` are zig's."""
    abi = ("-mfloat-abi=hard", f"-mfpu={fpu}") if fpu else ("-mfloat-abi=soft",)
    return Target(
        name,
        cpu.replace("cortex-m", "Arm Cortex-M").replace("plus", "+") + _FPU[bool(fpu)],
        "arm",
        "arm-none-eabi-gcc",
        (f"-mcpu={cpu}", "-mthumb", *abi),
        ("-target", f"thumb-freestanding-eabi{'hf' if fpu else ''}", f"-mcpu={cpu.replace('-', '_')}{features}"),
        model,
        table,
        bool(fpu),
    )


def _riscv(isa: str, abi: str, cpu: str, fpu: bool) -> Target:
    return Target(
        isa,
        f"RISC-V {isa.upper()}{_FPU[fpu]}",
        "riscv",
        "riscv64-unknown-elf-gcc",
        (f"-march={isa}", f"-mabi={abi}", "-mcmodel=medany"),
        ("-target", "riscv32-freestanding", f"-mcpu={cpu}", f"-mabi={abi}"),
        "riscv32",
        "cv32e40p",
        fpu,
    )


#: All targets, in the order they are shown.
TARGETS = {
    target.name: target
    for target in (
        _cortex("cortex-m0plus", "cortex-m0plus", "CORTEX_M0", "cortex-m0plus"),
        _cortex("cortex-m3", "cortex-m3", "CORTEX_M3", "cortex-m3"),
        _cortex("cortex-m4f", "cortex-m4", "CORTEX_M4", "cortex-m4", "fpv4-sp-d16", "+vfp4d16sp"),
        _cortex("cortex-m7", "cortex-m7", "CORTEX_M7", "cortex-m4", "fpv5-sp-d16", "+fp_armv8d16sp"),
        _cortex("cortex-m33", "cortex-m33", "CORTEX_M33", "cortex-m4", "fpv5-sp-d16", "+fp_armv8d16sp"),
        _riscv("rv32imc", "ilp32", "generic_rv32+m+c", False),
        _riscv("rv32imfc", "ilp32f", "generic_rv32+m+f+c", True),
        Target(
            "atmega328p",
            "AVR ATmega328P, no FPU",
            "avr",
            "avr-gcc",
            ("-mmcu=atmega328p",),
            (),
            "atmega328p",
            "",
            exact=False,
        ),
    )
}


def find_target(name: str) -> Target:
    """Return the target of this name.

    Raises:
        UsageError: There is none.
    """
    if name not in TARGETS:
        raise UsageError(f"unknown target '{name}'", f"choose one of {', '.join(TARGETS)}")
    return TARGETS[name]

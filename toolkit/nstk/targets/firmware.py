"""Bare images: one function linked for a target with all it needs and nothing else, and their sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.errors import ToolError, UnsupportedError
from nstk.program import CType, Program
from nstk.resources import render
from nstk.targets.target import Target
from nstk.targets.toolchains import Toolchain, link
from nstk.timing import row_fields, row_parts
from nstk.toolchain import visible_text

Array = NDArray[np.float64]

#: Where the emulator has memory: flash, RAM, and the bytes of each.
FLASH, RAM, MEMORY_BYTES = 0x10000, 0x20000000, 1 << 20

_FIELDS = ".nstk_fields"
_WRITABLE, _ALLOCATED = 1, 2  # flags of an ELF section
_LINK = ("-nostartfiles", "-Wl,--gc-sections", "-Wl,--strip-debug", "-Wl,-e,nstk_call", "-Wl,-T,image.ld")


@dataclass(frozen=True)
class Callee:
    """A C function with the signature of a program.

    Attributes:
        program: Whose signature it has.
        name: Of the function.
        source: C text that defines it: the program's own, or a header. Empty for a call of nothing.
        optimize: `-O2` or `-Os`.
        includes: Folders searched for headers.
        cflags: The user's compiler flags.
    """

    program: Program
    name: str
    source: str
    optimize: str = "-O2"
    includes: tuple[Path, ...] = ()
    cflags: tuple[str, ...] = ()

    def nothing(self) -> "Callee":
        """Return a callee that does nothing, with equal arguments: what remains are the costs of calling."""
        return Callee(self.program, "", "", self.optimize)


@dataclass(frozen=True)
class Scalar:
    """One number of a row: where it lies on the target.

    Attributes:
        ctype: Its type.
        offset: Of its first byte in the row.
        size: Its bytes on the target.
    """

    ctype: CType
    offset: int
    size: int

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Its numpy type on the target, little-endian."""
        kind = "f" if self.ctype.kind != "int" else "i" if self.ctype.lo < 0 else "u"
        return np.dtype(f"<{kind}{self.size}")


@dataclass(frozen=True)
class Layout:
    """Where the numbers of one call lie in its row on a target.

    Attributes:
        inputs: In the program's order.
        outputs: In the program's order.
        row_bytes: Bytes of a row.
    """

    inputs: tuple[Scalar, ...]
    outputs: tuple[Scalar, ...]
    row_bytes: int

    def pack(self, x: Array, target: Target) -> NDArray[np.uint8]:
        """Return rows (N, bytes) that hold the inputs x (N, I) in the target's types.

        Raises:
            UnsupportedError: A whole number does not fit the type as wide as it is on the target.
        """
        rows = np.zeros((len(x), self.row_bytes), np.uint8)
        for column, scalar in enumerate(self.inputs):
            if scalar.ctype.kind == "int":
                ends = np.iinfo(np.dtype(scalar.dtype.str))
                if not ((x[:, column] >= ends.min) & (x[:, column] <= ends.max)).all():
                    text = f"{scalar.ctype.name} has {8 * scalar.size} bits on {target.name}, the domain needs more"
                    raise UnsupportedError(text, "use a type of <stdint.h>, or leave out this target")
            values = x[:, column].astype(scalar.dtype)
            rows[:, scalar.offset : scalar.offset + scalar.size] = values[:, None].view(np.uint8)
        return rows

    def unpack(self, rows: NDArray[np.uint8]) -> Array:
        """Return the outputs (N, O) that rows (N, bytes) hold."""
        columns = []
        for scalar in self.outputs:
            values = np.ascontiguousarray(rows[:, scalar.offset : scalar.offset + scalar.size]).view(scalar.dtype)
            columns.append(values[:, 0].astype(np.float64))
        return np.stack(columns, 1)


@dataclass(frozen=True)
class Image:
    """A linked image.

    Attributes:
        path: The ELF file.
        layout: Of the rows its function takes.
        flash_bytes: Bytes of code, constants and initial values.
        ram_bytes: Bytes of variables.
    """

    path: Path
    layout: Layout
    flash_bytes: int
    ram_bytes: int


def call_text(callee: Callee, *, fields: bool = True) -> str:
    """Return C text with `nstk_call(struct nstk_row *)`, which calls a function with the arguments of a row.

    The function may be inlined there, as into firmware that calls it in one place.

    Args:
        callee: The function.
        fields: Also define the table `read_layout` reads.
    """
    members, copies, call, _ = row_parts(callee.program)
    declared = f"extern __typeof__({callee.name}) {callee.name};" if callee.source else ""  # C99 inline
    return render(
        "targets/call.c.j2",
        source=f"{callee.source}\n\n{declared}",
        members=members,
        scalars=_scalar_names(callee.program) if fields else [],
        body=[*copies, call.format(callee.name)] if callee.source else [],
    )


def _scalar_names(program: Program) -> list[str]:
    """Return the fields of `struct nstk_row` that hold the inputs, then those that hold the outputs, in order."""
    fields = list(row_fields(program))
    inputs = [field for parameter, field in fields if parameter.role in ("value", "array")]
    outputs = [field for parameter, field in fields if parameter.role in ("pointer", "output_array")]
    return [*inputs, *(["nstk_result"] if program.returns is not None else []), *outputs]


def build_image(target: Target, toolchain: Toolchain, callee: Callee) -> Image:
    """Link the image of one function, or find it in the cache.

    Raises:
        ToolError: It does not compile, link or fit, or pyelftools is not installed.
    """
    script = render("targets/image.ld.j2", flash=FLASH, ram=RAM, size=MEMORY_BYTES)
    path = link_callee(target, toolchain, callee, call_text(callee), _LINK, {"image.ld": script})
    return Image(path, read_layout(path, callee.program), *read_sizes(path))


def link_callee(
    target: Target,
    toolchain: Toolchain,
    callee: Callee,
    text: str,
    link_flags: Sequence[str],
    files: Mapping[str, str] | None = None,
) -> Path:
    """Link C text that contains the callee's `call_text`; arguments and errors as of `toolchains.link`."""
    program = callee.program
    origin = f"{program.file}:{program.line} on {target.name}"
    visible = ""
    if callee.source:
        visible = visible_text(program.source, includes=callee.includes, cflags=callee.cflags, origin=origin)
    return link(
        toolchain,
        text,
        flags=(callee.optimize,),
        link_flags=link_flags,
        files=files or {},
        includes=callee.includes,
        cflags=callee.cflags,
        visible=visible,
        origin=origin,
    )


def read_layout(path: Path, program: Program) -> Layout:
    """Read from a linked file where inputs and outputs lie in a row.

    Raises:
        ToolError: pyelftools is not installed.
    """
    table = next(section.data() for section in _sections(path) if section.name == _FIELDS)
    pairs = np.frombuffer(table, "<u2").reshape(-1, 2).tolist()
    types = [*(i.ctype for i in program.inputs), *(o.ctype for o in program.outputs)]
    scalars = [Scalar(ctype, *pair) for ctype, pair in zip(types, pairs[:-1], strict=True)]
    count = len(program.inputs)
    return Layout(tuple(scalars[:count]), tuple(scalars[count:]), pairs[-1][0])


def read_sizes(path: Path) -> tuple[int, int]:
    """Return the bytes of flash and of RAM that a linked image takes; initial values of variables take both.

    Raises:
        ToolError: pyelftools is not installed.
    """
    flash = ram = 0
    for section in _sections(path):
        size, flags = section["sh_size"], section["sh_flags"]
        if flags & _ALLOCATED and section.name != _FIELDS:
            flash += size if section["sh_type"] != "SHT_NOBITS" else 0
            ram += size if flags & _WRITABLE else 0
    return flash, ram


def _sections(path: Path) -> list[Any]:
    try:
        from elftools.elf.elffile import ELFFile
    except ImportError:
        raise ToolError("pyelftools is not installed", "pip install 'nstk[mcu]'") from None
    return list(ELFFile(BytesIO(path.read_bytes())).iter_sections())

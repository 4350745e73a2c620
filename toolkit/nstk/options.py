"""Options of a build, and `nstk.toml`, which lists many builds."""

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from nstk import tanh_table
from nstk.activation import ERROR_RANGE
from nstk.domain import Interval, domain_from_mapping, parse_domain
from nstk.errors import UsageError
from nstk.targets.target import TARGETS as MICROCONTROLLERS
from nstk.tolerance import parse_tolerance
from nstk.topology import parse_hidden

STYLES = ("speed", "size")
NUMBERS = ("auto", "float", "int16")
NORMS = ("rms", "max")
EFFORTS = ("quick", "normal", "high")
INITS = ("random", "compnet", "compnet-text", "pretrained", "maml")
OPTIMIZERS = ("lm", "adam")
TARGETS = ("host", *MICROCONTROLLERS)
DEFAULT_TOLERANCE = "1%"
#: By number format: the sigmoid error allowed unless asked for otherwise, and those that can be asked for.
_SIGMOID_ERRORS = {"float": (1e-6, ERROR_RANGE), "int16": (3e-5, tanh_table.ERROR_RANGE)}


@dataclass(frozen=True)
class BuildOptions:
    """What `nstk build` is asked for; every field is an option of the command line and a key of `nstk.toml`.

    Attributes:
        source: The C file.
        function: Which function; None for the only candidate.
        domain: Interval by parameter name, over those of the comment beside the function.
        outputs: Pointer parameters that are outputs; None to take those of the comment.
        tolerance: `0.01` (output units) or `1%`; None for the comment's, else 1 %.
        norm: `rms` or `max`.
        topology: `auto` or hidden widths.
        number: Number format of the header: `float`, `int16`, or `auto` (see `number_format`).
        style: `speed` or `size`.
        targets: Where costs are measured; `host` always is.
        init: Where the initial parameters come from: one of `INITS`, or a hypernetwork's folder.
        optimizer: `lm` or `adam`.
        samples: Training pairs; None for what the rung needs.
        effort: `quick`, `normal` or `high`; `quick` also leaves out the rivals.
        seed: Of every draw, 0 to 2^31.
        clamp: Clamp inputs to the domain.
        sigmoid_error: Largest error of the emitted activation; None for what suits the number format.
        pairs: CSV, NPZ or Parquet file with input-output pairs, for programs that cannot be run here.
        exhaustive: Verify a one-input program on every float of its domain.
        out: Folder that gets `<function>/`.
        cflags: Compiler flags the program needs.
        include: Folders of headers the program needs.
    """

    source: Path
    function: str | None = None
    domain: Mapping[str, Interval] = field(default_factory=dict)
    outputs: tuple[str, ...] | None = None
    tolerance: str | None = None
    norm: str = "rms"
    topology: str = "auto"
    number: str = "auto"
    style: str = "speed"
    targets: tuple[str, ...] = ()
    init: str = "compnet"
    optimizer: str = "lm"
    samples: int | None = None
    effort: str = "normal"
    seed: int = 0
    clamp: bool = True
    sigmoid_error: float | None = None
    pairs: Path | None = None
    exhaustive: bool = False
    out: Path = Path("nstk-out")
    cflags: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise UsageError(f"unknown {name} '{getattr(self, name)}'", f"choose one of {', '.join(allowed)}")
        if self.init not in INITS and not Path(self.init).is_dir():
            text = f"choose one of {', '.join(INITS)}, or a hypernetwork's folder"
            raise UsageError(f"unknown init '{self.init}'", text)
        for target in self.targets:
            if target not in TARGETS:
                raise UsageError(f"unknown target '{target}'", f"choose one of {', '.join(TARGETS)}")
        parse_hidden(self.topology)
        if self.tolerance is not None:
            parse_tolerance(self.tolerance)
        if self.samples is not None and not 64 <= self.samples <= 2**20:
            raise UsageError(f"{self.samples} samples are out of range", "choose 64 to 1048576")
        if not 0 <= self.seed < 2**31:
            raise UsageError(f"seed {self.seed} is out of range", "choose 0 to 2147483647")
        lowest, highest = _SIGMOID_ERRORS[self.number_format][1]
        if self.sigmoid_error is not None and not lowest <= self.sigmoid_error <= highest:
            text = f"sigmoid error {self.sigmoid_error:g} is out of range for {self.number_format} arithmetic"
            raise UsageError(text, f"choose {lowest:g} to {highest:g}")
        if self.number_format == "int16" and not self.clamp:
            raise UsageError(
                "int16 arithmetic always saturates at the domain", "leave out --no-clamp, or add --number float"
            )
        for folder in self.include:
            if not folder.is_dir():
                raise UsageError(f"no such folder '{folder}'", "--include takes folders of headers")
        if self.pairs is not None and self.exhaustive:
            raise UsageError("an exhaustive check runs the program, pairs stand in for it", "leave out one of them")
        if self.pairs is not None and self.microcontrollers:
            raise UsageError("targets compare with the original, pairs stand in for it", "leave out one of them")
        if self.pairs is not None and self.samples is not None:
            raise UsageError("samples are drawn, pairs are given", "leave out one of them")

    @property
    def microcontrollers(self) -> tuple[str, ...]:
        """The targets but the host, each once."""
        return tuple(dict.fromkeys(name for name in self.targets if name != "host"))

    @property
    def number_format(self) -> str:
        """The header's number format: `float` or `int16`; `auto` is int16 if targets are named and none has an FPU."""
        if self.number != "auto":
            return self.number
        with_fpu = [name == "host" or MICROCONTROLLERS[name].fpu for name in self.targets]
        return "int16" if with_fpu and not any(with_fpu) else "float"

    def emission(self) -> dict[str, Any]:
        """Return what decides how a surrogate becomes a header; provenance keeps it."""
        default, _ = _SIGMOID_ERRORS[self.number_format]
        return {
            "number": self.number_format,
            "style": self.style,
            "clamp": self.clamp,
            "sigmoid_error": default if self.sigmoid_error is None else self.sigmoid_error,
        }

    def plain(self) -> dict[str, Any]:
        """Return what decides the result as plain JSON values: all but where files lie."""
        values = asdict(self)
        kept = {k: v for k, v in values.items() if k not in ("source", "out", "pairs", "include")}
        kept["init"] = self.init if self.init in INITS else "hypernetwork"
        return {**kept, "include": [str(folder) for folder in self.include]}


_CHOICES = {
    "norm": NORMS,
    "number": NUMBERS,
    "style": STYLES,
    "effort": EFFORTS,
    "optimizer": OPTIMIZERS,
}


def split_source(text: str, function: str | None = None) -> tuple[Path, str | None]:
    """Split `file.c:function` into its parts; a file whose name holds a colon wins.

    Args:
        text: As given by the user.
        function: The function, where it is also given apart.

    Raises:
        UsageError: Two different functions are named.
    """
    path = Path(text)
    head, colon, name = text.rpartition(":")
    if not (colon and name.isidentifier()) or path.is_file():
        return path, function
    if function not in (None, name):
        raise UsageError(f"'{text}' and the option name different functions", f"leave out {name} or {function}")
    return Path(head), name


def split_flags(text: str) -> tuple[str, ...]:
    """Split compiler flags as a shell does.

    Raises:
        UsageError: A quote is not closed.
    """
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"cannot read the compiler flags '{text}': {error}", "close the quote") from None


def read_config(path: Path) -> list[BuildOptions]:
    """Read `nstk.toml`: `[defaults]` and one `[[surrogate]]` table per build; paths are relative to the file.

    Raises:
        UsageError: The file is missing or malformed, or holds an unknown key or a bad value.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"no source given and no {path.name} here", "nstk build SOURCE, or write an nstk.toml"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}", "see the README for an example of nstk.toml") from None
    defaults, entries = table.pop("defaults", {}), table.pop("surrogate", [])
    if table:
        raise UsageError(f"{path.name}: unknown table '{next(iter(table))}'", "use [defaults] and [[surrogate]]")
    if not isinstance(defaults, dict) or not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        text = f"{path.name}: [defaults] is a table and [[surrogate]] a list of tables"
        raise UsageError(text, "see the README for an example of nstk.toml")
    if not entries:
        raise UsageError(f"{path.name} lists no surrogate", "add a [[surrogate]] table with a source")
    builds = []
    for number, entry in enumerate(entries, 1):
        try:
            builds.append(_options({**defaults, **entry}, path.parent))
        except UsageError as error:
            raise UsageError(f"{path.name}: surrogate {number}: {error.message}", error.hint) from None
    return builds


def _options(table: Mapping[str, Any], folder: Path) -> BuildOptions:
    known = {f.name for f in fields(BuildOptions)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        name = "targets" if name == "target" else name  # as the command line calls it
        if name not in known:
            raise UsageError(f"unknown key '{key}'", f"known keys: {', '.join(sorted(known))}")
        values[name] = _value(name, value, folder)
    if "source" not in values:
        raise UsageError("no source", 'write source = "file.c"')
    path, function = split_source(str(values["source"]), values.get("function"))
    return BuildOptions(**{"out": folder / "nstk-out", **values, "source": path, "function": function})


def _value(name: str, value: Any, folder: Path) -> Any:
    """Convert one TOML value to its option's type."""
    if name in ("source", "out", "pairs"):
        return folder / _text(name, value)
    if name == "domain":
        return parse_domain(value) if isinstance(value, str) else domain_from_mapping(_table(name, value))
    if name == "outputs":
        return _texts(name, value.replace(",", " ").split() if isinstance(value, str) else value)
    if name == "targets":
        return _texts(name, [value] if isinstance(value, str) else value)
    if name == "cflags":
        return _texts(name, split_flags(value) if isinstance(value, str) else value)
    if name == "include":
        return tuple(folder / text for text in _texts(name, [value] if isinstance(value, str) else value))
    if name in ("clamp", "exhaustive"):
        return _typed(name, value, bool)
    if name in ("samples", "seed"):
        return _typed(name, value, int)
    if name == "sigmoid_error":
        return float(_typed(name, value, (int, float)))
    return str(value) if name == "tolerance" and isinstance(value, int | float) else _text(name, value)


def _typed(name: str, value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"{name} = {value!r} has the wrong type", "see nstk build --help")
    return value


def _text(name: str, value: Any) -> str:
    return str(_typed(name, value, str))


def _table(name: str, value: Any) -> dict[str, object]:
    return dict(_typed(name, value, dict))


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{name} = {value!r} is no list of names", "see nstk build --help")
    return tuple(value)

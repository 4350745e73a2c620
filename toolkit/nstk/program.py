"""Programs: a C function with its text, signature and domain."""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nstk.annotation import Annotation
from nstk.c_reader import CFile, Function, read_c_file, slice_source
from nstk.domain import Interval
from nstk.errors import NstkError, UnsupportedError, UsageError
from nstk.signature import MAX_INPUTS, CType, Parameter, read_signature

__all__ = ["MAX_INPUTS", "CType", "Input", "Output", "Parameter", "Program", "read_program"]


@dataclass(frozen=True)
class Input:
    """One scalar input; an array parameter `w[9]` gives nine, named `w_0` ... `w_8`."""

    name: str
    ctype: CType
    interval: Interval


@dataclass(frozen=True)
class Output:
    """One scalar output: the return value, named `result`, comes first, then outputs through parameters."""

    name: str
    ctype: CType


@dataclass(frozen=True)
class Program:
    """A C function that nstk can run, imitate and replace.

    Attributes:
        name: The function's name.
        file: Name of the source file (no folder), for messages.
        line: Line of the function's definition, from 1.
        source: Self-contained C text: the include lines, macros, constants, types and static helpers the function
            needs, in file order, and the function itself, each piece verbatim.
        parameters: In declaration order.
        returns: The return type, or None for void.
        inputs: Scalar inputs in order, at most 16.
        outputs: Scalar outputs in order, at least one.
        tolerance: `tolerance:` clause of the comment beside the function, or None.
    """

    name: str
    file: str
    line: int
    source: str
    parameters: tuple[Parameter, ...]
    returns: CType | None
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    tolerance: str | None = None

    @property
    def sha256(self) -> str:
        """Hash of text, signature and domain; the key of every cache."""
        kept = ("source", "name", "parameters", "inputs", "outputs")
        text = json.dumps({key: self.to_json()[key] for key in kept}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the scalar inputs, in order."""
        return tuple(item.name for item in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the scalar outputs, in order."""
        return tuple(item.name for item in self.outputs)

    def to_json(self) -> dict[str, Any]:
        """Return the program as plain JSON types; `from_json` gives an equal program back."""
        table = asdict(self)
        return {**table, **{key: list(table[key]) for key in ("parameters", "inputs", "outputs")}}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "Program":
        """Read what `to_json` wrote.

        Raises:
            UsageError: The table is no program.
        """
        try:
            return cls(
                **{
                    **table,
                    "parameters": tuple(Parameter(**{**p, "ctype": CType(**p["ctype"])}) for p in table["parameters"]),
                    "returns": CType(**table["returns"]) if table["returns"] is not None else None,
                    "inputs": tuple(
                        Input(i["name"], CType(**i["ctype"]), Interval(**i["interval"])) for i in table["inputs"]
                    ),
                    "outputs": tuple(Output(o["name"], CType(**o["ctype"])) for o in table["outputs"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise UsageError(f"not a saved program: {error}", "export the surrogate anew") from None


def read_program(
    source: Path,
    function: str | None = None,
    *,
    domain: Mapping[str, Interval] | None = None,
    outputs: Sequence[str] | None = None,
) -> Program:
    """Read one function of a C file.

    Without `function`, the choice falls on the function with an `/* nstk: ... */` comment right before it if exactly
    one has one. Otherwise on the only candidate, or the only candidate that is not static (among those with a comment,
    where several have one). A candidate is a function other than `main` with a signature nstk supports.

    What `#if` leaves out is judged by the file's own macros; others count as undefined.

    Args:
        source: The C file.
        function: Name of the function.
        domain: Intervals by parameter, over those of the comment; an array's holds for every element. Inputs neither
            names get [-1, 1], unsigned ones [0, 1].
        outputs: Pointer and array parameters that are outputs, instead of those of the comment.

    Raises:
        UsageError: The file cannot be read or has a syntax error in the function, no or several functions could be
            meant, `domain` or `outputs` name what is no input or output, an interval does not fit its integer type.
        UnsupportedError: The function's signature uses a construct nstk refuses.
    """
    file = read_c_file(source)
    chosen = _choose(file, outputs) if function is None else _named(file, function)
    note = chosen.annotation or Annotation(file.where(chosen.line))
    parameters, returns = read_signature(file, chosen, note.outputs or () if outputs is None else outputs)
    if error := file.body_error(chosen):
        raise error
    where = file.where(chosen.line)
    _check_names(note.where, note.domain or {}, parameters)
    _check_names(where, domain or {}, parameters)
    intervals = {**(note.domain or {}), **(domain or {})}
    taken = {p.name for p in parameters}
    inputs: list[Input] = []
    results = [Output(_free("result", taken), returns)] if returns else []
    for p in parameters:
        names = [p.name] if p.role in ("value", "pointer") else [_free(f"{p.name}_{i}", taken) for i in range(p.size)]
        if p.role in ("pointer", "output_array"):
            results += [Output(name, p.ctype) for name in names]
        else:
            interval = _interval(where, p, intervals.get(p.name))
            inputs += [Input(name, p.ctype, interval) for name in names]
    return Program(
        name=chosen.name,
        file=file.name,
        line=chosen.line,
        source=slice_source(file, chosen),
        parameters=parameters,
        returns=returns,
        inputs=tuple(inputs),
        outputs=tuple(results),
        tolerance=note.tolerance,
    )


def _named(file: CFile, name: str) -> Function:
    for function in file.functions:
        if function.name == name:
            return function
    if name == "main":
        raise UnsupportedError(
            f"{file.name}: main() cannot be replaced by a surrogate", "move the computation out of it"
        )
    called = re.compile(rf"\b{re.escape(name)}\s*\(", re.ASCII)
    for start, end in file.lines.dead:
        if match := called.search(file.lines.text, start, end):
            where = file.where(file.lines.text.count("\n", 0, match.start()) + 1)
            raise UsageError(
                f"{where}: {name}() stands in a branch that #if leaves out",
                "#define the macro in the file that selects it",
            )
    error = file.syntax_error(file.root)
    if error and called.search(file.lines.code):
        raise error
    names = [function.name for function in file.functions]
    close = difflib.get_close_matches(name, names, 1)
    known = _listed(f for f in file.functions if _refusal(file, f, None) is None) or ", ".join(names[:20]) or "none"
    guess = f"did you mean '{close[0]}'? " if close else ""
    raise UsageError(f"no function '{name}' in {file.name}", f"{guess}candidates: {known}")


def _choose(file: CFile, outputs: Sequence[str] | None) -> Function:
    if not file.functions:
        raise file.syntax_error(file.root) or UsageError(
            f"no function in {file.name}" + (" but main()" if "main" in file.lines.code else ""),
            "name a C file that defines the function in live code",
        )
    annotated = [function for function in file.functions if function.annotation]
    if len(annotated) == 1:
        return annotated[0]
    pool = annotated or list(file.functions)
    refusals = [_refusal(file, function, outputs) for function in pool]
    candidates = [function for function, refusal in zip(pool, refusals, strict=True) if refusal is None]
    public = [function for function in candidates if not function.static]
    if len(candidates) == 1 or len(public) == 1:
        return (public or candidates)[0]
    if candidates:
        first = candidates[0].name
        raise UsageError(
            f"several functions in {file.name} could be meant: {_listed(candidates)}",
            f"name one: {file.name}:{first}, or --function {first}",
        )
    if len([function for function in pool if not function.static]) == 1:
        pool = [function for function in pool if not function.static]
    if len(pool) == 1:
        return pool[0]  # reading it raises what is wrong with it
    reason = next(refusal for refusal in refusals if refusal)
    raise type(reason)(f"no function in {file.name} has a supported signature; {reason.message}", reason.hint)


def _refusal(file: CFile, function: Function, outputs: Sequence[str] | None) -> NstkError | None:
    """Return why a function is no candidate, or None if it is one."""
    listed = function.annotation.outputs if outputs is None and function.annotation else outputs
    try:
        read_signature(file, function, listed or ())
    except NstkError as error:
        return error
    return None


def _listed(functions: Iterable[Function]) -> str:
    found = [f"{function.name} (line {function.line})" for function in functions]
    return ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")


def _check_names(where: str, domain: Mapping[str, Interval], parameters: Sequence[Parameter]) -> None:
    inputs = [p.name for p in parameters if p.role in ("value", "array")]
    for name in domain:
        if name not in inputs:
            what = "an output" if any(p.name == name for p in parameters) else "no parameter"
            raise UsageError(f"{where}: domain names '{name}', which is {what}", f"the inputs: {', '.join(inputs)}")


def _interval(where: str, parameter: Parameter, interval: Interval | None) -> Interval:
    ctype = parameter.ctype
    if interval is None:
        return Interval(0.0, 1.0) if ctype.kind == "int" and ctype.lo == 0.0 else Interval(-1.0, 1.0)
    shown = f"{where}: domain {parameter.name}={interval.lo:.12g}:{interval.hi:.12g}"
    if ctype.kind == "int" and not ctype.lo <= interval.lo < interval.hi <= ctype.hi:
        raise UsageError(f"{shown} does not fit {ctype.name}", f"{ctype.name} holds {int(ctype.lo)} to {int(ctype.hi)}")
    if ctype.kind == "int" and math.ceil(interval.lo) > math.floor(interval.hi):
        raise UsageError(f"{shown} holds no whole number", f"{parameter.name} is {ctype.name}")
    return interval


def _free(name: str, taken: set[str]) -> str:
    """Return `name`, with underscores behind it until nothing else has it, and take it."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name

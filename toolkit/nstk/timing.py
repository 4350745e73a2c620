"""What original and surrogate cost on this machine's CPU, timed in C."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.errors import MisbehaviorError
from nstk.program import Parameter, Program
from nstk.resources import render, resource_dir
from nstk.toolchain import build, cpu_name, find_compiler
from nstk.wrapper import FORMS

Array = NDArray[np.float64]

#: Elements of one batch.
ELEMENTS = 4096

_WINDOWS = 25
_WINDOW_SECONDS = 0.0025
_BUDGET_SECONDS = 0.25  # per side and build, more only for functions slower than 80 ms
_LIMIT_SECONDS = 120.0
_STANDARD = "-std=gnu11"
_SCALAR = "-O2"
_BATCH = "-O3 -march=native"
_FAST = f"{_BATCH} -ffast-math"


def time_host(
    program: Program,
    header_text: str,
    x: Array,
    *,
    callee: str | None = None,
    rivals: Mapping[str, str] | None = None,
    cflags: Sequence[str] = (),
    includes: Sequence[Path] = (),
) -> dict[str, Any]:
    """Time the original and its surrogate side by side, built with one compiler and equal flags.

    Three builds: scalar calls one element at a time at -O2; batches of 4,096 in structure-of-arrays form at
    -O3 -march=native, the original in a loop the compiler may vectorize, with its own argument types; and the same with
    -ffast-math. Takes about two seconds, the first time, for functions up to a millisecond.

    Args:
        program: The original.
        header_text: The surrogate's header.
        x: (N, I) inputs inside the domain; repeated or cut to 4,096.
        callee: Name of the drop-in surrogate, where it is not `<function>_surrogate`.
        rivals: Headers of other drop-ins by their functions' names: one call of each is timed beside.
        cflags: The user's compiler flags, for both sides.
        includes: Folders searched for headers.

    Returns:
        `original_ns`, `surrogate_ns` (scalar), `original_batch_ns`, `surrogate_batch_ns`: medians in nanoseconds per
        evaluation; `speedup`, `batch_speedup`: their ratios; `fast_math`: the batch keys again, with -ffast-math;
        `flags`, `compiler`, `cpu`, `elements`; `spread`: for each time its `min`, `iqr` (interquartile range) and
        number of `windows`; `rivals_ns`, if there are any: their medians by name.

    Raises:
        ToolError: The harness does not compile.
        MisbehaviorError: The program crashed or took longer than two minutes while timed.
    """
    batch_text = timing_source(program, header_text, callee)
    text = timing_source(program, header_text, callee, rivals) if rivals else batch_text
    origin = f"{program.file}:{program.line}"
    user = [*cflags, _STANDARD] if cflags else []  # the harness needs POSIX clocks whatever the user's flags say

    def build_one(flags: str) -> Path:
        ours = [*flags.split(), _STANDARD, "-w"]
        return build(
            text if flags == _SCALAR else batch_text,
            flags=ours,
            shared=False,
            includes=includes,
            cflags=user,
            origin=origin,
        )

    with ThreadPoolExecutor(2) as pool:
        scalar, batch, fast = pool.map(build_one, (_SCALAR, _BATCH, _FAST))
    calls = _measure(program, scalar, "scalar", x)
    bench = _compare("", calls)
    if rivals:
        bench["rivals_ns"] = dict(zip(rivals, np.median(calls[:, 2:], axis=0).tolist(), strict=True))
    batches = _compare("batch_", _measure(program, batch, "batch", x))
    bench |= batches | {"spread": bench["spread"] | batches["spread"]}
    bench["fast_math"] = _compare("batch_", _measure(program, fast, "batch", x)) | {"flags": " ".join([_FAST, *cflags])}
    bench["flags"] = " ".join([f"{_SCALAR}, batch {_BATCH}", *cflags])
    return bench | {"compiler": find_compiler().version, "cpu": cpu_name(), "elements": ELEMENTS}


def _compare(way: str, windows: Array) -> dict[str, Any]:
    """Return medians, their ratio and spreads of windows (W, 2 or more): nanoseconds of original and surrogate."""
    low, median, high = np.percentile(windows, (25, 50, 75), axis=0)
    found: dict[str, Any] = {f"{way}speedup": float(median[0] / median[1]), "spread": {}}
    for side, name in enumerate(("original", "surrogate")):
        key = f"{name}_{way}ns"
        found[key] = float(median[side])
        spread = {"min": float(windows[:, side].min()), "iqr": float(high[side] - low[side]), "windows": len(windows)}
        found["spread"][key] = spread
    return found


def _measure(program: Program, executable: Path, mode: str, x: Array) -> Array:
    """Run one build over x (N, I); return (windows, sides) nanoseconds per evaluation."""
    with tempfile.TemporaryDirectory(prefix="nstk-") as name:
        inputs, results = Path(name) / "inputs", Path(name) / "results"
        inputs.write_bytes(np.resize(x, (ELEMENTS, x.shape[1])).astype(np.float64).tobytes())
        null = subprocess.DEVNULL  # the program may print: results go to a file
        command = [str(executable), mode, str(inputs), str(results)]
        process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
        try:
            status = process.wait(_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if status != 0:
            what = f"took longer than {_LIMIT_SECONDS:g} s" if status is None else f"ended with status {status}"
            hint = "it ran in the sandbox: does it depend on what ran before?"
            raise MisbehaviorError(f"{program.name} {what} while it was timed", hint)
        lines = results.read_text().splitlines()[1:]  # the first holds the sum of all outputs
    return np.array([[float(value) for value in line.split()] for line in lines])


def timing_source(
    program: Program, header_text: str, callee: str | None = None, rivals: Mapping[str, str] | None = None
) -> str:
    """Return the C text of the timing harness: the program, the surrogate and a `main` that compares them.

    Rivals come as in `time_host`; one call of them is compared, but no batch.
    """
    surrogate = callee or program.name + FORMS["drop-in"]
    fields, copies, row_call, row_outputs = row_parts(program)
    ins = [(f"nstk_in{i}", column.ctype.name) for i, column in enumerate(program.inputs)]
    outs = [(f"nstk_out{o}", column.ctype.name) for o, column in enumerate(program.outputs)]
    float_ins = [(f"nstk_float_in{i}", "float") for i in range(len(ins))]
    float_outs = [(f"nstk_float_out{o}", "float") for o in range(len(outs))]
    fills = [f"{name}[nstk_i] = nstk_x[{i}];" for arrays in (ins, float_ins) for i, (name, _) in enumerate(arrays)]
    row_inputs = [field for parameter, field in row_fields(program) if parameter.role in ("value", "array")]
    fills += [f"nstk_rows[nstk_i].{field} = nstk_x[{i}];" for i, field in enumerate(row_inputs)]
    sums = [f"nstk_sum += (double){name}[nstk_i];" for name, _ in [*outs, *float_outs]]
    sums += [f"nstk_sum += (double)nstk_rows[nstk_i].{field};" for field in row_outputs]
    parameters = ["size_t nstk_m", *(f"const {ctype} *restrict {name}" for name, ctype in ins)]
    parameters += [f"{ctype} *restrict {name}" for name, ctype in outs]
    sides = [
        {"name": "original", "call": row_call.format(program.name), "batch_call": _call("nstk_loop", [*ins, *outs])},
        {
            "name": "surrogate",
            "call": row_call.format(surrogate),
            "batch_call": _call(f"{surrogate}_batch", [*float_ins, *float_outs]),
        },
    ]
    others = [{"name": name, "call": row_call.format(name)} for name in rivals or ()]
    return render(
        "host_timing.c.j2",
        source=program.source,
        function=program.name,
        header="\n\n".join([header_text, *(rivals or {}).values()]),
        timer=(resource_dir("runtime_c") / "window_timer.h").read_text(),
        elements=ELEMENTS,
        windows=_WINDOWS,
        window_seconds=_WINDOW_SECONDS,
        budget_seconds=_BUDGET_SECONDS,
        inputs=len(ins),
        fields=fields,
        copies=copies,
        arrays=[{"name": name, "ctype": ctype} for name, ctype in [*ins, *outs, *float_ins, *float_outs]],
        sides=sides,
        others=others,
        loop={"parameters": ", ".join(parameters), "body": _loop_body(program)},
        fills=fills,
        sums=sums,
    )


def _call(callee: str, arrays: list[tuple[str, str]]) -> str:
    return f"{callee}({', '.join(['nstk_m', *(name for name, _ in arrays)])});"


def row_fields(program: Program) -> Iterator[tuple[Parameter, str]]:
    """Yield every scalar of `struct nstk_row` but the return value, in order, with its parameter."""
    for number, parameter in enumerate(program.parameters):
        for k in range(parameter.size):
            yield parameter, f"nstk_v{number}[{k}]"


def row_parts(program: Program) -> tuple[list[str], list[str], str, list[str]]:
    """Return the fields of `struct nstk_row`, which holds one call's arguments and results, and how to call with it.

    Returns:
        The struct's fields; statements that copy what a callee may overwrite; the call through `nstk_r`, with `{}` for
        the callee; and the fields that are outputs.
    """
    fields, copies, arguments = [], [], []
    for number, parameter in enumerate(program.parameters):
        ctype, field, local = parameter.ctype.name, f"nstk_v{number}", f"nstk_a{number}"
        fields.append(f"{ctype} {field}[{parameter.size}];")
        if parameter.role == "value":
            arguments.append(f"nstk_r->{field}[0]")
        elif parameter.role == "array" and "const" not in parameter.declaration:  # the callee may write there
            copies += [f"{ctype} {local}[{parameter.size}];", f"memcpy({local}, nstk_r->{field}, sizeof {local});"]
            arguments.append(f"(void *){local}")
        else:
            arguments.append(f"(void *)nstk_r->{field}")
    outputs = [field for parameter, field in row_fields(program) if parameter.role in ("pointer", "output_array")]
    call = f"{{}}({', '.join(arguments)});"
    if program.returns is not None:
        fields.append(f"{program.returns.name} nstk_result;")
        outputs.append("nstk_result")
        call = f"nstk_r->nstk_result = {call}"
    return fields, copies, call, outputs


def _loop_body(program: Program) -> list[str]:
    """Return the statements of the original's batch loop: one element, inputs and outputs in arrays of their own."""
    before, arguments, after = [], [], []
    ins = (f"nstk_in{i}[nstk_i]" for i in range(len(program.inputs)))
    outs = (f"nstk_out{o}[nstk_i]" for o in range(len(program.outputs)))
    result = f"{next(outs)} = " if program.returns is not None else ""
    for number, parameter in enumerate(program.parameters):
        local = f"nstk_a{number}"
        declaration = f"{parameter.ctype.name} {local}[{parameter.size}]"
        if parameter.role == "value":
            arguments.append(next(ins))
            continue
        arguments.append(f"(void *){local}")
        if parameter.role == "array":
            before.append(f"{declaration} = {{{', '.join(next(ins) for _ in range(parameter.size))}}};")
        else:
            before.append(f"{declaration};")
            after += [f"{next(outs)} = {local}[{k}];" for k in range(parameter.size)]
    return [*before, f"{result}{program.name}({', '.join(arguments)});", *after]

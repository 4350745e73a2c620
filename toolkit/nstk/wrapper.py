"""Writes the C function `nstk_run`, through which a program or its surrogate is run over whole arrays."""

from collections.abc import Iterator

from nstk.errors import UsageError
from nstk.program import Parameter, Program
from nstk.resources import render

#: How a callee takes its arguments; the value is the suffix of the surrogate's function.
FORMS = {"drop-in": "_surrogate", "float": "_surrogate_f", "batch": "_surrogate_batch", "int16": "_surrogate_q"}


def run_wrapper(
    program: Program, callee: str | None = None, *, header: str | None = None, form: str = "drop-in"
) -> str:
    """Return C text that defines `void nstk_run(size_t n, const double *x, double *y, volatile size_t *progress)`.

    x is (n, I) and y (n, O), row-major. Values are converted to the callee's exact types. Outputs the callee does not
    write come out as NaN (floating types) or differ from run to run (integers).

    Args:
        program: Its signature is called; its source is the start of the text, unless `header` is given.
        callee: Name of the function to call; default the program's own, or with `header` the surrogate's.
        header: Text of a surrogate header that stands in place of the program's source.
        form: `drop-in` (the program's own signature), `float` (all inputs and outputs flattened floats: one output is
            the return value, several go through pointers), `int16` (the same in int16), or `batch` (structure of
            arrays).

    Raises:
        UsageError: Unknown form.
    """
    if form not in FORMS:
        raise UsageError(f"unknown form '{form}' of a callee", f"choose one of {', '.join(FORMS)}")
    name = callee or (program.name if header is None else program.name + FORMS[form])
    if form == "drop-in":
        setup, call, stores = _exact_call(program, name)
    elif form in ("float", "int16"):
        setup, call, stores = _flat_call(program, name, "float" if form == "float" else "short")
    else:
        setup, call, stores = _batch_call(program, name)
    return render(
        "run_wrapper.c.j2",
        source=program.source if header is None else header,
        callee=name,
        batch=form == "batch",
        inputs=len(program.inputs),
        outputs=len(program.outputs),
        setup=setup,
        call=call,
        stores=stores,
    )


def _exact_call(program: Program, callee: str) -> tuple[list[str], str, list[str]]:
    setup, arguments = [], []
    stores: list[str] = []
    x = iter(range(len(program.inputs)))
    y = iter(range(len(program.outputs)))
    result = f"nstk_y[{next(y)}] = (double)" if program.returns is not None else ""
    for number, parameter in enumerate(program.parameters):
        local = f"nstk_{number}"
        if parameter.role == "value":
            arguments.append(f"nstk_x[{next(x)}]")  # converts as the prototype says
        elif parameter.role == "array":
            elements = ", ".join(f"nstk_x[{next(x)}]" for _ in range(parameter.size))
            setup.append(f"{parameter.ctype.name} {local}[{parameter.size}] = {{{elements}}};")
            arguments.append(f"(void *){local}")  # whatever its declared shape
        else:
            setup.extend(_output_local(parameter, local))
            stores.extend(f"nstk_y[{next(y)}] = (double){local}[{k}];" for k in range(parameter.size))
            arguments.append(f"(void *){local}")
    return setup, f"{result}{callee}({', '.join(arguments)});", stores


def _output_local(parameter: Parameter, local: str) -> Iterator[str]:
    """Yield the local array an output goes through, filled so that a missing write shows."""
    yield f"{parameter.ctype.name} {local}[{parameter.size}];"
    if parameter.ctype.kind == "int":
        yield f"__builtin_memset({local}, nstk_colour, sizeof {local});"
    else:
        yield from (f'{local}[{k}] = __builtin_nan("");' for k in range(parameter.size))


def _flat_call(program: Program, callee: str, ctype: str) -> tuple[list[str], str, list[str]]:
    arguments = [f"({ctype})nstk_x[{i}]" for i in range(len(program.inputs))]
    count = len(program.outputs)
    if count == 1:
        return [], f"nstk_y[0] = (double){callee}({', '.join(arguments)});", []
    arguments += [f"&nstk_out[{o}]" for o in range(count)]
    stores = [f"nstk_y[{o}] = (double)nstk_out[{o}];" for o in range(count)]
    return [f"{ctype} nstk_out[{count}];"], f"{callee}({', '.join(arguments)});", stores


def _batch_call(program: Program, callee: str) -> tuple[list[str], str, list[str]]:
    ins = [f"nstk_in[{i}]" for i in range(len(program.inputs))]
    outs = [f"nstk_out[{o}]" for o in range(len(program.outputs))]
    return [], f"{callee}({', '.join(['nstk_count', *ins, *outs])});", []

"""Generated programs: numeric C functions as people write them, composed of idioms or drawn from a grammar.

Program `i` of a seed depends on the seed and on `i` only.
"""

import re
from collections.abc import Iterator
from random import Random

from nstk.corpus.candidate import MAX_TOKENS, Candidate
from nstk.corpus.generation.grammar import write_random_function
from nstk.corpus.generation.idioms import Body, Idiom, local_name, near, read, render
from nstk.corpus.generation.idioms_colours import colours_idioms
from nstk.corpus.generation.idioms_geometry import geometry_idioms
from nstk.corpus.generation.idioms_grids import grids_idioms
from nstk.corpus.generation.idioms_iterations import iterations_idioms
from nstk.corpus.generation.idioms_physics import physics_idioms
from nstk.corpus.generation.idioms_series import series_idioms
from nstk.corpus.generation.idioms_signals import signals_idioms
from nstk.corpus.generation.idioms_statistics import statistics_idioms
from nstk.corpus.generation.idioms_vectors import vectors_idioms
from nstk.corpus.generation.writing import Draft, write_function

IDIOMS: tuple[Idiom, ...] = (
    *vectors_idioms(),
    *geometry_idioms(),
    *grids_idioms(),
    *signals_idioms(),
    *colours_idioms(),
    *series_idioms(),
    *iterations_idioms(),
    *physics_idioms(),
    *statistics_idioms(),
)
#: Families of generated programs.
FAMILIES: tuple[str, ...] = (*sorted({known.family for known in IDIOMS}), "grammar", "short")

_LICENCE = "Apache-2.0"
_MAX_ARGUMENTS = 9
# Reading is learned from the short ones: those that idioms make have 100 tokens, real functions 43 (medians).
_SHORT = 2 / 3  # share of programs that are an expression or two
_GRAMMAR = 0.25  # share of the others that are drawn from the grammar
# Real code has 59 % one-argument functions; many arguments are what surrogates find hard.
_ARGUMENTS = (1,) * 20 + (2,) * 20 + (3,) * 14 + (4,) * 12 + (5,) * 9 + (6,) * 9 + (7,) * 5 + (8,) * 5 + (9,) * 6
_FEW_ARGUMENTS = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4)  # of short programs
# What a value goes through at the end; %v is the value, as one name or in parentheses.
_ENDS = tuple(read(text) for text in (
    "sqrt(fabs(%v))", "sqrt(%v * %v + @0.1)", "exp(-fabs(%v))", "exp(-%v * %v)", "sin(%v)", "cos(@2.0 * %v)",
    "tanh(%v)", "tanh(@2.0 * %v)", "sigmoid(%v)", "sigmoid(@3.0 * %v)", "1.0 / (1.0 + exp(-%v))",
    "%v / (1.0 + fabs(%v))", "atan(%v)", "log(1.0 + fabs(%v))", "clamp(%v, 0.0, 1.0)", "clamp(%v, -@1.0, @1.0)",
    "fmax(0.0, %v)", "fmin(%v, @1.0)", "@1.0 * %v", "@1.0 * %v + @~1.0", "@1.0 - %v", "%v * %v", "%v * %v * %v",
    "(%v + @0.5) / @2.0", "%v - @0.5", "%v > @1.0 ? @1.0 : %v", "%v < 0.0 ? @0.2 * %v : %v", "fabs(%v)",
    "fabs(%v - @0.5)", "1.0 - @0.5 * %v * %v",
))  # fmt: skip
# How two values meet.
_JOINS = tuple(read(text) for text in (
    "%u + %v", "%u - %v", "%u * %v", "@1.0 * %u + @1.0 * %v", "%u + @~1.0 * %v", "%u * (1.0 + @0.5 * %v)",
    "fmax(%u, %v)", "fmin(%u, %v)", "sqrt(%u * %u + %v * %v)", "sqrt(@1.0 * %u * %u + %v * %v)",
    "fabs(%u) + fabs(%v)", "%u / (1.0 + fabs(%v))", "%u * exp(-fabs(%v))", "atan2(%u, fabs(%v) + @1.0)",
    "%u > %v ? %u : @0.5 * %v", "%u * cos(%v)", "0.5 * (%u + %v)", "lerp(%u, %v, @0.5)", "%v < 0.0 ? %u : %u + %v",
    "%u * %v + @~0.5 * (%u + %v)", "sin(%u + %v)", "exp(-%u * %u - %v * %v)",
))  # fmt: skip
# What happens to an argument before it is used, in place or in a new local.
_STARTS = tuple(read(text) for text in (
    "@1.0 * %v", "fabs(%v)", "%v + @~1.0", "0.5 * (%v + 1.0)", "@2.0 * %v", "clamp(%v, 0.0, 1.0)", "%v * %v",
    "(%v - @~0.5) / @1.0", "@1.5 * %v + @~0.5", "%v < 0.0 ? -%v : %v", "fmax(%v, @~0.5)", "%v / @1.5",
    "%v * M_PI / @2.0", "sin(@1.5 * %v)", "%v * fabs(%v)",
))  # fmt: skip
_RESULTS = (
    "v", "val", "r", "res", "result", "tmp", "u", "s", "y", "z", "a", "b", "d", "w", "base", "value", "f1", "part",
    "out", "t1", "scaled",
)  # fmt: skip
_CALL = re.compile(r"\w+(?:\([^()]*\))?")
_PREFIXES = (
    "calc_",
    "get_",
    "compute_",
    "my_",
    "fast_",
    "eval_",
    "do_",
    "f_",
    "math_",
    "util_",
    "dsp_",
    "gfx_",
    "phys_",
)
_SUFFIXES = ("_f", "_approx", "2", "_at", "_val", "_fn", "_step", "_impl", "_1", "_norm", "_fast", "_d")


def _ways_by_arity() -> dict[int, list[list[tuple[Idiom, Body]]]]:
    """Return the ways to write a program of each number of arguments, grouped by family."""
    found: dict[int, dict[str, list[tuple[Idiom, Body]]]] = {n: {} for n in range(1, _MAX_ARGUMENTS + 1)}
    for known in IDIOMS:
        for body in known.bodies:
            least = len(known.inputs[0])
            for n in range(least, min(least + len(known.promotable(body)), _MAX_ARGUMENTS) + 1):
                found[n].setdefault(known.family, []).append((known, body))
    return {n: list(families.values()) for n, families in found.items()}


_WAYS = _ways_by_arity()


def generate(seed: int, count: int) -> Iterator[Candidate]:
    """Yield generated programs.

    Args:
        seed: Of the run.
        count: How many; a larger count continues a smaller one.

    Yields:
        Candidates of origin `generated` with 1 to 9 inputs and at most 512 tokens. Most, not all, are finite, below 10
        in size and not constant on inputs from [-1, 1]; some behave alike.
    """
    for index in range(count):
        rng = Random(f"{seed}/{index}")
        candidate = _write(rng)
        while len(candidate.text) > 2 * MAX_TOKENS and candidate.tokens > MAX_TOKENS:
            candidate = _write(rng)
        yield candidate


def _write(rng: Random) -> Candidate:
    draft = Draft(rng)
    short = rng.random() < _SHORT
    arguments = rng.choice(_FEW_ARGUMENTS if short else _ARGUMENTS)
    if short or rng.random() < _GRAMMAR:
        family, name, value = "short" if short else "grammar", *write_random_function(draft, arguments, short)
    else:
        family, name, value = _write_idioms(draft, arguments)
    name = _name_function(draft, name)
    return Candidate(
        text=draft.finish(name, value),
        name=name,
        inputs=len(draft.parameters),
        licence=_LICENCE,
        origin="generated",
        family=family,
    )


def _write_idioms(draft: Draft, arguments: int) -> tuple[str, str, str]:
    """Write a program of one or two idioms; return its family, a name for it and its value."""
    rng = draft.rng
    if rng.random() < (0.85 if arguments == 1 else 0.65 if arguments < 6 else 0.55):
        chosen, body = _choose(rng, arguments)
        names = _declare(draft, chosen, body, arguments)
        _start(draft, names, _used_inputs(chosen, body))
        value = _place(draft, chosen, body, names, alone=True)
        return chosen.family, rng.choice(chosen.names), _end(draft, value, 0.4)
    first, value = _write_part(draft, rng.randint(1, max(arguments - 1, 1)))
    rest = arguments - len(draft.parameters)
    if rest == 0 or rng.random() < 0.3:  # the first value is an input of the second idiom
        second, body = _choose(rng, rest + 1)
        names = _declare(draft, second, body, rest + 1, {rng.choice(_used_inputs(second, body)): value})
        value = _place(draft, second, body, names)
        return second.family, rng.choice(second.names), _end(draft, value, 0.3)
    second, other = _write_part(draft, rest)
    if rng.random() < 0.4:
        rng.shuffle(draft.parameters)
    joined = render(rng.choice(_JOINS), rng, {"%u": value, "%v": other}.__getitem__)
    return first.family, rng.choice(rng.choice((first, second)).names), _end(draft, joined, 0.3)


def _write_part(draft: Draft, arguments: int) -> tuple[Idiom, str]:
    """Write an idiom whose value is a local variable; return it and the variable."""
    rng = draft.rng
    chosen, body = _choose(rng, arguments)
    names = _declare(draft, chosen, body, arguments)
    if rng.random() < 0.5:
        _start(draft, names, _used_inputs(chosen, body))
    value = _place(draft, chosen, body, names)
    return chosen, draft.new_local(rng.choice(_RESULTS), value)


def _choose(rng: Random, arguments: int) -> tuple[Idiom, Body]:
    return rng.choice(rng.choice(_WAYS[arguments]))


def _used_inputs(chosen: Idiom, body: Body) -> list[str]:
    return [name for name in chosen.inputs[0] if name in body.names]


def _declare(
    draft: Draft, chosen: Idiom, body: Body, arguments: int, given: dict[str, str] | None = None
) -> dict[str, str]:
    """Make an idiom's inputs, and as many of its constants as it takes, parameters of the program.

    Args:
        draft: The program.
        chosen: The idiom.
        body: How it is written.
        arguments: Number of parameters, those in `given` included.
        given: What stands for an input already.

    Returns:
        What stands for each input and each of those constants.
    """
    rng = draft.rng
    inputs = chosen.inputs[0]
    called = chosen.inputs[int(rng.random() * len(chosen.inputs))]
    constants = chosen.promotable(body)
    promoted = rng.sample(constants, arguments - len(inputs))
    if rng.random() < 0.8:
        promoted.sort(key=constants.index)
    names = dict(given or {})
    for name, wanted in [*zip(inputs, called, strict=True), *zip(promoted, promoted, strict=True)]:
        if name not in names:
            names[name] = draft.new_name(wanted)
            draft.parameters.append(names[name])
    return names


def _start(draft: Draft, names: dict[str, str], used: list[str]) -> None:
    """Now and then, transform an input before it is used."""
    rng = draft.rng
    if rng.random() > 0.35:
        return
    name = rng.choice(used)
    value = render(rng.choice(_STARTS), rng, lambda _: names[name])
    if rng.random() < 0.4:
        draft.statements.append(f"{names[name]} = {value};")
    else:
        names[name] = draft.new_local(rng.choice(_RESULTS), value)


def _place(draft: Draft, chosen: Idiom, body: Body, names: dict[str, str], alone: bool = False) -> str:
    """Write an idiom into the program, in place or as a helper function or macro, and return its value."""
    rng = draft.rng
    helper = (body.early and not alone) or rng.random() < (0.12 if alone else 0.25)
    inner = {f"${name}": name for name in names} if helper else {f"${name}": value for name, value in names.items()}

    def name_of(mark: str) -> str:
        if mark not in inner:
            if mark[0] == "$":
                literal = near(rng, str(chosen.constants[mark[1:]]))
                inner[mark] = literal if helper else draft.new_constant(mark[1:], literal)
            elif helper:
                wanted = local_name(mark[1:], rng)
                while wanted in inner.values():
                    wanted += "_"
                inner[mark] = wanted
            else:
                inner[mark] = draft.new_name(local_name(mark[1:], rng))
        return inner[mark]

    statements, value = render(body.statements, rng, name_of), render(body.value, rng, name_of)
    if not helper:
        if statements:
            draft.statements.append(statements)
        return value
    name = draft.new_name(rng.choice(chosen.names))
    draft.helpers.append(write_function(name, list(names), statements, value, rng))
    return f"{name}({', '.join(names.values())})"


def _end(draft: Draft, value: str, probability: float) -> str:
    """With a probability, return a function of the value, else the value."""
    rng = draft.rng
    if rng.random() >= probability:
        return value
    end = rng.choice(_ENDS)
    if not value.isidentifier():
        if sum(part == "%v" for part in end) > 1 or rng.random() < 0.3:
            value = draft.new_local(rng.choice(_RESULTS), value)
        else:
            value = value if _CALL.fullmatch(value) else f"({value})"
    return render(end, rng, lambda _: value)


def _name_function(draft: Draft, name: str) -> str:
    """Return the function's name in one of the usual styles."""
    rng = draft.rng
    style = rng.random()
    if style < 0.2:
        name = rng.choice(_PREFIXES) + name
    elif style < 0.35:
        name += rng.choice(_SUFFIXES)
    if rng.random() < 0.2:
        first, *others = name.split("_")
        name = first + "".join(other.title() for other in others)
    return draft.new_name(name)

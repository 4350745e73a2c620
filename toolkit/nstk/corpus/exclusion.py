"""Programs that must never enter the corpus: everything under `examples/`, where ParrotBench's four programs are too.

They are known by their text, whatever the names in it, and by their behaviour, whatever the order of the arguments and
the scale of the output.
"""

import functools
import re

import numpy as np
from numpy.typing import NDArray

from nstk.c_text import lex
from nstk.corpus.behaviour import Fingerprint, fingerprint, fingerprint_inputs, same_fingerprint
from nstk.preprocessor import preprocess
from nstk.program import Program, read_program
from nstk.resources import resource_dir
from nstk.sandbox import ProgramRunner

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFlL]?", re.ASCII)
_QUALIFIERS = frozenset(["const", "static", "inline", "register", "volatile"])


@functools.cache
def protected_programs() -> tuple[Program, ...]:
    """Read the programs under `examples/`, in the order of their files."""
    return tuple(read_program(path) for path in sorted(resource_dir("examples").glob("*.c")))


def protects_text(text: str, name: str) -> bool:
    """Tell whether the function `name` of a candidate's text is, up to its names, that of a protected program."""
    return _shape(text, name) in _protected_shapes()


def protects_outputs(outputs: NDArray[np.floating]) -> bool:
    """Tell whether a candidate with these outputs (608,) on `fingerprint_inputs` behaves as a protected program."""
    found = fingerprint(outputs)
    return any(same_fingerprint(found, known) for known in _protected_fingerprints())


def _shape(text: str, name: str) -> tuple[str, ...]:
    """Return the tokens of a function, its variables numbered in order of appearance.

    A name right before a parenthesis stays: what is called is what a function does. Qualifiers go, `float` and `double`
    count as one, as do `sqrt` and `sqrtf`, `1.0f` and `1.`.
    """
    found = re.search(rf"\b{name}\s*\([^;{{}}]*\)\s*\{{", text)
    tokens = [token for token in lex(text[found.start() :] if found else text) if token not in _QUALIFIERS]
    numbers: dict[str, str] = {}
    shape = []
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if _NUMBER.fullmatch(token):
            token = repr(float(token.rstrip("fFlL")))
        elif _NAME.fullmatch(token):
            token = token.removesuffix("f") if following == "(" else numbers.setdefault(token, f"v{len(numbers)}")
        shape.append(token)
    return tuple(shape)


@functools.cache
def _protected_shapes() -> frozenset[tuple[str, ...]]:
    return frozenset(_shape(preprocess(p.source).code, p.name) for p in protected_programs())


@functools.cache
def _protected_fingerprints() -> tuple[Fingerprint, ...]:
    """Run the protected programs (ours: natively) and take the fingerprint of every output and of its negative."""
    found = []
    for program in protected_programs():
        with ProgramRunner(program) as runner:
            outputs = runner.run(fingerprint_inputs()[:, : len(program.inputs)].astype(np.float64))  # (608, O)
        found += [fingerprint(sign * column) for column in outputs.T for sign in (1, -1)]
    return tuple(found)

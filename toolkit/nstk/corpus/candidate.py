"""The candidate: one self-contained numeric C function on its way into the corpus."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from nstk.c_text import lex

Origin = Literal["real", "mutant", "generated"]
MAX_TOKENS = 512  # the paper's limit
ORIGINS: tuple[Origin, ...] = ("real", "mutant", "generated")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Candidate:
    """A function of float and double arguments that returns float or double, with all it needs.

    Attributes:
        text: Self-contained C: `#define` lines, typedefs, constants and helpers first, the function last. No comments,
            no directive but one-line `#define`, printable ASCII, no `static`, `inline` or attributes on functions.
        name: The function's name.
        inputs: Number of its parameters, at least 1.
        package: Where it came from; empty for generated ones.
        file: Path inside the package.
        licence: SPDX expression, or what the source says.
        origin: `real`, `mutant` of a real one, or `generated`.
        parent: Id of a mutant's parent.
        family: Idiom a generated function belongs to, or the kind of mutation.
    """

    text: str
    name: str
    inputs: int
    package: str = ""
    file: str = ""
    licence: str = ""
    origin: Origin = "real"
    parent: str = ""
    family: str = ""

    @property
    def tokens(self) -> int:
        """Number of C tokens of the text."""
        return len(lex(self.text))

    @property
    def id(self) -> str:
        """16 hex digits of the text's hash, in which white space does not count."""
        return hashlib.sha256(" ".join(lex(self.text)).encode()).hexdigest()[:16]

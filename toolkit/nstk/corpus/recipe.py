"""What a corpus is made of: the presets and the choices of one build."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from nstk.corpus.inputs import VARYING
from nstk.corpus.sources import Source
from nstk.errors import UsageError

_FORMAT = 1  # of shards and rows: a build goes on only with its own


@dataclass(frozen=True)
class Preset:
    """A kind of corpus.

    Attributes:
        name: Its name.
        varying: How many leading arguments vary; the others are 1.0.
        outputs: Columns of the output; those behind the first are 0.0.
        domains: Random domains a real function is run on besides [-1, 1].
        other_domains: The same for mutants and generated functions.
        mutants: Children tried per real function of the training split.
        generated: Generated functions tried.
        beyond: Whether functions outside the paper's range on U(-1, 1) stay for the domains where they are finite.
    """

    name: str
    varying: int = VARYING
    outputs: int = 1
    domains: int = 0
    other_domains: int = 0
    mutants: int = 0
    generated: int = 0
    beyond: bool = False


#: `exestack` is ours; the two others follow the paper (ICML 2024) and its earlier draft.
PRESETS = {
    preset.name: preset
    for preset in (
        Preset("exestack", domains=12, other_domains=4, mutants=16, generated=180_000, beyond=True),
        Preset("exestack-cpn"),
        Preset("exestack-draft", varying=1, outputs=2),
    )
}


@dataclass(frozen=True)
class Recipe:
    """All choices that decide the bytes of a corpus.

    Attributes:
        preset: See `Preset`.
        sources: What is read, one task of extraction each.
        permissive: Whether only permissively licensed sources are kept.
        seed: Of mutation, generation and domains.
        shards: Tasks of every later stage, and files of the corpus.
    """

    preset: Preset
    sources: tuple[Source, ...]
    permissive: bool = False
    seed: int = 0
    shards: int = 32

    def record(self) -> dict[str, Any]:
        """Return the recipe as JSON can hold it."""
        record: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {"format": _FORMAT, **record}


def find_preset(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in PRESETS:
        raise UsageError(f"no preset '{name}'", f"presets: {', '.join(PRESETS)}")
    return PRESETS[name]

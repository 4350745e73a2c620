"""Tokens of program text: its outputs' formulas where it has some, else the text with names normalized.

A program computes the same under any names, so arguments become `arg0`, `arg1`, ... by position. In text that has no
formula other variables and functions become `var0`, `fun0`, ... by order of appearance, library functions keep their
names, without the `f` of their single-precision forms, and numbers are one token whose value is carried beside it. What
is left is a vocabulary of some 250 tokens.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nstk.c_text import lex
from nstk.hypernetwork.postfix import WORDS, list_formula
from nstk.symbolic.formulas import Argument, formulate
from nstk.symbolic.parsing import read_program
from nstk.symbolic.terms import Term
from nstk.symbolic.words import DROPPED, LIBRARY, NAMED_VALUES, TYPES, library_name, parse_number

MAX_TOKENS = 512  # [CLS] among them; of longer programs the end is kept, where the function itself stands

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
NUMBER = "num"
ARGUMENTS = tuple(f"arg{i}" for i in range(16))
_VARIABLES, _FUNCTIONS = 64, 24
_GROUP = 4  # tokens
_WORDS = {
    "keyword": """
        break case continue default define do else enum for goto if return sizeof struct switch typedef union while""",
    "punctuation": """
        ( ) { } [ ] ; , . ? : + - * / % & | ^ ~ ! = < > # ## -> ++ -- << >> <= >= == != && ||
        += -= *= /= %= &= |= ^= <<= >>= ...""",
}
_KEYWORDS, _PUNCTUATION = (_WORDS[kind].split() for kind in ("keyword", "punctuation"))
_IGNORED = re.compile(
    r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|/\*.*?\*/|//[^\n]*|^[ \t]*#[ \t]*include[^\n]*""", re.S | re.M
)


@dataclass(frozen=True, eq=False)
class Encoded:
    """One output's T tokens, `[CLS]` first.

    Attributes:
        ids: `(T,)` int64.
        numbers: `(T, 3)` float32: factor, constant or power, 0 for none; least and greatest value, 0 if not known.
        links: `(T, 2)` int64: places of what a token is computed from, 0 for none.
        levels: `(T,)` int64: 0 for tokens without links, else one more than any of those they link to.
        root: Place of the token that stands for the whole formula, the last; 0 for text without formula.
    """

    ids: NDArray[np.int64]
    numbers: NDArray[np.float32]
    links: NDArray[np.int64]
    levels: NDArray[np.int64]
    root: int


class ProgramTokenizer:
    """Turns program text into tokens: a formula's where the text has one, else the text's own.

    Args:
        tokenizer: As `build_tokenizer` makes it, or any WordPiece tokenizer for text as it stands.
        normalized: Formulas are looked for, names are normalized, and numbers are carried.
    """

    def __init__(self, tokenizer: Tokenizer, normalized: bool = True) -> None:
        self.tokenizer, self.normalized = tokenizer, normalized
        self._ids: dict[str, int] = tokenizer.get_vocab()

    def encode(
        self,
        text: str,
        name: str,
        ranges: Sequence[tuple[float, float]],
        arguments: Mapping[str, Argument] | None = None,
        outputs: int = 1,
    ) -> list[Encoded]:
        """Encode one program on one domain.

        Args:
            text: C text that ends with the function; comments and includes are skipped.
            name: The function's name.
            ranges: Least and greatest value of every input.
            arguments: What its parameters are; None if each gives one input.
            outputs: How many it has.

        Returns:
            One per output.
        """
        if not self.normalized:
            ids = self.tokenizer.encode(_strip(text)).ids
            return [_without_links(ids, np.zeros((len(ids), 3)))] * outputs
        ranges = [(float(low), float(high)) for low, high in ranges]
        try:
            roots = formulate(read_program(text), name, ranges, arguments)
            if len(roots) == outputs:
                return [self.encode_formula(root) for root in roots]
        except (ValueError, RecursionError):
            pass
        return [self._encode_text(text, name, ranges, arguments)] * outputs

    def words(self) -> list[str]:
        """Return the vocabulary, by number."""
        return sorted(self._ids, key=self._ids.__getitem__)

    def encode_formula(self, root: Term, most: int = MAX_TOKENS - 1) -> Encoded:
        """Encode a formula.

        Raises:
            TooComplexError: It has more than so many tokens.
        """
        listing = list_formula(root, most)
        links = np.array([(0, 0), *listing.links]) + 1  # [CLS] shifts places by one, and is 0
        links[0] = 0
        levels = [0]
        for own in links[1:].tolist():
            levels.append(max((levels[place] + 1 for place in own if place), default=0))
        numbers = _finite([(0.0, 0.0, 0.0), *listing.numbers])
        return Encoded(self._look_up(listing.words), numbers, links, np.array(levels), len(listing.words))

    def _encode_text(
        self, text: str, name: str, ranges: Sequence[tuple[float, float]], arguments: Mapping[str, Argument] | None
    ) -> Encoded:
        first = None if arguments is None else {n: a.first for n, a in arguments.items() if a.first is not None}
        words, values = normalize_text(text, name, first)
        words, values = words[1 - MAX_TOKENS :], values[1 - MAX_TOKENS :]
        reach = {f"arg{index}": ends for index, ends in enumerate(ranges)}
        numbers = [(value, *reach.get(word, (0.0, 0.0))) for word, value in zip(words, values, strict=True)]
        return _without_links(self._look_up(words), [(0.0, 0.0, 0.0), *numbers])

    def _look_up(self, words: Sequence[str]) -> NDArray[np.int64]:
        unknown = self._ids["[UNK]"]
        return np.array([self._ids["[CLS]"], *(self._ids.get(word, unknown) for word in words)], np.int64)


def _without_links(ids: Sequence[int] | NDArray[np.int64], numbers: ArrayLike) -> Encoded:
    """Encode text that has no formula: tokens link to the one before them, in groups of a few."""
    places = np.arange(len(ids))
    levels = places % _GROUP
    links = np.stack([np.where(levels > 0, places - 1, 0), np.zeros_like(places)], 1)
    return Encoded(np.array(ids, np.int64), _finite(numbers), links, levels, 0)


def _finite(numbers: ArrayLike) -> NDArray[np.float32]:
    return np.nan_to_num(np.array(numbers, np.float64), nan=0.0).clip(-3.4e38, 3.4e38).astype(np.float32)


class Text(NamedTuple):
    """What a hypernetwork reads of B programs' text, see `HyperNetwork.forward`.

    Attributes:
        input_ids: `(B, T)`.
        attention_mask: `(B, T)`.
        numbers: `(B, T, 3)`.
        links: `(B, T, 2)`.
        levels: `(B, T)`.
        root: `(B,)`.
    """

    input_ids: Tensor
    attention_mask: Tensor
    numbers: Tensor
    links: Tensor
    levels: Tensor
    root: Tensor


def pad(encoded: Sequence[Encoded]) -> Text:
    """Bring encoded programs to one length."""
    ids, numbers, links, levels = (
        pad_sequence([torch.tensor(getattr(e, name)) for e in encoded], batch_first=True)
        for name in ("ids", "numbers", "links", "levels")
    )
    lengths = torch.tensor([len(e.ids) for e in encoded])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    return Text(ids, mask, numbers, links, levels, torch.tensor([e.root for e in encoded]))


def build_tokenizer() -> Tokenizer:
    """Return the tokenizer of normalized text: words are apart by white space, the vocabulary is fixed."""
    words = [
        *_SPECIAL, NUMBER, "self",
        *ARGUMENTS,
        *(f"var{i}" for i in range(_VARIABLES)),
        *(f"fun{i}" for i in range(_FUNCTIONS)),
        *dict.fromkeys(TYPES.values()), *_KEYWORDS, *_PUNCTUATION, *LIBRARY, *WORDS,
    ]  # fmt: skip
    model = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    model.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    return model


def train_word_pieces(texts: Sequence[str], size: int = 30522) -> Tokenizer:
    """Learn BERT's kind of vocabulary from texts as they stand, for the paper's configuration without BERT."""
    from tokenizers import BertWordPieceTokenizer

    learner = BertWordPieceTokenizer(lowercase=True)
    learner.train_from_iterator(texts, vocab_size=size, show_progress=False, special_tokens=list(_SPECIAL))
    cls, sep = (learner.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    model: Tokenizer = learner._tokenizer
    model.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    model.enable_truncation(MAX_TOKENS)
    return model


def normalize_text(text: str, name: str, arguments: Mapping[str, int] | None = None) -> tuple[list[str], list[float]]:
    """Return the normalized words of a program and, for each, its literal's value or 0.

    Args:
        text: C text that ends with the function `name`.
        name: The function's name.
        arguments: Index of the first input each parameter gives; None to count parameters.
    """
    tokens = lex(_strip(text))
    start, found = _find_function(tokens, name)
    if arguments is None:
        arguments = {parameter: index for index, parameter in enumerate(found)}
    functions, variables = {name: "self"}, dict[str, str]()
    function_count, variable_count = count(), count()
    words: list[str] = []
    values: list[float] = []
    before = ""
    for place, token in enumerate(tokens):
        word, value = token, 0.0
        if token[0].isdigit() or (token[0] == "." and token != "." and token != "...") or token[0] == "'":
            word, value = NUMBER, parse_number(token)
        elif token[0].isalpha() or token[0] == "_":
            called = place + 1 < len(tokens) and tokens[place + 1] == "("
            if token in DROPPED:
                continue
            if token in TYPES:
                word = TYPES[token]
            elif token in _KEYWORD_SET:
                word = token
            elif place >= start and token in arguments:
                word = f"arg{arguments[token]}"
            elif token in functions:
                word = functions[token]
            elif token in variables:
                word = variables[token]
            elif token in NAMED_VALUES:
                word, value = NUMBER, float(NAMED_VALUES[token])
            elif called and before != "define" and before not in TYPES and (known := library_name(token)):
                word = known
            elif called:
                word = functions[token] = f"fun{next(function_count)}"
            else:
                word = variables[token] = f"var{next(variable_count)}"
        before = token
        words.append(word)
        values.append(value)
    return words, values


_KEYWORD_SET = frozenset(_KEYWORDS)


def _strip(text: str) -> str:
    """Return text without comments and includes."""
    return _IGNORED.sub(lambda match: match[1] or " ", text)


def _find_function(tokens: Sequence[str], name: str) -> tuple[int, list[str]]:
    """Return where the definition of `name` starts, and its parameters' names; (0, []) if it is not there."""
    depth, start = 0, -1
    for place, token in enumerate(tokens):
        depth += (token in "({") - (token in ")}") if len(token) == 1 else 0
        if token == name and depth == 0 and tokens[place + 1 : place + 2] == ["("]:
            start = place
    if start < 0:
        return 0, []
    names, depth, last = [], 0, ""
    for token in tokens[start + 1 :]:
        depth += (token in "([") - (token in ")]") if len(token) == 1 else 0
        if depth == 0 or (token == "," and depth == 1):
            names.append(last)
            last = ""
        elif depth == 1 and token.isidentifier():
            last = token
        if depth == 0:
            break
    return start, [found for found in names if found and found != "void"]

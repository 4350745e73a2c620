"""Tokens of program text: names normalized, literals as one token whose value is carried beside it.

A program computes the same under any names, so arguments become `arg0`, `arg1`, ... by position, other variables and
functions `var0`, `fun0`, ... by order of appearance. Library functions keep their names, without the `f` of their
single-precision forms. What is left is a vocabulary of some 200 tokens.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from nstk.c_text import lex

MAX_TOKENS = 512  # [CLS] among them; of longer programs the end is kept, where the function itself stands

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
NUMBER = "num"
ARGUMENTS = tuple(f"arg{i}" for i in range(16))
_VARIABLES, _FUNCTIONS = 64, 24
_WORDS = {
    "keyword": """
        break case continue default define do else enum for goto if return sizeof struct switch typedef union while""",
    "punctuation": """
        ( ) { } [ ] ; , . ? : + - * / % & | ^ ~ ! = < > # ## -> ++ -- << >> <= >= == != && ||
        += -= *= /= %= &= |= ^= <<= >>= ...""",
    "library": """
        abs acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp10 exp2 expm1 fabs fdim
        floor fma fmax fmin fmod frexp hypot ilogb isfinite isinf isnan j0 j1 jn ldexp lgamma log log10 log1p log2 logb
        lrint lround modf nearbyint nextafter pow remainder rint round scalbn signbit sin sincos sinh sqrt tan tanh
        tgamma trunc y0 y1 yn""",
    "int": "int short long char signed int8_t int16_t int32_t int64_t intptr_t ptrdiff_t",
    "unsigned": "unsigned uint8_t uint16_t uint32_t uint64_t uintptr_t size_t",
    "dropped": "const static inline volatile register restrict extern __inline __restrict",
}
_KEYWORDS, _PUNCTUATION, _LIBRARY = (_WORDS[kind].split() for kind in ("keyword", "punctuation", "library"))
#: Types by what they are to arithmetic; `float` and `double` differ by rounding only.
_TYPES = {
    **dict.fromkeys(("float", "double"), "float"),
    **dict.fromkeys(_WORDS["int"].split(), "int"),
    **dict.fromkeys(_WORDS["unsigned"].split(), "unsigned"),
    **dict.fromkeys(("bool", "_Bool"), "bool"),
    "void": "void",
}
_DROPPED = frozenset(_WORDS["dropped"].split())
_NAMED_VALUES = {
    "M_E": np.e, "M_LOG2E": np.log2(np.e), "M_LOG10E": np.log10(np.e), "M_LN2": np.log(2), "M_LN10": np.log(10),
    "M_PI": np.pi, "M_PI_2": np.pi / 2, "M_PI_4": np.pi / 4, "M_1_PI": 1 / np.pi, "M_2_PI": 2 / np.pi,
    "M_2_SQRTPI": 2 / np.sqrt(np.pi), "M_SQRT2": np.sqrt(2), "M_SQRT1_2": np.sqrt(0.5), "FLT_EPSILON": 2.0**-23,
    "DBL_EPSILON": 2.0**-52, "FLT_MAX": 3.4e38, "FLT_MIN": 1.2e-38, "DBL_MAX": 3.4e38, "DBL_MIN": 1.2e-38,
    "INT_MAX": 2.0**31, "INT_MIN": -(2.0**31), "UINT_MAX": 2.0**32, "INFINITY": 3.4e38, "HUGE_VAL": 3.4e38,
    "HUGE_VALF": 3.4e38, "NAN": 0.0, "NULL": 0.0, "true": 1.0, "false": 0.0,
}  # fmt: skip
_IGNORED = re.compile(
    r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|/\*.*?\*/|//[^\n]*|^[ \t]*#[ \t]*include[^\n]*""", re.S | re.M
)
_INTEGER = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+|\d+")


@dataclass(frozen=True, eq=False)
class Encoded:
    """One program's tokens.

    Attributes:
        ids: `(T,)` int64, `[CLS]` first.
        values: `(T,)` float32: values of the numeric literals, 0 for other tokens.
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float32]


class ProgramTokenizer:
    """Turns program text into tokens.

    Args:
        tokenizer: As `build_tokenizer` makes it, or any WordPiece tokenizer for text as it stands.
        normalized: Names are normalized and literals carry their values.
    """

    def __init__(self, tokenizer: Tokenizer, normalized: bool = True) -> None:
        self.tokenizer, self.normalized = tokenizer, normalized
        self._ids: dict[str, int] = tokenizer.get_vocab()

    def encode(self, text: str, name: str, arguments: Mapping[str, int] | None = None) -> Encoded:
        """Encode one program.

        Args:
            text: C text that ends with the function; comments and includes are skipped.
            name: The function's name.
            arguments: Index of the first input each parameter gives; None to count parameters.
        """
        if not self.normalized:
            ids = self.tokenizer.encode(_strip(text)).ids
            return Encoded(np.array(ids, np.int64), np.zeros(len(ids), np.float32))
        words, values = normalize_text(text, name, arguments)
        words, values = words[1 - MAX_TOKENS :], values[1 - MAX_TOKENS :]
        unknown = self._ids["[UNK]"]
        ids = [self._ids["[CLS]"], *(self._ids.get(word, unknown) for word in words)]
        return Encoded(np.array(ids, np.int64), np.array([0.0, *values], np.float32))


def build_tokenizer() -> Tokenizer:
    """Return the tokenizer of normalized text: words are apart by white space, the vocabulary is fixed."""
    words = [
        *_SPECIAL, NUMBER, "self",
        *ARGUMENTS,
        *(f"var{i}" for i in range(_VARIABLES)),
        *(f"fun{i}" for i in range(_FUNCTIONS)),
        *dict.fromkeys(_TYPES.values()), *_KEYWORDS, *_PUNCTUATION, *_LIBRARY,
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
            if token in _DROPPED:
                continue
            if token in _TYPES:
                word = _TYPES[token]
            elif token in _KEYWORD_SET:
                word = token
            elif place >= start and token in arguments:
                word = f"arg{arguments[token]}"
            elif token in functions:
                word = functions[token]
            elif token in variables:
                word = variables[token]
            elif token in _NAMED_VALUES:
                word, value = NUMBER, float(_NAMED_VALUES[token])
            elif called and before != "define" and before not in _TYPES and (known := _library_name(token)):
                word = known
            elif called:
                word = functions[token] = f"fun{next(function_count)}"
            else:
                word = variables[token] = f"var{next(variable_count)}"
        before = token
        words.append(word)
        values.append(value)
    return words, values


def parse_number(token: str) -> float:
    """Return the value of a C numeric or character literal, kept within float32; 0 if it is malformed."""
    if token[0] == "'":
        return float(ord(token[1])) if len(token) == 3 else 0.0
    plain = token.rstrip("lLuU")
    hexadecimal = plain[:2] in ("0x", "0X")
    if not hexadecimal:
        plain = plain.rstrip("fF")
    try:
        if _INTEGER.fullmatch(plain):
            octal = len(plain) > 1 and plain[0] == "0" and plain.isdigit()
            value = float(int(plain, 8 if octal else 0))
        else:
            value = float.fromhex(plain.rstrip("fF")) if hexadecimal else float(plain)
    except (ValueError, OverflowError):
        return 0.0
    return float(np.clip(value, -3.4e38, 3.4e38))


_KEYWORD_SET = frozenset(_KEYWORDS)
_LIBRARY_SET = frozenset(_LIBRARY)


def _strip(text: str) -> str:
    """Return text without comments and includes."""
    return _IGNORED.sub(lambda match: match[1] or " ", text)


def _library_name(token: str) -> str:
    """Return the library function a name means, without the `f` or `l` of its type; empty if it means none."""
    if token in _LIBRARY_SET:
        return token
    return token[:-1] if token[-1] in "fl" and token[:-1] in _LIBRARY_SET else ""


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

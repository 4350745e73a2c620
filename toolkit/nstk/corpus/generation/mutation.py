"""Mutants: real functions with one to three small edits of their text.

Edits replace single tokens at known places, so that names, array sizes and what is between them stay as they are.
"""

import bisect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from nstk.corpus.candidate import MAX_TOKENS, Candidate
from nstk.corpus.generation.idioms import decimal

_TOKEN = re.compile(
    r"""(?P<name>[A-Za-z_]\w*)|(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'
    |(?P<operator><<=|>>=|\.\.\.|[-+*/%&|^=!<>]=|&&|\|\||<<|>>|\+\+|--|->|\#\#|[^\s\w])""",
    re.VERBOSE | re.ASCII,
)
_REAL = re.compile(r"(\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?([fFlL]?)")
# Functions of one signature that stand in for each other.
_LIKE = (
    "sin cos tan atan sinh tanh erf", "sin cos", "sin cos", "exp expm1 exp2 cosh", "log log1p log2 log10",
    "sqrt cbrt fabs", "floor ceil round trunc rint", "asin acos atan", "tanh atan erf asinh", "fmin fmax",
    "fmin fmax fmod hypot", "pow hypot atan2 fmax", "sinh cosh tanh", "fabs sqrt", "erf erfc", "exp sin tanh",
    "log sqrt", "j0 j1", "y0 y1",
)  # fmt: skip
_SWAPS: dict[str, tuple[str, ...]] = {}
for _group in _LIKE:
    for _name in _group.split():
        _SWAPS[_name] = (*_SWAPS.get(_name, ()), *(other for other in _group.split() if other != _name))
_SWAPS |= {f"{name}f": tuple(f"{other}f" for other in others) for name, others in list(_SWAPS.items())}
_OPERATORS = {
    "+": "-*", "-": "+*", "*": "/+", "/": "*", "<": (">", "<="), ">": ("<", ">="), "<=": (">=", "<"), ">=": ("<=", ">"),
    "+=": ("-=",), "-=": ("+=",), "*=": ("/=",), "/=": ("*=",), "&&": ("||",), "||": ("&&",), "==": ("!=",),
    "!=": ("==",),
}  # fmt: skip
_USUAL = ("0.5", "1.0", "2.0", "0.25", "1.5", "0.1", "3.0", "0.75")
_SMALL = 1e-4  # tolerances and last terms of series: changing them changes nothing that shows
_LARGE = 1e30  # and bounds of a type
_STATEMENT_ENDS = {"enum": "}", "typedef": ";", "case": ":"}
_REALS = ("float", "double")
_NOT_READ = (".", "->", "&", "++", "--", "goto")
_WRITES = ("=", "+=", "-=", "*=", "/=", "++", "--", ":")
_TYPES = frozenset(
    "float double int unsigned signed long short char const void struct return static".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class _Token:
    """One token: its text, its span in the source, and whether it is a name, a number or an operator."""

    text: str
    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class _Edit:
    """A place that can change: a span, what kind of edit it is, and how new text is drawn."""

    start: int
    end: int
    kind: str
    draw: Callable[[Random], str]


def mutate(parent: Candidate, count: int, seed: int) -> list[Candidate]:
    """Return mutants of a function.

    Args:
        parent: A real function.
        count: How many are wanted.
        seed: Of the run; the same parent, count and seed give the same mutants.

    Returns:
        At most `count` candidates of origin `mutant`, all of different text and none equal to the parent; fewer where
        the text has few places to change. `family` is the kind of edit: `constant`, `operator`, `call`, `variable`, or
        `several`. They need not compile.
    """
    edits = _find_edits(parent)
    if not edits:
        return []
    # Constants make the most useful children, so they are drawn as often as all others together.
    kinds = sorted({edit.kind for edit in edits})
    by_kind = {kind: [edit for edit in edits if edit.kind == kind] for kind in kinds}
    weights = [3 if kind == "constant" else 1 for kind in kinds]
    rng = Random(f"{seed}/{parent.id}")
    seen = {parent.id}
    mutants: list[Candidate] = []
    for _ in range(4 * count):
        if len(mutants) == count:
            break
        chosen: list[_Edit] = []
        for kind in rng.choices(kinds, weights, k=rng.choice((1, 1, 1, 2, 2, 3))):
            edit = rng.choice(by_kind[kind])
            if all(edit.end <= other.start or other.end <= edit.start for other in chosen):
                chosen.append(edit)
        text = parent.text
        for edit in sorted(chosen, key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.draw(rng) + text[edit.end :]
        changed = {edit.kind for edit in chosen}
        family = changed.pop() if len(changed) == 1 else "several"
        mutant = replace(parent, text=text, origin="mutant", parent=parent.id, family=family)
        if mutant.id not in seen and mutant.tokens <= MAX_TOKENS:
            seen.add(mutant.id)
            mutants.append(mutant)
    return mutants


def _scan(text: str) -> list[_Token]:
    return [_Token(match[0], *match.span(), match.lastgroup or "text") for match in _TOKEN.finditer(text)]


def _find_edits(parent: Candidate) -> list[_Edit]:
    """Return every place of the text that may change."""
    tokens = _scan(parent.text)
    frozen, headers = _frozen_tokens(parent.text, tokens)
    indexed = any(token.text == "[" for token in tokens)
    own = {token.text for before, token in pairwise(tokens) if before.text in _TYPES or before.text == "define"}
    edits: list[_Edit] = []
    for at, (before, token, after) in enumerate(zip(tokens, tokens[1:], tokens[2:], strict=False), start=1):
        if at in frozen:
            continue
        if token.kind == "number":
            edits += _number_edits(token, whole=not indexed)
        elif token.text in _SWAPS and after.text == "(" and token.text not in own:
            others = [other for other in _SWAPS[token.text] if other not in own]
            edits += [_Edit(token.start, token.end, "call", _one_of(others))] if others else []
        elif token.text in _OPERATORS and at not in headers and _is_binary(tokens, at) and before.text != "define":
            edits.append(_Edit(token.start, token.end, "operator", _one_of(_OPERATORS[token.text])))
    return edits + _variable_edits(parent, tokens, frozen)


def _frozen_tokens(text: str, tokens: Sequence[_Token]) -> tuple[set[int], set[int]]:
    """Return indices of tokens that must stay, and of those in the headers of loops.

    Must stay: array sizes and indices, macros that these name, heads of macros, case labels, enums and typedefs.
    """
    frozen: set[int] = set()
    headers: set[int] = set()
    for at, token in enumerate(tokens):
        if token.text == "[":
            frozen.update(range(at, _closing(tokens, at, "[", "]")))
        elif token.text in _STATEMENT_ENDS:
            frozen.update(range(at, _closing(tokens, at, "", _STATEMENT_ENDS[token.text])))
        elif token.text in ("for", "while"):
            headers.update(range(at, _closing(tokens, at + 1, "(", ")")))
    sizes = {tokens[at].text for at in frozen if tokens[at].kind == "name"}
    starts = [token.start for token in tokens]
    for at, token in enumerate(tokens[:-1]):
        if token.text == "define":
            name = tokens[at + 1]
            last = name.end
            if name.text in sizes:
                last = (text + "\n").index("\n", last)
            elif text[last : last + 1] == "(":
                last = text.index(")", last)
            frozen.update(range(at, bisect.bisect_left(starts, last)))
    return frozen, headers


def _closing(tokens: Sequence[_Token], at: int, opening: str, closing: str) -> int:
    """Return the index after the token that closes what opens at `at`."""
    depth = 0
    for index in range(at, len(tokens)):
        if tokens[index].text == opening:
            depth += 1
        elif tokens[index].text == closing:
            depth -= 1
            if depth <= 0:
                return index + 1
    return len(tokens)


def _is_binary(tokens: Sequence[_Token], at: int) -> bool:
    """Tell whether an operator stands between two operands, casts and declarations of pointers left out."""
    before = tokens[at - 1]
    if before.text == ")":
        return tokens[at - 2].text not in _TYPES and tokens[at - 2].text != "*"
    return before.kind == "number" or before.text == "]" or (before.kind == "name" and before.text not in _TYPES)


def _one_of(options: Sequence[str]) -> Callable[[Random], str]:
    return lambda rng: rng.choice(options)


def _number_edits(token: _Token, whole: bool) -> list[_Edit]:
    """Return the edit of a literal: floating ones scaled, replaced or negated; whole ones moved by a step."""
    match = _REAL.fullmatch(token.text)
    if match is None:
        return []
    suffix = match[2]
    if "." not in token.text and "e" not in token.text.lower():
        if suffix or not whole or len(match[1]) > 3 or not int(match[1]):
            return []
        value = int(match[1])
        steps = [str(value + step) for step in (-2, -1, 1, 2) if value + step > 0]
        return [_Edit(token.start, token.end, "constant", _one_of(steps))]
    number = float(token.text[: len(token.text) - len(suffix)])
    if 0.0 < number < _SMALL or number > _LARGE:
        return []
    return [_Edit(token.start, token.end, "constant", lambda rng: _draw_literal(rng, number, suffix))]


def _draw_literal(rng: Random, value: float, suffix: str) -> str:
    kind = rng.random()
    if value == 0.0 or kind < 0.2:
        return rng.choice(_USUAL) + suffix
    if kind < 0.32:
        return f"(-{decimal(rng, abs(value))}{suffix})"
    return decimal(rng, abs(value) * math.exp(rng.gauss(0.0, 0.6))) + suffix


def _variable_edits(parent: Candidate, tokens: Sequence[_Token], frozen: set[int]) -> list[_Edit]:
    """Return the uses of real variables in the last function, each with the variables that could stand there."""
    heads = [at for at, token in enumerate(tokens[:-1]) if token.text == parent.name and tokens[at + 1].text == "("]
    if not heads:
        return []
    head = heads[-1]
    while head > 0 and tokens[head - 1].text not in _TYPES and len(heads) > 1:  # a recursive call
        heads.pop()
        head = heads[-1]
    body = _closing(tokens, head + 1, "(", ")")
    known: list[str] = []
    edits: list[_Edit] = []
    declared: list[str] = []  # by the statement being read: in reach from its end on
    for at in range(head + 2, len(tokens) - 1):
        token, before, after = tokens[at], tokens[at - 1].text, tokens[at + 1].text
        if token.text in (";", "{", ")") and (at < body or token.text != ")"):
            known += [name for name in declared if name not in known]
            declared = []
        if token.kind != "name" or after in ("(", "["):
            continue
        if before in _REALS or (before == "," and (declared or at < body) and after in (",", "=", ";")):
            declared.append(token.text)
        elif token.text in known and at not in frozen and before not in _NOT_READ and after not in _WRITES:
            others = [name for name in known if name != token.text]
            if others:
                edits.append(_Edit(token.start, token.end, "variable", _one_of(others)))
    return edits

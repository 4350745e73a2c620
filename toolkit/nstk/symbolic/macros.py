"""Macros of a program, expanded into tokens that a C parser takes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nstk.c_text import lex

_IGNORED = re.compile(r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|/\*.*?\*/|//[^\n]*""", re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(\w*)((?:\\\n|[^\n])*)\n?", re.MULTILINE)
_DEFINITION = re.compile(r"\s*([A-Za-z_]\w*)(\(([^)]*)\))?(.*)", re.DOTALL)
_MAX_TOKENS = 20_000  # that are looked at


@dataclass(frozen=True)
class _Macro:
    parameters: tuple[str, ...] | None
    body: tuple[str, ...]


def expand_macros(text: str) -> list[str]:
    """Return the tokens of a program's text without comments and directives, its own macros expanded.

    Raises:
        ValueError: A conditional is left, tokens are pasted, or macros expand without end.
    """
    text = _IGNORED.sub(lambda match: match[1] or " ", text)
    macros: dict[str, _Macro] = {}
    for keyword, rest in _DIRECTIVE.findall(text):
        if keyword == "define" and (found := _DEFINITION.match(rest.replace("\\\n", " "))):
            name, brackets, parameters, body = found.groups()
            names = tuple(p.strip() for p in parameters.split(",") if p.strip()) if brackets else None
            macros[name] = _Macro(names, tuple(lex(body)))
        elif keyword.startswith(("if", "el")):
            raise ValueError("a conditional")
    return _expand(lex(_DIRECTIVE.sub("\n", text)), macros, frozenset(), [_MAX_TOKENS])


def _expand(tokens: Sequence[str], macros: Mapping[str, _Macro], busy: frozenset[str], left: list[int]) -> list[str]:
    """Expand tokens; names in `busy` are being expanded, `left` counts those looked at down."""
    done: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        place += 1
        left[0] -= 1
        if left[0] < 0:
            raise ValueError("macros that are too long")
        macro = None if token in busy else macros.get(token)
        if macro is None or (macro.parameters is not None and tokens[place : place + 1] != ["("]):
            if token in ("##", "#"):
                raise ValueError("macros that paste tokens")
            done.append(token)
            continue
        body: Sequence[str] = macro.body
        if macro.parameters is not None:
            arguments, place = _split_arguments(tokens, place)
            if len(arguments) != len(macro.parameters) and (macro.parameters or arguments != [[]]):
                raise ValueError("a macro with other arguments")
            given = {
                name: _expand(argument, macros, busy, left)
                for name, argument in zip(macro.parameters, arguments, strict=False)
            }
            body = [word for part in macro.body for word in given.get(part, (part,))]
        done += _expand(body, macros, busy | {token}, left)
    return done


def _split_arguments(tokens: Sequence[str], opening: int) -> tuple[list[list[str]], int]:
    """Return the arguments in the brackets that open at a place, and the place behind them."""
    arguments: list[list[str]] = [[]]
    depth = 0
    for place in range(opening, len(tokens)):
        token = tokens[place]
        depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
        if depth == 0:
            return arguments, place + 1
        if token == "," and depth == 1:
            arguments.append([])
        elif place > opening:
            arguments[-1].append(token)
    raise ValueError("a bracket is not closed")

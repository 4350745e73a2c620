"""What is live in a source file: comments gone, conditionals evaluated, directives lifted out of the code."""

import re
from typing import NamedTuple

from nstk.preprocessor import condition_holds

# Strings are matched so that what looks like a comment inside them is none.
_NOISE = re.compile(
    r"""//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n]){1,10}'""", re.DOTALL | re.ASCII
)
_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*([a-z_]*)((?:\\\n|[^\n])*)\n?", re.MULTILINE | re.ASCII)
_DEFINE = re.compile(r"\s*([A-Za-z_]\w*)(\([^)]*\))?(.*)", re.DOTALL | re.ASCII)
_INCLUDE = re.compile(r'\s*"(?:[^"\n]*/)?([^"/\n]+)"', re.ASCII)
_LONGEST_BODY = 3000
#: What a C99 compiler for a little-endian machine with IEEE numbers says of itself, in words of old and new headers.
_PREDEFINED = {
    "__STDC__": "1",
    "__STDC_VERSION__": "199901L",
    "__GNUC__": "8",
    "__linux__": "1",
    "__unix__": "1",
    "__x86_64__": "1",
    "__LITTLE_ENDIAN__": "1",
    "__IEEE_LITTLE_ENDIAN": "1",
    "__LITTLE_ENDIAN": "1234",
    "__BIG_ENDIAN": "4321",
    "__FLOAT_WORD_ORDER": "1234",
    "__BYTE_ORDER": "1234",
    "__ORDER_LITTLE_ENDIAN__": "1234",
    "__ORDER_BIG_ENDIAN__": "4321",
    "__BYTE_ORDER__": "1234",
    "FLT_EVAL_METHOD": "0",
    "__FLT_EVAL_METHOD__": "0",
}
_LIVE, _ALTERNATIVE, _DEAD = range(3)


class Macro(NamedTuple):
    """A `#define`: parameters are None for an object-like one, the body is one line."""

    name: str
    parameters: tuple[str, ...] | None
    body: str
    position: int
    live: bool


class LiveCode(NamedTuple):
    """A file without comments and directives.

    Attributes:
        code: The live text, ASCII.
        alternatives: Texts of outermost branches not taken, each for itself; not those of `#if 0`.
        macros: In file order; `position` is where in `code`.
        includes: Base names of the files it includes by `#include "..."`.
    """

    code: str
    alternatives: list[str]
    macros: list[Macro]
    includes: frozenset[str]


def read_live_code(text: str, plus: bool = False) -> LiveCode:
    """Strip comments and evaluate conditionals from the file's own macros.

    Macros that neither the file nor the usual compiler defines count as undefined; a condition that cannot be read
    counts as false.

    Args:
        text: A C or C++ file.
        plus: Whether it is C++.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("ascii", "replace").decode("ascii")
    text = _NOISE.sub(lambda match: " " if match[0][0] == "/" else match[0], text)
    reader = _Reader(plus)
    position = 0
    for match in _DIRECTIVE.finditer(text):
        reader.take(text[position : match.start()].replace("\\\n", " "))
        reader.obey(match[1], match[2].replace("\\\n", " "))
        position = match.end()
    reader.take(text[position:].replace("\\\n", " "))
    return LiveCode("".join(reader.live), reader.alternatives, reader.macros, frozenset(reader.includes))


class _Reader:
    """The state of a preprocessor that goes through a file."""

    def __init__(self, plus: bool) -> None:
        self.live: list[str] = []
        self.alternatives: list[str] = []
        self.macros: list[Macro] = []
        self.includes: list[str] = []
        self._length = 0
        self._known = {**_PREDEFINED, **({"__cplusplus": "201703L"} if plus else {})}
        self._state = _LIVE
        self._open: list[tuple[int, bool]] = []  # the state outside, whether a branch was taken
        self._joins = False  # the next alternative text belongs to the last one

    def take(self, text: str) -> None:
        if self._state == _LIVE:
            self.live.append(text)
            self._length += len(text)
        elif self._state == _ALTERNATIVE:
            if self._joins:
                self.alternatives[-1] += text
            else:
                self.alternatives.append(text)
            self._joins = True

    def obey(self, keyword: str, argument: str) -> None:
        if keyword in ("if", "ifdef", "ifndef"):
            taken = condition_holds(keyword, argument, self._known)
            self._open.append((self._state, taken))
            self._enter(taken, argument)
        elif keyword in ("elif", "else") and self._open:
            outside, before = self._open[-1]
            taken = not before and (keyword == "else" or condition_holds("if", argument, self._known))
            self._state = outside
            self._open[-1] = (outside, before or taken)
            self._enter(taken, argument)
        elif keyword == "endif" and self._open:
            self._state, _ = self._open.pop()
            self._joins = self._joins and self._state == _ALTERNATIVE
        elif self._state != _DEAD:
            if keyword == "define":
                self._define(argument)
            elif keyword == "undef" and self._state == _LIVE:
                self._known.pop(argument.strip(), None)
            elif keyword == "include" and (match := _INCLUDE.match(argument)):
                self.includes.append(match[1])

    def _enter(self, taken: bool, argument: str) -> None:
        if taken:
            return
        if self._state == _LIVE and argument.strip() != "0":
            self._state, self._joins = _ALTERNATIVE, False
        else:
            self._state = _DEAD

    def _define(self, argument: str) -> None:
        match = _DEFINE.match(argument)
        if match is None or len(argument) > _LONGEST_BODY:
            return
        name, parameters, body = match.groups()
        body = " ".join(body.split())
        names = None
        if parameters is not None:
            names = tuple(word.strip() for word in parameters[1:-1].split(",")) if parameters[1:-1].strip() else ()
        live = self._state == _LIVE
        if live:
            self._known[name] = body if names is None else "(("  # a macro with parameters is defined, but no constant
        self.macros.append(Macro(name, names, body, self._length, live))

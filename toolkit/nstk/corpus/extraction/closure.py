"""Makes a function self-contained: what it uses comes along, from its own file or from the package."""

import re

from nstk.c_text import lex
from nstk.corpus.candidate import MAX_TOKENS
from nstk.corpus.extraction.c_library import EXTERNALS, OVERRIDES, PRELUDE
from nstk.corpus.extraction.definitions import Definition, Package
from nstk.corpus.extraction.pieces import Piece, UnusableError, library_pieces, read_piece
from nstk.corpus.extraction.type_names import rename

_MOST_PIECES = 100
_OVERRIDES = library_pieces(OVERRIDES)
_EXTERNALS = library_pieces(EXTERNALS)
_PREDEFINED = re.compile(r"__builtin_\w+|__(?:DBL|FLT|LDBL|INT|LONG|CHAR|SIZEOF)_\w+__")
_WRITTEN = r"\b(?:%s)\b(?:\s*\[[^\]]*\])?\s*(?:=(?!=)|[-+*/%%&|^]=|<<=|>>=|\+\+|--)"
_INNER_NAME = re.compile(r"(?:__ieee754_|npy_|__|_)([a-z]\w*)")
_MISSING = {
    "function": "needs a function that is not there",
    "type": "needs a type that is not there",
    "name": "needs a constant or variable that is not there",
}


class Closures:
    """Completes functions of one package; what several need is read once."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._pieces: dict[tuple[object, ...], Piece | UnusableError] = {}
        self._aliases: dict[str, Piece] = {}

    def complete(self, function: Piece) -> str:
        """Return a function's text with all it needs before it, itself last.

        Raises:
            UnusableError: Something is missing, or the whole is too long.
        """
        closing = _Closing(self, function)
        closing.add_needs(function)
        return closing.text()

    def find(self, name: str, user: Piece) -> Piece | None:
        """Return what a name means for a piece, or None where nothing defines it.

        Raises:
            UnusableError: It is defined, but in no usable way.
        """
        found = self._package.find(name, user.file, user.position) if user.file >= 0 else None
        if name in _OVERRIDES:
            return _OVERRIDES[name]
        if name in PRELUDE and not (found and self._redefines(found, user)):
            return None
        if found is None:
            return _EXTERNALS.get(name) or self._alias(name)
        return self._piece(found)

    def _redefines(self, definition: Definition, user: Piece) -> bool:
        """Tell whether a file's own function goes before the library's; overloads of C++ forward to that.

        Of macros, only `abs` goes before: packages have it for all types, the library for integers.
        """
        if definition.kind == "macro":
            return definition.name == "abs"
        own = definition.kind == "function" and definition.file == user.file
        return own and not self._package.files[definition.file].plus

    def _alias(self, name: str) -> Piece | None:
        """Return a macro for a library function under the name that libraries have for it inside, as `__sin`."""
        match = _INNER_NAME.fullmatch(name)
        if match is None or match[1] not in PRELUDE:
            return None
        return self._aliases.setdefault(name, library_pieces(f"#define {name} {match[1]}")[name])

    def _piece(self, definition: Definition) -> Piece:
        place = definition.item.start if definition.item is not None else definition.position
        code = id(definition.code) if definition.position < 0 else 0
        key = (definition.kind, definition.file, place, code, definition.name)
        if key not in self._pieces:
            try:
                self._pieces[key] = read_piece(self._package, definition)
            except UnusableError as error:
                self._pieces[key] = error
        piece = self._pieces[key]
        if isinstance(piece, UnusableError):
            raise UnusableError(piece.reason, piece.name)
        return piece


class _Closing:
    """The pieces of one function, in an order in which each comes after those it uses."""

    def __init__(self, closures: Closures, function: Piece) -> None:
        self._closures = closures
        self._function = function
        self._tokens = function.tokens
        self._open: list[Piece] = [function]
        self._pieces: list[Piece] = []
        self._names: dict[int, str] = {id(function): function.name}  # by piece: what it is called in the text
        self._renamed: dict[int, dict[str, str]] = {}  # by piece: what it has to call others
        self._prototypes: list[str] = []
        self._place = (function.file, function.position)

    def add_needs(self, piece: Piece) -> None:
        """Add what a piece needs."""
        found = {name: self._find(name, piece) for name in piece.needs if name != piece.name}
        for name, other in found.items():
            if other is not None and other.kind == "macro":
                self._use(piece, name, other)
        declared = {name for macro in self._pieces if macro.kind == "macro" for name in macro.declared}
        for name, other in found.items():
            if piece.kind != "macro" and name in declared:
                continue  # a local that a macro declares
            if other is None:
                self._check_known(name, piece)
            elif other.kind != "macro":
                self._use(piece, name, other)

    def text(self) -> str:
        """Return the text of the whole.

        Raises:
            UnusableError: A function writes to a variable at file scope.
        """
        constant = {name for piece in self._pieces if piece.kind in ("variable", "type") for name in piece.needs}
        macros, data, functions = [], [], []
        for piece in [*self._pieces, self._function]:
            if piece.kind == "function":
                functions.append(self._shown(piece, piece.text))
            elif piece.kind == "macro":
                macros.append(self._shown(piece, piece.text))
            elif piece.value and (piece.needs or piece.name in constant):  # C wants constant expressions for constants
                macros.append(self._shown(piece, f"#define {piece.name} {piece.value}"))
            else:
                data.append(self._shown(piece, piece.text))
        variables = [self._names[id(piece)] for piece in self._pieces if piece.kind == "variable" and piece.file >= 0]
        if variables and re.search(_WRITTEN % "|".join(variables), "\n".join(functions)):
            raise UnusableError("keeps state between calls", self._function.name)
        return "\n".join([*macros, *data, *self._prototypes, *functions]) + "\n"

    def _find(self, name: str, piece: Piece) -> Piece | None:
        if piece.kind == "macro" and any(name in other.declared for other in self._open):
            return None  # a macro that means a local of the function that uses it
        found = self._closures.find(name, piece)
        if found and (found.kind, found.file, found.position) == ("function", *self._place):
            return self._function
        return found

    def _use(self, piece: Piece, name: str, other: Piece) -> None:
        self._add(other)
        if (final := self._names[id(other)]) != other.name:
            self._renamed.setdefault(id(piece), {})[name] = final

    def _check_known(self, name: str, piece: Piece) -> None:
        use = piece.needs[name]
        if piece.kind == "macro" and use != "function":
            return  # may be a local of the function that uses the macro
        if name not in PRELUDE and not _PREDEFINED.fullmatch(name):
            raise UnusableError(_MISSING[use], name)

    def _shown(self, piece: Piece, text: str) -> str:
        renamed = dict(self._renamed.get(id(piece), {}))
        if (final := self._names[id(piece)]) != piece.name:
            renamed[piece.name] = final
        return rename(text, renamed) if renamed else text

    def _add(self, piece: Piece) -> None:
        if id(piece) in self._names:
            if piece.kind == "function" and any(other is piece for other in self._open):
                prototype = self._shown(piece, piece.text.partition("\n{")[0]) + ";"
                if prototype not in self._prototypes:
                    self._prototypes.append(prototype)
                    self._tokens += len(lex(prototype))
            return
        name, number = piece.name, 1
        while name in self._names.values():  # of two files, each with its own
            if piece.kind not in ("function", "variable", "macro"):
                raise UnusableError("needs two types of one name", piece.name)
            number += 1
            name = f"{piece.name}_{number}"
        self._names[id(piece)] = name
        self._tokens += piece.tokens
        if self._tokens > MAX_TOKENS or len(self._names) > _MOST_PIECES:
            raise UnusableError("longer than 512 tokens", piece.name)
        self._open.append(piece)
        self.add_needs(piece)
        self._open.pop()
        self._pieces.append(piece)

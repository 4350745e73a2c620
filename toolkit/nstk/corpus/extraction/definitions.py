"""All definitions of a package by name, and which of several a file means."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from nstk.corpus.extraction.c_library import EXTERNAL_TYPES
from nstk.corpus.extraction.declarations import Head, Item, Kind, declared_names, read_head, split_items
from nstk.corpus.extraction.live_code import LiveCode, Macro, read_live_code
from nstk.corpus.source_file import SourceFile

_PLUS_SUFFIXES = (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".C")
_PLUS_WORDS = re.compile(
    r"^[ \t]*(?:namespace\s+\w+|template\s*<|class\s+\w+|using\s+\w+)|\bconstexpr\b|\bstatic_cast\s*<|\bstd::",
    re.MULTILINE,
)
_ARITHMETIC = re.compile(r"(?:float|double|int|unsigned|signed|long|short|char|_Bool|bool|size_t|u?int\d+_t| )+")
_STATIC = re.compile(r"\bstatic\b", re.ASCII)
_DEPTH = 8
_LONGEST_ALIAS = 1000


class Definition(NamedTuple):
    """Where a name is defined.

    Attributes:
        kind: What it is.
        name: The name; an enumerator stands for its whole enumeration.
        file: Number of the file.
        position: Offset in the file's live code, or -1 in a branch not taken.
        code: Text that `item` cuts from; empty for a macro.
        item: The declaration.
        macro: The macro.
        head: What stands before a function's body.
    """

    kind: Kind
    name: str
    file: int
    position: int
    code: str = ""
    item: Item | None = None
    macro: Macro | None = None
    head: Head | None = None

    @property
    def text(self) -> str:
        """The declaration's text."""
        assert self.item is not None
        return self.code[self.item.start : self.item.end]


class File(NamedTuple):
    """What the choice between definitions asks of a file."""

    path: str
    folder: str
    stem: str
    header: bool
    plus: bool
    includes: frozenset[str]


class Package:
    """The definitions of a package's files.

    Attributes:
        files: In the order of their paths.
        functions: All function definitions whose heads could be read, by file and position.
    """

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self.files: list[File] = []
        self.functions: list[Definition] = []
        self._index: dict[str, list[Definition]] = {}
        self._types: dict[tuple[str, int], str | None] = {}
        self._found: dict[tuple[str, int], Definition | None] = {}
        for source in files:
            self._read(source)
        self._included = frozenset(name for file in self.files for name in file.includes)

    def find(self, name: str, file: int, position: int = -1) -> Definition | None:
        """Return the definition that `name` has for code of a file, or None.

        The file's own come first, then those of files it includes, of its folder, of the header of its name, then the
        first by path. Static definitions of other files count only if those files are headers or included somewhere.

        Args:
            name: An identifier.
            file: Number of the file that uses it.
            position: Where; of a macro's several definitions in the file, the last before it holds.
        """
        key = (name, file)
        if key in self._found:
            return self._found[key]
        found = self._index.get(name, ())
        own = [d for d in found if d.file == file and d.position >= 0] or [d for d in found if d.file == file]
        if len(own) > 1 and any(d.kind == "macro" for d in own):
            before = [d for d in own if d.position <= position] or own[:1]
            return before[-1]  # depends on the position
        if own:
            chosen: Definition | None = own[0] if len(own) == 1 else min(own, key=self._overload)
        else:
            chosen = min((d for d in found if self._visible(d)), key=lambda d: self._rank(d, file), default=None)
        if chosen is not None and chosen.kind == "type" and _announces(chosen):
            bodies = [d for d in found if d.kind == "type" and d.item is not None and d.item.brace >= 0]
            chosen = min(bodies, key=lambda d: (d.file != file, self._rank(d, file)), default=chosen)
        self._found[key] = chosen
        return chosen

    def arithmetic_type(self, words: str, file: int, depth: int = 0) -> str | None:
        """Resolve the name of a type to `double`, `unsigned int` and the like, or None where it is no such type.

        Args:
            words: Type specifiers without qualifiers.
            file: Number of the file that uses them.
            depth: Of typedefs of typedefs.
        """
        if _ARITHMETIC.fullmatch(words):
            return words
        if words in EXTERNAL_TYPES and (words not in self._index or words.startswith("__")):
            return EXTERNAL_TYPES[words]
        if depth > _DEPTH:
            return None
        if " " in words:
            parts = [self.arithmetic_type(word, file, depth + 1) for word in words.split()]
            return None if None in parts else " ".join(part for part in parts if part)
        key = (words, file)
        if key not in self._types:
            self._types[key] = None  # ends a circle
            self._types[key] = self._resolve_type(words, file, depth)
        return self._types[key]

    def _resolve_type(self, name: str, file: int, depth: int) -> str | None:
        found = self.find(name, file)
        if found is None:
            return EXTERNAL_TYPES.get(name)
        if found.macro is not None:
            base = found.macro.body if found.macro.parameters is None else ""
        elif found.kind != "type" or found.item is None:
            return None
        elif found.item.brace >= 0:
            own = re.search(rf"\benum\s+{name}\b|\benum\b[^{{]{{0,200}}\{{[^}}]*\}}\s*{name}\s*;", found.text)
            return "int" if own else None
        else:
            text = " ".join(found.text[-_LONGEST_ALIAS:].split())
            match = re.search(rf"\btypedef ([\w ]+?) {name} ?;|\busing {name} ?= ?([\w ]+?) ?;", text)
            base = (match[1] or match[2]) if match else ""
        base = " ".join(word for word in base.split() if word not in ("const", "volatile"))
        return self.arithmetic_type(base, found.file, depth + 1) if base else None

    def _visible(self, definition: Definition) -> bool:
        file = self.files[definition.file]
        if file.header or file.path.rpartition("/")[2] in self._included:
            return True
        if definition.kind == "function":
            return definition.head is not None and not _STATIC.search(definition.head.words)
        return definition.kind == "variable" and not _STATIC.search(definition.text)

    def _overload(self, definition: Definition) -> bool:
        """Return False for functions of numbers, which come first where C++ has several of one name."""
        if definition.head is None or not self.files[definition.file].plus:
            return False
        parameters = re.sub(r"=[^,]*|\bconst\b", " ", definition.head.parameters)
        types = (re.sub(r"\s*\w+$", "", part.strip()) or part for part in parameters.split(","))
        return any(self.arithmetic_type(" ".join(kind.split()), definition.file) is None for kind in types)

    def _rank(self, definition: Definition, file: int) -> tuple[int, bool, bool, int, int]:
        there, here = self.files[definition.file], self.files[file]
        if there.path.rpartition("/")[2] in here.includes:
            closeness = 0
        elif there.folder == here.folder:
            closeness = 1
        else:
            closeness = 2 if there.stem == here.stem else 3
        return closeness, definition.position < 0, self._overload(definition), definition.file, definition.position

    def _read(self, source: SourceFile) -> None:
        path = PurePosixPath(source.path)
        plus = path.suffix in _PLUS_SUFFIXES or (path.suffix != ".c" and bool(_PLUS_WORDS.search(source.text)))
        read = read_live_code(source.text, plus)
        number = len(self.files)
        header = path.suffix in (".h", ".hpp", ".hh", ".hxx", ".inl")
        self.files.append(File(source.path, str(path.parent), path.stem, header, plus, read.includes))
        for macro in read.macros:
            position = macro.position if macro.live else -1
            self._add(Definition("macro", macro.name, number, position, macro=macro))
        self._read_code(number, read)

    def _read_code(self, number: int, read: LiveCode) -> None:
        for code in (read.code, *read.alternatives):
            for item in split_items(code):
                position = item.brace if code is read.code else -1
                if item.kind != "function":
                    position = item.start if code is read.code else -1
                    for name in declared_names(code, item):
                        self._add(Definition(item.kind, name, number, position, code, item))
                elif head := read_head(code, item):
                    definition = Definition("function", head.name, number, position, code, item, None, head)
                    self._add(definition)
                    self.functions.append(definition)

    def _add(self, definition: Definition) -> None:
        self._index.setdefault(definition.name, []).append(definition)


def _announces(definition: Definition) -> bool:
    """Tell whether a typedef only names a structure of the same name, as `typedef struct point point;` does."""
    return bool(re.search(rf"\b(?:struct|union)\s+{definition.name}\s+{definition.name}\s*;", definition.text))

"""Numeric functions out of a package's files: the paper's steps up to deduplication."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from nstk.c_text import lex
from nstk.corpus.candidate import MAX_TOKENS, Candidate
from nstk.corpus.extraction.c_library import PRELUDE
from nstk.corpus.extraction.closure import Closures
from nstk.corpus.extraction.declarations import ATTRIBUTE
from nstk.corpus.extraction.definitions import Definition, Package
from nstk.corpus.extraction.pieces import UnusableError, function_piece
from nstk.corpus.extraction.type_names import old_style_parameters, shown_type
from nstk.corpus.source_file import SourceFile

_REAL = ("float", "double")
# Of 32 bits on some machines and 64 on others; the sandbox's is one of the former, most users' one of the latter.
_WORD_SIZED = frozenset(
    """size_t ssize_t ptrdiff_t intptr_t uintptr_t int_fast16_t int_fast32_t uint_fast16_t uint_fast32_t LONG_MAX
    LONG_MIN ULONG_MAX SIZE_MAX PTRDIFF_MAX PTRDIFF_MIN""".split()  # noqa: SIM905
)
_LONG_DOUBLE = re.compile(r"LDBL_\w+|(?!0[xX])[\d.]+(?:[eE][+-]?\d+)?[lL]", re.ASCII)


def extract(files: Sequence[SourceFile], counts: Counter[str]) -> Iterator[Candidate]:
    """Yield the self-contained numeric functions of one package, in the order of paths and positions.

    Args:
        files: All files of the package.
        counts: Gets how many files and functions there were and how many were dropped, by reason.
    """
    ordered = sorted(files, key=lambda file: file.path)
    counts["files"] += len(ordered)
    package = Package(ordered)
    closures = Closures(package)
    seen: set[str] = set()
    counts["functions"] += len(package.functions)
    for definition in package.functions:
        signature = read_signature(package, definition)
        if signature is None:
            counts["dropped: not only float and double by value"] += 1
            continue
        counts["numeric functions"] += 1
        returns, parameters = signature
        try:
            piece = function_piece(package, definition, returns, ", ".join(map(" ".join, parameters)))
            text = closures.complete(piece)
        except UnusableError as error:
            counts[f"dropped: {error.reason}"] += 1
            continue
        source = ordered[definition.file]
        candidate = Candidate(text, definition.name, len(parameters), source.package, source.path, source.licence)
        if candidate.tokens > MAX_TOKENS:
            counts["dropped: longer than 512 tokens"] += 1
        elif reason := _machine_dependence(lex(text)):
            counts[f"dropped: {reason}"] += 1
        elif re.search(r"[^\n -~]", text):
            counts["dropped: not printable ASCII"] += 1
        elif candidate.id in seen:
            counts["dropped: duplicate text"] += 1
        else:
            seen.add(candidate.id)
            yield candidate


def read_signature(package: Package, definition: Definition) -> tuple[str, list[tuple[str, str]]] | None:
    """Return the return type and the parameters (type, name) of a function of floats and doubles by value.

    Types are resolved to `float` and `double`; None for any other signature.
    """
    head = definition.head
    assert head is not None
    parameters, words = head.parameters, head.words
    if not parameters.strip() or "*" in words or "&" in words or ("*" in parameters and not head.rest):
        return None
    if head.template:
        words, parameters = (re.sub(rf"\b{head.template}\b", "double", part) for part in (words, parameters))
    returns = _real_type(package, lex(words), definition.file)
    if returns is None:
        return None
    if re.search(r"\w\s*;", head.rest):
        declared = old_style_parameters(parameters, head.rest)
    else:
        declared = ATTRIBUTE.sub("", parameters).split(",")
    found: list[tuple[str, str]] = []
    for number, text in enumerate(declared):
        parameter = _parameter(package, text.partition("=")[0], definition.file, number)
        if parameter is None:
            return None
        found.append(parameter)
    return returns, found


def _machine_dependence(tokens: Sequence[str]) -> str | None:
    """Return why the values of C text may be others on other machines, or None."""
    found = None
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if token == "long" and "double" in (before, after):
            return "needs long double"
        if token[-1] in "lL" and token[:-1] in PRELUDE and token in PRELUDE:  # sinl, HUGE_VALL
            return "needs long double"
        if _LONG_DOUBLE.fullmatch(token) and not token[:-1].isdigit():
            return "needs long double"
        if token in _WORD_SIZED or (token == "long" and "long" not in (before, after)):
            found = "depends on the size of long"
    return found


def _parameter(package: Package, text: str, file: int, number: int) -> tuple[str, str] | None:
    if "&" in text:
        if not re.search(r"\bconst\b", text):
            return None
        text = text.replace("&", " ")
    words = re.sub(r"\b\w+\s*::", "", text).split()
    if not words or not all(word.isidentifier() for word in words):
        return None
    if (kind := _real_type(package, words, file)) is not None and _real_type(package, words[-1:], file):
        return kind, f"unused_{number}"
    kind = _real_type(package, words[:-1], file)
    return None if kind is None else (kind, words[-1])


def _real_type(package: Package, words: Sequence[str], file: int) -> str | None:
    if not words or "long" in words or "struct" in words:
        return None
    kind = shown_type(package, words, file)
    return kind if kind in _REAL else None

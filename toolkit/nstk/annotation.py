"""The `/* nstk: ... */` comment right before a function: its domain, outputs and tolerance."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nstk.domain import Interval, parse_domain
from nstk.errors import UsageError
from nstk.preprocessor import Preprocessed

_COMMENT = re.compile(r"^(?:/[*/]+)?[ \t*!]*nstk:(.*)", re.DOTALL | re.MULTILINE)
_SPACE = re.compile(r"\s*")
_KEY = re.compile(r"\s*([A-Za-z]\w*)\s*:(.*)", re.DOTALL)
_SYNTAX = "write /* nstk: t=-20:60, rh=1:100; outputs: a, b; tolerance: 1% */, each part at most once"


@dataclass(frozen=True)
class Annotation:
    """What the comment beside a function says; None where it says nothing.

    Attributes:
        where: `file:line` of the comment, for messages.
        domain: Intervals by parameter name.
        outputs: Parameters that are outputs.
        tolerance: As written, for example `1%`.
    """

    where: str
    domain: Mapping[str, Interval] | None = None
    outputs: tuple[str, ...] | None = None
    tolerance: str | None = None


def find_annotations(file: str, lines: Preprocessed) -> dict[int, Annotation]:
    """Return the annotations in live code, by the offset of the next thing that is no comment.

    A comment's text counts from `nstk:` at the start of one of its lines to its end. Several comments before one
    function add up.

    Args:
        file: Name of the file, for messages.
        lines: The file.

    Raises:
        UsageError: An annotation cannot be read, or says something twice.
    """
    found: dict[int, Annotation] = {}
    newlines = [match.start() for match in re.finditer("\n", lines.text)]
    behind, anchor = -1, len(lines.text)
    for start, end in reversed(lines.comments):
        following = _SPACE.match(lines.text, end)
        anchor = anchor if following and following.end() == behind else following.end() if following else end
        behind = start
        match = _COMMENT.search(lines.text[start:end].removesuffix("*/"))
        branch = bisect_right(lines.dead, (start, end)) - 1
        if match and not (branch >= 0 and start < lines.dead[branch][1]):
            where = f"{file}:{bisect_left(newlines, start + match.start(1)) + 1}"
            text = re.sub(r"\n[ \t]*\*?", " ", match[1])
            found[anchor] = _read_clauses(text, found.get(anchor, Annotation(where)), where)
    return found


def parse_outputs(text: str) -> tuple[str, ...]:
    """Parse `"theta1, theta2"` into names.

    Raises:
        UsageError: One of them is no C name, or stands there twice.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise UsageError(
                f"'{' '.join(name.split())}' is no name of an output",
                "name pointer or array parameters: theta1, theta2",
            )
        if names.count(name) > 1:
            raise UsageError(f"output '{name}' is named twice", "name each output once")
    return names


def _read_clauses(text: str, annotation: Annotation, where: str) -> Annotation:
    """Add the clauses of one comment to an annotation."""
    clauses = text.split(";")
    if not clauses[-1].strip() and len(clauses) > 1:
        clauses.pop()
    try:
        for position, clause in enumerate(clauses):
            key = _KEY.fullmatch(clause)
            if key is None and position == 0:
                kind, value = "domain", clause
            else:
                kind, value = (key[1], key[2].strip()) if key else ("", clause.strip())
            if kind not in ("domain", "outputs", "tolerance") or (key and kind == "domain"):
                raise UsageError(f"unknown clause '{' '.join(clause.split())}' in the nstk comment", _SYNTAX)
            if getattr(annotation, kind) is not None:
                raise UsageError(f"{kind} given twice in the nstk comment", _SYNTAX)
            if not value.strip():
                raise UsageError(f"the nstk comment gives no {kind}", _SYNTAX)
            if kind == "domain":
                annotation = replace(annotation, domain=parse_domain(value))
            elif kind == "outputs":
                annotation = replace(annotation, outputs=parse_outputs(value))
            else:
                annotation = replace(annotation, tolerance=value)
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", error.hint) from None
    return annotation

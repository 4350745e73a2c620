"""Reads a C file: its functions, what they need from the file, and the comments that stand before them."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tree_sitter_c
from tree_sitter import Language, Node, Parser

from nstk.annotation import Annotation, find_annotations
from nstk.constant_expression import evaluate
from nstk.errors import UsageError
from nstk.preprocessor import Preprocessed, identifiers, preprocess, read_text

_PARSER = Parser(Language(tree_sitter_c.language()))
_TAGGED = ("struct_specifier", "union_specifier", "enum_specifier")
_LOCAL = ("compound_statement", "parameter_list", "initializer_list")
_ONLY_INCLUDES = re.compile(r"[^{]*#[ \t]*include\b[^{]*\Z")  # also for targets judged absent here
_SEMICOLON = re.compile(r"\s*;")
_SYNTAX = (
    "the file must compile as it is; a header's macro that stands before a function has to be defined in this file"
)


@dataclass
class Item:
    """One top-level piece of the file, kept or dropped as a whole.

    Attributes:
        start: Offset of its first character.
        end: Offset behind its last character.
        names: What it defines.
        kept: Whether every slice contains it.
        holes: Functions inside a conditional group: items of their own, cut from this one unless needed.
        parent: The group it lies in.
    """

    start: int
    end: int
    names: set[str] = field(default_factory=set)
    kept: bool = False
    holes: list["Item"] = field(default_factory=list)
    parent: "Item | None" = None


@dataclass(frozen=True)
class Function:
    """A function definition in live code.

    Attributes:
        name: Its name.
        line: Line of the definition, from 1.
        node: Its syntax tree; texts of nodes are blanked code (see `Preprocessed.code`).
        item: The piece of the file it is.
        static: Whether it has internal linkage.
        annotation: The `nstk:` comment right before it, if any.
    """

    name: str
    line: int
    node: Node
    item: Item
    static: bool
    annotation: Annotation | None


@dataclass(frozen=True)
class CFile:
    """A parsed C file.

    Attributes:
        name: File name without folder, for messages.
        lines: What its preprocessor lines say.
        root: Syntax tree of the blanked code.
        items: Top-level pieces in file order.
        functions: Live function definitions in file order, `main` apart.
        typedefs: Live typedef names; each with its type definition and declarator nodes.
        constants: Macros, enumerators and integer constants, with the text they stand for.
    """

    name: str
    lines: Preprocessed
    root: Node
    items: tuple[Item, ...]
    functions: tuple[Function, ...]
    typedefs: dict[str, tuple[Node, Node]]
    constants: dict[str, str]

    def where(self, line: int) -> str:
        """Return `file:line` for messages."""
        return f"{self.name}:{line}"

    def syntax_error(self, node: Node) -> UsageError | None:
        """Return an error that names the first syntax error inside `node`, or None if there is none."""
        if not node.has_error:
            return None
        bad = next(n for n in _walk(node) if n.is_error or n.is_missing)
        near = self.lines.text[bad.start_byte :].lstrip() or self.lines.text.rstrip()[-12:]
        shown = re.match(r"\w{1,30}|[!-~]{1,12}|.", near, re.ASCII)
        what = f"syntax error near {ascii(shown[0]) if shown else 'its end'}"
        return UsageError(f"{self.where(bad.start_point.row + 1)}: {what}", _SYNTAX)

    def body_error(self, function: Function) -> UsageError | None:
        """Return the first syntax error in a function, unless it uses a macro of this file, which may explain it."""
        text = self.lines.text[function.item.start : function.item.end]
        return None if self.lines.functions.intersection(identifiers(text)) else self.syntax_error(function.node)


def read_c_file(source: Path) -> CFile:
    """Read and parse a C file.

    Raises:
        UsageError: No such file, a folder, empty, larger than 5 MB, or not text; an `nstk:` comment that cannot be
            read or stands before no function.
    """
    text = read_text(source)
    lines = preprocess(text)
    root = _PARSER.parse(lines.code.encode()).root_node
    pieces = [node for node in root.children if node.is_named]
    items = _find_items(lines, pieces)
    annotations = find_annotations(source.name, lines)
    functions = []
    for node in pieces:
        name = declared_name(node)
        declarator = node.child_by_field_name("declarator")
        if node.type != "function_definition" or declarator is None or name in ("", "main"):
            continue
        start = _extent(lines, node)[0]
        words = [*identifiers(text[start : declarator.start_byte])]
        words += [inner for word in words for inner in identifiers(lines.macros.get(word, ""))]
        annotation = annotations.pop(start, None)
        item = _item_at(items, start)
        functions.append(Function(name, node.start_point.row + 1, node, item, "static" in words, annotation))
    for annotation in annotations.values():
        hint = "put it right before the definition of the function it describes"
        raise UsageError(f"{annotation.where}: this nstk comment stands before no function", hint)
    typedefs = {
        declared_name(declarator): (node, declarator)
        for node in pieces
        if node.type == "type_definition"
        for declarator in node.children_by_field_name("declarator")
    }
    return CFile(source.name, lines, root, tuple(items), tuple(functions), typedefs, _constants(lines, pieces))


def slice_source(file: CFile, function: Function) -> str:
    """Return the function and what it needs from its file: verbatim pieces, in file order, one newline between them.

    Needed is whatever defines a name that a needed piece mentions. Kept besides: `#include`, `#pragma`, what stands
    before an `#include` and may configure it, and `#undef` of needed macros. Of a conditional group, functions nobody
    needs are left out.
    """
    text = file.lines.text
    providers: dict[str, list[Item]] = {}
    for item in _nested(file.items):
        for name in item.names:
            providers.setdefault(name, []).append(item)
    needed: set[int] = set()
    pending = [function.item, *(item for item in file.items if item.kept)]
    while pending:
        item = pending.pop()
        if id(item) in needed:
            continue
        needed.add(id(item))
        pending.extend([item.parent] if item.parent else [])
        for name in set(identifiers(_cut(text, item, item.holes))):
            pending.extend(providers.get(name, ()))
    pieces = (
        _cut(text, item, [hole for hole in item.holes if id(hole) not in needed]).strip("\n")
        for item in file.items
        if id(item) in needed
    )
    return "\n".join(pieces) + "\n"


def declared_name(node: Node) -> str:
    """Return the name that a definition, declaration or declarator introduces, or an empty string."""
    found: Node | None = node
    while found is not None and found.type not in ("identifier", "type_identifier", "primitive_type"):
        inner = found.child_by_field_name("declarator")
        if inner is None and found.type in ("parenthesized_declarator", "attributed_declarator"):
            inner = next((child for child in found.named_children if not child.type.startswith("attribute")), None)
        found = inner
    return node_text(found) if found is not None else ""


def node_text(node: Node) -> str:
    """Return a node's text (comments blanked)."""
    return (node.text or b"").decode()


def _find_items(lines: Preprocessed, pieces: list[Node]) -> list[Item]:
    """Partition the file: syntax nodes, directives and conditional groups, those that overlap merged into one."""
    spans = [Item(*_extent(lines, node), _defined_names(node, lines)) for node in pieces]
    functions = {id(i) for i, node in zip(spans, pieces, strict=True) if node.type == "function_definition"}
    groups = [Item(g.start, g.end, kept=bool(_ONLY_INCLUDES.match(lines.text[g.start : g.end]))) for g in lines.groups]
    group_ids = {id(item) for item in groups}
    last_include = max((d.start for d in lines.directives if d.keyword == "include" and d.live), default=-1)
    for directive in lines.directives:
        names = {directive.macro} if directive.keyword in ("define", "undef") else set()
        kept = directive.keyword in ("include", "pragma") and directive.argument != "once"
        kept = kept or (directive.keyword == "define" and directive.start < last_include)
        if directive.live and (kept or names):
            spans.append(Item(directive.start, directive.end, names, kept))
    for start, end in lines.dead:
        fragment = _PARSER.parse(preprocess(lines.text[start:end]).code.encode()).root_node
        names = {name for node in fragment.named_children for name in _defined_names(node, lines)}
        if (
            not pieces or _item_at(spans[: len(pieces)], start).end <= start
        ):  # what a body's dead branch defines is local
            spans.append(Item(start, start, names))
    items: list[Item] = []
    for item in sorted([*spans, *groups], key=lambda i: (i.start, -i.end)):
        outer = items[-1] if items and item.start < items[-1].end else None
        if outer is None:
            if item.end > item.start:
                items.append(item)
        elif id(item) in functions and id(outer) in group_ids and item.end <= outer.end:
            item.parent = outer
            outer.holes.append(item)
        else:
            outer.end = max(outer.end, item.end)
            outer.names |= item.names
            outer.kept = outer.kept or item.kept
    return items


def _nested(items: Sequence[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        yield from item.holes


def _item_at(items: Sequence[Item], offset: int) -> Item:
    """Return the innermost of sorted items that starts at or last before `offset`."""
    found = items[max(bisect_right(items, offset, key=lambda item: item.start) - 1, 0)]
    return next((hole for hole in found.holes if hole.start == offset), found)


def _cut(text: str, item: Item, holes: Sequence[Item]) -> str:
    """Return an item's text without its holes."""
    edges = [item.start, *(edge for hole in holes for edge in (hole.start, hole.end)), item.end]
    return "".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _extent(lines: Preprocessed, node: Node) -> tuple[int, int]:
    """Return a node's span with the decorations before it and the semicolon behind it."""
    start, end = node.start_byte, node.end_byte
    index = bisect_right(lines.decorations, (start, start)) - 1
    while index >= 0 and not lines.code[lines.decorations[index][1] : start].strip():
        start = lines.decorations[index][0]
        index -= 1
    following = _SEMICOLON.match(lines.code, end)
    return start, following.end() if following else end


def _walk(node: Node, skipped: Sequence[str] = ()) -> Iterator[Node]:
    pending = [node]
    while pending:
        found = pending.pop()
        yield found
        pending.extend(child for child in reversed(found.children) if child.type not in skipped)


def _defined_names(node: Node, lines: Preprocessed) -> set[str]:
    names: set[str] = set()
    for found in _walk(node, _LOCAL):
        if found.type in ("function_definition", "declaration", "type_definition"):
            names.update(declared_name(declarator) for declarator in found.children_by_field_name("declarator"))
        elif found.type == "enumerator" or (found.type in _TAGGED and found.child_by_field_name("body")):
            name = found.child_by_field_name("name")
            names.add(node_text(name) if name is not None else "")
        elif found.type == "call_expression":  # a top-level macro call may define what it is given as an argument
            called, arguments = found.child_by_field_name("function"), found.child_by_field_name("arguments")
            if called is not None and arguments is not None and node_text(called) in lines.functions:
                names.update(node_text(name) for name in arguments.named_children if name.type == "identifier")
    return names - {"", "main"}


def _constants(lines: Preprocessed, pieces: Sequence[Node]) -> dict[str, str]:
    constants = dict(lines.macros)
    for piece in pieces:
        following: int | None = 0
        for node in _walk(piece, _LOCAL):
            if node.type == "enumerator_list":
                following = 0
            if node.type not in ("enumerator", "init_declarator"):
                continue
            name = node.child_by_field_name("name") or node.child_by_field_name("declarator")
            value = node.child_by_field_name("value")
            found = evaluate(node_text(value), constants) if value is not None else following
            following = None if found is None else found + 1
            variable = node.type == "init_declarator" and not re.search(r"\bconst\b", node_text(piece))
            if found is not None and name is not None and not variable and name.type == "identifier":
                constants[node_text(name)] = f"({found})"
    return constants

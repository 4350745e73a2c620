"""What tree-sitter tells of a piece of C: whether it parses, which names it uses and which it declares."""

from typing import Literal, NamedTuple

import tree_sitter_c
from tree_sitter import Language, Node, Parser

Use = Literal["function", "type", "name"]
_PARSER = Parser(Language(tree_sitter_c.language()))
_DECLARING = frozenset(
    {
        "init_declarator",
        "array_declarator",
        "pointer_declarator",
        "function_declarator",
        "parenthesized_declarator",
        "declaration",
        "parameter_declaration",
    }
)


class Names(NamedTuple):
    """Names of a piece of C: those it uses without declaring them, in order, and those it declares."""

    free: dict[str, Use]
    declared: frozenset[str]


def read_names(text: str) -> Names | None:
    """Parse C text and return its names; None where it does not parse.

    A function that a body only declares counts as used.
    """
    root = _PARSER.parse(text.encode()).root_node
    if root.has_error:
        return None
    used: dict[str, Use] = {}
    declared: set[str] = set()
    tags: set[str] = set()
    defined: set[str] = set()
    stack: list[tuple[Node, Use | None]] = [(root, "name")]
    while stack:
        node, use = stack.pop()
        kind = node.type
        if kind == "identifier" or kind == "type_identifier":
            name = (node.text or b"").decode()
            if use is None:
                declared.add(name)
            else:
                used.setdefault(name, "type" if kind == "type_identifier" else use)
            continue
        children = node.named_children
        if kind in _DECLARING:
            names = {child.id for child in node.children_by_field_name("declarator") if child.type == "identifier"}
            prototype: Use | None = "function" if kind == "function_declarator" else None
            stack += [(child, prototype if child.id in names else "name") for child in reversed(children)]
        elif kind == "call_expression":
            stack += [(child, "function" if index == 0 else "name") for index, child in enumerate(children)][::-1]
        elif kind == "enumerator" or (kind.endswith("_specifier") and node.child_by_field_name("body")):
            own = node.child_by_field_name("name")
            stack += [(child, None if own and child.id == own.id else "name") for child in reversed(children)]
            if own and kind != "enumerator":
                defined.add((own.text or b"").decode())
        elif kind in ("struct_specifier", "union_specifier"):  # a tag, which is another world than that of variables
            tags.update((child.text or b"").decode() for child in children if child.type == "type_identifier")
        elif kind == "type_definition":
            own_names = {child.id for child in node.children_by_field_name("declarator")}
            stack += [(child, None if child.id in own_names else "name") for child in reversed(children)]
        else:
            stack += [(child, "name") for child in reversed(children)]
    free = {name: use for name, use in used.items() if name not in declared}
    return Names({**free, **dict.fromkeys(sorted(tags - defined), "type")}, frozenset(declared))

"""C signatures: which types and parameters nstk can feed and read, and the refusal of all others."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tree_sitter import Node

from nstk.c_reader import CFile, Function, declared_name, node_text
from nstk.constant_expression import evaluate
from nstk.errors import UnsupportedError, UsageError
from nstk.preprocessor import identifiers

MAX_INPUTS = 16
MAX_OUTPUTS = 64
_QUALIFIERS = {"const", "volatile", "restrict", "__restrict", "__restrict__", "register"}
_FLOATING = {"float": "float", "double": "double", "float32_t": "float", "float64_t": "double"}
# Spellings of the integer types without the words that add nothing (signed, int): canonical name and bits.
_INTEGERS = {
    (): ("int", 32),
    ("short",): ("short", 16),
    ("long",): ("long", 64),
    ("long", "long"): ("long long", 64),
    ("unsigned",): ("unsigned int", 32),
    ("short", "unsigned"): ("unsigned short", 16),
    ("long", "unsigned"): ("unsigned long", 64),
    ("long", "long", "unsigned"): ("unsigned long long", 64),
    ("char", "unsigned"): ("unsigned char", 8),
}
# Whether the types of <stdint.h> and <stddef.h> are unsigned, and their bits here (64-bit Linux).
_STANDARD = {
    f"{'u' * unsigned}int{kind}_t": (unsigned, bits)
    for unsigned in (False, True)
    for kind, bits in {
        **{f"{kind}{n}": n for kind in ("", "_least") for n in (8, 16, 32, 64)},
        **{"_fast8": 8, "_fast16": 64, "_fast32": 64, "_fast64": 64, "max": 64, "ptr": 64},
    }.items()
} | {"size_t": (True, 64), "ssize_t": (False, 64), "ptrdiff_t": (False, 64)}
#: Parameters in order, and the return type (None for void).
Signature = tuple[tuple["Parameter", ...], "CType | None"]
_SUPPORTED = "supported are float, double and integers, fixed-size arrays of them, and pointers named as outputs"


@dataclass(frozen=True)
class CType:
    """A scalar C type as nstk sees it.

    Attributes:
        name: Spelling that needs at most <stdint.h> or <stddef.h>: typedefs of the file are resolved.
        kind: `float`, `double` or `int` (any integer type).
        lo: Smallest value (integers only; 0.0 for floating types).
        hi: Largest value that float64 holds (integers only; 0.0 for floating types).
    """

    name: str
    kind: str
    lo: float = 0.0
    hi: float = 0.0


@dataclass(frozen=True)
class Parameter:
    """One parameter of the C function, in declaration order.

    Attributes:
        name: As declared.
        ctype: Scalar type of the parameter, of its elements, or of what it points to.
        role: `value` (scalar input), `array` (fixed-size input array), `pointer` (scalar output) or
            `output_array` (fixed-size output array).
        size: Number of scalars it carries: 1 for `value` and `pointer`.
        declaration: Its C text with resolved type, for example `const float w[9]`, for the drop-in's prototype.
    """

    name: str
    ctype: CType
    role: str
    size: int
    declaration: str


@dataclass(frozen=True)
class _Type:
    """What type words stand for: a scalar or void (None), constant or not, and a typedef's array size."""

    scalar: CType | None
    const: bool
    size: int | None = None


class _Refusal(Exception):  # noqa: N818  # carries a message to where file and line are known
    def __init__(self, message: str, hint: str = _SUPPORTED) -> None:
        super().__init__(message)
        self.hint = hint


def read_signature(file: CFile, function: Function, outputs: Sequence[str]) -> Signature:
    """Return the parameters and the return type of a function.

    Args:
        file: The file it stands in.
        function: The function.
        outputs: Names of the parameters that are outputs.

    Raises:
        UnsupportedError: The signature uses a construct nstk refuses.
        UsageError: `outputs` names what is no parameter or cannot be written through; a syntax error in the signature.
    """
    line = function.line
    try:
        returns = _read_return(file, function)
        nodes = _parameter_nodes(file, function)
        names = [declared_name(node) for node in nodes]
        for output in outputs:
            if output not in names:
                raise UsageError(
                    f"{file.where(line)}: output '{output}' is no parameter of {function.name}",
                    f"its parameters: {', '.join(filter(None, names)) or 'none'}",
                )
        parameters = []
        for node in nodes:
            line = node.start_point.row + 1
            parameters.append(_read_parameter(file, node, outputs))
        line = function.line
        _check_counts(parameters, returns)
    except _Refusal as refusal:
        raise UnsupportedError(f"{file.where(line)}: {refusal} in {function.name}()", refusal.hint) from None
    return tuple(parameters), returns


def _check_counts(parameters: Sequence[Parameter], returns: CType | None) -> None:
    inputs = sum(p.size for p in parameters if p.role in ("value", "array"))
    outputs = sum(p.size for p in parameters if p.role in ("pointer", "output_array")) + (returns is not None)
    if outputs == 0:
        raise _Refusal(
            "no output", "return a number, or name outputs: --outputs NAME or 'outputs: NAME' in the comment"
        )
    if inputs == 0:
        raise _Refusal("no input", "a surrogate needs a number to depend on: pass what varies as a parameter")
    if inputs > MAX_INPUTS:
        raise _Refusal(f"{inputs} scalar inputs", f"at most {MAX_INPUTS}: fix some of them in a wrapper function")
    if outputs > MAX_OUTPUTS:
        raise _Refusal(f"{outputs} scalar outputs", f"at most {MAX_OUTPUTS}: split the function")


def _read_return(file: CFile, function: Function) -> CType | None:
    for child in function.node.children:
        if child.type == "declaration":
            raise _Refusal("K&R definition", "write the parameter types inside the parentheses")
        if child.type != "compound_statement" and (error := file.syntax_error(child)):
            head = file.lines.code[function.node.start_byte :].split("{")[0]
            if {"_Complex", "complex", "_Imaginary"} & set(identifiers(head)):
                raise _Refusal("complex number", "split it into real and imaginary parts")
            raise error
    declarator = function.node.child_by_field_name("declarator")
    if declarator is None or declarator.type != "function_declarator":
        raise _Refusal("pointer as return type", "return a number, or name a pointer parameter as output")
    found = _read_type(file, function.node)
    return found.scalar


def _parameter_nodes(file: CFile, function: Function) -> list[Node]:
    declarator = function.node.child_by_field_name("declarator")
    listed = declarator.child_by_field_name("parameters") if declarator else None
    inner = declarator.child_by_field_name("declarator") if declarator else None
    if listed is None or inner is None or inner.type not in ("identifier", "parenthesized_declarator"):
        raise _Refusal("declarator nstk cannot read")
    nodes = listed.named_children
    for node in nodes:
        if node.type == "variadic_parameter":
            raise _Refusal("variadic parameter list", "write a function with a fixed number of parameters around it")
        if node.type != "parameter_declaration":
            raise _Refusal("K&R definition", "write the parameter types inside the parentheses")
    if len(nodes) == 1 and nodes[0].child_by_field_name("declarator") is None and node_text(nodes[0]).strip() == "void":
        return []
    return nodes


def _read_parameter(file: CFile, node: Node, outputs: Sequence[str]) -> Parameter:
    name = declared_name(node)
    declarator = node.child_by_field_name("declarator")
    if declarator is not None and _inner(declarator).type in ("abstract_function_declarator", "function_declarator"):
        raise _Refusal(f"function pointer '{name or '?'}'", "call the function by its name instead")
    if not name or declarator is None:
        raise _Refusal(f"parameter without a name ('{node_text(node)}')", "name it")
    declarator = _inner(declarator)
    found = _read_type(file, node)
    constant, size = found.const, found.size
    pointer, array = declarator.type == "pointer_declarator", declarator.type == "array_declarator"
    inner = declarator.child_by_field_name("declarator")
    nested = (pointer or array) and (size is not None or inner is None or _inner(inner).type != "identifier")
    if nested or not (pointer or array or declarator.type == "identifier"):
        raise _Refusal(f"nested declarator of '{name}'", "write one dimension, for example const float w[9]")
    if array:
        size = _array_size(file, declarator, name)
    if found.scalar is None:
        raise _Refusal(f"void{' pointer' if pointer else ''} parameter '{name}'")
    written = name in outputs
    if written and (constant or not (pointer or size is not None)):
        why = "points to const" if pointer or size is not None else "is passed by value"
        raise UsageError(
            f"{file.where(node.start_point.row + 1)}: output '{name}' {why}",
            "outputs are the return value and pointer or array parameters the function writes through",
        )
    if pointer and not written:
        raise _Refusal(
            f"pointer parameter '{name}' not declared as output",
            f"if the function writes to it: --outputs {name}, or 'outputs: {name}' in the nstk comment; "
            f"if it reads from it: a fixed-size array, {'const ' * constant}{found.scalar.name} {name}[N]",
        )
    text = f"{found.scalar.name} {'*' * pointer}{name}" + (f"[{size}]" if size is not None else "")
    role = ("pointer" if written else "value") if size is None else ("output_array" if written else "array")
    return Parameter(name, found.scalar, role, size or 1, "const " * (constant and size is not None) + text)


def _inner(declarator: Node) -> Node:
    """Take parentheses off a declarator."""
    while declarator.type == "parenthesized_declarator" and declarator.named_child_count:
        declarator = declarator.named_children[0]
    return declarator


def _array_size(file: CFile, declarator: Node, name: str) -> int:
    text = declarator.child_by_field_name("size")
    if text is None:
        raise _Refusal(f"array '{name}' of unknown size", f"give it a size, for example {name}[9]")
    size = evaluate(node_text(text), file.constants)
    if size is None or not 0 < size < 1_000_000:
        raise _Refusal(
            f"array '{name}' whose size '{node_text(text)}' is no positive constant of this file",
            "write the number, or a #define, enum or const of this file",
        )
    return size


def _read_type(file: CFile, node: Node, seen: frozenset[str] = frozenset()) -> _Type:
    """Return the type a declaration's words give, its declarator apart; `seen` are the typedefs it comes from."""
    kind = node.child_by_field_name("type")
    if kind is None:
        raise _Refusal("declaration without a type")
    tag = kind.type.removesuffix("_specifier")
    if tag in ("struct", "union", "enum"):
        advice = "use int and the enumerators' values" if tag == "enum" else "pass its members as numbers of their own"
        raise _Refusal(" ".join(node_text(kind).split("{")[0].split()) + " by value", advice)
    words = [*identifiers(node_text(kind))]
    words += [w for c in node.children if c.type == "type_qualifier" for w in identifiers(node_text(c))]
    return _resolve(file, words, seen)


def _resolve(file: CFile, words: Sequence[str], seen: frozenset[str]) -> _Type:
    plain = tuple(w for w in words if w not in _QUALIFIERS)
    name = plain[0] if len(plain) == 1 and plain[0] not in seen and len(seen) < 50 else ""
    if name in file.typedefs:
        found = _resolve_typedef(file, name, seen | {name})
    elif re.fullmatch(r"[\w\s]+", file.lines.macros.get(name, ""), re.ASCII):
        found = _resolve(file, file.lines.macros[name].split(), seen | {name})
    else:
        found = _Type(None if plain == ("void",) else _scalar(plain), False)
    return replace(found, const=found.const or "const" in words)


def _resolve_typedef(file: CFile, name: str, seen: frozenset[str]) -> _Type:
    definition, declarator = file.typedefs[name]
    try:
        found = _read_type(file, definition, seen)
    except _Refusal as refusal:
        raise _Refusal(f"'{name}', a typedef of {refusal},", refusal.hint) from None
    declarator = _inner(declarator)
    if declarator.type in ("type_identifier", "primitive_type"):
        return found
    inner = declarator.child_by_field_name("declarator")
    if (
        declarator.type == "array_declarator"
        and inner is not None
        and inner.type == "type_identifier"
        and not found.size
    ):
        return replace(found, size=_array_size(file, declarator, name))
    what = declarator.type.removesuffix("_declarator")
    raise _Refusal(
        f"'{name}', a typedef of a {what},", "write the number type or the fixed-size array in the signature"
    )


def _scalar(words: Sequence[str]) -> CType:
    """Return the builtin or standard type of these words."""
    name = " ".join(words)
    if name in _FLOATING:
        return CType(_FLOATING[name], _FLOATING[name])
    if name in _STANDARD:
        unsigned, bits = _STANDARD[name]
        return _integer("ptrdiff_t" if name == "ssize_t" else name, unsigned, bits)
    if sorted(words) in (["char"], ["char", "signed"]):
        return _integer("signed char" if "signed" in words else "char", False, 8)
    key = tuple(sorted(word for word in words if word not in ("signed", "int")))
    if words and key in _INTEGERS:
        return _integer(_INTEGERS[key][0], "unsigned" in key, _INTEGERS[key][1])
    if name in ("bool", "_Bool"):
        raise _Refusal("boolean", "use int with the domain 0:1")
    if sorted(words) == ["double", "long"]:
        raise _Refusal("long double", "use double")
    raise _Refusal(f"unknown type '{name}'", f"typedef it in this file; {_SUPPORTED}")


def _integer(name: str, unsigned: bool, bits: int) -> CType:
    lo, hi = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return CType(name, "int", float(lo), float(hi) if float(hi) <= hi else math.nextafter(float(hi), 0.0))

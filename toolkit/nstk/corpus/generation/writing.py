"""A C program while it is being written: its names, constants, helpers and statements, and the author's style."""

import re
from dataclasses import dataclass, field
from random import Random

_WORD = re.compile(r"[A-Za-z_]\w*|(?<![\w.])(?:\d+\.\d*|\.\d+|\d+(?=e))(?:e[+-]?\d+)?|\+ -(?=[\d.])|- -(?=[\d.])")
_WHOLE = re.compile(r"(?<=[(=] )(\d+)\.0(?= \*)|(?<=\w [-+] )(\d+)\.0(?=[);])|(?<=return )(\d+)\.0(?= \* )")
_DECLARATION = re.compile(r"real (\w+) = ([^{,]*(?:\([^{]*\)[^{,]*)?);")
_COUNTER = re.compile(r"( *)for \(int (\w+) = ")
_ASSIGNED = re.compile(r"(?<!real )\b(\w+) (?:[-+*/]?=) |\+\+(\w+)")
_GAPS = re.compile(r"(?<=\S)(?: +(?=[;)])|( ) +)")
#: Functions of math.h that exist for double and, with an f, for float.
CALLS = frozenset(
    """
    sin cos tan asin acos atan atan2 sinh cosh tanh exp log log10 log2 exp2 expm1 log1p pow sqrt cbrt hypot fabs floor
    ceil fmod fmin fmax erf erfc round trunc
    """.split()  # noqa: SIM905
)
# Calls that idioms make and C lacks: their usual names as macro or function, parameters, and value.
_MISSING = {
    "sqr": (("SQR", "SQUARE", "SQ", "POW2"), ("sqr", "square", "sq", "pow2"), "x", "x * x"),
    "clamp": (("CLAMP", "LIMIT", "CLIP"), ("clamp", "clampf", "limit", "clip", "constrain"), "x lo hi", ""),
    "lerp": (("LERP", "MIX"), ("lerp", "mix", "interp"), "a b t", "a + (b - a) * t"),
    "sign": (("SIGN", "SGN"), ("sign", "sgn", "signum"), "x", "x < 0.0 ? -1.0 : 1.0"),
    "sigmoid": (("SIGMOID", "LOGISTIC"), ("sigmoid", "logistic", "sigm"), "x", "1.0 / (1.0 + exp(-x))"),
}
_MACROS = {"fmin": ("MIN", "MIN2", "min"), "fmax": ("MAX", "MAX2", "max"), "fabs": ("ABS", "FABS", "ABSF")}
# Names of math.h, or of helpers' locals: not for constants at file scope.
_SHADOWING = frozenset(("gamma", "y0", "y1", "j0", "j1", "k", "a", "b", "c"))
_PI = ("M_PI", "M_PI", "PI", "PI", "3.14159265358979", "3.1415927", "3.14159", "pi")


@dataclass
class Draft:
    """One program in the making.

    Attributes:
        rng: Draws everything about it.
        parameters: Names of the arguments.
        constants: `#define` and `static const` lines.
        helpers: Texts of the functions before the last.
        statements: Lines of the function's body, the last `return` excluded.
    """

    rng: Random
    parameters: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    helpers: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def new_name(self, wanted: str) -> str:
        """Return `wanted`, numbered if the program uses that name already."""
        if wanted in _MISSING:
            wanted += self.rng.choice(("f", "_val", "_fn", "_approx"))
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}" if wanted[-1].isdigit() else f"{wanted}{count}"
        self._taken.add(name)
        return name

    def new_constant(self, wanted: str, literal: str) -> str:
        """Write down a constant in one of the usual ways and return what stands for it."""
        way = self.rng.random()
        if way < 0.4:
            return literal
        if way < 0.6:
            name = self.new_name(wanted.upper())
            self.constants.append(f"#define {name} {literal}")
        elif way < 0.8:
            names = (wanted.upper(), f"k{wanted.title()}", f"{wanted}_const" if wanted in _SHADOWING else wanted)
            name = self.new_name(self.rng.choice(names))
            self.constants.append(f"static const real {name} = {literal};")
        else:
            name = self.new_name(wanted)
            self.statements.append(f"{'const ' if way < 0.9 else ''}real {name} = {literal};")
        return name

    def new_local(self, wanted: str, value: str) -> str:
        """Declare a local with a value and return its name."""
        name = self.new_name(wanted)
        self.statements.append(f"real {name} = {value};")
        return name

    def finish(self, name: str, value: str) -> str:
        """Return the program's text, in one author's style, with a function `name` that returns `value`."""
        rng = self.rng
        if self.statements and rng.random() < 0.15:
            self.statements = _declare_first(self.statements)
        elif rng.random() < 0.15:
            self.statements = _declare_const(self.statements)
        body = _write_return(rng, value)
        function = f"real {name}({', '.join(f'real {p}' for p in self.parameters)})\n{{\n"
        function += "".join(f"    {line}\n" for line in "\n".join([*self.statements, body]).split("\n")) + "}\n"
        head = "".join(f"{line}\n" for line in self.constants)
        return apply_style(head + "".join(self.helpers) + function, rng, self._taken)


def write_function(name: str, parameters: list[str], statements: str, value: str, rng: Random) -> str:
    """Return the text of a helper function."""
    body = (statements + "\n" if statements else "") + _write_return(rng, value)
    indented = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"real {name}({', '.join(f'real {p}' for p in parameters)})\n{{\n{indented}}}\n"


def apply_style(text: str, rng: Random, taken: set[str]) -> str:
    """Settle what one author does everywhere: the type, suffixes, how missing functions and pi are written.

    Args:
        text: A program in which the type is called `real`, calls are to double functions and literals have no suffix,
            and in which `sqr`, `clamp`, `lerp`, `sign` and `sigmoid` may be called without definition.
        rng: Draws the style.
        taken: Names that the program uses.
    """
    single = rng.random() < 0.5
    short_calls = single and rng.random() < 0.7
    suffix = "f" if single and rng.random() < (0.8 if short_calls else 0.35) else ""
    terse = rng.random()
    definitions: dict[str, str] = {}
    words = {"real": "float" if single else "double"}

    def settle(word: str) -> str:
        if word in _MACROS and word not in taken:
            if rng.random() < 0.2:
                return words.setdefault(word, _define_macro(word, rng, taken, definitions))
        elif word in _MISSING and word not in taken:
            return words.setdefault(word, _define_missing(word, rng, taken, definitions))
        elif word == "M_PI":
            return words.setdefault(word, _define_pi(rng, taken, definitions))
        return words.setdefault(word, word + "f" if short_calls and word in CALLS and word not in taken else word)

    def restyle(match: re.Match[str]) -> str:
        word = match[0]
        first = word[0]
        if first in "+-":
            return "- " if first == "+" else "+ "
        if first.isdigit() or first == ".":
            if terse < 0.12 and word.endswith(".0"):
                word = word[:-1]
            elif terse > 0.92 and word.startswith("0."):
                word = word[1:]
            return word + suffix
        return words.get(word) or settle(word)

    if 0.3 < terse < 0.6:
        text = _WHOLE.sub(lambda m: m[1] or m[2] or m[3], text)
    text = _GAPS.sub(lambda m: " " if m[1] else "", _WORD.sub(restyle, text))
    written = 0
    while written < len(definitions):  # a definition may itself call what has none yet
        definition = _WORD.sub(restyle, list(definitions.values())[written])
        text = definition + text if definition.startswith("#") else _insert_after_constants(text, definition)
        written += 1
    return text


def _declare_first(statements: list[str]) -> list[str]:
    """Return the statements with all locals declared at the top, as C89 has it."""
    lines = "\n".join(statements).split("\n")
    reals: list[str] = []
    wholes: list[str] = []
    for at, line in enumerate(lines):
        if match := _DECLARATION.fullmatch(line):
            reals.append(match[1])
            lines[at] = f"{match[1]} = {match[2]};"
        elif match := _COUNTER.match(line):
            wholes.append(match[2])
            lines[at] = f"{match[1]}for ({match[2]} = {line[match.end() :]}"
    declared = [f"real {', '.join(reals)};"] if reals else []
    declared += [f"int {', '.join(dict.fromkeys(wholes))};"] if wholes else []
    return declared + lines


def _declare_const(statements: list[str]) -> list[str]:
    """Return the statements with those locals const that nothing is assigned to later."""
    lines = "\n".join(statements).splitlines()
    assigned = {match[1] or match[2] for line in lines for match in _ASSIGNED.finditer(line)}
    return [
        f"const {line}" if (match := _DECLARATION.fullmatch(line)) and match[1] not in assigned else line
        for line in lines
    ]


def _insert_after_constants(text: str, definition: str) -> str:
    lines = text.splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if not line.startswith(("#", "static const")))
    return "".join(lines[:first]) + definition + "".join(lines[first:])


def _define_macro(word: str, rng: Random, taken: set[str], definitions: dict[str, str]) -> str:
    name = _free(_MACROS[word], rng, taken)
    if word == "fabs":
        definitions[word] = f"#define {name}(x) ((x) < 0 ? -(x) : (x))\n"
    else:
        definitions[word] = f"#define {name}(a, b) ((a) {'<' if word == 'fmin' else '>'} (b) ? (a) : (b))\n"
    return name


def _define_missing(word: str, rng: Random, taken: set[str], definitions: dict[str, str]) -> str:
    macros, functions, listed, value = _MISSING[word]
    parameters = listed.split()
    as_macro = rng.random() < 0.4
    name = _free(macros if as_macro else functions, rng, taken)
    if as_macro:
        value = value or "x < lo ? lo : x > hi ? hi : x"
        bracketed = re.sub(r"\b(x|lo|hi|a|b|t)\b", r"(\1)", value)
        definitions[word] = f"#define {name}({', '.join(parameters)}) ({bracketed})\n"
        return name
    statements = ""
    if not value:
        value = rng.choice(
            ("x < lo ? lo : x > hi ? hi : x", "fmin(fmax(x, lo), hi)", "fmax(lo, fmin(hi, x))", "x", "x")
        )
        if value == "x":
            statements = "if (x < lo)\n    return lo;\nif (x > hi)\n    return hi;"
    definitions[word] = write_function(name, parameters, statements, value, rng)
    return name


def _define_pi(rng: Random, taken: set[str], definitions: dict[str, str]) -> str:
    pi = rng.choice(_PI)
    if pi in ("PI", "pi"):
        if pi in taken:
            return "M_PI"
        taken.add(pi)
        literal = rng.choice(("3.14159265358979323846", "3.14159265", "3.141592653589793", "3.1416"))
        definitions["M_PI"] = f"#define PI {literal}\n" if pi == "PI" else f"static const real pi = {literal};\n"
    return pi


def _free(names: tuple[str, ...], rng: Random, taken: set[str]) -> str:
    name = names[int(rng.random() * len(names))]
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _write_return(rng: Random, value: str) -> str:
    """Return the last statement: a choice of two values is written as one expression or as two returns."""
    if value.count(" ? ") == 1 and value.count(" : ") == 1 and rng.random() < 0.5:
        condition, _, rest = value.partition(" ? ")
        first, _, second = rest.partition(" : ")
        if all(part.count("(") == part.count(")") for part in (condition, first, second)):
            other = "else\n    " if rng.random() < 0.3 else ""
            return f"if ({condition})\n    return {first};\n{other}return {second};"
    if rng.random() < 0.1:
        return f"return ({value});"
    return f"return {value};"

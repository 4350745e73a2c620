"""Generated programs and mutants: contract, variety, determinism."""

import re
import shutil
import subprocess
from collections import Counter

import pytest
import tree_sitter
import tree_sitter_c

from nstk.c_text import lex
from nstk.corpus.candidate import MAX_TOKENS, Candidate
from nstk.corpus.generation.generator import FAMILIES, generate
from nstk.corpus.generation.mutation import mutate
from nstk.corpus.sandbox.denylist import refuse

_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))
_HEADERS = ("math", "float", "limits", "stdint", "stddef", "stdbool", "stdlib", "string")
_PRELUDE = "#define _GNU_SOURCE\n" + "".join(f"#include <{name}.h>\n" for name in _HEADERS)
_REAL_CODE = """\
#define SCALE 2.5
#define TAPS 4
typedef double real;
static const double table[TAPS] = {1.0, 0.5, 0.25, 0.125};
double smooth(double x, double y, double gain)
{
    double sum = 0.0, w[3];
    int i;
    for (i = 0; i < TAPS; i++)
        sum += table[i] * sin(x * SCALE + y) / (1.0 + 2 * i);
    w[0] = fmin(x, gain);
    switch (i) {
    case 4:
        sum -= w[0];
    }
    if (sum > 0.75f && gain != 1e-9)
        return sqrt(fabs(sum)) - pow(x, 2);
    return sum * (float)y;
}
"""


@pytest.fixture(scope="module")
def programs() -> list[Candidate]:
    return list(generate(11, 6000))


@pytest.fixture(scope="module")
def parent() -> Candidate:
    return Candidate(_REAL_CODE, "smooth", 3, package="demo", file="a/b.c", licence="MIT")


def _assert_contract(candidate: Candidate) -> None:
    text = candidate.text
    assert text.isascii()
    assert not re.search(r"[^\n -~]|//|/\*|\\", text)
    for line in text.splitlines():
        assert "#" not in line or re.match(r"#define \w", line), line
    assert candidate.tokens <= MAX_TOKENS
    assert refuse(text) is None
    root = _PARSER.parse(text.encode()).root_node
    assert not root.has_error, text
    functions = [node for node in root.children if node.type == "function_definition"]
    assert root.children[-1] == functions[-1]
    for function in functions:
        assert not any(child.type == "storage_class_specifier" for child in function.children)
    declarator = functions[-1].child_by_field_name("declarator")
    assert declarator is not None
    name, parameters = declarator.child_by_field_name("declarator"), declarator.child_by_field_name("parameters")
    assert name is not None
    assert name.text == candidate.name.encode()
    assert parameters is not None
    types = [node.child_by_field_name("type") for node in parameters.named_children]
    assert len(types) == candidate.inputs
    assert {node.text for node in types if node} <= {b"float", b"double"}


def test_a_program_depends_on_seed_and_index_only(programs: list[Candidate]) -> None:
    assert list(generate(11, 40)) == programs[:40]
    assert list(generate(12, 40)) != programs[:40]


def test_every_family_occurs_and_keeps_the_contract(programs: list[Candidate]) -> None:
    families = Counter(program.family for program in programs)
    assert set(families) == set(FAMILIES)
    assert len(FAMILIES) >= 25
    met: Counter[str] = Counter()
    for program in programs:
        met[program.family] += 1
        if met[program.family] <= 15:
            _assert_contract(program)
            assert (program.origin, program.package, program.file) == ("generated", "", "")
            assert program.licence == "Apache-2.0"


def test_arities_are_as_in_the_plan(programs: list[Candidate]) -> None:
    long = [program for program in programs if program.family != "short"]
    arities = Counter(program.inputs for program in long)
    assert set(arities) == set(range(1, 10))
    share = [sum(arities[n] for n in group) / len(long) for group in (range(1, 3), range(3, 6), range(6, 10))]
    assert share == pytest.approx([0.4, 0.35, 0.25], abs=0.03)


def test_most_programs_are_short_as_real_functions_are(programs: list[Candidate]) -> None:
    short = [program for program in programs if program.family == "short"]
    assert len(short) / len(programs) == pytest.approx(2 / 3, abs=0.03)
    assert {program.inputs for program in short} == {1, 2, 3, 4}
    assert sorted(program.tokens for program in short)[len(short) // 2] < 40


def test_texts_differ(programs: list[Candidate]) -> None:
    assert len({program.id for program in programs}) > 0.985 * len(programs)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_programs_compile_without_warnings(programs: list[Candidate], tmp_path) -> None:
    one_each = list({program.family: program for program in reversed(programs)}.values())
    chosen = (one_each + programs)[:100]
    files = [tmp_path / f"p{number}.c" for number in range(len(chosen))]
    for file, program in zip(files, chosen, strict=True):
        file.write_text(_PRELUDE + program.text)
    command = ["gcc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Werror", "-Wno-unused", *map(str, files)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_mutants_are_distinct_and_keep_the_contract(parent: Candidate) -> None:
    mutants = mutate(parent, 60, seed=1)
    assert len(mutants) == 60
    assert len({mutant.id for mutant in mutants} | {parent.id}) == 61
    for mutant in mutants:
        _assert_contract(mutant)
        assert (mutant.origin, mutant.parent) == ("mutant", parent.id)
        assert (mutant.name, mutant.inputs) == (parent.name, parent.inputs)
        assert (mutant.package, mutant.file, mutant.licence) == ("demo", "a/b.c", "MIT")
    assert {mutant.family for mutant in mutants} == {"constant", "operator", "call", "variable", "several"}


def test_mutants_are_deterministic(parent: Candidate) -> None:
    assert mutate(parent, 20, seed=1) == mutate(parent, 20, seed=1)
    assert mutate(parent, 20, seed=1) != mutate(parent, 20, seed=2)


def test_mutants_keep_sizes_indices_labels_and_loops(parent: Candidate) -> None:
    for mutant in mutate(parent, 200, seed=3):
        for kept in (
            "#define TAPS 4",
            "typedef double real;",
            "table[TAPS] = {",
            "w[3];",
            "for (i = 0; i < TAPS; i++)",
            "table[i]",
            "w[0] = ",
            "case 4:",
            "#define SCALE",
            "1e-9",
        ):
            assert kept in mutant.text, mutant.text
        assert len(lex(mutant.text)) - len(lex(parent.text)) in range(0, 10)


def test_mutants_of_a_function_without_places_to_change() -> None:
    assert mutate(Candidate("float same(float x)\n{\n    return x;\n}\n", "same", 1), 8, seed=1) == []
    few = mutate(Candidate("float less(float x)\n{\n    return x - 1.0f;\n}\n", "less", 1), 8, seed=1)
    assert 1 < len(few) <= 8


def test_calls_of_own_functions_stay() -> None:
    text = "double sinh(double x)\n{\n    return x;\n}\ndouble f(double x)\n{\n    return sinh(x) + sin(x);\n}\n"
    for mutant in mutate(Candidate(text, "f", 1), 8, seed=1):
        assert "sinh(x) " in mutant.text
        assert "sinh(x) + sinh" not in mutant.text

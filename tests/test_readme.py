"""The README's commands work, and it documents every verb and option: no more and no fewer."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from conftest import ROOT, Nstk

from nstk.cli import app
from nstk.topology import LADDER, hidden_name

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^(?P<note><!-- not run -->\n+)?```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.removeprefix("$ nstk ")
    for block in BLOCK.finditer(README)
    if not block["note"]
    for line in block["text"].splitlines()
    if line.startswith("$ nstk ")
]


def options_of(command: object) -> set[str]:
    """Return every long option of the command line."""
    commands = getattr(command, "commands", {})
    own = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}  # type: ignore[attr-defined]
    return own.union(*(options_of(verb) for verb in commands.values()))


def test_commands_run(nstk: Nstk, tmp_path: Path) -> None:
    assert len(COMMANDS) >= 5
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in COMMANDS:
        arguments = shlex.split(line, comments=True)
        if arguments[0] in ("build", "finetune"):
            arguments += ["--effort", "quick"]
        ran = nstk(*arguments)
        missed = ran.code == 1 and "outside the tolerance" in ran.out  # quick need not meet what normal meets
        assert ran.code == 0 or missed, f"nstk {line}: {ran.err}"


def test_options_are_documented() -> None:
    command = typer.main.get_command(app)
    existing = options_of(command) - {"--help"}
    # pip, ruff, compilers, benchmarks and torchrun have options of their own
    text = re.sub(r"```(bash|c)\n.*?```|<!-- table: .*?<!-- end -->|`torchrun [^`]*`", "", README, flags=re.DOTALL)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", re.sub(r"<!--.*?-->", "", text)))
    assert existing - named == set()
    assert named - existing - {"--help"} == set()
    for verb in command.commands:  # type: ignore[attr-defined]
        assert f"`nstk {verb}" in README


def test_choices_are_documented() -> None:
    from nstk import options

    for choices in (options.STYLES, options.NORMS, options.EFFORTS, options.INITS, options.OPTIMIZERS, options.NUMBERS):
        for choice in choices:
            assert f"`{choice}`" in README
    for rung in LADDER:
        assert f"`{hidden_name(rung)}`" in README


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "4", "5", "130"])
def test_exit_codes_are_documented(code: str) -> None:
    [paragraph] = re.findall(r"Exit codes: .*?\n\n", README, re.DOTALL)
    assert re.search(rf"\b{code}\b", paragraph)

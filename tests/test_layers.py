"""The layers of the package: a module imports only from lower rows, inside functions as well."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import nstk

PACKAGE = Path(nstk.__file__).parent

IDIOMS = "colours geometry grids iterations physics series signals statistics vectors"
CORPUS = tuple(
    " ".join(f"corpus.{module}" for module in row.split())
    for row in (
        """archives candidate source_file
        extraction.__init__ extraction.c_library extraction.c_plus_plus extraction.declarations extraction.live_code
        extraction.messages extraction.syntax generation.__init__ generation.idioms generation.writing
        sandbox.__init__ sandbox.isolation""",
        """behaviour datasets downloads shards extraction.definitions generation.grammar_expressions generation.mutation
        sandbox.compiler sandbox.denylist """
        + " ".join(f"generation.idioms_{theme}" for theme in IDIOMS.split()),
        "exclusion sources extraction.type_names generation.grammar sandbox.runner",
        "recipe extraction.pieces generation.generator sandbox.execution",
        "extraction.closure",
        "extraction.functions",
        "steps",
        "selection",
        "card",
        "build pack tables",
    )
)
#: A module imports only from rows that stand before its own.
ROWS = (
    "__init__ cli_options errors resources c_text constant_expression sandbox_child",
    "topology domain tolerance activation tanh_table fixed_point preprocessor toolchain native_process output report "
    "report_plots targets.__init__ targets.target targets.timing_tables",
    "annotation options report_page targets.toolchains",
    "c_reader",
    "signature",
    "program",
    "sampling pairs surrogate wrapper corpus.__init__ hypernetwork.__init__ hypernetwork.configuration "
    "training.__init__ training.hardware training.journal training.optimization",
    "mlp folding quantization sandbox corpus.inputs hypernetwork.initialization training.state symbolic.__init__ "
    "symbolic.intervals symbolic.macros symbolic.words",
    "least_squares symbolic.terms",
    "optimizers symbolic.library symbolic.parsing hypernetwork.postfix",
    "symbolic.cells symbolic.substitution",
    "symbolic.expressions",
    "symbolic.execution",
    "symbolic.formulas",
    "hypernetwork.tokenization",
    "hypernetwork.canonical hypernetwork.composition hypernetwork.encoder hypernetwork.layers hypernetwork.location "
    "hypernetwork.parameters rivals.__init__ rivals.basis",
    "hypernetwork.network rivals.arithmetic rivals.sizing",
    "hypernetwork.modeling",
    *CORPUS,
    "finetuning expressions integer_expressions training.options training.subformulas hypernetwork.probing "
    "hypernetwork.checkpoint",
    "emission integer_finishing training.reading hypernetwork.proposal",
    "constants integer_emission timing compilation training.recombination",
    "training.data",
    "training.objective training.variation",
    "integer_verification packaging rivals.emission",
    "verification training.assessment training.baselines targets.firmware",
    "targets.emulation rivals.building",
    "targets.avr_simulation",
    "targets.measuring",
    "verdict rivals.measuring candidates",
    "fitting record training.loop costing",
    "saved",
    "pipeline doctor",
    "console",
    "corpus.cli training.cli",
    "cli",
)
ROW = {module: number for number, row in enumerate(ROWS) for module in row.split()}


class _Imports(ast.NodeVisitor):
    """Collects the modules of the package that a file imports when it runs."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                self.visit(other)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {name.name.partition(".")[2] for name in node.names if name.name.startswith("nstk.")}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "the package imports absolutely"
        first, _, module = (node.module or "").partition(".")
        if first == "nstk":
            self.found |= {module} if module else {n.name if n.name in ROW else "__init__" for n in node.names}


def imports(text: str) -> set[str]:
    visitor = _Imports()
    visitor.visit(ast.parse(text))
    return visitor.found


def test_every_module_has_its_row() -> None:
    modules = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")]
    assert sorted(modules) == sorted(ROW)
    assert len(ROW) == sum(len(row.split()) for row in ROWS)


@pytest.mark.parametrize("module", ROW)
def test_imports_only_lower_rows(module: str) -> None:
    found = imports((PACKAGE / f"{module.replace('.', '/')}.py").read_text())
    assert not {name: ROW[name] for name in found if ROW[name] >= ROW[module]}


def test_imports_are_found() -> None:
    text = """
import nstk.errors, torch
from nstk import sampling, __version__
def f():
    from nstk.fitting import fit
if TYPE_CHECKING:
    from nstk.cli import app
else:
    from nstk.mlp import forward
"""
    assert imports(text) == {"errors", "sampling", "__init__", "fitting", "mlp"}


def test_import_is_light() -> None:
    code = "import sys, nstk; dir(nstk); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = set(done.stdout.split())
    assert not {"torch", "transformers", "numpy", "matplotlib", "typer", "rich"} & names
    assert [name for name in names if name.startswith("nstk.")] == []


def test_compiling_imports_little() -> None:
    """Neither transformers nor torch's compiler, which take longer to import than a surrogate to fit."""
    code = "import sys; from nstk.compilation import SHIPPED; from nstk.hypernetwork import checkpoint, proposal"
    code += "; checkpoint.load_checkpoint(SHIPPED / 'compnet'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "tokenizers"} <= set(done.stdout.split())
    assert not {"transformers", "torch._dynamo"} & set(done.stdout.split())


def test_public_names() -> None:
    from nstk import BuildOptions, bench, build, export, finetune, load_surrogate, read_program, verify

    assert all(callable(f) for f in (bench, build, export, finetune, load_surrogate, read_program, verify))
    assert BuildOptions(Path("f.c")).effort == "normal"
    for name in nstk.__all__:
        assert getattr(nstk, name) is not None
        assert name in dir(nstk)
        assert name not in ROW  # importing a module of that name would hide it
    importlib.import_module("nstk.verification")
    assert nstk.verify is importlib.import_module("nstk.saved").verify
    with pytest.raises(AttributeError, match="no attribute 'helpers'"):
        _ = nstk.helpers
    with pytest.raises(ImportError):
        from nstk import helpers  # noqa: F401

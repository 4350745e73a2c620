"""Options that several verbs of the command line take."""

from pathlib import Path
from typing import Annotated

import typer

Function = Annotated[str | None, typer.Option("--function", help="Function to take from the file.")]
Domain = Annotated[str | None, typer.Option("--domain", help='Inputs\' intervals, "t=-20:60, rh=1:100".')]
Outputs = Annotated[str | None, typer.Option("--outputs", help="Pointer parameters that are outputs, a,b.")]
ToleranceText = Annotated[str | None, typer.Option("--tolerance", help="Largest error: 0.01 (output units) or 1%.")]
Norm = Annotated[str, typer.Option("--norm", help="rms, or max to aim at the largest error.")]
TopologyName = Annotated[str, typer.Option("--topology", help="auto, 4-4, 8-8, 16-16 or 32-32.")]
Number = Annotated[str, typer.Option("--number", help="auto, float or int16.")]
Style = Annotated[str, typer.Option("--style", help="speed or size.")]
Target = Annotated[list[str] | None, typer.Option("--target", help="Where to measure (repeatable): see nstk targets.")]
Init = Annotated[
    str,
    typer.Option("--init", help="Initial parameters: random, compnet, compnet-text, pretrained, maml, or a folder."),
]
Optimizer = Annotated[str, typer.Option("--optimizer", help="lm, or adam for the paper's protocol.")]
Samples = Annotated[int | None, typer.Option("--samples", help="Training pairs; default: what the topology needs.")]
Effort = Annotated[str, typer.Option("--effort", help="quick (without rivals), normal or high.")]
Seed = Annotated[int, typer.Option("--seed", help="Of every draw.")]
NoClamp = Annotated[bool, typer.Option("--no-clamp", help="Do not clamp inputs to the domain.")]
SigmoidError = Annotated[
    float | None, typer.Option("--sigmoid-error", help="Error allowed to the emitted activation.", show_default=False)
]
Pairs = Annotated[
    Path | None, typer.Option("--pairs", help="CSV, NPZ or Parquet pairs instead of running the program.")
]
Exhaustive = Annotated[bool, typer.Option("--exhaustive", help="Verify every float of a one-input program.")]
Out = Annotated[Path, typer.Option("--out", help="Folder that gets <function>/.")]
Cflags = Annotated[str, typer.Option("--cflags", help="Compiler flags the program needs.")]
Include = Annotated[list[Path] | None, typer.Option("--include", help="Folder of headers it needs (repeatable).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Folder = Annotated[Path, typer.Argument(metavar="SURROGATE", help="Folder that nstk build wrote.")]
SourceText = Annotated[str | None, typer.Argument(metavar="SOURCE[:FUNCTION]", help="C file.", show_default=False)]

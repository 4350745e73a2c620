"""ParrotBench: the kernels of fft, invk2j, kmeans and sobel, on the domains they are used on.

The programs are those of H. Esmaeilzadeh et al., "Neural acceleration for general-purpose approximate programs", MICRO
2012, without pointers. Every output is a row, as in the paper. Pairs are draws from the domain.
"""

from pathlib import Path
from typing import Any

from compnet_fits import TURNS, fit_in_turns, fit_with_adam, fit_with_lm, make_task
from compnet_functions import PAIRS, Sample
from compnet_methods import Methods

from nstk.hypernetwork.probing import run_probes
from nstk.program import read_program
from nstk.sampling import draw
from nstk.sandbox import ProgramRunner
from nstk.surrogate import normalize

EXAMPLES = Path(__file__).parent.parent / "examples"
PROGRAMS = {"fft": "sincos.c", "invk2j": "invk2j.c", "kmeans": "euclidean.c", "sobel": "sobel.c"}
_TEST = 2048
_RANDOM = 5  # starts


def measure_programs(methods: Methods) -> list[dict[str, Any]]:
    """Return the normalized test errors of every output of every program.

    Each row holds, under `zero-shot`, `adam` and `lm` (60 steps, where `compnet` meets `random`), the mean over every
    method's starts: one of the hypernetwork (with `lm`, up to three share its steps), five random ones.
    """
    rows = []
    for name, file in PROGRAMS.items():
        sample = _sample(EXAMPLES / file)
        outputs = [output.name for output in sample.program.outputs]
        found: list[dict[str, Any]] = [
            {"program": name, "output": output, "zero-shot": {}, "adam": {}, "lm": {}} for output in outputs
        ]
        for method in methods.names:
            task = make_task([sample], probes=method == "compnet")
            starts = methods.starts(method, task, [sample], _RANDOM, raced=True)
            alone = methods.starts(method, task, [sample], _RANDOM, located=True)
            errors = {"zero-shot": task.nmse(alone), "adam": fit_with_adam(task, starts)[0]}
            if method == "random":
                errors["lm"] = fit_with_lm(task, starts)[0]
            if method == "compnet":
                errors["lm"] = fit_in_turns(task, methods.turns(task, [sample], TURNS))[0]
            for part, values in errors.items():
                for row, value in zip(found, values.mean(1).tolist(), strict=True):
                    row[part][method] = float(f"{value:.4g}")
        rows += found
    return rows


def _sample(source: Path) -> Sample:
    """Run a program at its probes, at draws to learn from and at draws to test on."""
    program = read_program(source)
    x, test_x = draw(program.inputs, PAIRS, 0), draw(program.inputs, _TEST, 1)
    with ProgramRunner(program) as runner:
        probes = run_probes(program, runner.outputs)
        y, test_y = runner.outputs(x), runner.outputs(test_x)
    return Sample(program, probes, normalize(program.inputs, x), y, normalize(program.inputs, test_x), test_y)

"""Surrogate compilation: a program in, initial parameters out.

Every method answers the same call, so that the pipeline races what they propose against each other on equal pairs.
Random starts are always among them.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nstk import sampling
from nstk.errors import UsageError
from nstk.options import DEFAULT_TOLERANCE, INITS, BuildOptions
from nstk.output import check_writable, replacing
from nstk.pairs import read_pairs
from nstk.program import Program, read_program
from nstk.sandbox import ProgramRunner
from nstk.surrogate import Network, Surrogate, mlp_forward, normalize, save_surrogate
from nstk.topology import Topology, parse_hidden

if TYPE_CHECKING:
    from nstk.hypernetwork.proposal import Compiled

Array = NDArray[np.float64]

Progress = Callable[[str], None]

#: What ships with the package: a folder for each method.
SHIPPED = Path(__file__).parent / "hypernetwork" / "shipped"


_PAIRS, _CANDIDATES = 1024, 32
_INPUTS = 9  # of the covering topologies


def compile_program(
    program: Program,
    method: str,
    original: Callable[[Array], Array] | None,
    progress: Progress,
    pairs: tuple[Array, Array] | None = None,
) -> "Compiled | None":
    """Compile a program with a hypernetwork.

    Args:
        program: What is to be imitated.
        method: One of `options.INITS`, or the folder of a hypernetwork.
        original: Runs the program, for the probes; None if it cannot be run.
        progress: Told if the program has too many inputs for the hypernetwork.
        pairs: Inputs `(N, I)` and outputs `(N, O)` from which probes are imputed if it cannot be run.

    Returns:
        What the hypernetwork proposes; None for `random`, and for programs with too many inputs.

    Raises:
        UsageError: The method is unknown, or the folder holds no hypernetwork.
    """
    if method == "random":
        return None
    loaded = _load(_folder(method))
    from nstk.hypernetwork.probing import impute_probes, run_probes
    from nstk.hypernetwork.proposal import adopt, compile_with

    if len(program.inputs) > _INPUTS:
        progress(f"{program.name} has more than {_INPUTS} inputs: initial parameters are random")
        return None
    if isinstance(loaded, dict):
        return adopt(loaded, program)
    model, tokenizer = loaded
    probes = None
    if method != "compnet-text" and original is not None:
        probes = run_probes(program, original)
    elif method != "compnet-text" and pairs is not None:
        probes = impute_probes(program, *pairs)
    return compile_with(model, tokenizer, program, probes)


def method_name(method: str) -> str:
    """Return a method's name for reports: a folder's is that of its weights, wherever they lie."""
    return method if method in INITS else f"hypernetwork {hypernetwork_digest(method)[:12]}"


def hypernetwork_digest(method: str) -> str:
    """Return a hash of the weights a method compiles with; empty for `random`, or if there are none."""
    if method == "random":
        return ""
    files = sorted(_folder(method).glob("*.safetensors"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def propose(
    topology: Topology,
    count: int,
    seed: int,
    compiled: "Compiled | None" = None,
    mean: Array | None = None,
    scale: Array | None = None,
) -> Array:
    """Propose initial parameters.

    Args:
        topology: Of the network that is asked for.
        count: Number of candidates.
        seed: Of the random ones.
        compiled: What a hypernetwork proposes; all candidates but one are its, as far as they go.
        mean: `(O,)` that the surrogate adds to its outputs; with `compiled`.
        scale: `(O,)` that it multiplies them by.

    Returns:
        `(count, P)`, float64.
    """
    found = np.empty((0, topology.parameters))
    if compiled is not None:
        assert mean is not None
        assert scale is not None
        found = compiled.starts(topology, mean, scale)[: max(1, count - 1)]
    return np.concatenate([found, random_parameters(topology, count - len(found), seed)])


def random_parameters(topology: Topology, count: int, seed: int) -> Array:
    """Draw parameters as torch's `nn.Linear` does by default: weights and biases U(-k, k), k = 1 / sqrt(inputs)."""
    generator = np.random.default_rng([seed, *topology.widths])
    params = np.empty((count, topology.parameters))
    for layer in topology.layers():
        bound = layer.inputs**-0.5
        for part in (layer.weight, layer.bias):
            params[:, part] = generator.uniform(-bound, bound, (count, part.stop - part.start))
    return params


def _folder(method: str) -> Path:
    if method in INITS:
        return SHIPPED / method.removesuffix("-text")
    if not Path(method).is_dir():
        raise UsageError(f"unknown init '{method}'", f"choose one of {', '.join(INITS)}, or a hypernetwork's folder")
    return Path(method)


def compile_surrogate(options: BuildOptions, progress: Progress) -> dict[str, Any]:
    """Compile a program to an initial surrogate, one network per output, and save it.

    The best of all candidates on 1,024 runs of the program (or on the pairs given) is kept for each output, so that the
    result is at least as good as the best random start.

    Args:
        options: `source`, `function`, `domain`, `outputs`, `topology` (`auto` is 4-4), `init`, `pairs`, `seed`, `out`,
            `cflags` and `include` are used.
        progress: Told each step as it begins.

    Returns:
        What was made: function, folder, init, topology, candidates, seconds (once the hypernetwork is loaded), nrmse of
        each output and of its best random start.

    Raises:
        NstkError: Bad input, or the program misbehaved; nothing is written then.
    """
    program = read_program(options.source, options.function, domain=options.domain or None, outputs=options.outputs)
    topology = Topology((len(program.inputs), *parse_hidden(options.topology)[0], 1))
    folder = options.out / program.name
    check_writable(folder)
    with ExitStack() as stack:
        original = None
        if options.pairs is None:
            progress(f"running {program.name}")
            runner = stack.enter_context(ProgramRunner(program, includes=options.include, cflags=options.cflags))
            original = runner.outputs
            x = sampling.training_points(program.inputs, _PAIRS, options.seed)
            y = original(x)
        else:
            x, y = read_pairs(options.pairs, program)
        if options.init != "random":
            progress("loading the hypernetwork")
            _load(_folder(options.init))
        began = time.perf_counter()
        compiled = compile_program(program, options.init, original, progress, (x, y))
        seconds = time.perf_counter() - began
    mean, std = y.mean(0), y.std(0)
    unit = np.where(std > 0, std, 1.0)
    starts = propose(topology, _CANDIDATES, options.seed, compiled, mean, unit)
    random = random_parameters(topology, _CANDIDATES, options.seed)
    z, target = normalize(program.inputs, x), (y - mean) / unit
    errors, baseline = (np.array([_nrmse(topology, params, z, target) for params in each]) for each in (starts, random))
    networks = tuple(
        Network(topology, starts[best].astype(np.float32), (output,)) for output, best in enumerate(errors.argmin(0))
    )
    provenance = {
        "init": method_name(options.init),
        "seed": options.seed,
        "tolerance": options.tolerance or program.tolerance,
    }
    provenance["tolerance"] = provenance["tolerance"] or DEFAULT_TOLERANCE
    with replacing(folder) as scratch:
        save_surrogate(Surrogate(program, networks, mean, std, provenance | {"emission": options.emission()}), scratch)
    return {
        "function": program.name,
        "folder": str(folder),
        "init": method_name(options.init),
        "topology": str(topology),
        "candidates": len(starts),
        "seconds": seconds,
        "nrmse": dict(zip(program.output_names, errors.min(0).tolist(), strict=True)),
        "random_nrmse": dict(zip(program.output_names, baseline.min(0).tolist(), strict=True)),
    }


def _nrmse(topology: Topology, params: Array, x: Array, y: Array) -> Array:
    """Return the error of one network `(O,)` on normalized inputs `(N, I)` and standardized outputs `(N, O)`."""
    error: Array = np.sqrt(np.mean((mlp_forward(topology, params, x) - y) ** 2, axis=0))
    return error


@lru_cache(maxsize=1)
def _load(folder: Path) -> Any:
    if folder.parent == SHIPPED and not folder.is_dir():
        hint = "use --init random, or the folder of one that nstk train wrote"
        raise UsageError(f"no '{folder.name}' ships with this version", hint)
    from nstk.hypernetwork.initialization import FILE, load_initialization

    if (folder / FILE).is_file():
        return load_initialization(folder)
    from nstk.hypernetwork.checkpoint import load_checkpoint

    return load_checkpoint(folder)

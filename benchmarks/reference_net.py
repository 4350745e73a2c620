"""The fixed 9-4-4-1 sigmoid network that every inference benchmark evaluates.

`reference_net.json` was made once by `python benchmarks/reference_net.py` (torch 2.13.0); loading it needs numpy only.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nstk.surrogate import Surrogate

PATH = Path(__file__).with_name("reference_net.json")


@dataclass(frozen=True)
class ReferenceNet:
    """One layer per entry: weights (outputs, inputs) float32, as in torch's `nn.Linear`, and biases (outputs,)."""

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """Evaluate in float64: x (N, 9) -> (N, 1)."""
        a = np.asarray(x, np.float64)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            a = a @ weight.astype(np.float64).T + bias.astype(np.float64)  # (N, outputs)
            if layer < len(self.weights) - 1:
                a = 1.0 / (1.0 + np.exp(-a))
        return a


def draw() -> dict[str, list[list[list[float]]] | list[list[float]]]:
    """Draw the network as torch's default `nn.Linear` initialization times 1.5, float32, seed 0."""
    import torch

    torch.manual_seed(0)
    layers = [torch.nn.Linear(9, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 1)]
    return {
        "weights": [(1.5 * layer.weight.detach()).tolist() for layer in layers],
        "biases": [(1.5 * layer.bias.detach()).tolist() for layer in layers],
    }


def load() -> ReferenceNet:
    """Load the committed weights; every decimal in the file is exactly a float32."""
    data = json.loads(PATH.read_text())
    return ReferenceNet(
        tuple(np.array(weight, np.float32) for weight in data["weights"]),
        tuple(np.array(bias, np.float32) for bias in data["biases"]),
    )


def draw_inputs(n: int, seed: int = 1) -> np.ndarray:
    """Draw the benchmark's inputs: (n, 9) float32, uniform over the network's domain [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, 9)).astype(np.float32)


def reference_surrogate() -> "Surrogate":
    """Return the network as a surrogate of `float ref(float x0, ...)` over [-1, 1]^9, as if fitted to it."""
    from nstk.program import read_program
    from nstk.surrogate import Network, Surrogate
    from nstk.topology import Topology

    net = load()
    params = np.concatenate([part.ravel() for layer in zip(net.weights, net.biases, strict=True) for part in layer])
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ref.c"
        source.write_text(f"float ref({', '.join(f'float x{i}' for i in range(9))}) {{ return x0; }}\n")
        program = read_program(source)
    return Surrogate(program, (Network(Topology((9, 4, 4, 1)), params, (0,)),), np.zeros(1), np.ones(1), {})


if __name__ == "__main__":
    PATH.write_text(json.dumps(draw(), indent=1) + "\n")

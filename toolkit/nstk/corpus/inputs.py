"""The inputs programs are run on: the paper's shared pairs, the fixed points of every domain, and the domains.

All are float32. They are constants of the corpus format, not of one build: two corpora, and a hypernetwork trained on
either, speak of the same points.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from nstk.sampling import sobol_unit

FloatArray = NDArray[np.float32]

VARYING = 9  # leading parameters that vary; further ones are 1.0
PAIRS = 2048  # shared inputs, drawn U(-1, 1)
POINTS = 512  # points every domain is run on; the first PROBES of them are what a hypernetwork may see
PROBES = 256

_SEED = 2024
# What the inputs of real functions mean: unit and signed intervals, colours, percents, degrees, radians, temperatures
# in Celsius and Kelvin, sizes, times and rates.
_UNITS = (
    (0, 1), (0, 1), (-1, 1), (0, 2), (-2, 2), (0.1, 1), (0.5, 1.5), (0, 5), (-5, 5), (0, 10), (-10, 10), (0.1, 10),
    (1, 10), (0, 255), (1, 100), (0, 100), (-100, 100), (0, 1000), (-180, 180), (0, 360), (-90, 90), (0, 90),
    (-np.pi, np.pi), (0, 2 * np.pi), (0, np.pi / 2), (-20, 60), (-40, 85), (0, 40), (250, 320), (273.15, 373.15),
    (20, 2000), (0.001, 0.1),
)  # fmt: skip


@functools.cache
def shared_inputs() -> FloatArray:
    """Return the paper's inputs (2048, 9), read-only: independent draws U(-1, 1)."""
    generator = np.random.Generator(np.random.PCG64(_SEED))
    return frozen(generator.uniform(-1.0, 1.0, (PAIRS, VARYING)))


@functools.cache
def unit_points() -> FloatArray:
    """Return the points (512, 9) in [-1, 1) that are mapped into every domain, the probes first, read-only.

    They are a Sobol sequence.
    """
    return frozen(2.0 * sobol_unit(VARYING, POINTS, _SEED) - 1.0)


def frozen(x: NDArray[np.floating]) -> FloatArray:
    """Return x as float32 that nobody can write to."""
    found = x.astype(np.float32)
    found.setflags(write=False)
    return found


def draw_domains(seed: int, key: int, inputs: int, count: int) -> tuple[FloatArray, FloatArray]:
    """Draw domains for one program.

    Half of the domains give all inputs one interval, as coordinates or colours have; half hold positive numbers only,
    so that roots and logarithms are met where they are defined.

    Args:
        seed: Of the build.
        key: Of the program.
        inputs: Number of inputs that vary.
        count: Number of domains.

    Returns:
        Centres (count, inputs) and half-widths (count, inputs).
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key])))
    centre, half_width = np.empty((2, count, inputs))
    for row in range(count):
        shared, positive = generator.random() < 0.5, generator.random() < 0.5
        drawn = np.array([_draw_interval(generator, positive) for _ in range(1 if shared else inputs)])  # (1 or I, 2)
        centre[row], half_width[row] = drawn.T
    return centre.astype(np.float32), half_width.astype(np.float32)


def map_points(centre: FloatArray, half_width: FloatArray) -> FloatArray:
    """Map the points into one domain: centre (I,), half_width (I,) -> (512, I)."""
    return centre + half_width * unit_points()[:, : len(centre)]


def _draw_interval(generator: np.random.Generator, positive: bool) -> tuple[float, float]:
    """Return centre and half-width of one interval: a unit people use, or one of no name around [-1, 1]."""
    if generator.random() < 0.6:
        lo, hi = _UNITS[generator.integers(len(_UNITS))]
        while positive and lo < 0:
            lo, hi = _UNITS[generator.integers(len(_UNITS))]
    else:
        centre, half = generator.uniform(-2, 2), np.exp(generator.uniform(np.log(0.2), np.log(3)))
        lo, hi = centre - half, centre + half
        if positive and lo < 0:
            lo, hi = 0.01 * half, 0.01 * half + 2 * half
    return (lo + hi) / 2, (hi - lo) / 2

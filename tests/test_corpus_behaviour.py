"""Inputs, behaviours, and what must never enter the corpus."""

import itertools
import re

import numpy as np
import pytest

from nstk.corpus.behaviour import (
    behaviour_id,
    behaviour_kind,
    fingerprint,
    fingerprint_inputs,
    is_constant,
    same_fingerprint,
)
from nstk.corpus.exclusion import protected_programs, protects_outputs, protects_text
from nstk.corpus.inputs import POINTS, PROBES, draw_domains, map_points, shared_inputs, unit_points
from nstk.sandbox import ProgramRunner

SHARED = shared_inputs()


def test_inputs_are_what_the_format_says() -> None:
    assert SHARED.shape == (2048, 9)
    assert SHARED.dtype == np.float32
    assert np.abs(SHARED).max() < 1
    assert np.abs(SHARED.mean(axis=0)).max() < 0.05
    points = unit_points()
    assert points.shape == (POINTS, 9)
    cells = np.floor((points[:PROBES] + 1) * PROBES / 2).astype(int)
    assert all(len(np.unique(column)) == PROBES for column in cells.T)  # a Sobol sequence fills every interval


def test_domains_depend_on_program_and_seed_alone() -> None:
    first = draw_domains(0, 7, 3, 50)
    assert np.array_equal(first, draw_domains(0, 7, 3, 50))
    assert not np.array_equal(first, draw_domains(1, 7, 3, 50))
    assert not np.array_equal(first, draw_domains(0, 8, 3, 50))
    centre, half_width = first
    assert (half_width > 0).all()
    lowest = (centre - half_width).min(axis=1)
    assert 0.3 < (lowest >= -1e-6).mean() < 0.9  # half are positive on purpose, some by chance
    x = map_points(centre[0], half_width[0])
    assert x.dtype == np.float32
    assert (np.abs(x - centre[0]) <= half_width[0] * (1 + 1e-6)).all()


def test_behaviour_is_blind_to_rounding_and_sees_small_changes() -> None:
    y = np.sin(3 * SHARED[:, 0]) * SHARED[:, 1]
    noise = (1 + 1e-7 * np.sign(SHARED[:, 2])).astype(np.float32)
    same = [behaviour_id(y * noise**k) == behaviour_id(y) for k in range(1, 20)]
    assert sum(same) >= 17  # a projection may lie at the edge of its cell
    changed = y.copy()
    changed[::100] += 0.1  # on 1 % of the inputs
    assert behaviour_id(changed) != behaviour_id(y)
    assert behaviour_id(y + np.float32(1e-3)) != behaviour_id(y)
    assert behaviour_id(1e6 * y) == behaviour_id(1e6 * y * noise)
    assert behaviour_id(1e6 * y) != behaviour_id(2e6 * y)
    holes = np.where(SHARED[:, 3] > 0, y, np.nan).astype(np.float32)
    assert behaviour_id(holes) != behaviour_id(np.nan_to_num(holes))


def test_kinds() -> None:
    assert behaviour_kind(np.full(2048, 3, np.float32), 2) == "constant"
    assert behaviour_kind(2 * SHARED[:, 0] - SHARED[:, 1] + 1, 2) == "affine"
    assert behaviour_kind(SHARED[:, 0] * SHARED[:, 1], 2) == "nonlinear"
    holes = np.where(SHARED[:, 0] > -0.5, SHARED[:, 0] ** 2, np.nan).astype(np.float32)
    assert behaviour_kind(holes, 1) == "nonlinear"
    assert is_constant(np.array([1e6, 1e6 + 0.06], np.float32))
    assert not is_constant(np.array([1e-9, 2e-9], np.float32))


def test_every_protected_program_shows_its_fingerprint() -> None:
    programs = protected_programs()
    assert {"twiddle_factor", "inverse_kinematics", "euclidean_distance", "sobel"} < {p.name for p in programs}
    for program in programs:
        x = fingerprint_inputs()[:, : len(program.inputs)].astype(float)
        with ProgramRunner(program) as runner:
            for y in runner.run(x).T:
                print_ = fingerprint(y)
                assert same_fingerprint(print_, print_), program.name


@pytest.mark.parametrize("program", protected_programs(), ids=lambda program: program.name)
def test_protected_programs_are_known_whatever_the_order_of_arguments(program) -> None:
    count = len(program.inputs)
    orders = list(itertools.islice(itertools.permutations(range(9), count), 0, None, 1 + 9**count // 60))
    orders.append(tuple(range(8, 8 - count, -1)))
    with ProgramRunner(program) as runner:
        for order in orders[-20:]:
            for y in runner.run(fingerprint_inputs()[:, order].astype(float)).T:
                assert protects_outputs(y), order
                assert protects_outputs(2 - 3 * y), order


def test_neighbours_of_protected_programs_stay() -> None:
    x = fingerprint_inputs().astype(float)
    pairs = ((0, 3), (1, 4), (2, 5))
    assert not protects_outputs(sum(np.abs(x[:, i] - x[:, j]) for i, j in pairs))  # Manhattan
    assert not protects_outputs(np.hypot(x[:, 0] - x[:, 1], x[:, 2] - x[:, 3]))  # in the plane
    assert not protects_outputs(np.sin(2 * np.pi * x[:, 0] + 0.1))
    assert not protects_outputs(x[:, 0])
    assert not protects_outputs(np.full(len(x), np.nan))


def test_protected_text_is_known_whatever_its_names() -> None:
    source = next(p for p in protected_programs() if p.name == "euclidean_distance").source
    assert protects_text(source, "euclidean_distance")
    renamed = re.sub(r"\b([a-z]+\d?)\b(?!\s*\()", lambda m: m[1] if m[1] in KEPT else f"{m[1]}_of_mine", source)
    assert renamed != source
    renamed = renamed.replace("float", "double").replace("sqrtf", "sqrt")
    assert protects_text(renamed, "euclidean_distance")
    assert not protects_text(renamed.replace(" + ", " - ", 1), "euclidean_distance")


KEPT = ("float", "const", "return", "static", "include", "math", "h", "define")

"""Compilation with a hypernetwork: probes, adapted topologies, and what the fitter makes of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nstk.compilation import compile_program, propose, random_parameters
from nstk.corpus.inputs import unit_points
from nstk.errors import UsageError
from nstk.hypernetwork.checkpoint import load_checkpoint, save_checkpoint
from nstk.hypernetwork.configuration import NetworkConfig
from nstk.hypernetwork.network import HyperNetwork
from nstk.hypernetwork.probing import impute_probes, run_probes
from nstk.hypernetwork.proposal import compile_with
from nstk.hypernetwork.tokenization import ProgramTokenizer, build_tokenizer, pad
from nstk.program import Program, read_program
from nstk.surrogate import load_surrogate, mlp_forward, normalize
from nstk.symbolic.formulas import Argument
from nstk.topology import Topology

TEXT = """
/* nstk: a=1:3, n=0:9; outputs: z */
void both(float a, int n, float b, float *z, float *w) { *z = a * b; *w = a; }
/* nstk: t=-20:60; tolerance: 2% */
float bend(float t) { return t * t / 100.0f; }
float ten(float a, float b, float c, float d, float e, float f, float g, float h, float i, float j)
{ return a + b + c + d + e + f + g + h + i + j; }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    config = NetworkConfig(hidden_size=16, intermediate_size=32, trunk_width=24, trunk_blocks=1, candidates=[3, 3, 3])
    path = tmp_path_factory.mktemp("hypernetwork")
    save_checkpoint(HyperNetwork(config), ProgramTokenizer(build_tokenizer()), path)
    return path


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "f.c"
    path.write_text(TEXT)
    return path


def read(source: Path, name: str, **more) -> Program:
    return read_program(source, name, **more)


def two_outputs(x):
    return np.stack([x[:, 0] * x[:, 2], 5 + 0.1 * x[:, 0]], 1)


def ignore(text: str) -> None:
    pass


def test_probes_lie_in_the_domain(source):
    program = read(source, "both", outputs=["z", "w"])
    probes = run_probes(program, two_outputs)
    x, y = probes.x, probes.y
    assert x.shape == (256, 3)
    assert y.shape == (256, 2)
    assert probes.given.all()
    np.testing.assert_allclose(x[:, [0, 2]], unit_points()[:256, [0, 2]], atol=1e-6)
    assert len(np.unique(x[:, 1])) == 10


def test_probes_are_imputed_from_pairs(source):
    program = read(source, "both", outputs=["z", "w"])
    truth = run_probes(program, two_outputs)
    x = np.random.default_rng(0).uniform([1, 0, -1], [3, 9, 1], (600, 3))
    imputed = impute_probes(program, x, two_outputs(x))
    assert imputed.given.mean() > 0.95
    np.testing.assert_allclose(imputed.y[imputed.given], truth.y[imputed.given], atol=0.05)
    few = impute_probes(program, x[:600][x[:, 0] < 1.5], two_outputs(x[x[:, 0] < 1.5]))
    assert few.given.any()
    assert not few.given[truth.x[:, 0] > 0.5].all()
    assert not impute_probes(program, x[:3], np.sin(40 * x[:3, :2])).given.all()


def test_compiled_networks_compute_what_the_covering_ones_do(folder, source):
    program = read(source, "both", outputs=["z", "w"])
    compiled = compile_program(program, str(folder), two_outputs, ignore)
    model, tokenizer = load_checkpoint(folder)
    probes = (compiled.y - compiled.mean) / compiled.scale
    inputs = {"a": Argument(0), "n": Argument(1), "b": Argument(2), "z": Argument(None), "w": Argument(None)}
    encoded = tokenizer.encode(program.source, "both", [(1, 3), (0, 9), (-1, 1)], inputs, outputs=2)
    assert encoded[0].root > 0
    domain = torch.tensor([[2, 4.5, 0] + [0] * 6, [1, 4.5, 1] + [1] * 6, [1] * 3 + [0] * 6], dtype=torch.float32)
    with torch.no_grad():
        out = model(
            *pad(encoded[:1]),
            *domain[:, None],
            torch.tensor(probes.T[:1]).float(),
            None,
            torch.tensor(unit_points()[:256]).double(),
        )
    covering = Topology((9, 8, 8, 1))
    x = np.zeros((256, 9))
    x[:, :3] = compiled.x
    expected = [mlp_forward(covering, params, x) for params in out.parameters[1][0].double().numpy()]
    got = [mlp_forward(Topology((3, 8, 8, 1)), params, compiled.x) for params in compiled.candidates[8, 8][0]]
    assert len(got) == 8 * len(expected)  # written in other frames too
    for each in expected:
        assert min(np.abs(each - other).max() for other in got) < 1e-4
    errors = [np.square(each - probes[:, :1]).mean() for each in got]
    assert np.diff(errors).min() > -1e-3  # probes at integers are a little off the fixed inputs


def test_starts_follow_the_surrogates_standardization(folder, source):
    program = read(source, "both", outputs=["z", "w"])
    compiled = compile_program(program, str(folder), two_outputs, ignore)
    topology = Topology((3, 4, 4, 1))
    mean, scale = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    starts = compiled.starts(topology, mean, scale)
    assert starts.shape == (2 * 8 * 3, topology.parameters)
    for output in range(2):
        first = compiled.candidates[4, 4][output, 0]
        expected = mlp_forward(topology, first, compiled.x) * compiled.scale[output] + compiled.mean[output]
        got = mlp_forward(topology, starts[output], compiled.x) * scale[output] + mean[output]
        np.testing.assert_allclose(got, expected, atol=1e-9)
    assert compiled.starts(Topology((3, 32, 32, 1)), mean, scale).shape == (0, Topology((3, 32, 32, 1)).parameters)


def test_shared_networks_fit_all_outputs(folder, source):
    program = read(source, "both", outputs=["z", "w"])
    shared = Topology((3, 8, 8, 2))
    with_probes = compile_program(program, str(folder), two_outputs, ignore)
    x, y = with_probes.x, with_probes.y
    mean, scale = y.mean(0), y.std(0)
    for params in with_probes.starts(shared, mean, scale):
        error = mlp_forward(shared, params, x) - (y - mean) / scale
        assert (error.var(0) < 0.5).all()
    cloned = compile_program(program, str(folder), None, ignore).starts(shared, mean, scale)
    y = mlp_forward(shared, cloned[0], x)
    np.testing.assert_array_equal(y[:, 0], y[:, 1])


def test_text_alone_runs_nothing(folder, source):
    program = read(source, "bend")
    compiled = compile_program(program, str(folder), None, ignore)
    assert compiled.x.shape == (0, 1)
    assert np.isfinite(compiled.mean).all()
    assert (compiled.scale > 0).all()
    topology, mean, scale = Topology((1, 4, 4, 1)), np.array([3.0]), np.array([2.0])
    starts = compiled.starts(topology, mean, scale)
    # With mean and scale as predicted, and without.
    np.testing.assert_array_equal(starts[1::2], compiled.candidates[4, 4][0])
    np.testing.assert_array_equal(starts[1::2], replace(compiled, mean=None, scale=None).starts(topology, mean, scale))
    x = np.linspace(-1, 1, 9)[:, None]
    located, plain = (mlp_forward(topology, params, x)[:, 0] for params in starts[:2])
    np.testing.assert_allclose(located * scale + mean, plain * compiled.scale + compiled.mean)


def test_text_alone_is_fitted_to_what_it_predicts(folder, source):
    """Of the networks that are small the first is, and no other candidate is closer."""
    program = read(source, "bend")
    model, tokenizer = load_checkpoint(folder)
    compiled = compile_with(model, tokenizer, program, None)
    encoded = pad(tokenizer.encode(program.source, program.name, [(-20, 60)]))
    there = (torch.arange(9) < 1).float()[None]
    domain = [20 * there, 1 + 39 * there, there]
    predicted = model(*encoded, *domain, writes=False).probes[0].detach().double().numpy()
    x = unit_points()[:256, :1].astype(np.float64)
    for hidden in ((4, 4), (8, 8)):
        topology = Topology((1, *hidden, 1))
        errors = [
            np.square(mlp_forward(topology, p, x)[:, 0] - predicted).mean() for p in compiled.candidates[hidden][0]
        ]
        assert errors[0] < min(errors[1:])


def test_text_is_read_where_a_probe_is_missing(folder, source):
    program = read(source, "bend")
    model, tokenizer = load_checkpoint(folder)
    torch.nn.init.normal_(model.text_entry.weight)
    model.eval()
    probes = run_probes(program, lambda x: x * x)
    other = replace(program, source=program.source.replace("t * t", "sinf(t)"))
    fewer = replace(probes, given=np.arange(256) < 255)
    for shown, equal in ((probes, True), (fewer, False)):
        first, second = (compile_with(model, tokenizer, p, shown).candidates[4, 4] for p in (program, other))
        assert np.array_equal(first, second) == equal


def test_constant_outputs(folder, source):
    program = read(source, "bend")
    compiled = compile_program(program, str(folder), lambda x: np.full((len(x), 1), 7.0), ignore)
    assert np.isfinite(compiled.starts(Topology((1, 4, 4, 1)), np.array([7.0]), np.array([1.0]))).all()


def test_too_many_inputs_fall_back_to_random(folder, source):
    told = []
    assert compile_program(read(source, "ten"), str(folder), None, told.append) is None
    assert told == ["ten has more than 9 inputs: initial parameters are random"]


def test_random_starts_are_always_among_them(folder, source):
    program = read(source, "bend")
    compiled = compile_program(program, str(folder), lambda x: x**2, ignore)
    topology = Topology((1, 4, 4, 1))
    starts = propose(topology, 5, 3, compiled, np.zeros(1), np.ones(1))
    assert starts.shape == (5, topology.parameters)
    np.testing.assert_array_equal(starts[4:], random_parameters(topology, 1, 3))
    np.testing.assert_array_equal(propose(topology, 5, 3), random_parameters(topology, 5, 3))


def test_command(folder, source, tmp_path, nstk):
    ran = nstk("compile", f"{source}:bend", "--init", folder, "--out", tmp_path / "out", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["nrmse"]["result"] <= 1.5 * ran.json["random_nrmse"]["result"]
    assert ran.json["seconds"] < 1
    surrogate = load_surrogate(tmp_path / "out" / "bend")
    x = np.linspace(-20, 60, 400)[:, None]
    nrmse = np.sqrt(np.mean((surrogate.predict(x) - x**2 / 100) ** 2)) / np.std(x**2 / 100)
    assert nrmse == pytest.approx(ran.json["nrmse"]["result"], rel=0.2)
    assert normalize(surrogate.program.inputs, x).max() == 1
    again = nstk("compile", f"{source}:bend", "--init", folder, "--out", tmp_path / "out2", "--json")
    assert again.code == 0
    files = [tmp_path / out / "bend" / "surrogate.safetensors" for out in ("out", "out2")]
    assert files[0].read_bytes() == files[1].read_bytes()
    ran = nstk(
        "finetune", tmp_path / "out" / "bend", f"{source}:bend", "--out", tmp_path / "fine", "--tolerance", "99%"
    )
    assert ran.code == 0, ran.err


def test_build_starts_from_a_hypernetwork(folder, source, tmp_path, nstk):
    arguments = [
        "build",
        f"{source}:bend",
        "--effort",
        "quick",
        "--out",
        tmp_path / "out",
        "--topology",
        "4-4",
        "--json",
    ]
    ran = nstk(*arguments, "--init", folder)
    assert ran.code == 0, ran.err
    assert ran.json["init"]["method"].startswith("hypernetwork ")
    assert "unchanged" in nstk(*arguments[:-1], "--init", folder).out
    nstk("build", f"{source}:bend", "--init", "magic").check_error(2, "unknown init 'magic'")
    nstk("compile", f"{source}:bend", "--init", tmp_path).check_error(2, "cannot load a hypernetwork")


def test_unknown_methods(source):
    with pytest.raises(UsageError, match="unknown init"):
        compile_program(read(source, "bend"), "magic", None, ignore)

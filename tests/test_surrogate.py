import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade import INT, pointer, program, value
from networks import inputs_program, random_surrogate, with_intervals

from nstk.errors import UsageError
from nstk.folding import fold
from nstk.surrogate import (
    Surrogate,
    load_surrogate,
    mlp_forward,
    normalize,
    rebase,
    save_surrogate,
    with_provenance,
)
from nstk.topology import Topology

FILES = ("surrogate.json", "surrogate.safetensors")


def two_outputs(**options) -> Surrogate:
    p = program("float f(...);", value("a"), value("k", INT), pointer("q"), name="f")
    return random_surrogate(with_intervals(p, (-3, 0.1), (0, 9)), **options)


def saved(surrogate: Surrogate, folder: Path) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True, parents=True)
    save_surrogate(surrogate, folder)
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.mark.parametrize("shared", [True, False])
def test_round_trip(tmp_path, shared):
    surrogate = with_provenance(two_outputs(shared=shared), init={"method": "random"}, seed=7)
    content = saved(surrogate, tmp_path / "a")
    for path in (tmp_path / "a", tmp_path / "a" / FILES[0], tmp_path / "a" / FILES[1]):
        loaded = load_surrogate(path)
        assert loaded.program == surrogate.program
        assert loaded.provenance == surrogate.provenance == {"init": {"method": "random"}, "seed": 7}
        for new, old in zip(loaded.networks, surrogate.networks, strict=True):
            assert (new.topology, new.outputs) == (old.topology, old.outputs)
            assert new.params.dtype == np.float32
            assert new.params.tobytes() == old.params.tobytes()
        assert loaded.y_mean.tobytes() == surrogate.y_mean.tobytes()
        assert loaded.y_std.tobytes() == surrogate.y_std.tobytes()
        x = np.random.default_rng(0).normal(size=(50, 2))
        assert loaded.predict(x).tobytes() == surrogate.predict(x).tobytes()
    assert saved(loaded, tmp_path / "b") == content


def test_equal_surrogates_give_equal_bytes(tmp_path):
    assert saved(two_outputs(seed=3), tmp_path / "a") == saved(two_outputs(seed=3), tmp_path / "b")
    assert saved(two_outputs(seed=4), tmp_path / "c") != saved(two_outputs(seed=3), tmp_path / "a")
    text = (tmp_path / "a" / "surrogate.json").read_text()
    assert str(tmp_path) not in text


def edited(path: tuple, value: object):
    def edit(record: dict) -> None:
        for key in path[:-1]:
            record = record[key]
        if value is KeyError:
            del record[path[-1]]
        else:
            record[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        edited(("format",), 2),
        edited(("format",), KeyError),
        edited(("program",), KeyError),
        edited(("program",), 5),
        edited(("program", "inputs"), []),
        edited(("program", "inputs", 0, "interval", "lo"), 1e9),
        edited(("program", "inputs", 0, "interval", "lo"), "low"),
        edited(("program", "name"), KeyError),
        edited(("program", "outputs", 0), {}),
        edited(("networks",), []),
        edited(("networks",), None),
        edited(("networks", 0), 3),
        edited(("networks", 0, "widths"), []),
        edited(("networks", 0, "widths"), [2]),
        edited(("networks", 0, "widths"), [2, 4, 4, 1]),
        edited(("networks", 0, "widths"), [3, 4, 4, 2]),
        edited(("networks", 0, "widths"), [2, 0, 4, 2]),
        edited(("networks", 0, "widths"), [2, -4, 4, 2]),
        edited(("networks", 0, "widths"), [2, "4", 4, 2]),
        edited(("networks", 0, "widths"), [2, 4.0, 4, 2]),
        edited(("networks", 0, "outputs"), [0]),
        edited(("networks", 0, "outputs"), [0, 0]),
        edited(("networks", 0, "outputs"), [0, 2]),
        edited(("networks", 0, "outputs"), [0.0, 1.0]),
        edited(("networks", 0, "outputs"), 1),
        edited(("provenance",), KeyError),
        edited(("provenance",), [1]),
    ],
)
def test_damaged_records_are_refused(tmp_path, edit):
    saved(two_outputs(), tmp_path)
    file = tmp_path / "surrogate.json"
    record = json.loads(file.read_text())
    edit(record)
    file.write_text(json.dumps(record))
    with pytest.raises(UsageError) as caught:
        load_surrogate(tmp_path)
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_refused(tmp_path, name):
    content = saved(two_outputs(), tmp_path)[name]
    for damaged in (
        b"",
        b"\0" * 40,
        b"[]",
        b"null",
        b"\xff\xfe",
        content[: len(content) // 2],
        content[:-1] + b"}}",
        b"[" * 100_000,
    ):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(UsageError):
            load_surrogate(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UsageError, match="cannot load"):
        load_surrogate(tmp_path)
    with pytest.raises(UsageError, match="cannot load"):
        load_surrogate(tmp_path / "nowhere" / "surrogate.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {"y_mean": np.array([np.nan, 0.0])},
        lambda s: {"y_std": np.array([1.0, np.inf])},
        lambda s: {"y_std": np.array([1.0, -1.0])},
        lambda s: {"y_std": np.array([1.0])},
        lambda s: {"networks": (replace(s.networks[0], params=s.networks[0].params[:-1]),)},
        lambda s: {"networks": (replace(s.networks[0], params=s.networks[0].params * np.float32(np.nan)),)},
        lambda s: {"networks": (replace(s.networks[0], params=s.networks[0].params.astype(np.float64)),)},
        lambda s: {"networks": (replace(s.networks[0], params=np.arange(len(s.networks[0].params))),)},
    ],
)
def test_damaged_numbers_are_refused(tmp_path, change):
    surrogate = two_outputs()
    saved(replace(surrogate, **change(surrogate)), tmp_path)
    with pytest.raises(UsageError, match="damaged"):
        load_surrogate(tmp_path)


def test_what_loads_can_be_used(tmp_path):
    """Random damage to the numbers of the record: it is refused, or the surrogate works."""
    saved(two_outputs(), tmp_path)
    file = tmp_path / "surrogate.json"
    text = file.read_text()
    generator = np.random.default_rng(0)
    loaded = 0
    for _ in range(150):
        at = int(generator.integers(len(text)))
        file.write_text(text[:at] + '0129.-e[]{}",abc'[int(generator.integers(16))] + text[at + 1 :])
        try:
            surrogate = load_surrogate(tmp_path)
        except UsageError:
            continue
        loaded += 1
        assert np.isfinite(surrogate.predict(np.zeros((2, 2)))).all()
        fold(surrogate, 1e-6)
    assert loaded > 10  # names and provenance hold any text


@pytest.mark.parametrize("shared", [True, False])
def test_rebase_keeps_the_function(shared):
    surrogate = two_outputs(shared=shared, spread=4.0)
    other = with_intervals(surrogate.program, (-1, 5), (100, 228))
    y_mean, y_std = np.array([3.0, -8.0]), np.array([0.01, 20.0])
    networks = tuple(
        replace(n, params=rebase(n, surrogate, other, y_mean[list(n.outputs)], y_std[list(n.outputs)]))
        for n in surrogate.networks
    )
    moved = Surrogate(other, networks, y_mean, y_std, {})
    x = np.random.default_rng(1).uniform(-3, 9, (500, 2))
    np.testing.assert_allclose(moved.predict(x), surrogate.predict(x), rtol=1e-10, atol=1e-10)
    single = replace(moved, networks=tuple(replace(n, params=n.params.astype(np.float32)) for n in networks))
    span = np.ptp(surrogate.predict(x), axis=0)
    assert (np.abs(single.predict(x) - surrogate.predict(x)) / span).max() < 1e-4  # after rounding


def test_rebase_from_a_constant_output():
    surrogate = replace(two_outputs(), y_std=np.array([1.0, 0.0]))
    (network,) = surrogate.networks
    params = rebase(network, surrogate, surrogate.program, np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    moved = replace(
        surrogate, networks=(replace(network, params=params),), y_mean=np.array([1.0, 2.0]), y_std=np.array([1.0, 3.0])
    )
    x = np.random.default_rng(1).uniform(-3, 9, (50, 2))
    np.testing.assert_allclose(moved.predict(x), surrogate.predict(x), rtol=1e-10)


def test_forward_is_the_textbook():
    p = with_intervals(inputs_program(1), (2, 6))
    np.testing.assert_array_equal(normalize(p.inputs, np.array([[2.0], [4.0], [6.0]])), [[-1], [0], [1]])
    w, b, v, c = 0.7, -0.2, 1.5, 0.25
    y = mlp_forward(Topology((1, 1, 1)), np.array([w, b, v, c]), np.array([[0.5]]))
    np.testing.assert_allclose(y, v / (1 + np.exp(-(w * 0.5 + b))) + c, rtol=1e-15)

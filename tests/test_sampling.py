import numpy as np
import pytest
from handmade import FLOAT, INT, pointer, program, value
from hypothesis import given
from hypothesis import strategies as st

from nstk.domain import Interval
from nstk.errors import UsageError
from nstk.pairs import read_pairs
from nstk.program import CType, Input
from nstk.sampling import corners, draw, edges, snap, sobol, sobol_unit, training_points

BYTE = CType("unsigned char", "int", 0, 255)
DOUBLE = CType("double", "double")
MIXED = (
    Input("a", FLOAT, Interval(0.1, 0.7)),
    Input("b", DOUBLE, Interval(1e-3, 1e3, log=True)),
    Input("k", INT, Interval(-2.5, 3)),
    Input("n", INT, Interval(1, 1000, log=True)),
    Input("c", BYTE, Interval(-5, 300)),
)


def floats(count: int) -> tuple[Input, ...]:
    return tuple(Input(f"x{i}", FLOAT, Interval(-1, 1)) for i in range(count))


def assert_receivable(inputs: tuple[Input, ...], x: np.ndarray) -> None:
    assert x.dtype == np.float64
    for i, column in enumerate(inputs):
        values = x[:, i]
        assert values.min() >= column.interval.lo
        assert values.max() <= column.interval.hi
        if column.ctype.kind == "int":
            np.testing.assert_array_equal(values, np.rint(values))
            assert values.min() >= column.ctype.lo
            assert values.max() <= column.ctype.hi
        elif column.ctype.kind == "float":
            np.testing.assert_array_equal(values, values.astype(np.float32))


@pytest.mark.parametrize("sample", [draw, sobol, edges, training_points])
def test_samples_are_receivable_and_repeatable(sample):
    x = sample(MIXED, 5000, 7)
    assert x.shape == (5000, 5)
    assert_receivable(MIXED, x)
    np.testing.assert_array_equal(x, sample(MIXED, 5000, 7))
    assert (x != sample(MIXED, 5000, 8)).any(axis=0).all()


def test_one_seed_gives_different_functions_different_points():
    assert not np.array_equal(draw(floats(2), 100, 1)[:, 0], edges(floats(2), 100, 1)[:, 0])


@pytest.mark.parametrize("sample", [draw, sobol])
def test_distributions(sample):
    x = sample(MIXED, 20_000, 0)
    assert abs(x[:, 0].mean() - 0.4) < 0.005
    assert abs(np.log10(x[:, 1]).mean()) < 0.05  # log-uniform over six decades
    values, counts = np.unique(x[:, 2], return_counts=True)
    np.testing.assert_array_equal(values, [-2, -1, 0, 1, 2, 3])
    assert counts.min() > 0.9 * counts.max()  # the ends as often as the rest
    assert 0.25 < (x[:, 3] <= 9).mean() < 0.4
    assert set(x[:, 4]) == set(range(256))


def test_sobol_is_a_net_in_every_dimension():
    for m in (1, 4, 10):
        u = sobol_unit(16, 2**m, seed=3)
        assert u.min() >= 0
        assert u.max() < 1
        for dimension in range(16):
            np.testing.assert_array_equal(np.sort(np.floor(u[:, dimension] * 2**m)), np.arange(2**m))


def test_sobol_has_low_discrepancy():
    u = sobol_unit(2, 256, seed=0)
    for bits in range(9):  # a (0, 8, 2)-net: one point in each elementary box
        boxes = np.floor(u[:, 0] * 2**bits) * 2 ** (8 - bits) + np.floor(u[:, 1] * 2 ** (8 - bits))
        assert len(np.unique(boxes)) == 256
    u = sobol_unit(16, 4096, seed=0)
    error = abs((12 * u * np.roll(u, 1, axis=1)).mean(axis=0) - 3)
    assert error.max() < 0.05  # pairs of neighbouring dimensions; draws give about 0.15


@pytest.mark.parametrize(("inputs", "every"), [(1, 64), (3, 21), (8, 8), (16, 8)])
def test_some_training_points_lie_on_edges(inputs, every):
    x = training_points(floats(inputs), 100, 1)
    edge = np.arange(100) % every == every - 1
    assert np.isin(x[edge], [-1, 1]).any(axis=1).all()
    np.testing.assert_array_equal(x[~edge], sobol(floats(inputs), 100, 1)[~edge])
    assert training_points(floats(inputs), 3, 1).shape == (3, inputs)


def test_sobol_points_are_a_prefix_of_more():
    np.testing.assert_array_equal(sobol_unit(5, 100, 1), sobol_unit(5, 1000, 1)[:100])
    assert sobol(floats(3), 0, 1).shape == (0, 3)
    with pytest.raises(UsageError, match="17 inputs"):
        sobol(floats(17), 8, 0)


@pytest.mark.parametrize("count", [1, 3, 10, 11, 16])
def test_corners(count):
    x = corners(floats(count))
    assert x.shape == (min(2**count, 1024), count)
    assert set(np.unique(x)) == {-1.0, 1.0}
    assert len(np.unique(x, axis=0)) == len(x)
    assert (x == -1).all(axis=1).any()
    assert (x == 1).all(axis=1).any()
    np.testing.assert_array_equal(x, corners(floats(count)))


def test_corners_and_edges_lie_at_receivable_ends():
    x = corners(MIXED)
    assert_receivable(MIXED, x)
    ends = [set(column) for column in x.T]
    assert ends[2:] == [{-2, 3}, {1, 1000}, {0, 255}]
    points = edges(MIXED, 1000, 0)
    at_end = np.stack([np.isin(points[:, i], list(ends[i])) for i in range(5)], axis=1)
    assert at_end.any(axis=1).all()
    assert at_end.any(axis=0).all()
    assert not at_end.all(axis=0).any()


def test_snap():
    x = np.array([[0.0, 5e3, 0.4, 0.2, 7.5], [0.3, 0.1, -9, 1e9, -1], [np.nan, 1, 1, 1, 1]])
    y = snap(MIXED, x)
    assert_receivable(MIXED, y[:2])
    np.testing.assert_array_equal(y[0, 2:], [0, 1, 8])
    np.testing.assert_array_equal(y[1, 2:], [-2, 1000, 0])
    assert np.isnan(y[2, 0])
    np.testing.assert_array_equal(snap(MIXED, y), y)


@given(st.floats(-1e30, 1e30), st.floats(1e-6, 1.0), st.integers(0, 2**31))
def test_float_ends_stay_inside(lo, share, seed):
    hi = lo + max(abs(lo) * share, 1e-20)
    inputs = (Input("x", FLOAT, Interval(min(lo, 9e29), min(hi, 1e30))),)
    for x in (draw(inputs, 50, seed), sobol(inputs, 50, seed), corners(inputs), edges(inputs, 20, seed)):
        assert_receivable(inputs, x)


@pytest.mark.parametrize(("ctype", "lo", "hi"), [(INT, 0.2, 0.8), (BYTE, 256, 300)])
def test_a_domain_without_values(ctype, lo, hi):
    with pytest.raises(UsageError, match=r"of 'x' holds no value of type"):
        draw((Input("x", ctype, Interval(lo, hi)),), 1, 0)


PROGRAM = program("", value("t"), value("rh"), pointer("out"))


def table(rows: int = 40) -> dict[str, np.ndarray]:
    index = np.arange(rows)
    return {"out": index * 3.0, "other": index, "t": index * 0.5, "rh": index, "result": -index}


def write_csv(path, columns):
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n\r\n", encoding="utf-8")


def write_npz(path, columns):
    np.savez(path, **columns)


def write_parquet(path, columns):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table(columns), path)


WRITERS = {"csv": write_csv, "npz": write_npz, "parquet": write_parquet}


@pytest.mark.parametrize("kind", WRITERS)
def test_reads_pairs(tmp_path, kind):
    path = tmp_path / f"pairs.{kind}"
    WRITERS[kind](path, table())
    x, y = read_pairs(path, PROGRAM)
    index = np.arange(40)
    np.testing.assert_array_equal(x, np.stack([index * 0.5, index], axis=1))
    np.testing.assert_array_equal(y, np.stack([-index, index * 3.0], axis=1))
    assert x.dtype == y.dtype == np.float64


@pytest.mark.parametrize("kind", WRITERS)
def test_bad_pairs(tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"pairs.{kind}"
    with pytest.raises(UsageError, match="no such file"):
        read_pairs(path, PROGRAM)
    path.write_bytes(b"\x80\x00 nonsense")
    with pytest.raises(UsageError):
        read_pairs(path, PROGRAM)
    path.write_bytes(b"")
    with pytest.raises(UsageError):
        read_pairs(path, PROGRAM)
    WRITERS[kind](path, table(31))
    with pytest.raises(UsageError, match="31 pairs are too few"):
        read_pairs(path, PROGRAM)
    columns = table()
    del columns["rh"], columns["out"]
    WRITERS[kind](path, columns)
    with pytest.raises(UsageError, match="lacks the columns rh, out"):
        read_pairs(path, PROGRAM)
    columns = table()
    columns["t"][4] = np.nan
    WRITERS[kind](path, columns)
    with pytest.raises(UsageError, match="pair 5: 't' is nan"):
        read_pairs(path, PROGRAM)
    columns["t"] = np.array(["word"] * 40)
    WRITERS[kind](path, columns)
    with pytest.raises(UsageError, match="'t'"):
        read_pairs(path, PROGRAM)


def test_more_bad_pairs(tmp_path):
    with pytest.raises(UsageError, match=r"pairs.xls'") as caught:
        read_pairs(tmp_path / "pairs.xls", PROGRAM)
    assert ".csv, .npz, .parquet" in caught.value.hint
    path = tmp_path / "pairs.csv"
    path.write_text("t,rh,result,out\n1,2,3,4\n1,2,3\n")
    with pytest.raises(UsageError, match=r"pairs.csv:3: '' in column 'out' is not a number"):
        read_pairs(path, PROGRAM)
    path = tmp_path / "pairs.npz"
    write_npz(path, table() | {"t": np.zeros((40, 2))})
    with pytest.raises(UsageError, match=r"column 't' is float64 of shape \(40, 2\)"):
        read_pairs(path, PROGRAM)
    write_npz(path, table() | {"t": np.zeros(39)})
    with pytest.raises(UsageError, match="different lengths"):
        read_pairs(path, PROGRAM)
    write_npz(path, table() | {"t": np.array([None] * 40)})  # pickled
    with pytest.raises(UsageError, match="NPZ"):
        read_pairs(path, PROGRAM)

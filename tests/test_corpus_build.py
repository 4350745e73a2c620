"""The whole corpus pipeline on a handful of functions: what is kept, resumed, run elsewhere, packed."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import Nstk

from nstk.corpus.candidate import ORIGINS, Candidate
from nstk.corpus.card import data_files
from nstk.corpus.inputs import POINTS, map_points, shared_inputs, unit_points
from nstk.corpus.pack import read_pack
from nstk.corpus.selection import Publish, Select
from nstk.corpus.shards import PROGRAMS, candidate_row, read_shard, write_shard
from nstk.corpus.sources import Source, find_package, package_source, path_source

SOURCES = {
    "trained/a.c": """
#include <math.h>
#define GAIN 0.5 /* of the filter */
static double lift(double x) { return x * GAIN; }
double bend(double x, double y) { return sin(lift(x)) + y * y; }
double same_bend(double x, double y) { return sin(0.5 * x) + y * y; }
double rising(double x) { return 2.0 * x; }
double level(double x) { return 3.0; }
double far(double x) { return 100.0 * x; }
double root(double x) { return sqrt(x); }
double many(double a, double b, double c, double d, double e, double f, double g, double h, double i, double j)
{ return a + b + c * d + e + f + g + h + i * j; }
int counted(double x) { return 1; }
double through(double *x) { return *x; }
double endless(double x) { for (;;) x += 1.0; return x; }
double counting(double x) { static int calls; calls++; return x * calls; }
double unset(double x) { double y; if (x > 2.0) y = x; return y; }
double wild(double x) { return exp(1000.0 * x); }
""",
    "trained/b.c": """
float twiddle(float q) { return sinf(-2.0f * 3.1415f * q); }
double bend(double x, double y) { return cos(x) * y; }
double again(double x) { return 2.0 * x; }
double apart(double a, double b, double c, double d, double e, double f)
{ double u = pow(a - d, 2), v = pow(b - e, 2); return pow(u + v + (c - f) * (c - f), 0.5); }
""",
    "darktable/held.c": """
#include <math.h>
double held_out(double x, double y) { return sin(0.5 * x) + y * y; }
double held_new(double x, double y) { return tanh(x * y - 0.3) ; }
double level(double x) { return 3.0; }
""",
}
SAMPLE = Path(__file__).parent / "data" / "corpus_sample.npz"
COMMAND = ("--shards", 2, "--mutants", 4, "--generated", 40, "--json")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    for name, text in SOURCES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def arguments(sources: Path, out: Path, *more: object) -> list[object]:
    return ["corpus", "build", out, "--source", sources / "trained", "--source", sources / "darktable", *COMMAND, *more]


@pytest.fixture(scope="module")
def corpus(sources: Path, tmp_path_factory: pytest.TempPathFactory, cache: None) -> Path:
    out = tmp_path_factory.mktemp("built") / "corpus"
    run(arguments(sources, out))
    return out


def run(args: list[object]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nstk.cli", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def rows(corpus: Path, **wanted: str) -> dict[str, dict]:
    found = [row for path in data_files(corpus) for row in read_shard(path)]
    return {row["name"]: row for row in found if all(row[key] == value for key, value in wanted.items())}


def hashes(corpus: Path) -> dict[str, str]:
    files = [*data_files(corpus), *(corpus / name for name in ("README.md", "stats.json", "inputs.safetensors"))]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_real_functions_are_kept_or_counted(corpus: Path) -> None:
    real = rows(corpus, origin="real")
    assert {"same_bend", "rising", "level", "many", "held_out", "held_new", "root", "far"} <= real.keys()
    assert not {"twiddle", "wild", "unset", "counted", "through", "endless", "counting"} & real.keys()
    steps = json.loads((corpus / "stats.json").read_text())["steps"]
    dropped = {key: n for step in steps if step["stage"] in ("extract", "execute") for key, n in step["counts"].items()}
    assert dropped["dropped: behaves as a protected program"] == 2  # twiddle, apart
    assert dropped["dropped: |y| >= 10 on U(-1, 1)"] == 1  # wild
    assert dropped["dropped: not deterministic"] == 1  # counting
    assert dropped["dropped: does not compile"] == 1  # unset: it warns of what it cannot see at run time
    assert dropped["dropped: out of fuel"] >= 1


def test_outputs_are_the_functions(corpus: Path) -> None:
    real = rows(corpus, origin="real")
    x = shared_inputs().astype(float)
    row = real["same_bend"]
    np.testing.assert_allclose(row["outputs"], np.sin(0.5 * x[:, 0]) + x[:, 1] ** 2, atol=1e-6)
    assert real["level"]["kind"] == "constant"
    assert real["rising"]["kind"] == "affine"
    assert real["root"]["outputs"] is None  # NaN on half of U(-1, 1), but at home on positive domains
    assert len(real["root"]["domains"]) >= 2
    assert real["far"]["outputs"] is None  # beyond 10
    for domain in row["domains"]:
        at = map_points(domain["centre"], domain["half_width"]).astype(float)
        np.testing.assert_allclose(domain["outputs"], np.sin(0.5 * at[:, 0]) + at[:, 1] ** 2, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(row["domains"][0]["half_width"], [1, 1])
    nine = x[:, 0] + x[:, 1] + x[:, 2] * x[:, 3] + x[:, 4:8].sum(axis=1) + x[:, 8]  # the tenth argument is 1.0
    np.testing.assert_allclose(real["many"]["outputs"], nine, atol=1e-6)


def test_splits_are_whole_packages_and_marked(corpus: Path) -> None:
    real = rows(corpus, origin="real")
    assert {row["split"] for row in real.values() if row["package"] == "darktable"} == {"test"}
    assert {row["split"] for row in real.values() if row["package"] == "trained"} == {"train"}
    assert real["held_out"]["behaviour"] == real["same_bend"]["behaviour"]
    assert real["held_out"]["behaviour_seen"]
    assert not real["held_new"]["behaviour_seen"]
    mutants = rows(corpus, origin="mutant").values()
    parents = {row["id"] for row in real.values() if row["split"] == "train"}
    assert mutants
    assert all(row["split"] == "train" and row["parent"] in parents for row in mutants)


def test_ids_are_unique(corpus: Path) -> None:
    ids = [row["id"] for path in data_files(corpus) for row in read_shard(path, ["id"])]
    assert len(set(ids)) == len(ids)


def test_made_functions_have_behaviours_of_their_own(corpus: Path) -> None:
    found = [row for path in data_files(corpus) for row in read_shard(path, ["origin", "behaviour", "kind"])]
    made = [row["behaviour"] for row in found if row["origin"] != "real"]
    assert len(made) > 20
    assert len(set(made)) == len(made)
    assert not set(made) & {row["behaviour"] for row in found if row["origin"] == "real"}
    assert all(row["kind"] != "constant" for row in found if row["origin"] != "real")


def test_a_killed_build_goes_on_to_the_same_bytes(corpus: Path, sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    command = [sys.executable, "-m", "nstk.cli", *map(str, arguments(sources, out))]
    for stage in ("extract", "mutate", "generate"):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        for _ in range(1000):
            if list((out / "logs" / stage / "completions").glob("*")) or process.poll() is not None:
                break
            time.sleep(0.05)
        assert process.poll() is None
        if stage == "extract":
            process.kill()  # alone: what it started lives on, and must not be in the way
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = run(arguments(sources, out))
    assert "card: 1 of 1" in done.stderr
    assert hashes(out) == hashes(corpus)
    assert run(arguments(sources, out)).returncode == 0  # nothing left to do
    assert hashes(out) == hashes(corpus)


def test_ray_gives_the_same_bytes(corpus: Path, sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    run(arguments(sources, out, "--executor", "ray"))
    assert hashes(out) == hashes(corpus)


def test_slurm_gets_a_script_per_stage(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = {"sbatch": f'echo "$@" >> {tmp_path}/calls; echo Submitted batch job $$', "scontrol": "echo localhost"}
    for name, text in commands.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    out = tmp_path / "corpus"
    run(arguments(sources, out, "--executor", "slurm", "--partition", "long", "--time", "01:00:00", "--workers", 3))
    script = (out / "logs" / "execute" / "launch_script.slurm").read_text()
    assert "#SBATCH --partition=long" in script
    assert "#SBATCH --time=01:00:00" in script
    assert "#SBATCH --array=0-1%3" in script
    assert f"launch_pickled_pipeline {out}/logs/execute/executor.pik" in script
    calls = (tmp_path / "calls").read_text()
    assert calls.count("--dependency=afterok:") >= 7  # every stage but the first waits for the one before
    subprocess.run(["bash", "-n", out / "logs" / "execute" / "launch_script.slurm"], check=True)
    # What a node would do with the script's job: task 0 of the first stage.
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "0", "SLURM_NODELIST": "localhost"}
    launch = [Path(sys.executable).parent / "launch_pickled_pipeline", out / "logs" / "extract" / "executor.pik"]
    subprocess.run(launch, env=environment, check=True, capture_output=True, timeout=120)
    assert (out / "logs" / "extract" / "completions" / "00000").exists()


@pytest.mark.parametrize(("preset", "columns"), [("exestack-cpn", 1), ("exestack-draft", 2)])
def test_published_variants(preset: str, columns: int, sources: Path, tmp_path: Path, nstk: Nstk) -> None:
    ran = nstk("corpus", "build", "out", "--source", sources / "trained", "--preset", preset, "--shards", 1, "--json")
    assert ran.code == 0, ran.err
    real = rows(tmp_path / "out")
    assert not {"root", "far", "apart"} & real.keys()
    outputs = real["same_bend"]["outputs"].reshape(2048, columns)
    x = shared_inputs().astype(float)
    second = x[:, 1] if columns == 1 else 1.0
    np.testing.assert_allclose(outputs[:, 0], np.sin(0.5 * x[:, 0]) + second**2, atol=1e-6)
    assert (outputs[:, 1:] == 0).all()
    assert all(row["origin"] == "real" and not row["domains"] for row in real.values())


def test_a_mutant_with_the_text_of_a_held_out_function_stays_out(tmp_path: Path) -> None:
    def row(text: str, split: str, origin: str) -> dict:
        columns = {"behaviour": text[-3:], "kind": "affine", "in_range": True, "outputs": None, "domains": []}
        return {**candidate_row(Candidate(text, "f", 1, origin=origin), split), **columns}

    held = row("double f(double x) { return 3.0 * x; } // b", "test", "real")
    work = {
        "real": [row("double f(double x) { return 2.0 * x; } // a", "train", "real"), held],
        "mutants": [{**held, "origin": "mutant", "split": "train"}],
        "generated": [row("double f(double x) { return 4.0 * x; } // c", "train", "generated")] * 2,
    }
    for origin, found in work.items():
        write_shard(tmp_path / origin / "00000.parquet", found, PROGRAMS)
    list(Select(tmp_path, 1).run(()))
    list(Publish(tmp_path, tmp_path / "data").run(()))
    shown = {path.name.partition("-")[0]: list(read_shard(path)) for path in sorted((tmp_path / "data").iterdir())}
    assert [row["id"] for row in shown["test"]] == [held["id"]]
    assert not shown["test"][0]["behaviour_seen"]
    assert [row["origin"] for row in shown["train"]] == ["real", "generated"]


def test_card_and_inputs(corpus: Path) -> None:
    card = (corpus / "README.md").read_text()
    assert "| trained |" in card
    assert "dropped: not deterministic" in card
    for table in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table
    assert str(corpus.parent) not in card
    from safetensors.numpy import load_file

    inputs = load_file(corpus / "inputs.safetensors")
    np.testing.assert_array_equal(inputs["shared"], shared_inputs())
    np.testing.assert_array_equal(inputs["points"], unit_points())
    assert pq.read_schema(data_files(corpus)[0]).names[0] == "id"


def test_loads_as_a_dataset(corpus: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    found = load_dataset("parquet", data_files=[str(path) for path in data_files(corpus)], cache_dir=str(tmp_path))
    assert len(found["train"]) == len([1 for path in data_files(corpus) for _ in read_shard(path, ["id"])])


def test_pack_holds_what_the_corpus_does(corpus: Path, nstk: Nstk, tmp_path: Path) -> None:
    ran = nstk("corpus", "pack", corpus, "pack.npz", "--points", 512, "--json")
    assert ran.code == 0, ran.err
    pack = read_pack(tmp_path / "pack.npz")
    assert ran.json["rows"] == len(pack.program) == ran.json["rows_in_corpus"]
    assert "held_new" not in pack.names  # test
    place = pack.names.index("same_bend")
    assert ORIGINS[pack.origin[place]] == "real"
    row = int(np.flatnonzero(pack.program == place)[0])
    expected = rows(corpus, origin="real")["same_bend"]["domains"][0]["outputs"]
    restored = pack.outputs[row].astype(float) * pack.deviation[row] + pack.mean[row]
    np.testing.assert_allclose(restored, expected, atol=2e-3 * pack.deviation[row])
    assert pack.points.shape == (POINTS, 9)
    nstk("corpus", "pack", corpus, "again.npz", "--points", 512)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "pack.npz").read_bytes()


def test_pack_keeps_its_limit(corpus: Path, nstk: Nstk, tmp_path: Path) -> None:
    full = nstk("corpus", "pack", corpus, "full.npz", "--json").json
    small = nstk("corpus", "pack", corpus, "small.npz", "--limit", full["bytes"] / 2**21, "--json").json
    assert small["bytes"] <= full["bytes"] / 2
    assert 0 < small["rows"] < full["rows"]
    kept = read_pack(tmp_path / "small.npz")
    assert (kept.origin == 0).sum() >= 7  # real functions get in first
    nstk("corpus", "pack", corpus, "x.npz", "--limit", 0.0001).check_error(2, "hold not one program")
    (tmp_path / "bad.npz").write_bytes(b"PK nonsense")
    with pytest.raises(Exception, match="is no pack"):
        read_pack(tmp_path / "bad.npz")


def test_stats_and_show(corpus: Path, nstk: Nstk) -> None:
    found = nstk("corpus", "stats", corpus, "--json").json
    assert found["programs"] == sum(group["programs"] for group in found["groups"])
    assert "dropped" in nstk("corpus", "stats", corpus).out
    row = rows(corpus, origin="real")["held_new"]
    shown = nstk("corpus", "show", corpus, row["id"])
    assert "tanh" in shown.out
    assert nstk("corpus", "show", corpus, row["id"][:8], "--json").json["name"] == "held_new"
    assert nstk("corpus", "show", corpus, "--origin", "mutant", "--json").json["origin"] == "mutant"
    nstk("corpus", "show", corpus, "zz").check_error(2, "no such program")


@pytest.mark.parametrize("name", ["darktable", "darktable-4.2.1", "darktable_4.2.1.orig.tar.xz", "darktable-4.2.tgz"])
def test_listed_packages_keep_licence_and_split_however_they_come(name: str, tmp_path: Path) -> None:
    listed = find_package("darktable")
    assert listed.split == "test"
    assert package_source("debian", "darktable") == listed
    assert package_source("debian", "darkroom") == Source("debian", "darkroom")
    path = tmp_path / name
    path.touch() if path.suffix in (".xz", ".tgz") else path.mkdir()
    found = path_source(path)
    assert (found.licence, found.split) == (listed.licence, listed.split)


def test_bad_usage(corpus: Path, sources: Path, nstk: Nstk, tmp_path: Path) -> None:
    source = ("--source", sources / "trained")
    nstk("corpus", "build", corpus, *source).check_error(2, "another recipe")
    nstk("corpus", "build", sources, *source).check_error(2, "no corpus")
    nstk("corpus", "build", "out", *source, "--preset", "x").check_error(2, "no preset")
    nstk("corpus", "build", "out", *source, "--executor", "x").check_error(2, "no executor")
    nstk("corpus", "build", "out", *source, "--shards", 0).check_error(2, "shards")
    nstk("corpus", "build", "out", *source, "--permissive").check_error(2, "licence of")
    nstk("corpus", "build", "out", "--source", "nowhere").check_error(2, "nowhere")
    nstk("corpus", "build", "out", "--package", "nowhere").check_error(2, "nowhere")
    nstk("corpus", "build", "out", *source, "--seed", -1).check_error(2, "seed")
    nstk("corpus", "show", corpus, "--split", "x").check_error(2, "no split")
    nstk("corpus", "show", corpus, "--origin", "x").check_error(2, "no origin")
    nstk("corpus", "stats", tmp_path).check_error(2, "no finished corpus")
    nstk("corpus", "pack", tmp_path, "x.npz").check_error(2, "no finished corpus")
    assert not (tmp_path / "out").exists()


def test_committed_sample_is_what_the_command_makes(nstk: Nstk, tmp_path: Path) -> None:
    """Other tests learn from it. After a wanted change: NSTK_WRITE_GOLDEN=1 python -m pytest -k committed_sample."""
    making = ("--generated-only", "--generated", 225, "--shards", 1, "--workers", 1)
    assert nstk("corpus", "build", "sample", *making).code == 0
    assert nstk("corpus", "pack", "sample", "sample.npz").code == 0
    if os.environ.get("NSTK_WRITE_GOLDEN"):
        SAMPLE.write_bytes((tmp_path / "sample.npz").read_bytes())
    made, committed = read_pack(tmp_path / "sample.npz"), read_pack(SAMPLE)
    assert len(committed.names) >= 200
    assert made.texts == committed.texts
    np.testing.assert_array_equal(made.centre, committed.centre)
    np.testing.assert_allclose(made.outputs.astype(float), committed.outputs.astype(float), atol=0.01)

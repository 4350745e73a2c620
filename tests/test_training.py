"""Training: data on the device, stages, resuming, several processes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from nstk.corpus import pack as packs
from nstk.corpus.candidate import ORIGINS
from nstk.corpus.inputs import unit_points
from nstk.corpus.pack import Pack
from nstk.errors import UsageError
from nstk.hypernetwork.checkpoint import load_checkpoint
from nstk.hypernetwork.configuration import NetworkConfig
from nstk.hypernetwork.initialization import load_initialization
from nstk.hypernetwork.network import HyperNetwork
from nstk.hypernetwork.parameters import candidate_errors
from nstk.hypernetwork.tokenization import ProgramTokenizer, build_tokenizer
from nstk.topology import Topology
from nstk.training.assessment import geometric_mean, zero_shot_errors
from nstk.training.baselines import train_baseline
from nstk.training.data import READ_SHARES, RECOMBINED, SHARES, TrainingData
from nstk.training.loop import train
from nstk.training.objective import Stage, compute_loss, draw, plan_stages
from nstk.training.options import TrainOptions
from nstk.training.variation import draw_changes, vary

TINY = (
    ("hidden_size", 16),
    ("intermediate_size", 32),
    ("trunk_width", 32),
    ("trunk_blocks", 1),
    ("candidates", [2, 2]),
    ("topologies", [[4, 4], [8, 8]]),
)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def small_pack(programs: int = 40) -> Pack:
    """Return programs a*sin(b*x) + c*y with 1 or 2 inputs on two domains each; every fourth is held out."""
    points = unit_points()[:384]
    rng = np.random.default_rng(0)
    texts, rows, inputs = [], [], []
    for index in range(programs):
        a, b, c = rng.uniform(0.5, 2, 3).round(2)
        two = index % 2
        inputs.append(1 + two)
        read = "x" if index % 5 else "*(float *)&x"  # some texts have no formula
        texts.append(
            f"float f(float x{', float y' if two else ''}) "
            f"{{ return {a}f * sinf({b}f * {read}){f' + {c}f * y' * two}; }}"
        )
        for centre, half in ((0, 1), (1, 3)):
            x = centre + half * points
            rows.append((index, centre, half, a * np.sin(b * x[:, 0]) + c * two * x[:, 1]))
    count = np.array(inputs)
    y = np.array([row[3] for row in rows])
    there = np.arange(9) < count[[row[0] for row in rows], None]
    split = np.array([index % 4 == 3 for index in range(programs)])
    return Pack(
        texts=texts,
        names=["f"] * programs,
        origin=np.where(split, 0, np.arange(programs) % 3).astype(np.uint8),
        split=split.astype(np.uint8),
        inputs=count.astype(np.uint8),
        program=np.array([row[0] for row in rows], np.int32),
        centre=np.where(there, [[row[1]] for row in rows], 0).astype(np.float32),
        half_width=np.where(there, [[row[2]] for row in rows], 1).astype(np.float32),
        mean=y.mean(1).astype(np.float32),
        deviation=y.std(1).astype(np.float32),
        outputs=((y - y.mean(1, keepdims=True)) / y.std(1, keepdims=True)).astype(np.float16),
        points=points,
    )


@pytest.fixture(scope="module")
def pack_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "pack.npz"
    path.write_bytes(packs._compress(small_pack()))
    return path


def options(**changes) -> TrainOptions:
    given = {"steps": 8, "batch": 16, "changes": TINY, "precision": "float32", "device": "cpu", **changes}
    return TrainOptions(**given)


def small_data(origins=ORIGINS, **changes) -> tuple[HyperNetwork, TrainingData]:
    torch.manual_seed(0)
    model = HyperNetwork(NetworkConfig(**{**dict(TINY), **changes}))
    return model, TrainingData(small_pack(), model.config, ProgramTokenizer(build_tokenizer()), CPU, origins)


def test_batches_hold_what_the_pack_says():
    pack = small_pack()
    _, data = small_data()
    rows = torch.tensor([0, 3, 5])
    batch = data.batch(rows, text=True)
    assert batch.present.sum(1).tolist() == [1, 2, 1]
    probes = batch.y[:, :256]
    torch.testing.assert_close(probes.mean(1), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(probes.std(1, correction=0), torch.ones(3), atol=1e-3, rtol=0)
    y = batch.y * batch.scale[:, None] + batch.mean[:, None]
    expected = pack.outputs[rows].astype(float) * pack.deviation[rows, None] + pack.mean[rows, None]
    np.testing.assert_allclose(y.numpy(), expected, atol=5e-3)
    (encoded,) = ProgramTokenizer(build_tokenizer()).encode(pack.texts[1], "f", [(-2, 4), (-2, 4)])
    length = len(encoded.ids)
    assert batch.text.input_ids[1, :length].tolist() == encoded.ids.tolist()
    assert batch.text.attention_mask[1].sum() == length
    for name in ("numbers", "links", "levels"):
        np.testing.assert_array_equal(getattr(batch.text, name)[1, :length].numpy(), getattr(encoded, name))
    assert batch.text.root[1] == encoded.root == length - 1
    assert data.batch(rows, text=True, pad_to=64).text.input_ids.shape == (3, 64)


def test_rows_are_split_and_drawn_by_origin():
    pack = small_pack()
    _, data = small_data()
    drawn = data.draw(4000, torch.Generator().manual_seed(0))
    made = drawn.numpy() >= len(pack.program)
    program = pack.program[drawn.numpy()[~made]]
    assert (pack.split[program] == 0).all()
    shares = np.array([*np.bincount(pack.origin[program], minlength=3), made.sum()]) / 4000
    np.testing.assert_allclose(shares, list(SHARES.values()), atol=0.03)
    assert (pack.split[pack.program[data.validation.numpy()]] == 1).all()
    assert torch.equal(drawn, data.draw(4000, torch.Generator().manual_seed(0)))
    _, some = small_data(origins=("mutant",))
    assert set(some.train) == {"mutant", "recombined"}
    assert set(TrainingData(pack, NetworkConfig(**dict(TINY)), None, CPU).train) == set(ORIGINS)
    assert not data.seen_behaviours(data.validation).all()
    assert data.seen_behaviours(drawn[:5]).all()


def test_what_is_recombined_can_be_had_without_texts():
    model, data = small_data()
    tokenizer = ProgramTokenizer(build_tokenizer())
    unread = TrainingData(small_pack(), model.config, tokenizer, CPU, reads_text=False)
    assert data.reads_text
    assert not unread.reads_text
    for name, rows in data.train.items():
        assert torch.equal(unread.train[name], rows)
        one, other = (d.batch(rows[:50], text=False) for d in (data, unread))
        assert torch.equal(one.y, other.y)
        assert torch.equal(one.centre, other.centre)


def test_texts_to_read_are_short_and_of_one_length():
    pack = small_pack()
    _, data = small_data()
    rows = data.draw(4000, torch.Generator().manual_seed(0), text=True)
    made = rows.numpy() >= len(pack.program)
    origin = np.where(made, 3, pack.origin[pack.program[np.where(made, 0, rows.numpy())]])
    np.testing.assert_allclose(np.bincount(origin, minlength=4) / 4000, list(READ_SHARES.values()), atol=0.03)
    assert 0.45 < (pack.half_width[rows.numpy()[~made]] == 1).all(1).mean() < 0.55
    texts = list(pack.texts)
    texts[0] = texts[0].replace("return", "x = sinf(x); " * 80 + "return")
    assert pack.origin[0] == 0
    config, tokenizer = NetworkConfig(**dict(TINY)), ProgramTokenizer(build_tokenizer())
    longer = TrainingData(replace(pack, texts=texts), config, tokenizer, CPU)
    counts = [
        np.isin(d.draw(4000, torch.Generator().manual_seed(0), text=True).numpy(), [0, 1]).sum() for d in (data, longer)
    ]
    assert counts[1] < 0.4 * counts[0]


def test_without_domains_only_the_default_one_is_kept():
    _, data = small_data(use_domain=False)
    made = data.train.pop(RECOMBINED)
    assert len(torch.cat(list(data.train.values()))) == 30
    batch = data.batch(torch.cat([made, *data.train.values()]), text=False)
    assert (batch.centre == 0).all()
    assert (batch.half_width == 1).all()


def test_unusable_rows_are_left_out():
    pack = small_pack()
    outputs = pack.outputs.copy()
    outputs[0], outputs[1, :256], outputs[2, 300] = 0, 1, 60
    _, data = small_data()
    before = len(torch.cat([data.train[name] for name in ORIGINS]))
    config, tokenizer = NetworkConfig(**dict(TINY)), ProgramTokenizer(build_tokenizer())
    changed = TrainingData(replace(pack, outputs=outputs), config, tokenizer, CPU)
    assert len(torch.cat([changed.train[name] for name in ORIGINS])) == before - 3
    with pytest.raises(UsageError, match="no row"):
        TrainingData(replace(pack, split=np.ones_like(pack.split)), config, tokenizer, CPU)


def test_candidate_errors():
    topology = Topology((9, 4, 4, 1))
    parameters = torch.zeros(2, 3, 65)
    parameters[:, 1, -1] = 1.0  # the output's bias
    x, y = torch.rand(50, 9), torch.ones(2, 50)
    torch.testing.assert_close(candidate_errors(topology, parameters, x, y), torch.tensor([[1.0, 0, 1]] * 2))


def test_stages_train_their_parts():
    model, data = small_data()
    assert [stage.name for stage in plan_stages(model.config)] == ["trunk", "text", "joint"]
    for name, still in (("trunk", ("encoder", "outlook")), ("text", ("blocks", "heads", "probe_entry")), ("joint", ())):
        generator = torch.Generator().manual_seed(0)
        stage = Stage(name, 1.0, 1.0)
        batch = data.batch(data.draw(16, generator), stage.reads_text)
        draws = draw(16, 384, 256, 2, stage, generator)
        model.zero_grad()
        compute_loss(model, batch, data.points, stage, draws, False).sum().backward()
        kept = next((found.keeps for found in plan_stages(model.config) if found.name == name), ())
        assert (name == "joint") == bool(kept)
        for part, parameter in model.named_parameters():
            moves = parameter.grad is not None and bool(parameter.grad.any())
            assert not (moves and part.startswith(still)), part
            if part.split(".")[0] in ("encoder", "blocks", "heads") and not part.startswith(still):
                assert moves or "key.bias" in part, (name, part)


def test_points_compared_at():
    draws = draw(64, 384, 256, 3, Stage("joint", 1, 1), torch.Generator().manual_seed(0))
    assert (draws.fit_at < 256).all()
    assert len(draws.at.unique()) == 96
    assert (draws.at < 256).sum() == 32
    assert not draws.given[draws.alone].any()
    assert set(draws.head.tolist()) == {0, 1, 2}
    assert 20 < (draws.head == 0).sum() < 44


def test_programs_are_made_of_others():
    _, data = small_data()
    generator = torch.Generator().manual_seed(0)
    size = 400
    batch, other = (data.batch(data.draw(size, generator), text=False) for _ in range(2))
    changes = draw_changes(size, generator)
    made = vary(batch, other, changes, 256)
    torch.testing.assert_close(made.y[:, :256].mean(1), torch.zeros(size), atol=1e-2, rtol=0)
    torch.testing.assert_close(made.y[:, :256].std(1, correction=0), torch.ones(size), atol=1e-2, rtol=0)
    assert made.y.abs().max() < 30
    plain = ((changes.angle == 0) & (changes.outer < 0))[:, 0]
    assert 0.4 < plain.float().mean() < 0.6
    torch.testing.assert_close(made.y[plain], (changes.sign * batch.y)[plain], atol=1e-2, rtol=0)
    assert torch.equal(made.present[plain], batch.present[plain])
    row = int(((changes.outer == 0) & (changes.angle == 0)).nonzero()[0, 0])
    y = torch.sin(changes.slope[row] * changes.sign[row] * batch.y[row] + changes.offset[row])
    torch.testing.assert_close(made.y[row], (y - y[:256].mean()) / y[:256].std(correction=0), atol=1e-4, rtol=1e-4)
    mixed = ((changes.angle > 0) & (changes.outer < 0))[:, 0] & (other.present.sum(1) > batch.present.sum(1))
    assert torch.equal(made.present[mixed], other.present[mixed])


def test_training_lowers_the_error(pack_file, tmp_path):
    record = train(pack_file, tmp_path / "run", options(steps=260, batch=32, rate=3e-3))
    lines = [json.loads(line) for line in (tmp_path / "run" / "curves.jsonl").read_text().splitlines()]
    trunk = [line["loss"] for line in lines if line["group"] == "trunk"]
    assert trunk[-1] < trunk[0] - 1
    assert record["validation"]["probes/9-8-8-1/all"] < 0.2
    assert 0 < lines[0]["share_of_peak"] < 1
    model, _ = load_checkpoint(tmp_path / "run" / "model")
    _, data = small_data()
    errors = zero_shot_errors(model, data, data.validation, "probes")["9-8-8-1"]
    assert geometric_mean(errors) == pytest.approx(record["validation"]["probes/9-8-8-1/all"], rel=0.1)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "training.safetensors")


CODE = """
import sys, torch
from pathlib import Path
from nstk.training.loop import train
from nstk.training.options import TrainOptions
torch.set_num_threads(1)
changes = {changes!r}
options = TrainOptions(steps={steps}, batch=16, changes=changes, precision="float32", device="cpu",
                       checkpoint_seconds={seconds})
train(Path(sys.argv[1]), Path(sys.argv[2]), options)
"""


def test_killed_and_resumed_equals_uninterrupted(pack_file, tmp_path):
    train(pack_file, tmp_path / "whole", options(steps=60))
    code = CODE.format(changes=TINY, steps=60, seconds=0.0)
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, str(pack_file), str(folder)])
    while not (folder / "curves.jsonl").exists() or not (folder / "curves.jsonl").read_text().count("\n"):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "model").exists()
    record = train(pack_file, folder, options(steps=60))
    assert 0 < record["steps_now"] < 60
    whole, resumed = weights(tmp_path / "whole"), weights(folder)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())
    assert (tmp_path / "whole/model/model.safetensors").read_bytes() == (
        folder / "model/model.safetensors"
    ).read_bytes()
    curves = [
        [(line["step"], line["group"], line.get("loss")) for line in map(json.loads, text.splitlines())]
        for text in ((tmp_path / name / "curves.jsonl").read_text() for name in ("whole", "killed"))
    ]
    assert curves[0] == [line for n, line in enumerate(curves[1]) if line not in curves[1][:n]]
    with pytest.raises(UsageError, match="other options"):
        train(pack_file, folder, options(steps=61))
    (folder / "training.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match="cannot go on"):
        train(pack_file, folder, options(steps=60))


def test_two_processes_learn_what_one_does(pack_file, tmp_path):
    train(pack_file, tmp_path / "one", options(steps=60, accumulate=2))
    code = CODE.format(changes=TINY, steps=60, seconds=60.0)
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--rdzv-backend=c10d",
         "--rdzv-endpoint=localhost:0", str(script), str(pack_file), str(tmp_path / "two")],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    curves = [
        [
            json.loads(line)["loss"]
            for line in (tmp_path / name / "curves.jsonl").read_text().splitlines()
            if '"loss"' in line
        ]
        for name in ("one", "two")
    ]
    assert len(curves[0]) == 3
    np.testing.assert_allclose(curves[1], curves[0], rtol=0.02)


def test_paper_preset(pack_file, tmp_path):
    changes = (("hidden_size", 16), ("intermediate_size", 32))
    record = train(pack_file, tmp_path / "run", options(preset="compnet-paper", changes=changes, steps=4))
    assert list(record["validation"]) == ["text/9-4-4-1/all", "text/9-4-4-1/unseen"]
    model, tokenizer = load_checkpoint(tmp_path / "run" / "model")
    assert not tokenizer.normalized
    assert model.config.trunk_blocks == 0


def test_paper_preset_takes_a_pretrained_encoder(pack_file, tmp_path):
    folder = tmp_path / "bert"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "float", "x", "return", "##f", "(", ")", "sin"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    theirs = BertModel(BertConfig(vocab_size=len(words), **shape))
    theirs.save_pretrained(folder)
    changes = (("hidden_size", 16), ("intermediate_size", 32))
    given = options(preset="compnet-paper", changes=changes, steps=1, encoder=folder, rate=1e-9)
    train(pack_file, tmp_path / "run", given)
    model, tokenizer = load_checkpoint(tmp_path / "run" / "model")
    assert model.config.vocab_size == len(words)
    ids = tokenizer.encode("float f(float x) { return sinf(x); }", "f", [(-1, 1)])[0].ids.tolist()
    assert [tokenizer.tokenizer.id_to_token(i) for i in ids[:2]] == ["[CLS]", "float"]
    torch.testing.assert_close(model.encoder.words.weight, theirs.embeddings.word_embeddings.weight, rtol=0, atol=1e-3)


def test_going_on_from_another_run(pack_file, tmp_path):
    train(pack_file, tmp_path / "trunk", options(steps=3, stages=("trunk",)))
    given = options(steps=40, stages=("text", "joint"), start=tmp_path / "trunk" / "model", seed=1)
    assert train(pack_file, tmp_path / "run", given)["drawn"] == []
    lines = [json.loads(line) for line in (tmp_path / "run" / "curves.jsonl").read_text().splitlines()]
    assert [line["group"] for line in lines] == ["text", "validation", "joint", "validation"]
    before, after = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("trunk", "run"))
    for name, tensor in before.items():
        kept = name.removeprefix("network.").startswith(("probe_entry", "blocks", "norm", "heads"))
        assert torch.equal(tensor, after[name]) == kept or not tensor.any(), name
    with pytest.raises(UsageError, match="unknown stage"):
        train(pack_file, tmp_path / "none", options(stages=("paper",)))
    with pytest.raises(UsageError, match="cannot load a hypernetwork"):
        train(pack_file, tmp_path / "none", options(start=tmp_path))


def test_weights_that_do_not_fit_are_told(pack_file, tmp_path):
    train(pack_file, tmp_path / "few", options(steps=1, stages=("trunk",)))
    told = []
    more = options(
        steps=1,
        stages=("trunk",),
        start=tmp_path / "few" / "model",
        changes=(*(pair for pair in TINY if pair[0] != "candidates"), ("candidates", [2, 3])),
    )
    record = train(pack_file, tmp_path / "more", more, lambda share, text: told.append(text))
    assert record["drawn"] == ["heads.1.weight", "heads.1.bias"]
    assert "heads.1.weight, heads.1.bias" in told[0]


def test_minutes(pack_file, tmp_path):
    shares = []
    record = train(
        pack_file, tmp_path / "run", options(steps=None, minutes=0.02), lambda share, text: shares.append(share)
    )
    assert record["seconds"] >= 1.2
    assert record["steps"] >= 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"preset": "x"}, "preset"), ({"steps": None}, "how long"), ({"minutes": 1}, "how long"), ({"steps": 0}, "step"),
     ({"device": "tpu"}, "device"), ({"precision": "int8"}, "precision"), ({"accumulate": 3}, "equal parts"),
     ({"origins": ("imagined",)}, "origin")],
)  # fmt: skip
def test_bad_options(changes, text):
    with pytest.raises(UsageError, match=text):
        options(**changes)


def test_command(pack_file, tmp_path, nstk):
    arguments = ["train", str(pack_file), "--out", str(tmp_path / "run"), "--batch", "4", "--device", "cpu"]
    ran = nstk(*arguments, "--steps", "2", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["steps"] == 2
    assert "100 %: text: step 2" in ran.err
    nstk(*arguments, "--steps", "3").check_error(2, "other options")
    nstk("train", str(tmp_path / "none.npz"), "--steps", "1").check_error(2, "no pack")
    nstk(*arguments).check_error(2, "how long")
    nstk("train", str(pack_file), "--steps", "1", "--preset", "big").check_error(2, "unknown preset")


@pytest.mark.parametrize("method", ["pretrained", "maml"])
def test_baselines(method, pack_file, tmp_path, nstk):
    losses = train_baseline(pack_file, tmp_path / "run", method, 60, batch=16)
    first = train_baseline(pack_file, tmp_path / "short", method, 1, batch=16)
    assert all(losses[name] < first[name] for name in losses)
    starts = load_initialization(tmp_path / "run" / "model")
    assert {str(topology): array.shape for topology, array in starts.items()} == {
        "9-4-4-1": (3, 65), "9-8-8-1": (3, 161), "9-16-16-1": (3, 449)
    }  # fmt: skip
    source = tmp_path / "f.c"
    source.write_text("/* nstk: x=2:4 */ float f(float x, float y) { return x * y; }")
    ran = nstk("compile", source, "--init", tmp_path / "run" / "model", "--out", tmp_path / "out", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["nrmse"]["result"] <= ran.json["random_nrmse"]["result"] * 1.5
    arguments = ("train", pack_file, "--preset", method, "--batch", "4", "--out", tmp_path / "cli")
    assert nstk(*arguments, "--steps", "1").code == 0
    nstk(*arguments).check_error(2, "how long")
    (tmp_path / "short" / "model" / "initialization.safetensors").write_bytes(b"no")
    nstk("compile", source, "--init", tmp_path / "short" / "model").check_error(2, "cannot load an initialization")
    assert nstk("compile", source, "--init", method, "--out", tmp_path / "shipped").code == 0

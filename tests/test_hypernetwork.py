"""CompNet: tokens, what it reads and writes, and its files."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertConfig, BertModel

from nstk.corpus.inputs import unit_points
from nstk.errors import UsageError
from nstk.hypernetwork.canonical import find_frame, restore
from nstk.hypernetwork.checkpoint import load_checkpoint, load_encoder, save_checkpoint
from nstk.hypernetwork.composition import Composition
from nstk.hypernetwork.configuration import PRESETS, NetworkConfig
from nstk.hypernetwork.layers import value_features
from nstk.hypernetwork.location import place
from nstk.hypernetwork.modeling import CompNet, CompNetConfig
from nstk.hypernetwork.network import HyperNetwork
from nstk.hypernetwork.parameters import fit_output, prune_absent
from nstk.hypernetwork.tokenization import (
    ProgramTokenizer,
    build_tokenizer,
    normalize_text,
    pad,
    train_word_pieces,
)
from nstk.mlp import forward
from nstk.symbolic.words import parse_number
from nstk.topology import Topology

TEXT = """
#include <math.h>
#define GAIN 2.5f /* a comment */
static float half(float x) { return 0.5f * x; } // another
float bend(float x, const double scale)
{
    float y = sinf(scale) * M_PI, result = 0x10;
    for (int i = 0; i < 3; i++)
        y += half(x) + GAIN;
    return y > 1e3 ? result : y;
}
"""


DOMAIN = [(-1, 1), (-1, 1)]
NO_FORMULA = TEXT.replace("i < 3", "i < x")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def tiny(**changes) -> HyperNetwork:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "trunk_width": 24, "trunk_blocks": 2, "candidates": [2, 2, 2]}
    return HyperNetwork(NetworkConfig(**{**shape, **changes})).eval()


def batch(size: int = 3, tokens: int = 12) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    present = torch.ones(size, 9)
    present[1, 2:] = 0
    ids = torch.randint(5, 240, (size, tokens), generator=generator)
    ids[:, 3] = 7  # the first argument
    return {
        "input_ids": ids,
        "attention_mask": torch.ones(size, tokens, dtype=torch.long),
        "numbers": torch.randn(size, tokens, 3, generator=generator),
        "links": (torch.arange(tokens)[:, None] - torch.tensor([1, 3])).clamp(min=0).expand(size, -1, -1),
        "levels": torch.arange(tokens).expand(size, -1),
        "root": torch.tensor([tokens - 1, 0, tokens - 4])[:size],
        "centre": torch.randn(size, 9, generator=generator),
        "half_width": torch.rand(size, 9, generator=generator) + 0.1,
        "present": present,
        "probes": torch.randn(size, 256, generator=generator),
    }


def test_names_are_normalized_and_literals_carry_values():
    words, values = normalize_text(TEXT, "bend")
    text = " ".join(words)
    assert text.startswith("# define var0 num float fun0 ( float var1 ) { return num * var1 ; } float self (")
    assert "float self ( float arg0 , float arg1 ) { float var2 = sin ( arg1 ) * num , var3 = num ;" in text
    assert "var2 += fun0 ( arg0 ) + var0" in text
    np.testing.assert_allclose([v for v in values if v], [2.5, 0.5, np.pi, 16, 3, 1e3])
    assert len(words) == len(values)


def test_renaming_changes_nothing():
    renamed = TEXT.replace("scale", "zz").replace("half", "fabric").replace("GAIN", "K_0").replace(" y ", " sum_ ")
    assert normalize_text(renamed.replace("y +=", "sum_ +=").replace(": y;", ": sum_;"), "bend") == normalize_text(
        TEXT, "bend"
    )
    swapped = "float f(float a, float b) { return a - b; }"
    assert normalize_text(swapped, "f") != normalize_text(swapped.replace("a - b", "b - a"), "f")


def test_own_functions_hide_library_names():
    words, _ = normalize_text("float round(float x) { return x; } float f(float x) { return round(x) + log(x); }", "f")
    assert "fun0 ( arg0 ) + log ( arg0 )" in " ".join(words)


def test_array_arguments_stand_at_their_first_input():
    words, _ = normalize_text("float f(const float a[3], float b) { return a[1] + b; }", "f", {"a": 0, "b": 3})
    assert "arg0 [ num ] + arg3" in " ".join(words)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1.5f", 1.5), (".5", 0.5), ("010", 8), ("0x1p-2", 0.25), ("0xFFu", 255), ("2e3L", 2000), ("'a'", 97),
     ("1e999", 3.4e38), ("09", 0.0)],
)  # fmt: skip
def test_numbers(text, value):
    assert parse_number(text) == pytest.approx(value)


@given(st.text(max_size=200))
def test_any_text_is_encoded(text):
    (encoded,) = ProgramTokenizer(TOKENIZER).encode(text, "f", [(-1, 1)])
    assert encoded.ids[0] == 2
    assert len(encoded.ids) == len(encoded.numbers) == len(encoded.links) == len(encoded.levels) <= 512
    assert np.isfinite(encoded.numbers).all()


TOKENIZER = build_tokenizer()


def test_vocabulary_fits_the_defaults():
    config = NetworkConfig()
    assert TOKENIZER.get_vocab_size() == config.vocab_size
    assert TOKENIZER.token_to_id("arg0") == config.first_argument
    assert TOKENIZER.token_to_id("[PAD]") == config.pad_token_id
    (formula,) = ProgramTokenizer(TOKENIZER).encode(TEXT, "bend", DOMAIN)
    assert [TOKENIZER.id_to_token(i) for i in formula.ids] == ["[CLS]", "arg0", "arg1", "sin", "+", "+"]
    (encoded,) = ProgramTokenizer(TOKENIZER).encode(NO_FORMULA, "bend", DOMAIN)
    assert TOKENIZER.encode(" ".join(normalize_text(NO_FORMULA, "bend")[0])).ids == encoded.ids.tolist()
    assert TOKENIZER.token_to_id("[UNK]") not in encoded.ids


def test_long_programs_keep_their_end():
    text = "float f(float x) {" + "x += 1.0f;" * 300 + "while (x > 1) x -= 1; return -x; }"
    (encoded,) = ProgramTokenizer(TOKENIZER).encode(text, "f", [(-1, 1)])
    assert len(encoded.ids) == 512
    assert [TOKENIZER.id_to_token(i) for i in encoded.ids[[0, -1]]] == ["[CLS]", "}"]


def test_shapes_and_absent_inputs():
    model = tiny()
    out = model(**batch())
    assert [tuple(p.shape) for p in out.parameters] == [(3, 2, 65), (3, 2, 161), (3, 2, 449)]
    assert out.probes.shape == (3, 256)
    assert out.location.shape == (3, 2)
    x = torch.rand(20, 9) * 2 - 1
    other = x.clone()
    other[:, 2:] = 0.3
    for topology, parameters in zip(model.topologies, out.parameters, strict=True):
        same = torch.isclose(forward(topology, parameters[1], x), forward(topology, parameters[1], other))
        assert same.all()
        assert not torch.isclose(forward(topology, parameters[0], x), forward(topology, parameters[0], other)).all()


def test_every_input_counts():
    model = tiny()
    torch.nn.init.normal_(model.text_entry.weight)
    given = batch()
    given["probe_mask"] = (torch.arange(256) < 128).float().expand(3, -1)
    before = model(**given)
    for key in ("input_ids", "numbers", "links", "root", "centre", "half_width", "probes"):
        changed = dict(given)
        changed[key] = given[key] + 0.5 if given[key].is_floating_point() else given[key].flip(0)
        if key == "links":
            changed[key] = given[key].flip(2)  # operands in another order
        out = model(**changed)
        if key in ("centre", "half_width"):  # what is known of the outputs tells the rest
            assert not torch.equal(out.probes, before.probes), key
        else:
            assert not torch.equal(out.parameters[0], before.parameters[0]), key


def test_text_says_nothing_beside_all_probes():
    model = tiny()
    torch.nn.init.normal_(model.text_entry.weight)
    given = batch()
    other = given | {"input_ids": given["input_ids"].flip(0)}
    for a, b in zip(model(**given).parameters, model(**other).parameters, strict=True):
        assert torch.equal(a, b)


def test_masked_probes_do_not_count():
    model = tiny()
    given = batch()
    mask = torch.ones(3, 256)
    mask[:, 100:] = 0
    other = given["probes"].clone()
    other[:, 100:] += 7
    first = model(**given, probe_mask=mask).parameters[0]
    assert torch.equal(first, model(**{**given, "probes": other}, probe_mask=mask).parameters[0])
    nothing = model(**given, probe_mask=torch.zeros(3, 256)).parameters[0]
    torch.testing.assert_close(nothing, model(**{**given, "probes": None}).parameters[0])


def test_probes_alone_and_padding():
    model = tiny()
    given = batch()
    alone = {key: given[key] for key in ("probes", "present")}
    assert model(**alone).probes is None
    padded = dict(given)
    for key in ("input_ids", "attention_mask", "numbers", "links", "levels"):
        padded[key] = torch.cat([given[key], torch.zeros_like(given[key][:, :5])], 1)
    torch.testing.assert_close(model(**padded).parameters[0], model(**given).parameters[0])


def test_states_follow_from_operands():
    torch.manual_seed(0)
    composition, given = Composition(8, 16).double(), batch(3, 30)
    embedded = torch.randn(3, 30, 8).double()
    links, levels = given["links"].clone(), given["levels"]
    links[:, ::7] = 0  # what is built on nothing
    with torch.no_grad():
        states = composition(embedded, links, levels)
        used = {20}  # what token 20 is built on, by its links
        for place in range(20, 0, -1):
            used |= set(links[0, place].tolist()) - {0} if place in used else set()
        assert 1 < len(used) < 21
        other = embedded.clone()
        unused = [place for place in range(30) if place not in used]
        other[:, unused] = torch.randn(3, len(unused), 8).double()
        assert torch.equal(composition(other, links, levels)[:, 20], states[:, 20])
        for place in used:
            other = embedded.clone()
            other[:, place] += 1
            assert not torch.equal(composition(other, links, levels)[0, 20], states[0, 20]), place
        swapped = composition(embedded, links.flip(2), levels)
        assert not torch.isclose(swapped[:, 20], states[:, 20]).any()
        # Higher levels than are needed change nothing, nor does what stands behind or in other rows.
        torch.testing.assert_close(composition(embedded, links, 3 * levels + 2), states)
        alone = composition(embedded[1:2, :21], links[1:2, :21], levels[1:2, :21])
        torch.testing.assert_close(alone, states[1:2, :21])


def test_gradients_of_states():
    torch.manual_seed(0)
    composition, given = Composition(4, 6).double(), batch(2, 9)
    embedded = torch.randn(2, 9, 4).double().requires_grad_()
    weights = [parameter.detach().requires_grad_() for parameter in composition.parameters()]
    names = [name for name, _ in composition.named_parameters()]

    def read(embedded: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        named = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(composition, named, (embedded, given["links"], given["levels"]))

    assert given["levels"].max() > 2
    assert torch.autograd.gradcheck(read, (embedded, *weights))


def test_formulas_and_texts_are_read_side_by_side():
    model, tokenizer = tiny(), ProgramTokenizer(TOKENIZER)
    encoded = [tokenizer.encode(text, "bend", DOMAIN)[0] for text in (TEXT, NO_FORMULA)]
    assert [e.root > 0 for e in encoded] == [True, False]
    both, _ = model._read(*pad(encoded))
    for row, each in enumerate(encoded):
        alone, states = model._read(*pad([each]))
        torch.testing.assert_close(alone[0], both[row])
        at_root = model.read_norm(states[0, each.root])
        assert torch.equal(at_root, alone[0]) == (each.root > 0)


@torch.no_grad()
def test_outputs_are_placed_along_slopes_or_in_the_range_of_the_formula():
    model, given = tiny(), batch()
    slopes = torch.linspace(-1, 2, 9)
    told = model.outlook[-1]  # probes, mean, scale, slopes
    torch.nn.init.zeros_(told.weight)
    told.bias[256:] = torch.cat([torch.tensor([0.5, 0.0]), slopes])
    given["numbers"][:, :, 1:] = 0  # not known
    mean, scale = place(model(**given, writes=False).location)
    line = (slopes * given["centre"] / given["half_width"]).sum(1)
    torch.testing.assert_close(mean, line + np.sinh(0.5))
    torch.testing.assert_close(scale, torch.ones(3))
    given["numbers"][:, :, 1:] = torch.tensor([2.0, 6.0])
    mean, scale = place(model(**given, writes=False).location)
    torch.testing.assert_close(mean, torch.full((3,), 4 + 2 * float(np.sinh(0.5))))
    torch.testing.assert_close(scale, torch.full((3,), 2.0))


@torch.no_grad()
def test_parts_are_placed_in_their_range():
    model, given = tiny(), batch()
    given["numbers"][0, 4, 1:], given["numbers"][2, 5, 1:] = torch.tensor([-1.0, 1.0]), torch.tensor([-10.0, 10.0])
    predicted, location = model(**given, writes=False, parts=torch.tensor([[0, 4], [2, 5]])).parts
    assert predicted.shape == (2, 256)
    half = torch.tensor([1.0, 10.0])
    state = model._read(*(given[n] for n in ("input_ids", "attention_mask", "numbers", "links", "levels", "root")))[1]
    told = model.part_outlook(model.read_norm(state[[0, 2], [4, 5]]))
    mean, scale = place(location)
    torch.testing.assert_close(scale, told[:, 257].exp() * half)
    torch.testing.assert_close(mean, told[:, 256].sinh() * scale)


@pytest.mark.parametrize("off", ["use_text", "use_values", "use_domain", "use_probes", "predicts_scale"])
def test_parts_can_be_off(off):
    out = tiny(**{off: False})(**batch())
    assert [p.shape[2] for p in out.parameters] == [65, 161, 449]


def test_paper_configuration():
    model = HyperNetwork(NetworkConfig(**PRESETS["compnet-paper"]))
    assert [str(t) for t in model.topologies] == ["9-4-4-1"]
    assert sum(p.numel() for p in model.heads.parameters()) == 129 * 65
    given = batch()
    out = model(given["input_ids"], given["attention_mask"])
    assert out.parameters[0].shape == (3, 1, 65)
    pieces = train_word_pieces([TEXT] * 3, 200)
    (encoded,) = ProgramTokenizer(pieces, normalized=False).encode(TEXT, "bend", DOMAIN)
    assert [pieces.id_to_token(i) for i in encoded.ids[[0, -1]]] == ["[CLS]", "[SEP]"]
    assert "comment" not in pieces.decode(encoded.ids)


def test_value_features_tell_values_apart():
    values = torch.tensor([0.0, 0.5, -0.5, 0.51, 5.0, 1e30, -3.4e38])
    features = value_features(values)
    assert features.isfinite().all()
    assert torch.cdist(features, features).add(torch.eye(7)).min() > 1e-2


def test_starts_as_random_initialization():
    parameters = tiny(candidates=[64, 1, 1]).heads[0].bias.view(64, 65)
    assert 0.25 < parameters[:, :36].abs().max() <= 1 / 3
    assert 0.4 < parameters[:, 40:60].abs().max() <= 0.5


def test_output_layers_fit_the_probes():
    topology = Topology((9, 8, 8, 1))
    generator = torch.Generator().manual_seed(0)
    parameters, x = torch.randn(2, 3, 161, generator=generator), torch.rand(256, 9, generator=generator) * 2 - 1
    y, weight = torch.randn(2, 256, generator=generator), torch.rand(2, 256, generator=generator)
    weight[1] = 0
    fitted = fit_output(topology, parameters, x, y, weight)
    torch.testing.assert_close(fitted[1], parameters[1])
    torch.testing.assert_close(fitted[..., : topology.parameters - 9], parameters[..., : topology.parameters - 9])
    h = mlp_forward_hidden(topology, fitted[0, 1], x)
    root = weight[0].double().sqrt()[:, None]
    expected = np.linalg.lstsq((h * root).numpy(), (y[0, :, None].double() * root).numpy())[0][:, 0]
    np.testing.assert_allclose(fitted[0, 1, -9:].numpy(), expected, rtol=0.02, atol=0.02)
    learned = parameters.clone().requires_grad_()
    fit_output(topology, learned, x, y, weight).square().sum().backward()
    assert learned.grad.isfinite().all()


def mlp_forward_hidden(topology, params, x):
    inner = Topology(topology.widths[:-1])
    h = torch.sigmoid(forward(inner, params[None, : inner.parameters], x))[0].double()
    return torch.cat([h, torch.ones(len(h), 1)], 1)


def bend(a, b, c):
    return 2 * a + a * a - b * b * c + b


#: The same function of inputs in another order, of others' signs, and the other way round.
RELATED = (
    lambda x: bend(x[:, 0], x[:, 1], x[:, 2]),
    lambda x: bend(-x[:, 2], x[:, 0], x[:, 1]),
    lambda x: -bend(x[:, 1], -x[:, 0], x[:, 2]),
)


def test_frames_do_not_depend_on_order_and_signs():
    x = torch.tensor(unit_points())
    present = (torch.arange(9) < 3).float().expand(3, -1)
    moments, frame = find_frame(torch.stack([each(x[:256]) for each in RELATED]), present)
    assert (moments - moments[0]).abs().max() < 0.1 < moments.abs().max() / 20
    assert frame.order[:, :3].tolist() == [[0, 1, 2], [2, 0, 1], [1, 0, 2]]
    assert frame.sign[:, 3:].eq(1).all()
    topology = Topology((9, 4, 4, 1))
    written = torch.randn(1, 2, 65, generator=torch.Generator().manual_seed(0)).expand(3, -1, -1)
    own = prune_absent(topology, restore(topology, written, frame), present)[:, 1]
    _, second, third = forward(topology, own, x)[..., 0]
    moved = torch.zeros_like(x).repeat(2, 1)
    moved[:512, :3] = torch.stack([-x[:, 2], x[:, 0], x[:, 1]], 1)
    moved[512:, :3] = torch.stack([x[:, 1], -x[:, 0], x[:, 2]], 1)
    expected = forward(topology, own[:1], moved)[0, :, 0]
    torch.testing.assert_close(second, expected[:512])
    torch.testing.assert_close(third, -expected[512:])


def test_moments_are_coefficients():
    x = torch.tensor(unit_points()[:256])
    present = (torch.arange(9) < 2).float()[None]
    legendre = (3 * x[:, 1] ** 2 - 1) / 2 * 5**0.5
    moments, frame = find_frame(legendre[None], present)
    size = moments.abs().expm1() / 16
    assert frame.order[0, 0] == 1
    assert float(size.max()) == pytest.approx(1, abs=0.03)
    assert (size > 0.05).sum() == 1


def test_checkpoint_round_trip(tmp_path):
    model = tiny()
    save_checkpoint(model, ProgramTokenizer(TOKENIZER), tmp_path / "a")
    loaded, tokenizer = load_checkpoint(tmp_path / "a")
    assert model.state_dict().keys() == loaded.state_dict().keys()
    assert all(torch.equal(t, loaded.state_dict()[name]) for name, t in model.state_dict().items())
    assert loaded.config == model.config
    (ours,), (theirs,) = (t.encode(TEXT, "bend", DOMAIN) for t in (ProgramTokenizer(TOKENIZER), tokenizer))
    assert ours.ids.tolist() == theirs.ids.tolist()
    save_checkpoint(loaded, tokenizer, tmp_path / "b")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    given = batch()
    assert torch.equal(model(**given).parameters[2], loaded(**given).parameters[2])
    save_checkpoint(model, tokenizer, tmp_path / "half", torch.float16)
    half, _ = load_checkpoint(tmp_path / "half")
    assert half.norm.weight.dtype == torch.float32
    torch.testing.assert_close(half(**given).parameters[0], model(**given).parameters[0], rtol=0.02, atol=0.02)


def test_checkpoints_are_read_by_transformers(tmp_path):
    model, given = tiny(candidates=[3, 1, 2]), batch()
    save_checkpoint(model, ProgramTokenizer(TOKENIZER), tmp_path / "a")
    config = AutoConfig.from_pretrained(tmp_path / "a")
    assert isinstance(config, CompNetConfig)
    assert config.candidates == [3, 1, 2]
    theirs = AutoModel.from_pretrained(tmp_path / "a")
    assert isinstance(theirs, CompNet)
    out = theirs(**given)
    assert torch.equal(out.parameters[2], model(**given).parameters[2])
    torch.testing.assert_close(out["location"], model(**given).location)
    ids = AutoTokenizer.from_pretrained(tmp_path / "a")("arg0 + num")["input_ids"]
    assert ids == TOKENIZER.encode("arg0 + num").ids
    theirs.save_pretrained(tmp_path / "b")
    assert (tmp_path / "b/model.safetensors").read_bytes() == (tmp_path / "a/model.safetensors").read_bytes()
    started = CompNet(config)
    assert all(tensor.isfinite().all() for tensor in started.state_dict().values())


def _damage(folder, case):
    weights, config = folder / "model.safetensors", folder / "config.json"
    record = json.loads(config.read_text())
    if case == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif case == "garbage":
        weights.write_bytes(b"\x80\x04pickle" * 50)
    elif case == "no weights":
        weights.rename(folder / "pytorch_model.bin")
    elif case == "foreign":
        config.write_text(json.dumps({**record, "model_type": "bert"}))
    elif case == "no json":
        config.write_text("{")
    elif case == "other shape":
        config.write_text(json.dumps({**record, "trunk_width": 32}))
    elif case == "other parts":
        config.write_text(json.dumps({**record, "trunk_blocks": 3}))
    elif case == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif case == "empty":
        for file in folder.iterdir():
            file.unlink()


@pytest.mark.parametrize(
    "case",
    ["cut", "garbage", "no weights", "foreign", "no json", "other shape", "other parts", "no tokenizer", "empty"],
)
def test_damaged_or_foreign_checkpoints(case, tmp_path):
    save_checkpoint(tiny(), ProgramTokenizer(TOKENIZER), tmp_path)
    _damage(tmp_path, case)
    with pytest.raises(UsageError, match="cannot load a hypernetwork") as caught:
        load_checkpoint(tmp_path)
    assert "nstk train" in caught.value.hint


def test_encoder_takes_bert_weights(tmp_path):
    torch.manual_seed(3)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    theirs = BertModel(BertConfig(vocab_size=99, **shape), add_pooling_layer=False).eval()
    theirs.save_pretrained(tmp_path)
    model = tiny(vocab_size=99, composes=False)
    assert load_encoder(model, tmp_path) == []
    ids, mask = torch.randint(5, 99, (3, 20), generator=torch.Generator().manual_seed(1)), torch.ones(3, 20).long()
    mask[1, 11:] = 0
    expected = theirs(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
    torch.testing.assert_close(model.encoder(model.encoder.words(ids), mask), expected)
    assert load_encoder(tiny(), tmp_path) == ["words.weight"]
    with pytest.raises(UsageError, match="cannot load an encoder"):
        load_encoder(model, tmp_path / "none")

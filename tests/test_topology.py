from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nstk.errors import UsageError
from nstk.topology import LADDER, Topology, hidden_name, parse_hidden

WIDTHS = st.lists(st.integers(1, 40), min_size=2, max_size=6).map(tuple)


def test_paper_topology_has_65_parameters() -> None:
    topology = Topology((9, 4, 4, 1))
    assert str(topology) == "9-4-4-1"
    assert topology.hidden == (4, 4)
    assert topology.parameters == 65
    first, second, last = topology.layers()
    assert (first.inputs, first.outputs, first.weight, first.bias) == (9, 4, slice(0, 36), slice(36, 40))
    assert (second.inputs, second.outputs, second.weight, second.bias) == (4, 4, slice(40, 56), slice(56, 60))
    assert (last.inputs, last.outputs, last.weight, last.bias) == (4, 1, slice(60, 64), slice(64, 65))


@given(WIDTHS)
def test_layers_tile_the_parameter_vector(widths: tuple[int, ...]) -> None:
    topology = Topology(widths)
    covered: list[int] = []
    for layer, inputs, outputs in zip(topology.layers(), widths, widths[1:], strict=False):
        assert (layer.inputs, layer.outputs) == (inputs, outputs)
        assert len(range(*layer.weight.indices(10**6))) == inputs * outputs
        covered += [*range(*layer.weight.indices(10**6)), *range(*layer.bias.indices(10**6))]
    assert covered == list(range(topology.parameters))


def test_every_rung_round_trips() -> None:
    for hidden in LADDER:
        assert parse_hidden(hidden_name(hidden)) == (hidden,)
    assert parse_hidden("auto") == LADDER
    assert sorted(LADDER, key=lambda hidden: Topology((1, *hidden, 1)).parameters) == list(LADDER)


@pytest.mark.parametrize(
    "text", ["", "4", "4-4-", "-4-4", "4x4", "04-4", "5-5", "AUTO", "4-4-4", "٤-٤", "4-4\n", " 4-4"]
)
def test_unknown_topologies_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="unknown topology") as caught:
        parse_hidden(text)
    assert "8-8" in caught.value.hint


@given(st.text())
def test_any_text_is_a_rung_or_a_usage_error(text: str) -> None:
    known = {hidden_name(hidden) for hidden in LADDER} | {"auto"}
    with nullcontext() if text in known else pytest.raises(UsageError):
        parse_hidden(text)

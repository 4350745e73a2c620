from itertools import product

import numpy as np
import pytest
import torch

from nstk.mlp import activate, bend, forward, jacobian, neuron_order, with_ones
from nstk.surrogate import mlp_forward
from nstk.topology import Topology

TOPOLOGIES = [(4, 1), (1, 4, 4, 1), (2, 8, 8, 1), (9, 4, 4, 1), (3, 5, 2), (2, 4, 4, 3), (2, 3, 4, 5, 2)]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def batch(widths: tuple[int, ...], size: int = 3, n: int = 40, seed: int = 0):
    topology = Topology(widths)
    generator = torch.Generator().manual_seed(seed)
    params = torch.randn(size, topology.parameters, dtype=torch.float64, generator=generator)
    x = torch.rand(n, widths[0], dtype=torch.float64, generator=generator) * 2 - 1
    return topology, params, x


@pytest.mark.parametrize("widths", TOPOLOGIES)
def test_forward_equals_numpy(widths):
    topology, params, x = batch(widths)
    y = forward(topology, params, x)
    assert y.shape == (3, 40, widths[-1])
    for p, got in zip(params, y, strict=True):
        np.testing.assert_allclose(got.numpy(), mlp_forward(topology, p.numpy(), x.numpy()), rtol=1e-12, atol=1e-13)


def differentiate(topology, params, x):
    """Return values and Jacobian, parameters in their flat order."""
    order = neuron_order(topology)
    inputs = with_ones(x)
    values = activate(topology, params[:, order], inputs)
    jac = params.new_full((*params.shape, topology.widths[-1], len(x)), torch.nan)
    jacobian(topology, params[:, order], inputs, values, jac)
    return values, jac[:, order.argsort()]


@pytest.mark.parametrize("widths", TOPOLOGIES)
def test_jacobian_equals_autograd(widths):
    topology, params, x = batch(widths, n=7)
    values, jac = differentiate(topology, params, x)
    assert jac.shape == (3, topology.parameters, widths[-1], 7)
    torch.testing.assert_close(values[:, -widths[-1] :].mT, forward(topology, params, x), rtol=1e-12, atol=1e-13)
    for b in range(3):
        expected = torch.autograd.functional.jacobian(lambda p: forward(topology, p[None], x)[0], params[b])
        torch.testing.assert_close(jac[b].permute(2, 1, 0), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("widths", TOPOLOGIES)
def test_neurons_lie_side_by_side(widths):
    topology = Topology(widths)
    order = neuron_order(topology)
    assert order.sort().values.tolist() == list(range(topology.parameters))
    first = next(topology.layers())
    assert order[: first.inputs + 1].tolist() == [*range(first.inputs), first.bias.start]


def test_derivatives_leave_their_arguments_alone():
    topology, params, x = batch((2, 4, 4, 1))
    inputs = with_ones(x)
    values = activate(topology, params, inputs)
    directions = params[:, None].clone()
    before = [tensor.clone() for tensor in (params, inputs, values, directions)]
    jacobian(topology, params, inputs, values, params.new_empty(*params.shape, 1, len(x)))
    bend(topology, params, inputs, values, directions)
    for old, new in zip(before, (params, inputs, values, directions), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("widths", TOPOLOGIES)
def test_bend_equals_autograd(widths):
    topology, params, x = batch(widths, n=7)
    generator = torch.Generator().manual_seed(9)
    directions = torch.randn(3, 2, topology.parameters, dtype=torch.float64, generator=generator)
    weight = torch.rand(7, dtype=torch.float64, generator=generator)
    order = neuron_order(topology)
    values, jac = differentiate(topology, params, x)

    def halved(weight=None):
        return bend(topology, params[:, order], with_ones(x), values, directions[..., order], weight)

    found = 2 * halved(weight)[..., order.argsort()]
    torch.testing.assert_close(halved(), halved(torch.ones(7, dtype=torch.float64)))
    for b, f in product(range(3), range(2)):
        slope = torch.zeros((), dtype=torch.float64)

        def along(t, b=b, f=f):
            return forward(topology, (params[b] + t * directions[b, f])[None], x)[0]

        def slope_along(t, along=along):
            return torch.autograd.functional.jvp(along, t, torch.ones_like(t), create_graph=True)[1]

        second = torch.autograd.functional.jvp(slope_along, slope, torch.ones_like(slope))[1]  # (N, O)
        expected = torch.einsum("pon,no,n->p", jac[b], second, weight)
        torch.testing.assert_close(found[b, f], expected, rtol=1e-9, atol=1e-11)

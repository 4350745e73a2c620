"""What others would fit a 4-4 sigmoid network with; every fit restarts with a new seed until the clock stops it.

Settings were tuned on these programs: learning rates 0.01 and 0.03, batches of 32, 128, 200 and all pairs, starts of
5,000 and 20,000 epochs, and for lbfgs 100 to 15,000 iterations and output scales 1 to 100.
"""

import numpy as np
from clock import Clock, Problem
from sklearn.neural_network import MLPRegressor

HIDDEN = (4, 4)


class _WatchedAdam(MLPRegressor):
    """scikit-learn's loop as it is, with a look at the test error every 50 epochs."""

    def _update_no_improvement_count(self, *args: object) -> None:
        super()._update_no_improvement_count(*args)
        if self.n_iter_ % 50 == 0:
            self.clock.check(self.coefs_, self.intercepts_)


class _WatchedLbfgs(MLPRegressor):
    """scikit-learn's loop as it is, with a look at the test error every 25 evaluations of the loss."""

    def _loss_grad_lbfgs(self, *args: object) -> tuple[float, np.ndarray]:
        result = super()._loss_grad_lbfgs(*args)
        self.evaluations += 1
        if self.evaluations % 25 == 0:
            self.clock.check(self.coefs_, self.intercepts_, self.scale)
        return result


def sklearn_adam(problem: Problem, clock: Clock, seed: int) -> None:
    """Fit with `solver="adam"`, learning rate 0.03, batches of 200 (its default), up to 5,000 epochs per start."""
    while True:
        net = _WatchedAdam(
            hidden_layer_sizes=HIDDEN,
            activation="logistic",
            solver="adam",
            alpha=0.0,
            learning_rate_init=0.03,
            max_iter=5000,
            tol=0.0,
            n_iter_no_change=300,
            random_state=seed,
        )
        net.clock = clock
        net.fit(problem.x, problem.y)
        clock.check(net.coefs_, net.intercepts_)
        seed += 1


def sklearn_lbfgs(problem: Problem, clock: Clock, seed: int) -> None:
    """Fit with `solver="lbfgs"`, up to 5,000 iterations per start.

    The outputs are multiplied by 3: scipy stops on an absolute change of the loss, which is too early otherwise.
    """
    scale = 3.0
    while True:
        net = _WatchedLbfgs(
            hidden_layer_sizes=HIDDEN,
            activation="logistic",
            solver="lbfgs",
            alpha=0.0,
            max_iter=5000,
            max_fun=10**9,
            tol=1e-9,
            random_state=seed,
        )
        net.clock, net.evaluations, net.scale = clock, 0, scale
        net.fit(problem.x, problem.y * scale)
        clock.check(net.coefs_, net.intercepts_, scale)
        seed += 1


def torch_adam(problem: Problem, clock: Clock, seed: int) -> None:
    """Fit with a plain PyTorch loop: full batch, fused Adam with learning rate 0.03, 5,000 epochs per start."""
    import torch
    from torch import nn

    x = torch.tensor(problem.x, dtype=torch.float32)
    y = torch.tensor(problem.y, dtype=torch.float32)[:, None]
    while True:
        torch.manual_seed(seed)
        first, second = HIDDEN
        net = nn.Sequential(
            nn.Linear(x.shape[1], first), nn.Sigmoid(), nn.Linear(first, second), nn.Sigmoid(), nn.Linear(second, 1)
        )
        optimizer = torch.optim.Adam(net.parameters(), lr=0.03, fused=True)
        for epoch in range(1, 5001):
            optimizer.zero_grad()
            nn.functional.mse_loss(net(x), y).backward()
            optimizer.step()
            if epoch % 50 == 0:
                layers = net[::2]
                clock.check([m.weight.detach().numpy().T for m in layers], [m.bias.detach().numpy() for m in layers])
        seed += 1


METHODS = {"sklearn adam": sklearn_adam, "sklearn lbfgs": sklearn_lbfgs, "torch adam": torch_adam}

"""Twenty steps of Barlow Twins or VICReg in plain PyTorch, for a replay.

    python decorrelated_replays.py --method barlow_twins|vicreg

Written from the papers and from facebookresearch's barlowtwins and vicreg
(`main.py`, `main_vicreg.py`), sharing nothing with the engine: their losses,
their LARS, its rate warmed up straight from 0 and then taken to a thousandth
along half a cosine. Vectors (biases and norms) take neither decay nor scaling;
Barlow Twins gives them a rate of their own, 0.0048 where weights have 0.2.
Views, backbone and what is stored are those of `mocov3_replay.py`.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from mocov3_replay import HIDDEN, OUT, SLICES, STEPS, WARMUP, WIDTH, Encoder, head
from replays import store

# Rates large enough that twenty steps of a batch of 16 move the loss.
DECAY, MOMENTUM, TRUST = 1.5e-6, 0.9, 0.001
LR = {"barlow_twins": 3.0, "vicreg": 0.2}
VECTORS = {"barlow_twins": 0.0048 / 0.2, "vicreg": 1.0}


def off_diagonal(x):
    return x[~torch.eye(len(x), dtype=torch.bool)]


def barlow_twins(a, b):
    """`BarlowTwins.forward`: a BatchNorm without scale and shift comes first."""
    norm = lambda x: F.batch_norm(x, None, None, training=True)
    c = norm(a).T @ norm(b) / len(a)
    return (c.diagonal() - 1).pow(2).sum() + 0.0051 * off_diagonal(c).pow(2).sum()


def vicreg(x, y):
    """`VICReg.forward`."""
    repr_loss = F.mse_loss(x, y)
    x, y = x - x.mean(0), y - y.mean(0)
    std_x, std_y = torch.sqrt(x.var(0) + 0.0001), torch.sqrt(y.var(0) + 0.0001)
    std_loss = F.relu(1 - std_x).mean() / 2 + F.relu(1 - std_y).mean() / 2
    cov_x, cov_y = x.T @ x / (len(x) - 1), y.T @ y / (len(y) - 1)
    cov_loss = (off_diagonal(cov_x).pow(2).sum() + off_diagonal(cov_y).pow(2).sum()) / x.shape[1]
    return 25 * repr_loss + 25 * std_loss + cov_loss


def encoder(method):
    if method == "barlow_twins":
        return Encoder(head([WIDTH, HIDDEN, HIDDEN, OUT], last_norm=False))
    layers = [nn.Linear(WIDTH, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(True)]
    return Encoder(nn.Sequential(*layers, nn.Linear(HIDDEN, OUT, bias=False)))


def rate(step):
    """The factor on the rates, `adjust_learning_rate`."""
    if step < WARMUP:
        return step / WARMUP
    q = 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))
    return q + 0.001 * (1 - q)


def lars(p, mu, lr):
    """One update of `LARS.step`."""
    g = p.grad
    if p.ndim > 1:
        g = g + DECAY * p
        norms = p.norm(), g.norm()
        g = g * (TRUST * norms[0] / norms[1] if min(norms) > 0 else 1.0)
    mu.mul_(MOMENTUM).add_(g)
    p.sub_(lr * mu)


def train(method, net, views, dtype):
    net = copy.deepcopy(net).to(dtype).train()
    trained = [p for p in net.parameters() if p.requires_grad]
    velocities = [torch.zeros_like(p) for p in trained]
    loss_of = {"barlow_twins": barlow_twins, "vicreg": vicreg}[method]
    losses = []
    for step in range(STEPS):
        a, b = (torch.from_numpy(views[name][step % SLICES]).to(dtype) for name in "ab")
        loss = loss_of(net(a), net(b))
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p, mu in zip(trained, velocities):
                lars(p, mu, LR[method] * rate(step) * (VECTORS[method] if p.ndim == 1 else 1))
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    store(__doc__, list(VECTORS), encoder, train)

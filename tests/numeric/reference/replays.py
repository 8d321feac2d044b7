"""Twenty steps of MoCo v2, SwAV or DINO in plain PyTorch, for a replay.

    python replays.py [--method moco|swav|dino]

Written from the papers and from facebookresearch's moco, swav and dino, sharing
nothing with the engine. Views, networks, schedules and what is stored are those
of `mocov3_replay.py`, as is the order of a step.

MoCo's queue holds one batch, so that what it starts from is gone after step 0;
the rate of that step is 0 and SGD has no velocity, so nothing of it is left.
"""

import argparse
import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file
from torch import nn

from mocov3_replay import BATCH, DECAY, EMA, LR, OUT, SEED, SLICES, STEPS, WARMUP, WIDTH
from mocov3_replay import Path, backbone, head, rate, write_losses

CLUSTERS = 24


class Encoder(nn.Module):
    def __init__(self, **stages):
        super().__init__()
        for name, stage in stages.items():
            setattr(self, name, stage)

    def forward(self, x):
        for stage in self.children():
            x = stage(x)
        return x


class Unit(nn.Module):
    def forward(self, x):
        return F.normalize(x, dim=1)


class WeightNorm(nn.Linear):
    def forward(self, x):
        return F.linear(x, F.normalize(self.weight, dim=1))


def encoder(method):
    if method == "moco":
        return Encoder(backbone=backbone(), projector=head([WIDTH, 64, OUT], last_norm=False))
    if method == "swav":
        return Encoder(
            backbone=backbone(),
            projector=head([WIDTH, 64, OUT], last_norm=False),
            unit=Unit(),
            prototypes=nn.Linear(OUT, CLUSTERS, bias=False),
        )
    projector = nn.Sequential(nn.Linear(WIDTH, 64), nn.GELU(), nn.Linear(64, OUT))
    last = WeightNorm(OUT, CLUSTERS, bias=False)
    return Encoder(backbone=backbone(), projector=projector, unit=Unit(), last=last)


def sinkhorn(scores):
    """SwAV's `distributed_sinkhorn` on one device."""
    q = torch.exp(scores.detach() / 0.05).t()
    k, b = q.shape
    q /= q.sum()
    for _ in range(3):
        q /= q.sum(1, keepdim=True)
        q /= k
        q /= q.sum(0, keepdim=True)
        q /= b
    return (q * b).t()


def cross_entropy(target, logits):
    return -(target * F.log_softmax(logits, 1)).sum(1).mean()


def train(method, net, views, dtype):
    net = copy.deepcopy(net).to(dtype).train()
    average = copy.deepcopy(net).requires_grad_(False)
    named = {key: p for key, p in net.named_parameters() if p.requires_grad}
    plain = [p for p in named.values() if p.ndim == 1 and method == "dino"]
    decayed = [p for p in named.values() if not (p.ndim == 1 and method == "dino")]
    groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    if method == "moco":
        optimizer = torch.optim.SGD(groups, lr=0.0, weight_decay=DECAY)
    else:
        optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=DECAY)
    queue = torch.zeros(BATCH, OUT, dtype=dtype)
    center = torch.zeros(1, CLUSTERS, dtype=dtype)
    epochs, warmup = STEPS / SLICES, WARMUP / SLICES
    losses = []
    for step in range(STEPS):
        epoch = step / SLICES
        a, b = (torch.from_numpy(views[name][step % SLICES]).to(dtype) for name in "ab")
        if method == "swav":
            with torch.no_grad():
                net.prototypes.weight.copy_(F.normalize(net.prototypes.weight, dim=1))
            first, second = net(torch.cat([a, b])).chunk(2)
            loss = cross_entropy(sinkhorn(first), second / 0.1)
            loss = (loss + cross_entropy(sinkhorn(second), first / 0.1)) / 2
        else:
            m = 1 - 0.5 * (1 + math.cos(math.pi * epoch / epochs)) * (1 - EMA)
            with torch.no_grad():
                for old, new in zip(average.parameters(), net.parameters()):
                    old.mul_(m).add_(new, alpha=1 - m)
        if method == "moco":
            q, k = F.normalize(net(a), dim=1), F.normalize(average(b), dim=1)
            logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.t()], 1) / 0.2
            loss = F.cross_entropy(logits, torch.zeros(BATCH, dtype=torch.long))
            queue = k
        if method == "dino":
            teacher = average(torch.cat([a, b]))
            t_a, t_b = ((teacher - center) / 0.04).softmax(1).chunk(2)
            s_a, s_b = (net(torch.cat([a, b])) / 0.1).chunk(2)
            loss = (cross_entropy(t_a, s_b) + cross_entropy(t_b, s_a)) / 2
            center = center * 0.9 + teacher.mean(0, keepdim=True) * 0.1
        for group in optimizer.param_groups:
            group["lr"] = rate(epoch, epochs, warmup) * (60 if method == "moco" else 1)
        optimizer.zero_grad()
        loss.backward()
        if method == "dino":
            for p in named.values():
                factor = 0.3 / (p.grad.norm() + 1e-6)
                if factor < 1:
                    p.grad.mul_(factor)
        if method in ("dino", "swav") and step < SLICES:
            (net.last if method == "dino" else net.prototypes).weight.grad = None
        optimizer.step()
        losses.append(loss.item())
    return losses


def store(doc, methods, encoder, train):
    """Writes the fixture of the method that the command line names."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--method", choices=methods, required=True)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    method = arguments.method
    fixtures = Path(__file__).resolve().parent.parent / "fixtures"
    out = fixtures / f"{method}_replay"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    views = load_file(fixtures / "mocov3_replay" / "views.safetensors")
    torch.manual_seed(arguments.seed)
    net = encoder(method)
    init = {
        f"encoder.{key}": np.ascontiguousarray(tensor.numpy())
        for key, tensor in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_file(init, out / "init.safetensors")
    losses = train(method, net, views, torch.float64)
    single = train(method, net, views, torch.float32)
    write_losses(out, method, losses, single)


if __name__ == "__main__":
    store(__doc__, ["moco", "swav", "dino"], encoder, train)

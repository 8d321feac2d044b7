"""Ten steps of AdamW, SGD, LARS and LAMB, for the engine's optimisers.

    python optimizers.py > ../fixtures/optimizers.json

AdamW and SGD are torch.optim's (PyTorch 2.15, float64); LARS is the update of
facebookresearch/moco-v3's optimizer.py, written out, and `lars_inside` that of
google-research/simclr's lars_optimizer.py, with the rate in the velocity; LAMB
is timm's (1.0.31) without its clipping. A matrix `w` [3, 4] and a
vector `b` [4] start as cos(0.5 (i + 1)) over their entries and take the
gradient sin(0.3 (i + 1) + 0.7 s) at step s, with the rate 0.05 (s + 1) and
weight decay 0.02 (s + 1), both changing at every step. `b` takes no decay
under LARS and LAMB, and is not scaled.
"""

import json

import timm.optim
import torch

STEPS = 10


def start():
    entries = lambda n: torch.cos(0.5 * torch.arange(1, n + 1, dtype=torch.float64))
    return [torch.nn.Parameter(entries(12).reshape(3, 4)), torch.nn.Parameter(entries(4))]


def gradient(p, step):
    entries = torch.arange(1, p.numel() + 1, dtype=torch.float64)
    return torch.sin(0.3 * entries + 0.7 * step).reshape(p.shape)


def values(parameters):
    return {name: p.detach().flatten().tolist() for name, p in zip("wb", parameters)}


def torch_optimizer(make):
    parameters = start()
    optimizer = make(parameters)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (step + 1)
            group["weight_decay"] = 0.02 * (step + 1) * group.get("decay_scale", 1)
        for p in parameters:
            p.grad = gradient(p, step)
        optimizer.step()
    return values(parameters)


def lars(momentum=0.9, trust=0.001, inside=False):
    parameters = start()
    velocities = [torch.zeros_like(p) for p in parameters]
    with torch.no_grad():
        for step in range(STEPS):
            lr, decay = 0.05 * (step + 1), 0.02 * (step + 1)
            for p, velocity in zip(parameters, velocities):
                update = gradient(p, step)
                if p.ndim > 1:
                    update = update + decay * p
                    update = update * (trust * p.norm() / update.norm())
                velocity.mul_(momentum).add_(lr * update if inside else update)
                p.sub_(velocity if inside else lr * velocity)
    return values(parameters)


adamw = lambda p: torch.optim.AdamW(p, betas=(0.9, 0.95), eps=1e-6)
sgd = lambda nesterov: lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.9, nesterov=nesterov)
lamb = lambda p: timm.optim.Lamb(
    [{"params": p[:1]}, {"params": p[1:], "decay_scale": 0}],
    betas=(0.9, 0.95),
    eps=1e-6,
    max_grad_norm=None,
)
print(
    json.dumps(
        {
            "adamw": torch_optimizer(adamw),
            "sgd": torch_optimizer(sgd(False)),
            "nesterov": torch_optimizer(sgd(True)),
            "lars": lars(),
            "lars_inside": lars(inside=True),
            "lamb": torch_optimizer(lamb),
        },
        indent=1,
    )
)

"""Ten steps of optimizers with parameter groups, for the engine's own.

    python groups.py [--out ../fixtures]

A small timm ViT with a classifier starts as `networks.py` fills it and takes a
pseudo-random gradient of stream `5000 + 100 step + i` for its i-th trained
parameter. The classifier stands for what follows a backbone and is not stored.

    groups_adamw    timm's `param_groups_layer_decay` (0.75) without decay of
                    biases, norms, positions and tokens; the patch projection is
                    frozen; beta1 and the rate change at every step; the
                    backbone's gradients are clipped to a norm of 20
    groups_sgd      Nesterov momentum that changes at every step, timm's
                    adaptive clipping of 0.02
    groups_lamb     timm's LAMB, clipped by parameter to a norm of 1

The parameters after ten steps are in float64 rounded to float32. Made with the
versions in `fixtures/networks/versions.json`.
"""

import argparse
from pathlib import Path

import numpy as np
import timm.optim
import torch
from safetensors.numpy import save_file
from timm.utils.agc import adaptive_clip_grad

import formula
from networks import keys_of, vit

STEPS = 10


def network():
    made = vit(num_classes=3)
    state = made.state_dict()
    for stream, (key, size) in enumerate(keys_of(made).items()):
        state[key] = torch.from_numpy(formula.weight(stream, key, size))
    made.load_state_dict(state)
    return made.double()


def run(made, make, before):
    optimizer = make(made)
    trained = [(k, p) for k, p in made.named_parameters() if p.requires_grad]
    for step in range(STEPS):
        for i, (_, p) in enumerate(trained):
            p.grad = torch.from_numpy(formula.array(5000 + 100 * step + i, p.shape)).double()
        backbone = [p for k, p in trained if not k.startswith("head")]
        before(step, optimizer, backbone)
        optimizer.step()
    return {
        k: np.ascontiguousarray(p.detach().float().numpy())
        for k, p in made.named_parameters()
        if not k.startswith("head")
    }


def adamw():
    made = network()
    for p in made.patch_embed.parameters():
        p.requires_grad = False
    groups = lambda made: timm.optim.param_groups_layer_decay(
        made, weight_decay=0.05, no_weight_decay_list=made.no_weight_decay(), layer_decay=0.75
    )
    make = lambda made: torch.optim.AdamW(groups(made), lr=1.0, betas=(0.9, 0.95), eps=1e-6)

    def before(step, optimizer, backbone):
        for group in optimizer.param_groups:
            group["lr"] = 0.002 * (step + 1) * group["lr_scale"]
            group["betas"] = (0.8 + 0.01 * step, 0.95)
        torch.nn.utils.clip_grad_norm_(backbone, 20.0)

    return run(made, make, before)


def sgd():
    make = lambda made: torch.optim.SGD(
        made.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3
    )

    def before(step, optimizer, backbone):
        for group in optimizer.param_groups:
            group["momentum"] = 0.8 + 0.01 * step
        adaptive_clip_grad(backbone, clip_factor=0.02)

    return run(network(), make, before)


def lamb():
    made = network()

    def make(made):
        plain = [p for p in made.parameters() if p.ndim > 1]
        rest = [p for p in made.parameters() if p.ndim <= 1]
        groups = [{"params": plain, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0}]
        return timm.optim.Lamb(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-6, max_grad_norm=None)

    def before(step, optimizer, backbone):
        for p in backbone:
            torch.nn.utils.clip_grad_norm_([p], 1.0)

    return run(made, make, before)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).resolve().parent
    parser.add_argument("--out", type=Path, default=here.parent / "fixtures")
    out = parser.parse_args().out
    for make in (adamw, sgd, lamb):
        save_file(make(), out / f"groups_{make.__name__}.safetensors")


if __name__ == "__main__":
    main()

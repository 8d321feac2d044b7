"""Twenty steps of MoCo v3 on ResNet-18 in plain PyTorch, for a replay.

    python resnet_replay.py

After the paper's ResNet settings and facebookresearch/moco-v3: torchvision's
network (with the 3x3 stem for small images), two layers in the projector, two in
the predictor whose last has no norm, LARS with the rate outside of the momentum
and neither decay nor scaling of vectors, temperature 1. Losses, views and the
order of a step are those of `mocov3_replay.py`. Eleven million weights are too
many to store: they start as `formula.weight` fills them, by the list of names,
shapes and streams in `init.json`, the last norm of a block at zero (no stream).

The rate is small and the trust large: vectors then move little. With 4 and .001
a relative disturbance of 3e-7 of the first weights moves the losses by 1e-1, in
any program; so by less than 1e-4 while the weights go as far.
"""

import copy
import json
import math

import torch
import torchvision
from safetensors.numpy import load_file
from torch import nn

import formula
from mocov3_replay import EMA, OUT, SLICES, STEPS, WARMUP, Path, contrastive, head, write_losses

LR, DECAY, MOMENTUM, TRUST = 0.05, 1e-6, 0.9, 0.01


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = torchvision.models.resnet18()
        self.backbone.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.backbone.maxpool = nn.Identity()
        self.backbone.fc = nn.Identity()
        self.projector = head([512, 64, OUT], last_norm=True)

    def forward(self, x):
        return self.projector(self.backbone(x))


def rate(step):
    if step < WARMUP:
        return LR * step / WARMUP
    return LR * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def lars(p, mu, lr):
    """One update of moco-v3's `LARS.step`."""
    g = p.grad
    if p.ndim > 1:
        g = g + DECAY * p
        norms = p.norm(), g.norm()
        g = g * (TRUST * norms[0] / norms[1] if min(norms) > 0 else 1.0)
    mu.mul_(MOMENTUM).add_(g)
    p.sub_(lr * mu)


def train(nets, views, dtype):
    nets = {name: copy.deepcopy(net).to(dtype).train() for name, net in nets.items()}
    encoder, predictor = nets["encoder"], nets["predictor"]
    average = copy.deepcopy(encoder).requires_grad_(False)
    trained = [p for net in nets.values() for p in net.parameters()]
    velocities = [torch.zeros_like(p) for p in trained]
    losses = []
    for step in range(STEPS):
        a, b = (torch.from_numpy(views[name][step % SLICES]).to(dtype) for name in "ab")
        m = 1 - 0.5 * (1 + math.cos(math.pi * step / STEPS)) * (1 - EMA)
        with torch.no_grad():
            for old, new in zip(average.parameters(), encoder.parameters()):
                old.mul_(m).add_(new, alpha=1 - m)
            k_a, k_b = average(a), average(b)
        q_a, q_b = predictor(encoder(a)), predictor(encoder(b))
        loss = contrastive(q_a, k_b, 1.0) + contrastive(q_b, k_a, 1.0)
        for p in trained:
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p, mu in zip(trained, velocities):
                lars(p, mu, rate(step))
        losses.append(loss.item())
    return losses


def main():
    fixtures = Path(__file__).resolve().parent.parent / "fixtures"
    torch.set_num_threads(1)
    out = fixtures / "mocov3_resnet_replay"
    out.mkdir(parents=True, exist_ok=True)
    views = load_file(fixtures / "mocov3_replay" / "views.safetensors")
    nets = {"encoder": Encoder(), "predictor": head([OUT, 64, OUT], last_norm=False)}
    init, stream = [], 0
    for name, net in nets.items():
        state = net.state_dict()
        for key, tensor in state.items():
            if key.endswith("num_batches_tracked"):
                continue
            shape, zero = list(tensor.shape), key.endswith("bn2.weight")
            state[key] = torch.from_numpy(formula.weight(stream, key, shape)) * (not zero)
            init.append([f"{name}.{key}", shape, None if zero else stream])
            stream += 1
        net.load_state_dict(state)
    (out / "init.json").write_text("[\n" + ",\n".join(map(json.dumps, init)) + "\n]\n")
    losses = train(nets, views, torch.float64)
    single = train(nets, views, torch.float32)
    write_losses(out, "resnet18", losses, single, {"torchvision": torchvision.__version__})


if __name__ == "__main__":
    main()

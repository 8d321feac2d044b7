"""The time of a MoCo v3 step: sslc against plain PyTorch on the same CPU.

Both compute the same networks, heads, loss, moving average and AdamW in
float32 with all cores, on one batch that lies ready. They take turns, short
runs of each, so that what else the machine does meets both; the ratio of
each turn is taken, and the median of the ratios is told.

    python tests/bench/compare.py path/to/sslc [--turns 5] [--steps 3] [NAME ...]

Needs torch, timm and torchvision.
"""

import argparse
import copy
import datetime
import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import timm
import torch
import torchvision
from torch import nn

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mocov3.ssl")


def vit(dim, heads, image, patch):
    net = timm.models.VisionTransformer(
        img_size=image, patch_size=patch, embed_dim=dim, depth=12, num_heads=heads,
        num_classes=0, norm_layer=functools.partial(nn.LayerNorm, eps=1e-6),
    )
    # MoCo v3: the positions are fixed, and so is the patch projection.
    net.pos_embed.requires_grad = False
    for p in net.patch_embed.parameters():
        p.requires_grad = False
    return net, dim


def resnet(name, small):
    net = getattr(torchvision.models, name)()
    width = net.fc.in_features
    net.fc = nn.Identity()
    if small:
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    return net, width


def mlp(*sizes):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        last = i == len(sizes) - 2
        layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b, affine=not last)]
        layers += [] if last else [nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def projector(width, deep):
    return mlp(*([width, 4096, 4096, 256] if deep else [width, 4096, 256]))


# Backbone with its width, depth of the projector, side of an image, batch.
CASES = {
    "vit_small": (lambda: vit(384, 12, 224, 16), True, 224, 16),
    "vit_tiny": (lambda: vit(192, 3, 224, 16), True, 224, 8),
    "vit_tiny_32": (lambda: vit(192, 3, 32, 4), True, 32, 128),
    "resnet18_32": (lambda: resnet("resnet18", True), False, 32, 128),
    "resnet50": (lambda: resnet("resnet50", False), False, 224, 8),
}


class Reference:
    """A MoCo v3 step in plain PyTorch."""

    def __init__(self, name):
        make, deep, image, batch = CASES[name]
        backbone, width = make()
        self.encoder = nn.Sequential(backbone, projector(width, deep))
        self.predictor = mlp(256, 4096, 256)
        self.momentum = copy.deepcopy(self.encoder)
        for p in self.momentum.parameters():
            p.requires_grad = False
        trained = list(self.encoder.parameters()) + list(self.predictor.parameters())
        trained = [p for p in trained if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1.5e-4 * batch / 256, weight_decay=0.1)
        self.a = torch.randn(batch, 3, image, image)
        self.b = torch.randn(batch, 3, image, image)

    def contrast(self, q, k):
        q = nn.functional.normalize(q, dim=1)
        k = nn.functional.normalize(k, dim=1)
        logits = q @ k.T / 0.2
        return nn.functional.cross_entropy(logits, torch.arange(len(q))) * 0.4

    def step(self):
        begun = time.perf_counter()
        with torch.no_grad():
            for new, old in zip(self.encoder.parameters(), self.momentum.parameters()):
                old.mul_(0.99).add_(new, alpha=0.01)
        q_a = self.predictor(self.encoder(self.a))
        q_b = self.predictor(self.encoder(self.b))
        with torch.no_grad():
            k_a = self.momentum(self.a)
            k_b = self.momentum(self.b)
        loss = self.contrast(q_a, k_b) + self.contrast(q_b, k_a)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - begun


def ours(sslc, name, steps):
    command = [
        sslc, "bench", FILE, "--pipeline", name, "--device", "cpu", "--same-batch",
        "--steps", str(steps), "--warm-up", "2", "--json", "--quiet",
    ]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def cpu():
    try:
        lines = open("/proc/cpuinfo").read().splitlines()
        name = next(l.split(":")[1].strip() for l in lines if l.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor()
    return f"{name}, {os.cpu_count()} threads"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sslc")
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count())
    print(
        f"{cpu()}; {datetime.date.today()}; torch {torch.__version__}, "
        f"timm {timm.__version__}, torchvision {torchvision.__version__}; "
        f"{options.turns} turns of {options.steps} steps"
    )
    print("| network | sslc, s | PyTorch, s | ratio | of the turns | load |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in options.names or CASES:
        reference = Reference(name)
        reference.step()
        turns = []
        for _ in range(options.turns):
            theirs = statistics.median(reference.step() for _ in range(options.steps))
            own = ours(options.sslc, name, options.steps)
            turns.append((own["median_seconds"], theirs))
            shares = ", ".join(f"{n} {100 * s:.0f}%" for n, s in own["shares"])
            print(f"{name}: {turns[-1][0]:.3f} {theirs:.3f} ({shares})", file=sys.stderr)
        ratios = sorted(a / b for a, b in turns)
        own, theirs = (statistics.median(column) for column in zip(*turns))
        print(
            f"| {name} | {own:.3f} | {theirs:.3f} | {statistics.median(ratios):.2f} "
            f"| {ratios[0]:.2f}..{ratios[-1]:.2f} | {os.getloadavg()[0]:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

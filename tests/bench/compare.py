"""The time of a MoCo v3 step: sslc against plain PyTorch on the same machine.

Both compute the same networks, heads, loss, moving average and AdamW on one
batch that lies ready: on the CPU in float32 with all cores, on a GPU
(`--device cuda`) in bfloat16 with float32 weights, there also against
`torch.compile`. They take turns, short runs of each, so that what else the
machine does meets both; the ratio of each turn is taken, and the median of the
ratios is told.

    python tests/bench/compare.py path/to/sslc [--device cpu|cuda] [--turns 5] [--steps 3] [NAME ...]

Needs torch, timm and torchvision.
"""

import argparse
import contextlib
import copy
import datetime
import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
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

    def __init__(self, name, device, compiled=False):
        self.device = device
        make, deep, image, batch = CASES[name]
        backbone, width = make()
        self.encoder = nn.Sequential(backbone, projector(width, deep)).to(device)
        self.predictor = mlp(256, 4096, 256).to(device)
        self.momentum = copy.deepcopy(self.encoder)
        for p in self.momentum.parameters():
            p.requires_grad = False
        trained = list(self.encoder.parameters()) + list(self.predictor.parameters())
        trained = [p for p in trained if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1.5e-4 * batch / 256, weight_decay=0.1)
        self.a = torch.randn(batch, 3, image, image, device=device)
        self.b = torch.randn(batch, 3, image, image, device=device)
        self.labels = torch.arange(batch, device=device)
        self.losses = torch.compile(self.losses_of) if compiled else self.losses_of

    def contrast(self, q, k):
        q = nn.functional.normalize(q, dim=1)
        k = nn.functional.normalize(k, dim=1)
        logits = q @ k.T / 0.2
        return nn.functional.cross_entropy(logits.float(), self.labels) * 0.4

    def losses_of(self, a, b):
        q_a = self.predictor(self.encoder(a))
        q_b = self.predictor(self.encoder(b))
        with torch.no_grad():
            k_a = self.momentum(a)
            k_b = self.momentum(b)
        return self.contrast(q_a, k_b) + self.contrast(q_b, k_a)

    def step(self):
        self.wait()
        begun = time.perf_counter()
        with torch.no_grad():
            for new, old in zip(self.encoder.parameters(), self.momentum.parameters()):
                old.mul_(0.99).add_(new, alpha=0.01)
        narrow = contextlib.nullcontext()
        if self.device == "cuda":
            narrow = torch.autocast("cuda", dtype=torch.bfloat16)
        with narrow:
            loss = self.losses(self.a, self.b)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.wait()
        return time.perf_counter() - begun

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()


class GpuMemory:
    """The most that a process held of the GPU, in MiB, as nvidia-smi tells."""

    def __init__(self, pid):
        self.pid, self.most, self.over = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
        while not self.over.wait(0.2):
            told = subprocess.run(query, capture_output=True, text=True).stdout
            for line in told.splitlines():
                pid, used = (part.strip() for part in line.split(","))
                if pid == str(self.pid) and used.isdigit():
                    self.most = max(self.most, int(used))

    def end(self):
        self.over.set()
        self.thread.join()
        return self.most


def ours(sslc, name, steps, device):
    command = [
        sslc, "bench", FILE, "--pipeline", name, "--device", device, "--same-batch",
        "--steps", str(steps), "--warm-up", "2", "--json", "--quiet",
    ]
    if device == "cuda":
        command += ["--set", "train.precision=bf16"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    memory = GpuMemory(process.pid) if device == "cuda" else None
    out, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    measured = json.loads(out)
    measured["gpu_memory"] = memory.end() if memory else None
    return measured


def cpu():
    try:
        lines = open("/proc/cpuinfo").read().splitlines()
        name = next(l.split(":")[1].strip() for l in lines if l.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor()
    return f"{name}, {os.cpu_count()} threads"


def where(device):
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return cpu()


def compare(sslc, name, kind, options):
    """A row of the table: sslc against PyTorch, eager or compiled."""
    device = options.device
    begun = time.perf_counter()
    reference = Reference(name, device, compiled=kind == "compiled")
    reference.step()
    first = time.perf_counter() - begun
    for _ in range(2 if device == "cuda" else 0):
        reference.step()
    turns = []
    for _ in range(options.turns):
        theirs = statistics.median(reference.step() for _ in range(options.steps))
        own = ours(sslc, name, options.steps, device)
        turns.append((own["median_seconds"], theirs))
        shares = ", ".join(f"{n} {100 * s:.0f}%" for n, s in own["shares"])
        print(f"{name}: {turns[-1][0]:.3f} {theirs:.3f} ({shares})", file=sys.stderr)
    ratios = sorted(a / b for a, b in turns)
    seconds, theirs = (statistics.median(column) for column in zip(*turns))
    row = (
        f"| {name} | {kind} | {seconds:.3f} | {theirs:.3f} | {statistics.median(ratios):.2f} "
        f"| {ratios[0]:.2f}..{ratios[-1]:.2f} | {os.getloadavg()[0]:.1f} |"
    )
    if device == "cuda":
        memory = torch.cuda.max_memory_allocated() >> 20
        row += f" {own['first_step']:.1f}, {first:.1f} | {own['gpu_memory']}, {memory} |"
    print(row, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sslc")
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_intermixed_args()
    torch.set_num_threads(os.cpu_count())
    print(
        f"{where(options.device)}; {datetime.date.today()}; torch {torch.__version__}, "
        f"timm {timm.__version__}, torchvision {torchvision.__version__}; "
        f"{options.turns} turns of {options.steps} steps"
    )
    on_gpu = options.device == "cuda"
    more = " first step, s | memory, MiB |" if on_gpu else ""
    print(f"| network | PyTorch | sslc, s | PyTorch, s | ratio | of the turns | load |{more}")
    print("|---|---|---|---|---|---|---|" + ("---|---|" if on_gpu else ""), flush=True)
    for name in options.names or CASES:
        for kind in ["eager", "compiled"] if on_gpu else ["eager"]:
            compare(options.sslc, name, kind, options)


if __name__ == "__main__":
    main()

"""Outputs and gradients of timm's and torchvision's networks, for the tests of
the engine's own.

    python networks.py [--out ../fixtures/networks] [CASE ...]

Every network runs in float64 from float32 weights (`formula.py`). The loss is
the sum of the output times a probe. Per case one safetensors file:

    input, probe           what went in, unless large enough to be regenerated
    train, eval            the output in training mode, then in evaluation mode
    grad.KEY               the gradient of a parameter (training mode)
    buffer.KEY             a running statistic after the training pass
    norms                  the L2 norm of every gradient, in the order of the parameters
    projections            of a large network, inner products of every gradient
                           with three pseudo-random ones, `[parameters, 3]`
    stream                 which pseudo-random image went in

Small cases hold every gradient; large ones a few and the projections of all,
by which an error anywhere in a gradient shows. A ReLU whose input lies within
rounding of zero falls to either side in float32, and with it the gradient: the
image of a ResNet is the one of some that keeps all inputs of its ReLUs, and the
two largest values under its pooling, furthest from that. `versions.json` says
what they were made with. Names and shapes of whole networks are `zoo.py`'s.
"""

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from safetensors.numpy import save_file
from timm.models.convnext import ConvNeXt
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional as F

import formula
from simclr2 import Resnet


def vit(**options):
    """A tiny timm ViT, features only."""
    options = {"img_size": 8, "patch_size": 2, "embed_dim": 16, "depth": 2, "num_heads": 2} | options
    return VisionTransformer(**{"num_classes": 0, "fc_norm": False} | options)


class ConvStem(nn.Module):
    """MoCo v3's (facebookresearch/moco-v3, vits.py), for any patch of a power
    of two."""

    def __init__(self, img_size=224, patch_size=16, in_chans=3, embed_dim=768, **_):
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        self.grid_size = (img_size // patch_size,) * 2
        self.patch_size = (patch_size, patch_size)
        halvings = patch_size.bit_length() - 1
        layers, width = [], in_chans
        for i in range(halvings):
            output = embed_dim >> (halvings - 1 - i)
            layers += [nn.Conv2d(width, output, 3, 2, 1, bias=False), nn.BatchNorm2d(output), nn.ReLU()]
            width = output
        self.proj = nn.Sequential(*layers, nn.Conv2d(width, embed_dim, 1))

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def quick(network):
    """The same ConvNeXt, its depthwise convolutions as sums of shifts:
    PyTorch's own take minutes in float64."""

    def forward(conv):
        def run(x):
            (height, width), side = x.shape[2:], conv.kernel_size[0]
            x = F.pad(x, (side // 2,) * 4)
            taps = [(i, j) for i in range(side) for j in range(side)]
            shifted = (
                conv.weight[:, 0, i, j, None, None] * x[:, :, i : i + height, j : j + width]
                for i, j in taps
            )
            return sum(shifted) + conv.bias[:, None, None]

        return run

    for name, module in network.named_modules():
        if name.endswith("conv_dw"):
            module.forward = forward(module)
    return network


def resnet(make, small_stem):
    network = make(weights=None)
    network.fc = nn.Identity()
    if small_stem:
        network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        network.maxpool = nn.Identity()
    return network


def mlp():
    """Every kind of layer a head can have: norms with and without affine
    parameters, linear maps with and without bias."""
    return nn.Sequential(
        nn.Linear(12, 24, bias=False),
        nn.BatchNorm1d(24),
        nn.ReLU(),
        nn.Linear(24, 20),
        nn.BatchNorm1d(20),
        nn.ReLU(),
        nn.Linear(20, 8, bias=False),
        nn.BatchNorm1d(8, affine=False),
    )


class Unshifted(nn.BatchNorm1d):
    """BatchNorm with a scale and no shift (`center=False` in SimCLR's code)."""

    def __init__(self, width):
        super().__init__(width)
        self.register_parameter("bias", None)


def mlp_unshifted():
    return nn.Sequential(
        nn.Linear(12, 24, bias=False),
        Unshifted(24),
        nn.ReLU(),
        nn.Linear(24, 8, bias=False),
        Unshifted(8),
    )


class TokenBatchNorm(nn.BatchNorm1d):
    """BatchNorm over all tokens of the batch, in the place of a LayerNorm."""

    def forward(self, x):
        return super().forward(x.flatten(0, 1)).reshape(x.shape)


def vit_batch():
    """BatchNorm before the MLPs (MoCo v3's BN variants), no norm at the end."""
    network = vit()
    network.norm = nn.Identity()
    for block in network.blocks:
        block.norm2 = TokenBatchNorm(16)
    return network


class Resized(nn.Module):
    """A ViT under images of another size than its own, its positions
    interpolated as DINO's are (to a size, not by a factor)."""

    def __init__(self, **options):
        super().__init__()
        self.vit = vit(dynamic_img_size=True, **options)
        self.vit.dynamic_img_size = False

    def forward(self, x):
        vit, grid = self.vit, (x.shape[2] // 2, x.shape[3] // 2)
        x = vit.patch_embed.proj(x).flatten(2).transpose(1, 2)
        first, table = vit.pos_embed[:, :1], vit.pos_embed[:, 1:]
        table = table.reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
        table = nn.functional.interpolate(table, grid, mode="bicubic", align_corners=False)
        x = x + table.flatten(2).transpose(1, 2)
        x = torch.cat([(vit.cls_token + first).expand(len(x), -1, -1), x], 1)
        return vit.norm(vit.blocks(x))[:, 0]

    def state_dict(self, *args, **kwargs):
        return self.vit.state_dict(*args, **kwargs)

    def load_state_dict(self, state):
        return self.vit.load_state_dict(state)

    def named_parameters(self):
        return self.vit.named_parameters()


class WeightNorm(nn.Linear):
    """DINO's last layer: rows of length 1, their gain fixed."""

    def forward(self, x):
        return nn.functional.linear(x, nn.functional.normalize(self.weight, dim=1))


class Normalize(nn.Module):
    def forward(self, x):
        return nn.functional.normalize(x, dim=1)


CASES = {
    "vit_cls": (lambda: vit(), (3, 3, 8, 8)),
    "vit_mean": (lambda: vit(class_token=False, global_pool="avg"), (3, 3, 8, 8)),
    "vit_plain": (lambda: vit(img_size=(8, 12), pos_embed="none", num_heads=4), (2, 3, 8, 12)),
    "mlp": (mlp, (9, 12)),
    "mlp_unshifted": (mlp_unshifted, (9, 12)),
    "vit_batch": (vit_batch, (3, 3, 8, 8)),
    "vit_resized": (Resized, (3, 3, 12, 10)),
    "mlp_gelu": (
        lambda: nn.Sequential(nn.Linear(12, 24), nn.GELU(), nn.Linear(24, 8)),
        (9, 12),
    ),
    "weight_norm": (lambda: WeightNorm(12, 20, bias=False), (9, 12)),
    "unit_rows": (lambda: nn.Sequential(nn.Linear(12, 20), Normalize()), (9, 12)),
    "mlp_layer_norm": (
        lambda: nn.Sequential(nn.Linear(12, 24), nn.LayerNorm(24), nn.GELU(), nn.Linear(24, 8)),
        (9, 12),
    ),
    # Registers, factors on the branches, norms of queries and keys; the mean of
    # the patches beside a class token, then a norm.
    "vit_everything": (
        lambda: vit(
            reg_tokens=3,
            no_embed_class=True,
            init_values=0.1,
            qk_norm=True,
            global_pool="avg",
            fc_norm=True,
        ),
        (3, 3, 8, 8),
    ),
    "vit_conv": (lambda: vit(img_size=16, patch_size=4, embed_layer=ConvStem), (3, 3, 16, 16)),
    "convnext_small": (
        lambda: ConvNeXt(
            num_classes=0, depths=(1, 2, 1, 1), dims=(8, 12, 16, 20), ls_init_value=0.1
        ),
        (3, 3, 32, 64),
    ),
    "vit_tiny_224": (
        lambda: timm.create_model("vit_tiny_patch16_224", num_classes=0),
        (2, 3, 224, 224),
    ),
    "vit_small_224": (
        lambda: timm.create_model("vit_small_patch16_224", num_classes=0),
        (2, 3, 224, 224),
    ),
    "convnext_tiny": (
        lambda: quick(timm.create_model("convnext_tiny", num_classes=0)),
        (2, 3, 64, 64),
    ),
    "selective_small": (lambda: Resnet([1, 1, 1, 1], 1, True), (4, 3, 40, 40)),
    "wide_small": (lambda: Resnet([1, 1, 1, 1], 2, False), (2, 3, 40, 40)),
    "resnet18": (lambda: resnet(torchvision.models.resnet18, False), (4, 3, 64, 64)),
    "resnet50": (lambda: resnet(torchvision.models.resnet50, False), (4, 3, 64, 64)),
    "resnet18_small": (lambda: resnet(torchvision.models.resnet18, True), (2, 3, 16, 16)),
}

# Images that are tried for a network with ReLUs.
TRIES = 40

# Gradients of the large networks that are stored whole.
KEPT = ("conv1.weight", "bn1.weight", "bn1.bias", "layer4.1.bn2.weight", "layer2.0.downsample.1.bias")


def keys_of(network):
    return {
        key: list(tensor.shape)
        for key, tensor in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


class Margins:
    """How far the inputs of ReLUs are from zero and the two largest values
    under max pooling from each other, at the least."""

    def __enter__(self):
        self.least, self.relu, self.pool = np.inf, F.relu, F.max_pool2d
        F.relu, F.max_pool2d = self.of_relu, self.of_pool
        return self

    def __exit__(self, *_):
        F.relu, F.max_pool2d = self.relu, self.pool

    def of_relu(self, x, inplace=False):
        self.least = min(self.least, x.detach().abs().min().item())
        return self.relu(x)

    def of_pool(self, x, *args, **kwargs):
        windows = F.unfold(F.pad(x.detach(), (1, 1, 1, 1)), 3, stride=2)
        windows = windows.reshape(len(x), x.shape[1], 9, -1).topk(2, 2).values
        gaps = (windows[:, :, 0] - windows[:, :, 1])[windows[:, :, 0] > 0]
        self.least = min(self.least, gaps.min().item())
        return self.pool(x, *args, **kwargs)


def furthest(network, shape):
    """The stream of the image that is furthest from a kink."""
    best = (-1.0, 1000)
    for stream in range(3000, 3000 + TRIES):
        x = torch.from_numpy(formula.array(stream, shape)).double()
        with Margins() as margins, torch.no_grad():
            copy.deepcopy(network).train()(x)
        if not np.isfinite(margins.least):
            return 1000
        best = max(best, (margins.least, stream))
    return best[1]


def run(make, shape):
    network = make()
    keys = keys_of(network)
    state = network.state_dict()
    for stream, (key, size) in enumerate(keys.items()):
        state[key] = torch.from_numpy(formula.weight(stream, key, size))
    network.load_state_dict(state)
    network.double()
    has_kinks = any(isinstance(m, nn.ReLU | nn.MaxPool2d) for m in network.modules())
    has_kinks |= isinstance(network, Resnet)
    stream = furthest(network, shape) if has_kinks and len(shape) == 4 else 1000
    x = formula.array(stream, shape)
    network.train()
    train = network(torch.from_numpy(x).double())
    probe = formula.array(1001, train.shape)
    (train * torch.from_numpy(probe).double()).sum().backward()
    buffers = {k: v.clone() for k, v in network.named_buffers() if "running" in k}
    network.eval()
    with torch.no_grad():
        evaluated = network(torch.from_numpy(x).double())
    large = len(keys) > 50
    grads = dict(network.named_parameters())
    tensors = {"train": train, "eval": evaluated}
    if not large:
        tensors |= {"input": torch.from_numpy(x), "probe": torch.from_numpy(probe)}
    tensors |= {f"grad.{k}": p.grad for k, p in grads.items() if not large or k in KEPT}
    tensors |= {f"buffer.{k}": b for k, b in buffers.items() if not large or k.startswith("bn1")}
    if large:
        rows = []
        for i, p in enumerate(grads.values()):
            probes = [formula.uniform(2000 + 3 * i + k, p.numel()) for k in range(3)]
            flat = p.grad.double().flatten().numpy()
            rows.append([flat @ probe for probe in probes])
        tensors["projections"] = torch.tensor(rows)
    tensors["stream"] = torch.tensor([float(stream)])
    tensors["norms"] = torch.stack([p.grad.norm() for p in grads.values()])
    tensors["buffer_norms"] = torch.stack([b.norm() for b in buffers.values()] or [torch.zeros(())])
    arrays = {k: np.ascontiguousarray(v.detach().float().numpy()) for k, v in tensors.items()}
    return arrays


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).resolve().parent
    parser.add_argument("cases", nargs="*", help="these alone; all where none is named")
    parser.add_argument("--out", type=Path, default=here.parent / "fixtures" / "networks")
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    for name, (make, shape) in CASES.items():
        if arguments.cases and name not in arguments.cases:
            continue
        save_file(run(make, shape), out / f"{name}.safetensors")
    versions = {m.__name__: m.__version__ for m in (torch, torchvision, timm, np)}
    (out / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    main()

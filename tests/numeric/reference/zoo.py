"""Names, shapes and layers of timm's and torchvision's networks, as a table.

    python zoo.py > ../fixtures/zoo.txt

A network begins with its name, what it is in the language, the side of its
image and the number of its parameters. Then follow its tensors in the order of
the state dict, without `num_batches_tracked`: the name, the shape, and the
layer that timm counts for rates that fall from layer to layer (the classifier's
is the last). Blocks that are alike stand once, as `blocks.[0-11]`; each lies
one layer behind the one before.
"""

import re
import sys

import timm
import torch
import torchvision
from timm.models import group_parameters
from timm.models.vision_transformer import VisionTransformer

from networks import ConvStem
from simclr2 import Resnet

VIT = "vit_{}_patch{}_224"


def vit(size, patch, options=""):
    return lambda: timm.create_model(VIT.format(size, patch), num_classes=0), (
        f"vit(size: {size}, patch: {patch}, position: learned{options})"
    ), 224


def own_vit(options, **arguments):
    arguments = {"embed_dim": 384, "num_heads": 6, "num_classes": 0} | arguments
    return lambda: VisionTransformer(**arguments), (
        f"vit(size: small, patch: 16, position: learned, heads: 6{options})"
    ), 224


def resnet(depth):
    make = lambda: getattr(torchvision.models, f"resnet{depth}")(weights=None)
    return make, f"resnet({depth})", 224


LAYERS = {50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3], 200: [3, 24, 36, 3]}


def simclr(depth, width, selective):
    word = str(bool(selective)).lower()
    make = lambda: Resnet(LAYERS[depth], width, selective)
    return make, f"resnet({depth}, width: {width}, selective_kernel: {word})", 224


def convnext(size):
    make = lambda: timm.create_model(f"convnext_{size}", num_classes=0)
    return make, f"convnext(size: {size})", 224


NETWORKS = {
    "vit_tiny_patch16_224": vit("tiny", 16, ", heads: 3"),
    "vit_small_patch16_224": vit("small", 16, ", heads: 6"),
    "vit_base_patch16_224": vit("base", 16),
    "vit_base_patch8_224": vit("base", 8),
    "vit_large_patch16_224": vit("large", 16),
    "vit_huge_patch14_224": vit("huge", 14),
    "vit_base_patch14_dinov2": (
        lambda: timm.create_model("vit_base_patch14_dinov2", num_classes=0),
        "vit(size: base, patch: 14, position: learned, layer_scale: 1e-5)",
        518,
    ),
    "vit_base_patch14_reg4_dinov2": (
        lambda: timm.create_model("vit_base_patch14_reg4_dinov2", num_classes=0),
        "vit(size: base, patch: 14, position: learned, layer_scale: 1e-5, register_tokens: 4)",
        518,
    ),
    "vit_small_qk_norm": own_vit(", qk_norm: true", qk_norm=True),
    "vit_small_mean": own_vit(
        ", pool: mean, pool_norm: true, final_norm: false",
        class_token=False,
        global_pool="avg",
        fc_norm=True,
    ),
    "vit_small_conv_stem": own_vit(", stem: conv", embed_layer=ConvStem),
    **{f"resnet{depth}": resnet(depth) for depth in (18, 34, 50, 101, 152)},
    "resnet200": (lambda: timm.create_model("resnet200", num_classes=0), "resnet(200)", 224),
    "simclr_resnet50_2x": simclr(50, 2, False),
    "simclr_resnet50_4x": simclr(50, 4, False),
    "simclr_resnet50_1x_sk": simclr(50, 1, True),
    "simclr_resnet101_2x_sk": simclr(101, 2, True),
    "simclr_resnet152_3x_sk": simclr(152, 3, True),
    **{f"convnext_{size}": convnext(size) for size in ("tiny", "small", "base", "large")},
}

BLOCK = re.compile(r"^(blocks|layer\d+|stages\.\d+\.blocks)\.(\d+)\.(.*)$")

MATCHERS = {
    "vit": timm.create_model("vit_tiny_patch16_224").group_matcher(),
    "resnet": timm.create_model("resnet18").group_matcher(),
    "convnext": timm.create_model("convnext_tiny").group_matcher(),
}


def layers_of(network, kind):
    """timm's layer of every parameter, with a classifier behind all."""
    network.zz_head = torch.nn.Linear(1, 1, bias=False, device="meta")
    groups = group_parameters(network, MATCHERS[kind], reverse=True)
    del network.zz_head
    return groups


def blocks_of(rows):
    """Rows in runs: (name of the run, index of its blocks, their rows)."""
    runs = []
    for key, shape, layer in rows:
        match = BLOCK.match(key)
        place = (match[1], int(match[2])) if match else (None, None)
        if not runs or runs[-1][0] != place:
            runs.append((place, []))
        runs[-1][1].append((match[3] if match else key, shape, layer))
    return runs


def show(rows, indent=""):
    for key, shape, layer in rows:
        print(f"{indent}{key} {'x'.join(map(str, shape)) or 'scalar'} {layer}")


def main():
    versions = ", ".join(f"{m.__name__} {m.__version__}" for m in (timm, torchvision, torch))
    print(f"# {versions}; made by tests/numeric/reference/zoo.py")
    for name, (make, text, image) in NETWORKS.items():
        with torch.device("meta"):
            network = make()
        kind = text.split("(")[0]
        state = {
            key: list(tensor.shape)
            for key, tensor in network.state_dict().items()
            if not key.endswith("num_batches_tracked") and not key.startswith("fc.")
        }
        layers = layers_of(network, kind)
        # timm names no layer for buffers, and the second stem of `simclr2.py`
        # is matched as the first.
        owner = lambda key: key.replace("running_mean", "weight").replace("running_var", "weight")
        rows = [(key, shape, layers[owner(key)]) for key, shape in state.items()]
        count = sum(p.numel() for key, p in network.named_parameters() if not key.startswith("fc."))
        print(f"network {name} image {image} parameters {count} {text}")
        runs = blocks_of(rows)
        at = 0
        while at < len(runs):
            (group, index), own = runs[at]
            if group is None:
                show(own)
                at += 1
                continue
            alike = lambda n: [
                (key, shape, layer + n) for key, shape, layer in own
            ]
            n = 1
            while at + n < len(runs) and runs[at + n] == ((group, index + n), alike(n)):
                n += 1
            print(f"{group}.[{index}-{index + n - 1}]")
            show(own, "  ")
            at += n
        print(f"layers {max(layers.values())}")


if __name__ == "__main__":
    sys.exit(main())

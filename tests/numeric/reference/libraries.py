"""Networks of timm and torchvision, what their tensors are called, and their
features of one image: what an imported and an exported file is checked against
where there is no Python.

    python libraries.py > ../fixtures/libraries.json

Every tensor of a network's state dict is filled by `formula.weight` with its
own name and its place in the dict as the stream; counters of batches are zero.
The image is `formula.array` of stream 1000, the network in evaluation mode and
float64. Stored per network and library: names and shapes in order, the feature.
"""

import json

import timm
import torch
import torchvision
from torch import nn
from torchvision.models import vision_transformer

import formula


def timm_vit():
    model = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, img_size=16, patch_size=4, embed_dim=32, depth=2, num_heads=4
    )
    return model, 16


def torchvision_vit():
    model = vision_transformer.VisionTransformer(16, 4, 2, 4, 32, 128)
    model.heads = nn.Identity()
    return model, 16


def small(model):
    model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = nn.Identity()
    return model, 16


def torchvision_resnet():
    model = torchvision.models.resnet18()
    model.fc = nn.Identity()
    return small(model)


def timm_resnet():
    return small(timm.create_model("resnet18", num_classes=0))


def torchvision_convnext():
    model = torchvision.models.convnext_tiny()
    model.classifier[2] = nn.Identity()
    return model, 64


def timm_convnext():
    return timm.create_model("convnext_tiny", num_classes=0), 64


CASES = {
    "vit": {"timm": timm_vit, "torchvision": torchvision_vit},
    "resnet": {"timm": timm_resnet, "torchvision": torchvision_resnet},
    "convnext": {"timm": timm_convnext, "torchvision": torchvision_convnext},
}


def described(make):
    model, side = make()
    state = model.state_dict()
    tensors = []
    for stream, (key, tensor) in enumerate(state.items()):
        shape = list(tensor.shape)
        tensors.append([key, shape])
        if not key.endswith("num_batches_tracked"):
            state[key] = torch.from_numpy(formula.weight(stream, key, shape))
    model.load_state_dict(state)
    image = torch.from_numpy(formula.array(1000, (1, 3, side, side))).double()
    with torch.no_grad():
        feature = model.double().eval()(image)[0]
    return {"tensors": tensors, "feature": [float(f"{x:.8g}") for x in feature.tolist()]}


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    out = {"versions": {m.__name__: m.__version__ for m in (torch, torchvision, timm)}}
    for name, libraries in CASES.items():
        out[name] = {library: described(make) for library, make in libraries.items()}
    print(json.dumps(out, separators=(",", ":")))


if __name__ == "__main__":
    main()

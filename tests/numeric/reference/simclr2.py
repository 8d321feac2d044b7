"""SimCLR v2's residual networks in plain PyTorch: any width, with selective
kernels, ResNet-D's stem and its average-pooled shortcuts.

After google-research/simclr, tf2/resnet.py (sk_ratio 1/16). TensorFlow's SAME
padding of the 3x3 max pool is torchvision's symmetric one here. Names are
torchvision's and timm's.

    python simclr2.py

prints the parameters without a classifier, to be compared with Table 1 of Chen
et al. 2020b, which counts in millions.
"""

import torch
from torch import nn
from torch.nn import functional as F


def conv(channels, out, kernel, stride=1):
    return nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)


class SelectiveKernel(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        narrow = max(out // 16, 32)
        self.conv = conv(channels, 2 * out, 3, stride)
        self.bn = nn.BatchNorm2d(2 * out)
        self.attn = nn.Module()
        self.attn.fc_reduce = conv(out, narrow, 1)
        self.attn.bn = nn.BatchNorm2d(narrow)
        self.attn.fc_select = conv(narrow, 2 * out, 1)

    def forward(self, x):
        paths = torch.stack(F.relu(self.bn(self.conv(x))).chunk(2, 1))
        mean = paths.sum(0).mean((2, 3), keepdim=True)
        shares = self.attn.fc_select(F.relu(self.attn.bn(self.attn.fc_reduce(mean))))
        return (paths * torch.stack(shares.chunk(2, 1)).softmax(0)).sum(0)


class Pool(nn.Module):
    """2x2 means: at stride 1 without what lies outside, else with a zero."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        padded = F.pad(x, (0, 1, 0, 1))
        sums = 4 * F.avg_pool2d(padded, 2, self.stride)
        if self.stride > 1:
            return sums / 4
        counts = 4 * F.avg_pool2d(F.pad(torch.ones_like(x), (0, 1, 0, 1)), 2, 1)
        return sums / counts


class Block(nn.Module):
    def __init__(self, channels, planes, stride, selective):
        super().__init__()
        out = 4 * planes
        self.conv1, self.bn1 = conv(channels, planes, 1), nn.BatchNorm2d(planes)
        if selective:
            self.conv2 = SelectiveKernel(planes, planes, stride)
        else:
            self.conv2, self.bn2 = conv(planes, planes, 3, stride), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = conv(planes, out, 1), nn.BatchNorm2d(out)
        self.selective, self.downsample = selective, None
        if stride != 1 or channels != out:
            norm = nn.BatchNorm2d(out)
            if selective:
                self.downsample = nn.Sequential(Pool(stride), conv(channels, out, 1), norm)
            else:
                self.downsample = nn.Sequential(conv(channels, out, 1, stride), norm)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.conv2(y) if self.selective else F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Resnet(nn.Module):
    def __init__(self, layers, width, selective):
        super().__init__()
        base = 64 * width
        self.conv1 = conv(3, base, 7, 2)
        if selective:
            half = base // 2
            self.conv1 = nn.Sequential(
                conv(3, half, 3, 2),
                nn.BatchNorm2d(half),
                nn.ReLU(),
                conv(half, half, 3),
                nn.BatchNorm2d(half),
                nn.ReLU(),
                conv(half, base, 3),
            )
        self.bn1 = nn.BatchNorm2d(base)
        channels = base
        for stage, count in enumerate(layers):
            blocks = []
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(Block(channels, base << stage, stride, selective))
                channels = 4 * (base << stage)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.mean((2, 3))


if __name__ == "__main__":
    for depth, layers in {50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3], 200: [3, 24, 36, 3]}.items():
        for width in 1, 2, 3:
            for selective in False, True:
                with torch.device("meta"):
                    network = Resnet(layers, width, selective)
                count = sum(p.numel() for p in network.parameters())
                print(depth, width, "selective" if selective else "plain", count)

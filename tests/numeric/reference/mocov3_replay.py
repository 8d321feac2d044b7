"""Twenty steps of MoCo v3, SimCLR or BYOL in plain PyTorch, for a replay.

    python mocov3_replay.py [--method mocov3|simclr|byol] [--out DIRECTORY]

Written from the papers and from facebookresearch/moco-v3, and sharing nothing
with the engine that is compared to it. Stored per method:

    views.safetensors   `a`, `b`: [S, B, 3, H, W] float32; step s takes slice
                        s mod S. One file serves all methods.
    init.safetensors    every tensor of the trained nets as it starts, keys
                        NET.STAGE.PARAMETER in timm's and nn.Sequential's names
    losses.json         the losses in float64 and in float32, and the L2 norm of
                        every trained tensor after the last step (float64)

What is computed, in this order, for step s of S_total at fractional epoch e:
the average is updated with the cosine decay of e and the weights before the
step; then the forward passes, each view on its own; the loss; the gradient;
AdamW with the rate of e and weight decay on every trained parameter.
"""

import argparse
import copy
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import nn

IMAGE, PATCH, WIDTH, DEPTH, HEADS = 8, 2, 32, 2, 4
HIDDEN, OUT = 64, 16
BATCH, SLICES, STEPS, WARMUP = 16, 10, 20, 4
LR, DECAY, EMA = 0.048 * BATCH / 256, 0.1, 0.9

# Of twelve seeds one of those whose trajectories hang on no ReLU input within
# rounding of zero: a relative disturbance of 3e-7 of every first weight moves
# no loss by more than 1e-5. With most other seeds it is 1e-3 to 1e-1, in
# float64 as well, and no two programs could be compared.
SEED = 7


def sincos2d(side, dim):
    """MoCo v3's fixed embedding; the meshgrid makes the first half the row."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    omega = 1.0 / 10000 ** (torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    row = rows.flatten().double()[:, None] * omega
    column = columns.flatten().double()[:, None] * omega
    embedding = torch.cat([row.sin(), row.cos(), column.sin(), column.cos()], dim=1)
    return torch.cat([torch.zeros(1, dim, dtype=torch.float64), embedding])[None]


def backbone():
    vit = VisionTransformer(
        img_size=IMAGE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, num_classes=0
    )
    for name, module in vit.named_modules():
        if isinstance(module, nn.Linear):
            fan_out, fan_in = module.weight.shape
            bound = math.sqrt(6 / ((fan_out // 3 if "qkv" in name else fan_out) + fan_in))
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)
    nn.init.normal_(vit.cls_token, std=1e-6)
    bound = math.sqrt(6 / (3 * PATCH**2 + WIDTH))
    nn.init.uniform_(vit.patch_embed.proj.weight, -bound, bound)
    nn.init.zeros_(vit.patch_embed.proj.bias)
    vit.pos_embed = nn.Parameter(sincos2d(IMAGE // PATCH, WIDTH).float(), requires_grad=False)
    for parameter in vit.patch_embed.parameters():
        parameter.requires_grad = False
    return vit


def head(widths, last_norm):
    """Without biases. A bias at the end of BYOL's projector could not be
    replayed: the predictor's BatchNorm takes its gradient away, Adam blows the
    rounding that is left up to a full step, and the average passes it on.
    """
    layers = []
    for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
        last = i == len(widths) - 2
        layers.append(nn.Linear(fan_in, fan_out, bias=False))
        if not last:
            layers += [nn.BatchNorm1d(fan_out), nn.ReLU(inplace=True)]
        elif last_norm:
            layers.append(nn.BatchNorm1d(fan_out, affine=False))
    return nn.Sequential(*layers)


class Encoder(nn.Module):
    def __init__(self, projector):
        super().__init__()
        self.backbone = backbone()
        self.projector = projector

    def forward(self, x):
        return self.projector(self.backbone(x))


def nets(method):
    """The trained nets by name."""
    if method == "byol":
        encoder = Encoder(head([WIDTH, HIDDEN, OUT], last_norm=False))
        return {"encoder": encoder, "predictor": head([OUT, HIDDEN, OUT], last_norm=False)}
    encoder = Encoder(head([WIDTH, HIDDEN, HIDDEN, OUT], last_norm=True))
    if method == "simclr":
        return {"encoder": encoder}
    return {"encoder": encoder, "predictor": head([OUT, HIDDEN, OUT], last_norm=True)}


def contrastive(q, k, temperature):
    """MoCo v3's `contrastive_loss` on one device."""
    q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
    logits = q @ k.T / temperature
    return F.cross_entropy(logits, torch.arange(len(q))) * (2 * temperature)


def nt_xent(z1, z2, temperature):
    """Over 2N; the own similarity is left out of the denominator."""
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    logits = z @ z.T / temperature
    logits.fill_diagonal_(-math.inf)
    n = len(z1)
    return F.cross_entropy(logits, torch.cat([torch.arange(n, 2 * n), torch.arange(n)]))


def regression(p, z):
    """BYOL's `2 - 2 cos`, mean over the batch."""
    return (2 - 2 * F.cosine_similarity(p, z, dim=1)).mean()


def rate(epoch, epochs, warmup):
    """Linear from 0, then half a cosine to 0."""
    if epoch < warmup:
        return LR * epoch / warmup
    return LR * 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))


def train(method, nets, views, dtype):
    nets = {name: copy.deepcopy(net).to(dtype).train() for name, net in nets.items()}
    encoder, predictor = nets["encoder"], nets.get("predictor")
    average = copy.deepcopy(encoder).requires_grad_(False)
    parameters = [p for net in nets.values() for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=0.0, weight_decay=DECAY)
    epochs, warmup = STEPS / SLICES, WARMUP / SLICES
    losses = []
    for step in range(STEPS):
        epoch = step / SLICES
        a, b = (torch.from_numpy(views[name][step % SLICES]).to(dtype) for name in "ab")
        if method == "simclr":
            loss = nt_xent(encoder(a), encoder(b), 0.5)
        else:
            m = 1 - 0.5 * (1 + math.cos(math.pi * epoch / epochs)) * (1 - EMA)
            with torch.no_grad():
                for old, new in zip(average.parameters(), encoder.parameters()):
                    old.mul_(m).add_(new, alpha=1 - m)
                k_a, k_b = average(a), average(b)
            q_a, q_b = predictor(encoder(a)), predictor(encoder(b))
            if method == "mocov3":
                loss = contrastive(q_a, k_b, 0.2) + contrastive(q_b, k_a, 0.2)
            else:
                loss = regression(q_a, k_b) + regression(q_b, k_a)
        for group in optimizer.param_groups:
            group["lr"] = rate(epoch, epochs, warmup)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    norms = {
        f"{name}.{key}": p.detach().double().norm().item()
        for name, net in nets.items()
        for key, p in net.named_parameters()
        if p.requires_grad
    }
    return losses, norms


def write_losses(out, name, losses, single, versions=None, **more):
    """Stores the losses in float64 and float32, and says how far apart they are."""
    error = max(abs(a - b) / abs(a) for a, b in zip(losses, single))
    report = {
        "torch": torch.__version__,
        **(versions or {}),
        "steps": STEPS,
        "float64": losses,
        "float32": single,
        "largest_relative_difference": error,
        **more,
    }
    (out / "losses.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"{name}: {losses[0]:.6f} -> {losses[-1]:.6f}, float32 differs by {error:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--method", choices=["mocov3", "simclr", "byol"], default="mocov3")
    parser.add_argument("--out", type=Path, help="default: ../fixtures/METHOD_replay")
    arguments = parser.parse_args()
    method = arguments.method
    fixtures = Path(__file__).resolve().parent.parent / "fixtures"
    out = arguments.out or fixtures / f"{method}_replay"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)

    # Two noisy copies of one smooth image each, so that views agree.
    random = np.random.default_rng(SEED)
    images = random.standard_normal((SLICES, BATCH, 3, 4, 4)).repeat(2, 3).repeat(2, 4)
    noise = lambda: 0.4 * random.standard_normal(images.shape)  # noqa: E731
    views = {name: (images + noise()).astype(np.float32) for name in "ab"}
    if method == "mocov3":
        save_file(views, out / "views.safetensors")

    torch.manual_seed(SEED)
    trained = nets(method)
    init = {
        f"{name}.{key}": np.ascontiguousarray(tensor.numpy())
        for name, net in trained.items()
        for key, tensor in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_file(init, out / "init.safetensors")
    losses, norms = train(method, trained, views, torch.float64)
    single, _ = train(method, trained, views, torch.float32)
    write_losses(out, method, losses, single, norms=norms)


if __name__ == "__main__":
    main()

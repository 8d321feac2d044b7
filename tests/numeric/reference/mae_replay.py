"""Twenty steps of MAE in plain PyTorch, for a replay.

    python mae_replay.py

The network and the loss are those of `mae.py`, after facebookresearch/mae's
models_mae.py and from its start (`initialize_weights`); AdamW has betas .9 and
.95 and no decay of vectors, as its `optim_factory.add_weight_decay`. Views and
what is stored are those of `mocov3_replay.py`.

What is random in a step is part of its input: the engine documents its masks as
a function of the seed, the step, the place in the batch and the number of the
step's node (here 1: the view is node 0), by Philox4x32-10 (Salmon et al. 2011),
and so they are drawn here.
"""

import copy

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from timm.models.vision_transformer import Block, PatchEmbed
from torch import nn

from mocov3_replay import BATCH, IMAGE, PATCH, SEED, SLICES, STEPS, WARMUP, Path, rate, sincos2d, write_losses

DIM, HEADS, DEPTH, DECODER, DECODER_HEADS = 32, 4, 2, 16, 2
GRID = IMAGE // PATCH
COUNT, HIDDEN = GRID**2, GRID**2 * 3 // 4
NODE, DECAY = 1, 0.05


def philox(counter, key=(0, 0)):
    """Four words of Philox4x32-10."""
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k0, q & 0xFFFFFFFF, (p >> 32) ^ d ^ k1, p & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


def masks(step):
    """`[B, N]`, 1 where a patch is hidden: those with the smallest words."""
    hidden = torch.zeros(BATCH, COUNT)
    for row in range(BATCH):
        words = [w for four in range(COUNT // 4) for w in philox((four, (1 << 30) + NODE, row, step))]
        for place in sorted(range(COUNT), key=lambda i: (words[i], i))[:HIDDEN]:
            hidden[row, place] = 1
    return hidden


def block(dim, heads):
    return Block(dim, heads, 4, qkv_bias=True, norm_layer=lambda d, **k: nn.LayerNorm(d, eps=1e-6, **k))


def start(module):
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, DIM))
        # The engine's table, whose first half is the row; MAE's is the column.
        self.pos_embed = nn.Parameter(sincos2d(GRID, DIM).float(), requires_grad=False)
        self.patch_embed = PatchEmbed(IMAGE, PATCH, 3, DIM)
        self.blocks = nn.ModuleList([block(DIM, HEADS) for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(DIM, eps=1e-6)
        projection = self.patch_embed.proj.weight.data
        nn.init.xavier_uniform_(projection.view(len(projection), -1))
        nn.init.normal_(self.cls_token, std=0.02)
        self.apply(start)

    def forward(self, x, keep):
        x = self.patch_embed(x) + self.pos_embed[:, 1:]
        x = x.gather(1, keep.unsqueeze(-1).expand(-1, -1, DIM))
        first = self.cls_token + self.pos_embed[:, :1]
        x = torch.cat([first.expand(len(x), -1, -1), x], 1)
        for layer in self.blocks:
            x = layer(x)
        return self.norm(x)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask_token = nn.Parameter(torch.zeros(1, 1, DECODER))
        self.pos_embed = nn.Parameter(sincos2d(GRID, DECODER).float(), requires_grad=False)
        self.embed = nn.Linear(DIM, DECODER)
        self.blocks = nn.ModuleList([block(DECODER, DECODER_HEADS)])
        self.norm = nn.LayerNorm(DECODER, eps=1e-6)
        self.pred = nn.Linear(DECODER, PATCH**2 * 3)
        nn.init.normal_(self.mask_token, std=0.02)
        self.apply(start)

    def forward(self, x, restore):
        x = self.embed(x)
        missing = self.mask_token.expand(len(x), restore.shape[1] + 1 - x.shape[1], -1)
        patches = torch.cat([x[:, 1:], missing], 1)
        patches = patches.gather(1, restore.unsqueeze(-1).expand(-1, -1, DECODER))
        x = torch.cat([x[:, :1], patches], 1) + self.pos_embed
        for layer in self.blocks:
            x = layer(x)
        return self.pred(self.norm(x))[:, 1:]


def patchify(images):
    x = images.reshape(len(images), 3, GRID, PATCH, GRID, PATCH)
    return torch.einsum("nchpwq->nhwpqc", x).reshape(len(images), COUNT, -1)


def train(nets, views, dtype):
    nets = {name: copy.deepcopy(net).to(dtype).train() for name, net in nets.items()}
    trained = [p for net in nets.values() for p in net.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95))
    losses = []
    for step in range(STEPS):
        images = torch.from_numpy(views["a"][step % SLICES]).to(dtype)
        mask = masks(step)
        shuffle = mask.argsort(dim=1, stable=True)
        latent = nets["encoder"](images, shuffle[:, : COUNT - HIDDEN])
        prediction = nets["decoder"](latent, shuffle.argsort(1))
        target = patchify(images)
        mean, variance = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)
        target = (target - mean) / (variance + 1e-6) ** 0.5
        loss = (((prediction - target) ** 2).mean(-1) * mask).sum() / mask.sum()
        for group in optimizer.param_groups:
            group["lr"] = rate(step / SLICES, STEPS / SLICES, WARMUP / SLICES)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    fixtures = Path(__file__).resolve().parent.parent / "fixtures"
    out = fixtures / "mae_replay"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    views = load_file(fixtures / "mocov3_replay" / "views.safetensors")
    torch.manual_seed(SEED)
    nets = {"encoder": Encoder(), "decoder": Decoder()}
    names = {"encoder": "encoder.backbone", "decoder": "decoder"}
    init = {
        f"{names[name]}.{key}": np.ascontiguousarray(tensor.numpy())
        for name, net in nets.items()
        for key, tensor in net.state_dict().items()
    }
    save_file(init, out / "init.safetensors")
    losses = train(nets, views, torch.float64)
    single = train(nets, views, torch.float32)
    write_losses(out, "mae", losses, single)


if __name__ == "__main__":
    main()

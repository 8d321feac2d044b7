"""A masked autoencoder in plain PyTorch (He et al. 2022), for the engine's
masked encoder and its decoder.

    python mae.py > ../fixtures/mae.json

After facebookresearch/mae's models_mae.py (timm 1.0's blocks), in float64 from
the weights of `formula.py`: shuffled noise decides what is kept, the decoder
unshuffles. The loss is MAE's, on pixels normalised patch by patch, over the
hidden patches. Written are the mask, the prediction, the loss, and the norm of
every gradient with two of them whole.
"""

import json

import timm
import torch
from timm.models.vision_transformer import Block, PatchEmbed
from torch import nn

import formula

IMAGE, PATCH, DIM, HEADS, DECODER, GRID = 8, 2, 16, 2, 8, 4
norm = lambda dim, **place: nn.LayerNorm(dim, eps=1e-6, **place)
block = lambda dim: Block(dim, HEADS, 4, qkv_bias=True, norm_layer=norm)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, DIM))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID**2, DIM), requires_grad=False)
        self.patch_embed = PatchEmbed(IMAGE, PATCH, 3, DIM)
        self.blocks = nn.ModuleList([block(DIM) for _ in range(2)])
        self.norm = norm(DIM)

    def forward(self, x, noise, kept):
        x = self.patch_embed(x) + self.pos_embed[:, 1:]
        shuffle = noise.argsort(1)
        restore = shuffle.argsort(1)
        index = shuffle[:, :kept].unsqueeze(-1).expand(-1, -1, DIM)
        x = x.gather(1, index)
        mask = torch.ones_like(noise)
        mask[:, :kept] = 0
        mask = mask.gather(1, restore)
        first = self.cls_token + self.pos_embed[:, :1]
        x = torch.cat([first.expand(len(x), -1, -1), x], 1)
        for layer in self.blocks:
            x = layer(x)
        return self.norm(x), mask, restore


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask_token = nn.Parameter(torch.zeros(1, 1, DECODER))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID**2, DECODER), requires_grad=False)
        self.embed = nn.Linear(DIM, DECODER)
        self.blocks = nn.ModuleList([block(DECODER)])
        self.norm = norm(DECODER)
        self.pred = nn.Linear(DECODER, PATCH**2 * 3)

    def forward(self, x, restore):
        x = self.embed(x)
        missing = self.mask_token.expand(len(x), restore.shape[1] + 1 - x.shape[1], -1)
        patches = torch.cat([x[:, 1:], missing], 1)
        index = restore.unsqueeze(-1).expand(-1, -1, DECODER)
        x = torch.cat([x[:, :1], patches.gather(1, index)], 1) + self.pos_embed
        for layer in self.blocks:
            x = layer(x)
        return self.pred(self.norm(x))[:, 1:]


def patchify(images):
    x = images.reshape(len(images), 3, GRID, PATCH, GRID, PATCH)
    return torch.einsum("nchpwq->nhwpqc", x).reshape(len(images), GRID**2, -1)


network = nn.ModuleDict({"backbone": Encoder(), "decoder": Decoder()})
state = network.state_dict()
for stream, (key, tensor) in enumerate(state.items()):
    state[key] = torch.from_numpy(formula.weight(stream, key, list(tensor.shape)))
network.load_state_dict(state)
network.double()
images = torch.from_numpy(formula.array(1000, (3, 3, IMAGE, IMAGE))).double()
noise = torch.from_numpy(formula.uniform(1002, 3 * GRID**2)).reshape(3, -1)

latent, mask, restore = network["backbone"](images, noise, 4)
prediction = network["decoder"](latent, restore)
target = patchify(images)
target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6) ** 0.5
loss = (((prediction - target) ** 2).mean(-1) * mask).sum() / mask.sum()
loss.backward()
gradients = {k: p.grad for k, p in network.named_parameters() if p.requires_grad}
print(
    json.dumps(
        {
            "versions": {"torch": torch.__version__, "timm": timm.__version__},
            "mask": mask.flatten().tolist(),
            "prediction": prediction.flatten().tolist(),
            "loss": loss.item(),
            "norms": {k: g.norm().item() for k, g in gradients.items()},
            "mask_token": gradients["decoder.mask_token"].flatten().tolist(),
            "proj": gradients["backbone.patch_embed.proj.weight"].flatten().tolist(),
        }
    )
)

"""Losses of the standard library in plain PyTorch, float64.

    python losses.py > ../fixtures/losses.json

Two views [6, 3, 2, 2] of `formula.array`, streams 1000 and 1001, go through one
linear map of 12 to 12: the identity plus a tenth of stream 1002, its bias a
tenth of stream 1003. Written after the papers' code: MoCo v3 (`info_nce`),
SimCLR (`nt_xent`), BYOL (`cosine_distance`), SimSiam (`negative_cosine`), NNCLR's
and CLIP's one direction (`batch_nce`), DCL (`decoupled`), Barlow Twins and VICReg
with their main.py; the
cross-entropy is DINO's without its centre. Per case the value and its gradient
to the weight and the bias.
"""

import json

import torch
from torch.nn import functional as F

import formula

B, D, T = 6, 12, 0.3
view = lambda stream: torch.from_numpy(formula.array(stream, (B, D))).double()


def info_nce(q, k):
    logits = F.normalize(q) @ F.normalize(k.detach()).T / T
    return F.cross_entropy(logits, torch.arange(B)) * 2 * T


def nt_xent(a, b):
    z = F.normalize(torch.cat([a, b]))
    logits = (z @ z.T / T).masked_fill(torch.eye(2 * B, dtype=torch.bool), -torch.inf)
    return F.cross_entropy(logits, torch.arange(2 * B).roll(B))


def cosine_distance(p, z):
    return (2 - 2 * (F.normalize(p) * F.normalize(z.detach())).sum(1)).mean()


def negative_cosine(p, z):
    return -F.cosine_similarity(p, z.detach()).mean()


def batch_nce(u, v):
    return F.cross_entropy(F.normalize(u) @ F.normalize(v).T / T, torch.arange(B))


def decoupled(a, b):
    def side(a, b):
        cross, own = a @ b.T / T, a @ a.T / T
        mask = torch.eye(B) * -1e30
        negatives = torch.cat([own + mask, cross + mask], 1)
        return (torch.logsumexp(negatives, 1) - cross.diag()).mean()

    a, b = F.normalize(a), F.normalize(b)
    return (side(a, b) + side(b, a)) / 2


def cross_entropy(t, s):
    return torch.sum(-F.softmax(t.detach() / 0.04, 1) * F.log_softmax(s / 0.1, 1), 1).mean()


def off_diagonal(x):
    return x[~torch.eye(len(x), dtype=torch.bool)]


def barlow_twins(a, b):
    norm = lambda x: F.batch_norm(x, None, None, training=True)
    c = norm(a).T @ norm(b) / B
    return (c.diag() - 1).pow(2).sum() + 0.0051 * off_diagonal(c).pow(2).sum()


def vicreg(x, y):
    repr_loss = F.mse_loss(x, y)
    x, y = x - x.mean(0), y - y.mean(0)
    std_x, std_y = torch.sqrt(x.var(0) + 1e-4), torch.sqrt(y.var(0) + 1e-4)
    std_loss = F.relu(1 - std_x).mean() / 2 + F.relu(1 - std_y).mean() / 2
    cov_x, cov_y = x.T @ x / (B - 1), y.T @ y / (B - 1)
    cov_loss = off_diagonal(cov_x).pow(2).sum() / D + off_diagonal(cov_y).pow(2).sum() / D
    return 25 * repr_loss + 25 * std_loss + cov_loss


CASES = {
    "info_nce(u, v, temperature: 0.3)": info_nce,
    "nt_xent(u, v, temperature: 0.3)": nt_xent,
    "cosine_distance(u, v)": cosine_distance,
    "negative_cosine(u, v)": negative_cosine,
    "batch_nce(u, v, temperature: 0.3)": batch_nce,
    "decoupled(u, v, temperature: 0.3)": decoupled,
    "cross_entropy(softmax(u / 0.04), v / 0.1)": cross_entropy,
    "barlow_twins(u, v)": barlow_twins,
    "vicreg(u, v)": vicreg,
}


def main():
    out = {"versions": {"torch": torch.__version__}}
    for text, loss in CASES.items():
        weight = torch.eye(D).double() + 0.1 * torch.from_numpy(formula.array(1002, (D, D))).double()
        bias = 0.1 * torch.from_numpy(formula.array(1003, (D,))).double()
        weight.requires_grad_(), bias.requires_grad_()
        u, v = (view(stream) @ weight.T + bias for stream in (1000, 1001))
        value = loss(u, v)
        value.backward()
        short = lambda x: [float(f"{n:.9g}") for n in x.flatten().tolist()]
        out[text] = {"value": value.item(), "weight": short(weight.grad), "bias": short(bias.grad)}
    print(json.dumps(out, indent=0))


main()

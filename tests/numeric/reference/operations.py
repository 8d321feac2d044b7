"""Values of single operations, for the engine's own.

    python operations.py > ../fixtures/operations.json

PyTorch in float64 over X_s[i, j] = sin(0.7 (i + 1)(j + 1) + 0.3 s), 6 by 5.
Sinkhorn is SwAV's `distributed_sinkhorn` on one device, patches are MAE's
`patchify`, positions `interpolate` as DINO calls it, and timm's
`resample_abs_pos_embed` of unit tables behind a row of sevens.
"""

import json

import torch
from timm.layers import resample_abs_pos_embed

ENTRIES = torch.arange(1, 7).double().outer(torch.arange(1, 6).double())
X = lambda s: torch.sin(0.7 * ENTRIES + 0.3 * s)


def sinkhorn(scores, epsilon, iterations):
    q = torch.exp(scores / epsilon).t()
    k, b = q.shape
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(1, keepdim=True)
        q /= k
        q /= q.sum(0, keepdim=True)
        q /= b
    return (q * b).t()


def patchify(images, p):
    n, c, h, w = images.shape
    x = images.reshape(n, c, h // p, p, w // p, p)
    return torch.einsum("nchpwq->nhwpqc", x).reshape(n, (h // p) * (w // p), p * p * c)


def resized(size):
    table = torch.eye(12, dtype=torch.float64).reshape(1, 12, 3, 4)
    table = torch.nn.functional.interpolate(table, size, mode="bicubic", align_corners=False)
    return table.flatten(2)[0].t()


x = X(1).requires_grad_()
standard = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6) ** 0.5
(standard * X(2)).sum().backward()
standard_gradient, x.grad = x.grad, None
def resampled(size):
    table = torch.cat([torch.full((1, 12), 7.0), torch.eye(12)]).reshape(1, 13, 12)
    return resample_abs_pos_embed(table, size, (3, 4), num_prefix_tokens=1)


logs = x.logsumexp(1)
(logs * X(3)[:, 0]).sum().backward()
images = torch.arange(2 * 3 * 4 * 6).double().reshape(2, 3, 4, 6)
values = {
    "standardize": standard,
    "standardize_gradient": standard_gradient,
    "log_sum_exp": logs,
    "log_sum_exp_gradient": x.grad,
    "sinkhorn": sinkhorn(X(1), 0.05, 3),
    "sinkhorn_soft": sinkhorn(X(1), 1.0, 1),
    "patches": patchify(images, 2),
    "larger": resized((5, 7)),
    "smaller": resized((2, 3)),
    "resampled_larger": resampled((5, 7)),
    "resampled_smaller": resampled((2, 3)),
}
lists = {name: value.detach().flatten().tolist() for name, value in values.items()}
print(json.dumps({"versions": {"torch": torch.__version__}} | lists))

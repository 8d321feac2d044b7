"""How far TF32 products move a training run, for the limits of run.sh.

    python tf32.py

Runs the reference of tests/numeric/reference in float32 twice: as it is, and
with the inputs of every matrix product and convolution, forward and backward,
rounded to TF32's 10 bits of mantissa. Prints relative differences of the
losses. A GPU that rounds elsewhere differs in detail, not in size.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "numeric" / "reference"))

import mocov3_replay as reference
import torch
from safetensors.numpy import load_file
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

aten = torch.ops.aten
PRODUCTS = {
    aten.mm.default,
    aten.addmm.default,
    aten.bmm.default,
    aten.baddbmm.default,
    aten.convolution.default,
    aten.convolution_backward.default,
}


def round_to_tf32(value):
    if not isinstance(value, torch.Tensor) or value.dtype != torch.float32:
        return value
    bits = value.contiguous().view(torch.int32)
    return ((bits + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32).view(value.shape)


class Tf32(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in PRODUCTS:
            args = tree_map(round_to_tf32, args)
        return function(*args, **(kwargs or {}))


def main():
    torch.set_num_threads(1)
    torch.backends.mkldnn.enabled = False
    fixtures = Path(reference.__file__).resolve().parent.parent / "fixtures"
    views = load_file(fixtures / "mocov3_replay" / "views.safetensors")
    for method in ("mocov3", "simclr", "byol"):
        torch.manual_seed(reference.SEED)
        nets = reference.nets(method)
        with sdpa_kernel(SDPBackend.MATH):
            exact, _ = reference.train(method, nets, views, torch.float32)
            with Tf32():
                rounded, _ = reference.train(method, nets, views, torch.float32)
        gaps = [abs(a - b) / abs(a) for a, b in zip(exact, rounded)]
        mean = abs(sum(exact[-5:]) - sum(rounded[-5:])) / sum(exact[-5:])
        print(
            f"{method}: first 2 steps {max(gaps[:2]):.1e}, first 5 {max(gaps[:5]):.1e},"
            f" all 20 {max(gaps):.1e}; mean of the last 5 {mean:.1e}"
        )


if __name__ == "__main__":
    main()

"""Small files as `torch.save` writes them, sound and hostile, for the tests of
reading without executing.

    python pytorch_files.py [--out ../fixtures/pytorch]

Made with torch 2.15.0. `expected.json` holds the values of the sound ones.
"""

import argparse
import json
import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch


class Call:
    """Pickled as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).resolve().parent
    parser.add_argument("--out", type=Path, default=here.parent / "fixtures" / "pytorch")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    base = torch.arange(12, dtype=torch.float32) / 8 - 0.5
    state = OrderedDict(
        {
            "module.transposed": base.reshape(3, 4).t(),
            "module.slice": base[5:9],
            "module.half": (base * 3).half(),
            "module.brain": (base * 3).bfloat16(),
            "module.double": base.double() / 3,
            "module.parameter": torch.nn.Parameter(base[:2].clone()),
            "module.scalar": torch.tensor(0.25),
            "module.bn.num_batches_tracked": torch.tensor(7),
        }
    )
    whole = {"epoch": 3, "arch": "tiny", "state_dict": state, "optimizer": {"lr": 0.1}}
    torch.save(whole, out / "zip.pth")
    torch.save(whole, out / "legacy.pth.tar", _use_new_zipfile_serialization=False)
    expected = {
        f"state_dict.{key}": [list(t.shape), t.detach().float().flatten().tolist()]
        for key, t in state.items()
        if t.is_floating_point()
    }
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")

    evil = Call(os.system, "touch executed")
    torch.save({"evil": evil}, out / "evil.pth")
    torch.save({"evil": evil, "w": base}, out / "evil_beside.pth")
    rebuild = torch._utils._rebuild_tensor_v2
    storage = base[:4].clone()._typed_storage()
    far = Call(rebuild, storage, 0, (1000,), (1,), False, OrderedDict())
    torch.save({"w": far}, out / "far.pth")
    vast = Call(rebuild, storage, 0, (1 << 20, 1 << 10), (0, 0), False, OrderedDict())
    torch.save({"w": vast}, out / "vast.pth")
    torch.save({"w": Call(os.fspath, base)}, out / "unknown.pth")
    torch.save({"w": torch.zeros(1 << 18)}, out / "bomb.pth")
    with zipfile.ZipFile(out / "bomb.pth") as source:
        entries = [(name, source.read(name)) for name in source.namelist()]
    with zipfile.ZipFile(out / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in entries:
            target.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    (out / "text.pth").write_text("no weights at all\n")


if __name__ == "__main__":
    main()

"""Loads what `sslc export` wrote, with the lines that it printed, and compares
the features of one network in every library.

    python export.py FOLDER

FOLDER holds `NAME.txt` for each export of one backbone (what was printed) and
`shape.json`, the shape of the images. Every file is loaded with `strict=True`;
transformers says itself what is missing. Prints the largest difference between
the features of any two, relative to the largest feature; fails above 1e-4.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import torch

import formula

folder = Path(sys.argv[1])
images = torch.from_numpy(formula.array(1000, json.loads((folder / "shape.json").read_text())))
features = {}
for text in sorted(folder.glob("*.txt")):
    lines = [line[2:] for line in text.read_text().splitlines() if line.startswith("  ")]
    code = "\n".join(lines)
    if "transformers" in code:
        try:
            import transformers  # noqa: F401
        except ImportError:
            print(f"{text.stem}: transformers is not there")
            continue
        code = code.replace("from_pretrained(", "from_pretrained(output_loading_info=True, pretrained_model_name_or_path=")
    names = {}
    with contextlib.redirect_stderr(io.StringIO()):
        exec(code, names)
    model = names["model"]
    if isinstance(model, tuple):
        model, info = model
        assert not any(info.values()), info
    with torch.no_grad():
        out = model.eval()(images)
    if hasattr(out, "last_hidden_state"):
        hidden = out.last_hidden_state
        out = hidden[:, 0] if hidden.dim() == 3 else hidden.mean((2, 3))
    features[text.stem] = out.numpy()
    print(f"{text.stem}: {tuple(out.shape)}")
first = next(iter(features.values()))
worst = max(np.abs(f - first).max() / np.abs(first).max() for f in features.values())
print(f"{len(features)} agree to {worst:.1e}")
assert worst < 1e-4

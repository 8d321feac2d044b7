"""Runs what `sslc export --format onnx` wrote, and compares the features.

    python onnx_check.py FOLDER

FOLDER holds `NAME.onnx` beside `NAME.json`: the shape of the images, which are
`formula.array(1000, shape)`, and the features that sslc gives for them. Each
file goes through ONNX's checker with the shapes inferred strictly, and through
onnxruntime, with the whole batch and with one image of it. Prints the largest
difference relative to the largest feature; fails above 1e-4.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import formula

files = sorted(Path(sys.argv[1]).glob("*.onnx"))
assert files, "no file"
for file in files:
    onnx.checker.check_model(str(file), full_check=True)
    known = json.loads(file.with_suffix(".json").read_text())
    images = formula.array(1000, known["shape"])
    expected = np.array(known["features"], np.float32).reshape(len(images), -1)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    assert len(json.loads(facts["mean"])) == len(json.loads(facts["std"])) == 3, facts
    [features] = session.run(["features"], {"image": images})
    [one] = session.run(["features"], {"image": images[:1]})
    worst = 0.0
    for found, wanted in [(features, expected), (one, expected[:1])]:
        assert found.shape == wanted.shape, (found.shape, wanted.shape)
        worst = max(worst, np.abs(found - wanted).max() / np.abs(wanted).max())
    print(f"{file.stem}: {features.shape} agree to {worst:.1e}")
    assert worst < 1e-4, file
print(f"{len(files)} agree")

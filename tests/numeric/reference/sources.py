"""Small files in the layouts of others, for the sources of the data crate.

    python sources.py          needs pyarrow and NumPy

Writes, under runtime/data/tests/fixtures/sources:
    cifar-10-python.tar.gz     pickles as the authors' (protocol 2, NumPy
                               arrays), 2 images a batch, 4 held out
    cifar-100-python/          the same for CIFAR-100, with protocol 4
    hostile/data_batch_1       a pickle that asks for `os.system`
    train.parquet              12 images in Hugging Face's layout: a struct of
                               bytes and path, ClassLabel names, snappy, row
                               groups of 5
    pixels.json                CRC-32 of the pixels of every image, in order
"""

import io
import json
import os
import pickle
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

OUT = Path(__file__).resolve().parents[3] / "runtime/data/tests/fixtures/sources"
PIXELS = {}


def planes(seed, count):
    """Images as CIFAR stores them: `[count, 3 * 32 * 32]`."""
    y, x = np.mgrid[0:32, 0:32]
    images = [(x * (c + seed + n) + y * 3) % 256 // 16 * 16 for n in range(count) for c in range(3)]
    return np.stack(images).astype(np.uint8).reshape(count, 3072)


def note(name, data):
    images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    PIXELS.setdefault(name, []).extend(zlib.crc32(image.tobytes()) for image in images)


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/sslc-was-here",)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    with tarfile.open(OUT / "cifar-10-python.tar.gz", "w:gz", compresslevel=9) as tar:
        for n in range(6):
            name = f"data_batch_{n + 1}" if n < 5 else "test_batch"
            data = planes(10 * n, 2 if n < 5 else 4)
            note("cifar10" if n < 5 else "cifar10 held out", data)
            labels = [(n + i) % 10 for i in range(len(data))]
            batch = {b"batch_label": b"one", b"labels": labels, b"data": data, b"filenames": [b"a.png"] * len(data)}
            content = pickle.dumps(batch, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    hundred = OUT / "cifar-100-python"
    hundred.mkdir(exist_ok=True)
    for name in ("train", "test"):
        data = planes(len(name), 3)
        note(f"cifar100 {name}", data)
        batch = {"data": data, "fine_labels": [0, 99, 7], "coarse_labels": [3, 19, 0]}
        (hundred / name).write_bytes(pickle.dumps(batch, protocol=4))
    meta = {"fine_label_names": [f"fine {n}" for n in range(100)], "coarse_label_names": [f"coarse {n}" for n in range(20)]}
    (hundred / "meta").write_bytes(pickle.dumps(meta, protocol=4))
    hostile = OUT / "hostile"
    hostile.mkdir(exist_ok=True)
    (hostile / "data_batch_1").write_bytes(pickle.dumps({b"data": Hostile(), b"labels": [1]}, protocol=2))

    rows = []
    for n in range(12):
        image = Image.fromarray(planes(n, 1).reshape(3, 32, 32).transpose(1, 2, 0)).resize((20, 16))
        out = io.BytesIO()
        image.save(out, "PNG" if n % 2 else "JPEG")
        rows.append({"bytes": out.getvalue(), "path": f"{n}.png"})
        pixels = np.asarray(Image.open(out).convert("RGB"))
        PIXELS.setdefault("parquet", []).append(zlib.crc32(pixels.tobytes()))
    features = {
        "image": {"_type": "Image"},
        "label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"},
    }
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    table = pa.Table.from_pylist([{"image": row, "label": n % 3} for n, row in enumerate(rows)], schema=schema)
    pq.write_table(table, OUT / "train.parquet", row_group_size=5, compression="snappy")
    (OUT / "pixels.json").write_text(json.dumps(PIXELS))


if __name__ == "__main__":
    main()

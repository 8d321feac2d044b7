"""Small HDF5 files in the forms that the data crate reads.

    python hdf5.py             needs h5py, NumPy and Pillow; made with h5py 3.16.0

Writes, under runtime/data/tests/fixtures/sources:
    last.h5      `images` [12, 16, 20, 3] in gzipped chunks of 5, `labels` of int64
    first.h5     `x` [12, 3, 16, 20] in one piece, `y` of names, and floats beside
    gray.h5      `train/images` [12, 16, 20] in a group, without labels
    files.h5     `images` [12] of PNG files as sequences of bytes, `labels` beside
    latest.h5    the same in the forms of HDF5 1.14, with every index of chunks that
                 it knows
    too_new.h5   `images` in the form of HDF5 2.0, which is not read
    hdf5.json    CRC-32 of the RGB pixels of every image, in order
"""

import io
import json
import zlib
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

OUT = Path(__file__).resolve().parents[3] / "runtime/data/tests/fixtures/sources"


def main():
    y, x = np.mgrid[0:16, 0:20]
    images = np.stack([
        np.stack([(x * (n + c + 1) + y * 7) % 256 // 8 * 8 for c in range(3)], axis=-1) for n in range(12)
    ]).astype(np.uint8)
    with h5py.File(OUT / "last.h5", "w", track_order=False) as file:
        file.create_dataset("images", data=images, chunks=(5, 16, 20, 3), compression="gzip", shuffle=True)
        file.create_dataset("labels", data=np.arange(12) % 3)
    with h5py.File(OUT / "first.h5", "w") as file:
        file.create_dataset("x", data=images.transpose(0, 3, 1, 2))
        file.create_dataset("y", data=[["owl", "cat"][n % 2] for n in range(12)], dtype=h5py.string_dtype())
        file.create_dataset("scores", data=np.linspace(0, 1, 12))
    with h5py.File(OUT / "gray.h5", "w") as file:
        file.create_dataset("train/images", data=images[..., 0], chunks=(1, 16, 20), compression="lzf")
    def png(image):
        out = io.BytesIO()
        Image.fromarray(image).save(out, "png")
        return np.frombuffer(out.getvalue(), np.uint8)

    def write_files(file, name, **how):
        files = file.create_dataset(name, (12,), dtype=h5py.vlen_dtype(np.uint8), **how)
        for n, image in enumerate(images):
            files[n] = png(image)

    with h5py.File(OUT / "files.h5", "w") as file:
        write_files(file, "images")
        file.create_dataset("labels", data=np.arange(12) % 3)
    with h5py.File(OUT / "latest.h5", "w", libver=("v114", "v114")) as file:
        file.create_dataset("labels", data=np.arange(12) % 3)
        file.create_dataset("one", data=images)
        whole, few = images.shape, (5, 16, 20, 3)
        file.create_dataset("single", data=images, chunks=whole, compression="gzip")
        file.create_dataset("implicit", data=images, chunks=few)
        file.create_dataset("fixed", data=images, chunks=few, compression="gzip")
        file.create_dataset("growing", data=images, chunks=few, maxshape=(None, 16, 20, 3), compression="gzip")
        file.create_dataset("tree", data=images, chunks=few, maxshape=(None, None, 20, 3))
        write_files(file, "files", chunks=(3,), maxshape=(None,), compression="gzip")
    with h5py.File(OUT / "too_new.h5", "w", libver=("v200", "v200")) as file:
        file.create_dataset("images", data=images[:2], chunks=(1, 16, 20, 3), compression="gzip")
    crc = {
        "rgb": [zlib.crc32(image.tobytes()) for image in images],
        "gray": [zlib.crc32(np.repeat(image[..., :1], 3, -1).tobytes()) for image in images],
    }
    (OUT / "hdf5.json").write_text(json.dumps(crc))


if __name__ == "__main__":
    main()

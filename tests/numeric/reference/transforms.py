"""Reference bytes for decoding and augmentation, from Pillow and torchvision.

Made with Pillow 12.2.0 (libjpeg-turbo 3.1.4.1), torchvision 0.29.2, NumPy 2;
other versions of Pillow may give other pixels.

    python transforms.py                      the fixtures of runtime/data/tests
    python transforms.py PHOTOGRAPHS          also checksums on real photographs
                                              (a folder with `clothes/train`)

Every image is synthesised here. Writes, under runtime/data/tests/fixtures:
    decode/*.jpg, *.png        files of every kind
    decode.safetensors.gz      their pixels after convert("RGB"), [H, W, 3]
    transforms.json            operations with parameters, by case
    transforms.safetensors.gz  their results, [H, W, 3]
    colors.json                operations on all 2^24 colours, CRC-32 of results
    photographs.json           file, operations, size and CRC-32 of the result
"""

import gzip
import io
import json
import random
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
import torchvision
from PIL import Image, ImageFilter
from safetensors.numpy import save
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

assert PIL.__version__ == "12.2.0", PIL.__version__
assert torchvision.__version__.startswith("0.29.2"), torchvision.__version__

OUT = Path(__file__).resolve().parents[3] / "runtime/data/tests/fixtures"
FILTERS = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def scene(height, width, seed):
    """Gradients, edges, saturated patches and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.zeros((height, width, 3))
    for c in range(3):
        fx, fy, phase = rng.uniform(0.02, 0.5, 3)
        image[..., c] = 127 + 127 * np.sin(fx * x + fy * y + 6 * phase)
    for _ in range(6):
        top, left = rng.integers(0, height), rng.integers(0, width)
        h, w = rng.integers(1, height // 3 + 2), rng.integers(1, width // 3 + 2)
        image[top : top + h, left : left + w] = rng.choice([0, 255, 128, 30], 3)
    image += rng.normal(0, 12, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def apply(image, operation):
    """One operation of the Rust crate, done by the reference."""
    op = operation["op"]
    if op == "resized_crop":
        return F.resized_crop(
            image,
            operation["top"],
            operation["left"],
            operation["height"],
            operation["width"],
            operation["size"],
            FILTERS[operation["interpolation"]],
        )
    if op == "resize":
        return F.resize(image, operation["size"], FILTERS[operation["interpolation"]])
    if op == "center_crop":
        return F.center_crop(image, operation["size"])
    if op == "brightness":
        return F.adjust_brightness(image, operation["factor"])
    if op == "contrast":
        return F.adjust_contrast(image, operation["factor"])
    if op == "saturation":
        return F.adjust_saturation(image, operation["factor"])
    if op == "hue":
        return F.adjust_hue(image, operation["turns"])
    if op == "grayscale":
        return F.rgb_to_grayscale(image, num_output_channels=3)
    if op == "gaussian_blur":
        return image.filter(ImageFilter.GaussianBlur(radius=operation["sigma"]))
    if op == "solarize":
        return F.solarize(image, operation["threshold"])
    if op == "horizontal_flip":
        return F.hflip(image)
    raise ValueError(op)


def crop(top, left, height, width, size, interpolation="bilinear"):
    return dict(
        op="resized_crop", top=top, left=left, height=height, width=width,
        size=size, interpolation=interpolation,
    )  # fmt: skip


def cases():
    """Name, image size and operations."""
    for interpolation in FILTERS:
        i = interpolation
        yield f"crop down {i}", (61, 47), [crop(3, 5, 50, 33, [16, 16], i)]
        yield f"crop up {i}", (61, 47), [crop(20, 11, 7, 9, [24, 20], i)]
        yield f"crop tall {i}", (120, 17), [crop(0, 2, 120, 14, [12, 15], i)]
        yield f"crop wide {i}", (16, 110), [crop(1, 0, 14, 110, [16, 8], i)]
        yield f"crop one pixel {i}", (9, 9), [crop(4, 7, 1, 1, [5, 5], i)]
        yield f"crop rows only {i}", (40, 30), [crop(2, 3, 35, 16, [16, 16], i)]
        yield f"crop columns only {i}", (40, 30), [crop(2, 3, 16, 25, [16, 16], i)]
        yield f"crop unchanged {i}", (40, 30), [crop(2, 3, 16, 16, [16, 16], i)]
        yield f"crop of digits {i}", (8, 8), [crop(1, 2, 5, 4, [8, 8], i)]
        yield f"resize down {i}", (61, 47), [dict(op="resize", size=[26, 20], interpolation=i)]
        yield f"resize up {i}", (8, 8), [dict(op="resize", size=[32, 32], interpolation=i)]
        yield f"resize much {i}", (120, 70), [dict(op="resize", size=[6, 4], interpolation=i)]
    for size, target in [((61, 47), [20, 21]), ((8, 8), [13, 4]), ((8, 9), [5, 12]), ((9, 8), [14, 11])]:
        yield f"center crop {size} {target}", size, [dict(op="center_crop", size=target)]
    for factor in [0.0, 0.35, 0.6, 1.0, 1.3999, 2.5]:
        for op in ["brightness", "contrast", "saturation"]:
            yield f"{op} {factor}", (24, 31), [dict(op=op, factor=factor)]
    for turns in [-0.5, -0.1, -0.0371, 0.0, 0.001, 0.1, 0.2503, 0.5]:
        yield f"hue {turns}", (24, 31), [dict(op="hue", turns=turns)]
    yield "grayscale", (24, 31), [dict(op="grayscale")]
    for sigma in [0.1, 0.35, 0.5, 0.8, 1.0, 1.37, 2.0, 5.0, 40.0]:
        yield f"blur {sigma}", (24, 31), [dict(op="gaussian_blur", sigma=sigma)]
        yield f"blur of digits {sigma}", (8, 8), [dict(op="gaussian_blur", sigma=sigma)]
    yield "blur of a row", (1, 9), [dict(op="gaussian_blur", sigma=1.5)]
    for threshold in [0, 128, 255, 256]:
        yield f"solarize {threshold}", (24, 31), [dict(op="solarize", threshold=threshold)]
    yield "flip odd", (5, 7), [dict(op="horizontal_flip")]
    yield "flip even", (5, 8), [dict(op="horizontal_flip")]
    rng = random.Random(5)
    for n in range(12):
        height, width = rng.choice([(61, 47), (8, 8), (40, 90)])
        size = rng.choice([[8, 8], [16, 16], [24, 18]])
        yield f"view {n}", (height, width), view(rng, height, width, size)


def view(rng, height, width, size):
    """A random MoCo v3 view with everything on."""
    h, w = rng.randint(1, height), rng.randint(1, width)
    jitter = [
        dict(op="brightness", factor=rng.uniform(0.6, 1.4)),
        dict(op="contrast", factor=rng.uniform(0.6, 1.4)),
        dict(op="saturation", factor=rng.uniform(0.8, 1.2)),
        dict(op="hue", turns=rng.uniform(-0.1, 0.1)),
    ]
    rng.shuffle(jitter)
    rest = [
        dict(op="grayscale"),
        dict(op="gaussian_blur", sigma=rng.uniform(0.1, 2.0)),
        dict(op="solarize", threshold=128),
        dict(op="horizontal_flip"),
    ]
    odds = [0.2, 0.7, 0.3, 0.5]
    top, left = rng.randint(0, height - h), rng.randint(0, width - w)
    first = crop(top, left, h, w, size, rng.choice(list(FILTERS)))
    return [first, *jitter, *(o for o, p in zip(rest, odds) if rng.random() < p)]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples, depth, color, interlace=False, extra=b""):
    """A PNG of any colour type and depth; `samples` is [H, W, channels]."""
    height, width, _ = samples.shape

    def rows(part):
        out = b""
        for row in part:
            flat = row.reshape(-1)
            if depth == 16:
                data = flat.astype(">u2").tobytes()
            elif depth == 8:
                data = flat.astype(np.uint8).tobytes()
            else:
                bits = "".join(format(int(v), f"0{depth}b") for v in flat)
                bits += "0" * (-len(bits) % 8)
                data = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
            out += b"\0" + data
        return out

    if interlace:
        passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
        parts = (samples[y::dy, x::dx] for y, dy, x, dx in passes)
        raw = b"".join(rows(part) for part in parts if part.size)
    else:
        raw = rows(samples)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlace))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
        + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    )  # fmt: skip


def files():
    """Name and bytes of files of every kind."""
    rng = np.random.default_rng(11)
    color = Image.fromarray(scene(45, 67, 1))
    gray = color.convert("L")

    def jpeg(image, **options):
        out = io.BytesIO()
        image.save(out, "JPEG", **options)
        return out.getvalue()

    for name, sampling in [("444", "4:4:4"), ("422", "4:2:2"), ("420", "4:2:0")]:
        yield f"{name}.jpg", jpeg(color, subsampling=sampling, quality=85)
        yield f"{name}_progressive.jpg", jpeg(color, subsampling=sampling, quality=60, progressive=True)
    yield "restart.jpg", jpeg(color, subsampling="4:2:0", restart_marker_blocks=3)
    yield "gray.jpg", jpeg(gray, quality=80)
    yield "gray_progressive.jpg", jpeg(gray, quality=80, progressive=True)
    yield "rgb.jpg", jpeg(color, keep_rgb=True, quality=90)
    yield "cmyk.jpg", jpeg(Image.fromarray(rng.integers(0, 256, (20, 27, 4), np.uint8), "CMYK"), quality=90)
    yield "cmyk_progressive.jpg", jpeg(color.convert("CMYK"), progressive=True)
    yield "one_pixel.jpg", jpeg(color.crop((0, 0, 1, 1)))
    yield "narrow.jpg", jpeg(color.crop((0, 0, 3, 40)), subsampling="4:2:0")
    yield "garbage_after.jpg", jpeg(color, quality=50) + b"\0trailing bytes" * 9
    out = jpeg(color, quality=50)
    yield "exif_rotated.jpg", out[:2] + b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0" + out[2:]

    # Quantised samples of one scene.
    def levels(depth, channels):
        data = scene(19, 29, depth + channels)
        data = np.concatenate([data, data[..., ::-1]], 2)[..., :channels].astype(np.uint32)
        return data * 257 + rng.integers(0, 3, data.shape) if depth == 16 else data >> (8 - depth)

    for depth in [1, 2, 4, 8, 16]:
        yield f"gray{depth}.png", png(levels(depth, 1), depth, 0)
    yield "gray16_small.png", png(levels(16, 1) >> 7, 16, 0)
    yield "gray8_transparent.png", png(levels(8, 1), 8, 0, extra=chunk(b"tRNS", b"\0\x40"))
    for depth in [8, 16]:
        yield f"gray_alpha{depth}.png", png(levels(depth, 2), depth, 4)
        yield f"rgb{depth}.png", png(levels(depth, 3), depth, 2)
        yield f"rgba{depth}.png", png(levels(depth, 4), depth, 6)
    for depth in [1, 2, 4, 8]:
        palette = rng.integers(0, 256, 3 << depth, np.uint8).tobytes()
        extra = chunk(b"PLTE", palette) + chunk(b"tRNS", bytes([0, 128]))
        yield f"palette{depth}.png", png(levels(depth, 1), depth, 3, extra=extra)
    for name, depth, kind, channels in [("gray1", 1, 0, 1), ("rgb8", 8, 2, 3), ("rgba16", 16, 6, 4)]:
        yield f"{name}_interlaced.png", png(levels(depth, channels), depth, kind, interlace=True)


def store(name, tensors):
    (OUT / name).write_bytes(gzip.compress(save(tensors), 9, mtime=0))


def photographs(folder):
    """Checksums of views of real photographs."""
    rng = random.Random(9)
    root = Path(folder) / "clothes/train"
    for path in rng.sample(sorted(root.rglob("*.jpg")), 60):
        image = Image.open(path).convert("RGB")
        operations = view(rng, image.height, image.width, [224, 224])
        result = image
        for operation in operations:
            result = apply(result, operation)
        yield dict(
            file=str(path.relative_to(folder)),
            size=[image.height, image.width],
            decoded=zlib.crc32(image.tobytes()),
            operations=operations,
            view=zlib.crc32(result.tobytes()),
        )


def colors():
    """Checksums of colour operations on every colour there is."""
    n = np.arange(1 << 24, dtype=np.uint32).reshape(4096, 4096)
    image = Image.fromarray(np.stack([n >> 16, n >> 8 & 255, n & 255], -1).astype(np.uint8))
    turns = [dict(op="hue", turns=t) for t in [0.0, 0.07, -0.31]]
    factors = [dict(op="saturation", factor=f) for f in [0.83, 1.17]]
    for operation in [*turns, *factors, dict(op="grayscale")]:
        result = apply(image, operation)
        yield dict(operations=[operation], result=zlib.crc32(result.tobytes()))


def lines(items):
    return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]\n"


def main():
    (OUT / "decode").mkdir(parents=True, exist_ok=True)
    decoded = {}
    for name, data in files():
        (OUT / "decode" / name).write_bytes(data)
        decoded[name] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    store("decode.safetensors.gz", decoded)

    listed, tensors = [], {}
    for name, (height, width), operations in cases():
        source = f"scene {height}x{width}"
        tensors[source] = scene(height, width, height * 1000 + width)
        image = Image.fromarray(tensors[source])
        for operation in operations:
            image = apply(image, operation)
        tensors[name] = np.asarray(image)
        listed.append(dict(name=name, source=source, operations=operations))
    (OUT / "transforms.json").write_text(lines(listed))
    store("transforms.safetensors.gz", tensors)
    (OUT / "colors.json").write_text(lines(colors()))

    if len(sys.argv) > 1:
        (OUT / "photographs.json").write_text(lines(photographs(sys.argv[1])))


main()

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
    rand_augment.json          operations of RandAugment at all magnitudes, and
                               the CRC-32 of their results on one scene
    mix.safetensors            batches and labels, mixed
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
import timm.data.auto_augment as timm_augment
import torch
import torchvision
from PIL import Image, ImageFilter
from safetensors.numpy import save
from torchvision.transforms import InterpolationMode, RandAugment, autoaugment, v2
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
    if op == "vertical_flip":
        return F.vflip(image)
    if op == "posterize":
        return F.posterize(image, operation["bits"])
    if op == "equalize":
        return F.equalize(image)
    if op == "autocontrast":
        return F.autocontrast(image)
    if op == "invert":
        return F.invert(image)
    if op == "sharpness":
        return F.adjust_sharpness(image, operation["factor"])
    if op == "solarize_add":
        return timm_augment.solarize_add(image, operation["add"])
    if op == "rotate":
        sampling = InterpolationMode(operation["sampling"])
        return F.rotate(image, operation["degrees"], sampling, fill=operation["fill"])
    if op == "affine":
        sampling = getattr(Image.Resampling, operation["sampling"].upper())
        fill = tuple(operation["fill"])
        return image.transform(image.size, Image.AFFINE, operation["matrix"], sampling, fillcolor=fill)
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
    yield "flip down odd", (5, 7), [dict(op="vertical_flip")]
    yield "flip down even", (6, 7), [dict(op="vertical_flip")]
    for bits in range(9):
        yield f"posterize {bits}", (12, 15), [dict(op="posterize", bits=bits)]
    dull = [dict(op="contrast", factor=0.3), dict(op="brightness", factor=0.8)]
    for op in ["equalize", "autocontrast", "invert"]:
        yield op, (24, 31), [dict(op=op)]
        yield f"{op} of a dull image", (24, 31), [*dull, dict(op=op)]
        # Too few pixels for 255 steps, and a single colour.
        yield f"{op} of digits", (8, 8), [dict(op=op)]
        yield f"{op} of black", (8, 8), [dict(op="brightness", factor=0.0), dict(op=op)]
    for factor in [0.0, 0.1, 0.73, 1.0, 1.27, 1.9]:
        yield f"sharpness {factor}", (24, 31), [dict(op="sharpness", factor=factor)]
    yield "sharpness of two rows", (2, 9), [dict(op="sharpness", factor=1.9)]
    for add in [0, 44, 110]:
        yield f"solarize_add {add}", (12, 15), [dict(op="solarize_add", add=add)]
    for sampling in ["nearest", "bilinear", "bicubic"]:
        for degrees in [-30.0, -7.3, 0.0, 1e-3, 12.0, 45.0, 90.0, 180.0, 270.0, 359.0, 400.0]:
            for size in [(24, 31), (17, 17)]:
                one = dict(op="rotate", degrees=degrees, sampling=sampling, fill=[124, 116, 104])
                yield f"rotate {degrees} {sampling} {size}", size, [one]
        matrices = [
            [1, 0.27, 0, 0, 1, 0], [1, 0, 0, -0.3, 1, 0], [1, 0, 4.5, 0, 1, 0], [1, 0, 0, 0, 1, -7.25],
            [0.5, 0, 0, 0, 0.5, 0], [1.9, 0.3, -8, -0.2, 1.7, -3.5], [1, 0, 100, 0, 1, 0], [1, 0, 0, 0, 1, 0],
        ]  # fmt: skip
        for n, matrix in enumerate(matrices):
            one = dict(op="affine", matrix=[float(m) for m in matrix], sampling=sampling, fill=[0, 255, 7])
            yield f"affine {n} {sampling}", (24, 31), [one]
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


def others(rng):
    """Three of the operations that no MoCo v3 view has."""
    fill = [rng.randint(0, 255) for _ in range(3)]
    sampling = rng.choice(["nearest", "bilinear", "bicubic"])
    shear = [1.0, rng.uniform(-0.3, 0.3), 0.0, rng.uniform(-0.3, 0.3), 1.0, rng.uniform(-90, 90)]
    return rng.sample(
        [
            dict(op="vertical_flip"),
            dict(op="posterize", bits=rng.randint(1, 7)),
            dict(op="equalize"),
            dict(op="autocontrast"),
            dict(op="invert"),
            dict(op="sharpness", factor=rng.uniform(0.1, 1.9)),
            dict(op="solarize_add", add=rng.randint(0, 110)),
            dict(op="rotate", degrees=rng.uniform(-180, 180), sampling=sampling, fill=fill),
            dict(op="affine", matrix=shear, sampling=sampling, fill=fill),
        ],
        3,
    )


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
    for n, path in enumerate(rng.sample(sorted(root.rglob("*.jpg")), 90)):
        image = Image.open(path).convert("RGB")
        operations = view(rng, image.height, image.width, [224, 224])
        if n >= 60:
            operations = [operations[0], *others(rng)]
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


def rand_augment():
    """Every operation of RandAugment at every magnitude, in both directions."""
    image = Image.fromarray(scene(40, 56, 4))
    checksum = lambda result: zlib.crc32(result.tobytes())
    space = RandAugment()._augmentation_space(31, (image.height, image.width))
    for choice, (name, (magnitudes, signed)) in enumerate(space.items()):
        for magnitude in range(31) if magnitudes.ndim else [9]:
            for sign in [1.0, -1.0] if signed else [1.0]:
                value = float(magnitudes[magnitude].item()) if magnitudes.ndim else 0.0
                result = autoaugment._apply_op(image, name, sign * value, InterpolationMode.NEAREST, None)
                yield dict(
                    policy="torchvision", choice=choice, magnitude=magnitude, negative=sign < 0,
                    sampling="nearest", fill=[0, 0, 0], result=checksum(result),
                )  # fmt: skip
    for choice, name in enumerate(timm_augment._RAND_INCREASING_TRANSFORMS):
        level, operation = timm_augment.LEVEL_TO_ARG[name], timm_augment.NAME_TO_OP[name]
        for magnitude in [0.0, 0.37, 4.9, 7.5, 8.61, 9.0, 10.0]:
            for negative in [False, True]:
                timm_augment._randomly_negate = lambda v: -v if negative else v
                for sampling in ["bilinear", "bicubic"]:
                    arguments = level(magnitude, {}) if level else ()
                    filter = getattr(Image.Resampling, sampling.upper())
                    result = operation(image, *arguments, resample=filter, fillcolor=(124, 116, 104))
                    yield dict(
                        policy="timm", choice=choice, magnitude=magnitude, negative=negative,
                        sampling=sampling, fill=[124, 116, 104], result=checksum(result),
                    )  # fmt: skip


def mixes():
    """A batch and its labels, mixed by torchvision."""
    rng = np.random.default_rng(8)
    batch = rng.normal(size=(4, 3, 6, 9)).astype(np.float32)
    labels = np.array([2, 0, 4, 2])
    tensors = dict(batch=batch, labels=labels.astype(np.uint32))
    parameters = {"labels": torch.from_numpy(labels), "batch_size": 4}
    mixup = dict(parameters, lam=0.3125)
    cut = v2.CutMix(alpha=1.0, num_classes=5)
    # A centre at row 5, column 2, and a share of 0.4.
    half = 0.5 * (1.0 - 0.4) ** 0.5
    box = (max(2 - int(half * 9), 0), max(5 - int(half * 6), 0), min(2 + int(half * 9), 9), min(5 + int(half * 6), 6))
    lam = 1.0 - (box[2] - box[0]) * (box[3] - box[1]) / 54
    cutmix = dict(parameters, box=box, lam_adjusted=lam)
    for name, transform, given in [
        ("mixup", v2.MixUp(alpha=1.0, num_classes=5), mixup),
        ("cutmix", cut, cutmix),
    ]:
        tensors[f"{name}.batch"] = transform.transform(torch.from_numpy(batch), given).numpy()
        mixed = transform.transform(given["labels"], given)
        tensors[f"{name}.labels"] = mixed.numpy().astype(np.float32)
    (OUT / "mix.safetensors").write_bytes(save(tensors))


def lines(items):
    return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]\n"


def main():
    (OUT / "decode").mkdir(parents=True, exist_ok=True)
    decoded = {}
    for name, data in files():
        (OUT / "decode" / name).write_bytes(data)
        decoded[name] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    store("decode.safetensors.gz", decoded)

    listed, tensors = [], {"rand augment": scene(40, 56, 4)}
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
    (OUT / "rand_augment.json").write_text(lines(rand_augment()))
    mixes()

    if len(sys.argv) > 1:
        (OUT / "photographs.json").write_text(lines(photographs(sys.argv[1])))


main()

"""Files of further formats and their pixels, from Pillow 12.2.0.

    python formats.py

Every image is synthesised here. Writes, under runtime/data/tests/fixtures:
    formats/*                 WebP, BMP, TIFF and GIF files of every kind, and
                              photographs of all eight EXIF orientations
    formats.safetensors.gz    their pixels after convert("RGB"), [H, W, 3];
                              `NAME upright` after ImageOps.exif_transpose
"""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps
from safetensors.numpy import save

from transforms import scene

assert PIL.__version__ == "12.2.0", PIL.__version__

OUT = Path(__file__).resolve().parents[3] / "runtime/data/tests/fixtures"


def files():
    rgb = Image.fromarray(scene(37, 53, 1))
    gray = rgb.convert("L")
    palette = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=200)
    few = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=13)
    bilevel = rgb.convert("1")
    alpha = Image.fromarray(np.random.default_rng(2).integers(0, 256, (37, 53), np.uint8))
    alpha.paste(0, (3, 4, 20, 20))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    wide = Image.fromarray(np.random.default_rng(3).integers(0, 700, (37, 53)).astype(np.uint16))
    floats = Image.fromarray(np.random.default_rng(4).uniform(-9, 300, (37, 53)).astype(np.float32))

    def saved(image, format, **options):
        out = io.BytesIO()
        image.save(out, format, **options)
        return out.getvalue()

    yield "lossy.webp", saved(rgb, "WEBP", quality=80)
    yield "lossy_poor.webp", saved(rgb, "WEBP", quality=5)
    yield "lossy_alpha.webp", saved(rgba, "WEBP", quality=70)
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "lossless_alpha.webp", saved(rgba, "WEBP", lossless=True)
    yield "exact_alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True)
    yield "animated.webp", saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(180)], lossless=True)
    yield "odd.webp", saved(rgb.crop((0, 0, 17, 1)), "WEBP")

    yield "rgb24.bmp", saved(rgb, "BMP")
    yield "rgba32.bmp", saved(rgba, "BMP")
    yield "gray8.bmp", saved(gray, "BMP")
    yield "palette8.bmp", saved(palette, "BMP")
    yield "bilevel.bmp", saved(bilevel, "BMP")
    yield "few.bmp", saved(few, "BMP")
    # Rows from the top, and 16 bits a pixel, which Pillow reads but never writes.
    pixels = scene(7, 9, 5)
    fields = pixels.astype(np.uint16) >> 3
    words = fields[..., 0] << 10 | fields[..., 1] << 5 | fields[..., 2]
    rows = b"".join(row.tobytes() + b"\0\0" for row in words[::-1])
    yield "rgb555.bmp", (
        b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 9, 7, 1, 16, 0, len(rows), 0, 0, 0, 0) + rows
    )
    rows = b"".join(row[:, ::-1].tobytes() + b"\0" for row in pixels)
    yield "top_down.bmp", (
        b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 9, -7, 1, 24, 0, len(rows), 0, 0, 0, 0) + rows
    )

    # Run lengths: runs, literals, ends of lines, and a jump.
    colors = bytes(v for n in range(256) for v in (n, 255 - n, n // 2, 0))
    coded = bytes([5, 7, 0, 4, 1, 2, 3, 4, 0, 0, 0, 3, 9, 8, 7, 0, 6, 200, 0, 0, 9, 33, 0, 0, 0, 2, 2, 0, 7, 90, 0, 1])
    yield "rle8.bmp", (
        b"BM" + struct.pack("<IHHI", 1078 + len(coded), 0, 0, 1078)
        + struct.pack("<IiiHHIIiiII", 40, 9, 4, 1, 8, 1, len(coded), 0, 0, 256, 0) + colors + coded
    )

    yield "rgb.tiff", saved(rgb, "TIFF")
    yield "lzw.tiff", saved(rgb, "TIFF", compression="tiff_lzw")
    yield "deflate.tiff", saved(rgb, "TIFF", compression="tiff_adobe_deflate")
    yield "packbits.tiff", saved(rgb, "TIFF", compression="packbits")
    yield "gray.tiff", saved(gray, "TIFF")
    yield "bilevel.tiff", saved(bilevel, "TIFF")
    yield "fax.tiff", saved(bilevel, "TIFF", compression="group4")
    yield "rgba.tiff", saved(rgba, "TIFF")
    yield "gray_alpha.tiff", saved(rgba.convert("LA"), "TIFF")
    yield "gray16.tiff", saved(wide, "TIFF")
    yield "float.tiff", saved(floats, "TIFF")
    yield "cmyk.tiff", saved(rgb.convert("CMYK"), "TIFF")
    yield "palette.tiff", saved(palette, "TIFF")
    yield "palette_lzw.tiff", saved(palette, "TIFF", compression="tiff_lzw")
    # Four bits an index, and the other order of bytes, which Pillow reads but never writes.
    rows = np.random.default_rng(5).integers(0, 256, (6, 5), np.uint8)
    colors = np.random.default_rng(6).integers(0, 1 << 16, 48)
    fields = [
        (256, 3, 1, 9 << 16), (257, 3, 1, 6 << 16), (258, 3, 1, 4 << 16), (259, 3, 1, 1 << 16), (262, 3, 1, 3 << 16),
        (273, 4, 1, 8), (277, 3, 1, 1 << 16), (278, 3, 1, 6 << 16), (279, 4, 1, 30), (320, 3, 48, 38),
    ]
    yield "palette4.tiff", (
        b"MM\0*" + struct.pack(">I", 134) + rows.tobytes() + struct.pack(">48H", *colors.tolist())
        + struct.pack(">H", len(fields)) + b"".join(struct.pack(">HHII", *f) for f in fields) + bytes(4)
    )
    yield "pages.tiff", saved(rgb, "TIFF", save_all=True, append_images=[rgb.rotate(180)])

    yield "palette.gif", saved(palette, "GIF")
    yield "few.gif", saved(few, "GIF", interlace=1)
    yield "gray.gif", saved(gray, "GIF")
    yield "transparent.gif", saved(palette, "GIF", transparency=7)
    yield "animated.gif", saved(palette, "GIF", save_all=True, append_images=[palette.rotate(180)], duration=50)
    # A frame smaller than its canvas.
    small = bytearray(saved(few, "GIF", interlace=0))
    small[6:10] = struct.pack("<HH", 60, 45)
    yield "canvas.gif", bytes(small)
    small = bytearray(saved(few, "GIF", transparency=3, interlace=0))
    small[6:10] = struct.pack("<HH", 60, 45)
    yield "canvas_transparent.gif", bytes(small)

    for value in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = value
        yield f"turned{value}.jpg", saved(rgb, "JPEG", quality=90, exif=exif)
    exif = Image.Exif()
    exif[0x112] = 6
    yield "turned.png", saved(rgb, "PNG", exif=exif)
    yield "turned.webp", saved(rgb, "WEBP", exif=exif)


def main():
    folder = OUT / "formats"
    folder.mkdir(parents=True, exist_ok=True)
    pixels = {}
    for name, data in files():
        (folder / name).write_bytes(data)
        image = Image.open(io.BytesIO(data))
        pixels[name] = np.asarray(image.convert("RGB"))
        if name.startswith("turned"):
            pixels[f"{name} upright"] = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    with open(OUT / "formats.safetensors.gz", "wb") as out:
        with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as zipped:
            zipped.write(save({name: np.ascontiguousarray(p) for name, p in pixels.items()}))


if __name__ == "__main__":
    main()

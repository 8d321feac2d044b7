"""Images per second and core: this crate beside torchvision and Albumentations.

    cargo bench -p ssl-data --bench speed --no-run
    python speed.py FOLDER PATH/TO/speed-HASH [ROUNDS] [IMAGES]

Each makes the two MoCo v3 views of the same JPEGs on one thread, one after the
other, in alternation; medians of processor time are printed. Needs Pillow,
torchvision and Albumentations (with OpenCV), each where it is installed.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
FOLDER, BINARY = Path(sys.argv[1]), sys.argv[2]
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
IMAGES = int(sys.argv[4]) if len(sys.argv) > 4 else 320
FILES = sorted(FOLDER.rglob("*.jpg"))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def torchvision_v1():
    from PIL import Image, ImageFilter
    import random
    import torch
    from torchvision import transforms as T

    torch.set_num_threads(1)

    def blur(image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))

    def view(blurred, solarized):
        return T.Compose([
            T.RandomResizedCrop(224, scale=(0.08, 1.0)),
            T.RandomApply([T.ColorJitter(0.4, 0.4, 0.2, 0.1)], p=0.8),
            T.RandomGrayscale(p=0.2),
            T.RandomApply([T.Lambda(blur)], p=blurred),
            T.RandomSolarize(128, p=solarized),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize(MEAN, STD),
        ])

    views = [view(1.0, 0.0), view(0.1, 0.2)]

    def make(path):
        image = Image.open(path).convert("RGB")
        return [v(image) for v in views]

    return make


def torchvision_v2():
    import torch
    from torchvision.io import ImageReadMode, read_file, decode_jpeg
    from torchvision.transforms import v2 as T

    torch.set_num_threads(1)

    def view(blurred, solarized):
        return T.Compose([
            T.RandomResizedCrop(224, scale=(0.08, 1.0), antialias=True),
            T.RandomApply([T.ColorJitter(0.4, 0.4, 0.2, 0.1)], p=0.8),
            T.RandomGrayscale(p=0.2),
            T.RandomApply([T.GaussianBlur(13, (0.1, 2.0))], p=blurred),
            T.RandomSolarize(128, p=solarized),
            T.RandomHorizontalFlip(),
            T.ToDtype(torch.float32, scale=True),
            T.Normalize(MEAN, STD),
        ])

    views = [view(1.0, 0.0), view(0.1, 0.2)]

    def make(path):
        image = decode_jpeg(read_file(str(path)), ImageReadMode.RGB)
        return [v(image) for v in views]

    return make


def albumentations():
    import albumentations as A
    import cv2

    cv2.setNumThreads(0)

    def view(blurred, solarized):
        return A.Compose([
            A.RandomResizedCrop((224, 224), scale=(0.08, 1.0), interpolation=cv2.INTER_LINEAR),
            A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.8, 1.2), (-0.1, 0.1), p=0.8),
            A.ToGray(p=0.2),
            A.GaussianBlur(blur_limit=0, sigma_limit=(0.1, 2.0), p=blurred),
            A.Solarize((0.5, 0.5), p=solarized),
            A.HorizontalFlip(p=0.5),
            A.Normalize(MEAN, STD),
            A.pytorch.ToTensorV2() if hasattr(A, "pytorch") else A.NoOp(),
        ])

    views = [view(1.0, 0.0), view(0.1, 0.2)]

    def make(path):
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        return [v(image=image)["image"] for v in views]

    return make


def timed(make):
    start, before = time.perf_counter(), time.process_time()
    for n in range(IMAGES):
        make(FILES[n % len(FILES)])
    return time.perf_counter() - start, time.process_time() - before


def crate(mode, workers=1, images=IMAGES):
    command = [BINARY, str(FOLDER), mode, str(images), str(workers)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found["wall"], found["cpu"], found["peak_mib"]


def main():
    others = {}
    for name, start in [
        ("torchvision v1 on Pillow", torchvision_v1),
        ("torchvision v2", torchvision_v2),
        ("Albumentations", albumentations),
    ]:
        try:
            others[name] = start()
            others[name](FILES[0])
        except ImportError as missing:
            print(f"without {name}: {missing}", file=sys.stderr)
    runs = {"decode only": lambda: crate("decode"), "this crate": lambda: crate("views")}
    for name, make in others.items():
        runs[name] = lambda make=make: timed(make)
    times = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(run()[:2])
            print(name, times[name][-1], file=sys.stderr, flush=True)
    own = [cpu for _, cpu in times["this crate"]]
    print(f"{len(FILES)} files, {sum(f.stat().st_size for f in FILES) / len(FILES) / 1000:.0f} kB on average")
    for name, found in times.items():
        wall, cpu = (statistics.median(t[i] for t in found) / IMAGES * 1e3 for i in (0, 1))
        ratio = statistics.median(t[1] / o for t, o in zip(found, own))
        print(f"{name:26} {1e3 / cpu:6.0f} images/s/core  {cpu:6.2f} ms CPU  {wall:6.2f} ms wall  {ratio:5.2f} x")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    workers = [1, 2, os.cpu_count()]
    found = {n: [] for n in workers}
    for _ in range(ROUNDS):
        for n in workers:
            found[n].append(crate("views", n, IMAGES * n))
    for n, runs in found.items():
        wall, cpu, peak = (statistics.median(t[i] for t in runs) for i in range(3))
        print(f"{n} workers: {IMAGES * n / wall:.0f} images/s, {cpu / IMAGES / n * 1e3:.2f} ms CPU an image, {peak} MiB at most")


main()

#!/usr/bin/env python3
"""Fovea's loader against PyTorch's DataLoader on a folder of JPEG pictures, in turns.

    python -m venv VENV && VENV/bin/pip install torch torchvision numpy pillow
    VENV/bin/python scripts/bench_loader.py [--pictures 512] [--turns 5] [--seconds 500] [--folder DIR]

It makes a folder of natural-like pictures (about 500 x 375, quality 75 to 95, colour at half the resolution, 100 KB each,
as ImageNet's are), builds cmd/bench, and measures by turns, on the same processors: Fovea (random-resized-crop to 224,
flip, normalisation, batches of 64), and PyTorch with torchvision's transforms of version 1 and 2 on PIL, for each number of
workers. Each measures whole epochs; workers and files are warm. It prints the median of each and the ratio of Fovea's to
the fastest of PyTorch's. Python is needed for the comparison only.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import torch
from PIL import Image
from torchvision import datasets, transforms
from torchvision.transforms import v2

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def natural(random, width, height):
    """Noise whose power falls with frequency as in photographs, with a few edges."""
    f = np.sqrt(np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None] ** 2)
    f[0, 0] = 1

    def pink(power):
        noise = np.fft.irfft2((random.normal(size=f.shape) + 1j * random.normal(size=f.shape)) / f**power, s=(height, width))
        return noise / noise.std()

    shared = pink(1.1) * 50
    picture = np.stack([shared + pink(1.5) * 12 + random.uniform(100, 150) for _ in range(3)], -1)
    for _ in range(6):
        x, y = random.integers(0, width - 30), random.integers(0, height - 30)
        w, h = random.integers(20, width // 2), random.integers(20, height // 2)
        picture[y : y + h, x : x + w] += random.normal(size=3) * 20
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def make(folder, count):
    random = np.random.default_rng(1)
    for i in range(count):
        width, height = (500, 375) if i % 3 else (375, 500)
        path = folder / f"class{i % 10}" / f"{i:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        natural(random, width + int(random.integers(-20, 20)), height).save(path, quality=int(random.integers(75, 96)), subsampling=2)
    size = sum(p.stat().st_size for p in folder.rglob("*.jpg"))
    print(f"{count} pictures of {size / count / 1e3:.0f} KB on average in {folder}", flush=True)


def pipelines():
    first = transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])
    second = v2.Compose([v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(), v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION)])
    return {"v1": first, "v2": second}


def loader(folder, transform, workers, batch):
    return torch.utils.data.DataLoader(datasets.ImageFolder(folder, transform), batch_size=batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


def epoch(batches):
    begin, samples = time.perf_counter(), 0
    for x, _ in batches:
        samples += len(x)
    return samples / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", default="1,2,3,4", help="of PyTorch, with commas between")
    parser.add_argument("--seconds", type=float, default=500, help="no new turn after that many")
    parser.add_argument("--folder", help="pictures that are there already, a folder for each class")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(options.folder or os.path.join(scratch, "pictures"))
        if not options.folder:
            make(folder, options.pictures)
        program = os.path.join(scratch, "bench")
        subprocess.run(["go", "build", "-o", program, "./cmd/bench"], check=True)
        ours = [program, "--work", "load", "--data", f"folder:{folder}", "--augment", "flip", "--batch", str(options.batch), "--steps", "2", "--json"]
        peers = {}
        for workers in map(int, options.workers.split(",")):
            for name, transform in pipelines().items():
                peers[f"PyTorch {name}, {workers} workers"] = (transform, workers)
        rates = {name: [] for name in ["Fovea", *peers]}
        begin = time.time()
        for turn in range(options.turns):
            for name, (transform, workers) in peers.items():
                lines = subprocess.run(ours, check=True, capture_output=True, text=True).stdout.splitlines()
                rates["Fovea"].append(max(json.loads(line)["images_per_s"] for line in lines))
                batches = loader(folder, transform, workers, options.batch)
                epoch(batches)  # starts the workers
                rates[name].append(max(epoch(batches), epoch(batches)))
                del batches
            if time.time() - begin > options.seconds:
                print(f"stopped after {turn + 1} turns")
                break
        for name, values in rates.items():
            print(f"{name}: median {statistics.median(values):.0f} images/s, best {max(values):.0f}")
        best = max(peers, key=lambda name: statistics.median(rates[name]))
        print(f"Fovea is {statistics.median(rates['Fovea']) / statistics.median(rates[best]):.2f} times as fast as the fastest ({best})")


main()

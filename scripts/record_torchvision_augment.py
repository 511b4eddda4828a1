"""Record what torchvision makes of a picture, as the reference for data/augment.

Rerun (two seconds, no GPU):

    python -m venv VENV && VENV/bin/pip install torch torchvision numpy safetensors
    VENV/bin/python scripts/record_torchvision_augment.py

Recorded with Python 3.11, torch 2.15.0, torchvision 0.29.0 (CPU), numpy 2.4, safetensors 0.8.

Files, in data/augment/testdata:

  torchvision.safetensors   pictures "picture/NAME" [C,H,W] of float32, the result of each case under the case's name, and what
      a case needs beside a picture ("CASE/dx", "CASE/dy")
  torchvision.json          {"cases": [{"name", "op", "picture", "arguments": numbers in the order of the op's function}]}

Geometry is bilinear, without a fill: what lies outside is zero.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torchvision
import torchvision.transforms.v2 as v2
import torchvision.transforms.v2.functional as F
from safetensors.torch import save_file

torch.set_num_threads(1)
out = Path(__file__).resolve().parent.parent / "data" / "augment" / "testdata"
bilinear = torchvision.transforms.InterpolationMode.BILINEAR


def noise(seed, *shape):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, shape).astype(np.float32) / 255)


def colour():
    """Noise, with a row of what is special to hue and saturation: greys, black, white, and colours of which two are equal."""
    p = noise(1, 3, 13, 17)
    special = [(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (0.75, 0.75, 0.25),
               (0.25, 0.75, 0.75), (0.75, 0.25, 0.75), (1, 0.5, 0.5), (0.5, 1, 0.5), (0.5, 0.5, 1), (0.25, 0.5, 0.75), (0.75, 0.5, 0.25)]
    p[:, 6, :] = torch.tensor(special).T
    return p


pictures = {"colour": colour(), "grey": noise(2, 1, 12, 10), "four": noise(3, 4, 6, 5), "even": noise(4, 1, 40, 36), "batch": noise(5, 15, 4, 6)}
tensors = {f"picture/{name}": p for name, p in pictures.items()}
cases = []


def case(op, picture, result, *arguments, **extra):
    name = f"{op}/{picture}/" + "/".join(f"{a:g}" for a in arguments)
    assert name not in tensors, name
    tensors[name] = result.clone().contiguous()
    for what, t in extra.items():
        tensors[f"{name}/{what}"] = t.clone().contiguous()
    cases.append({"name": name, "op": op, "picture": picture, "arguments": list(arguments)})


for which in "colour", "grey", "four":
    p = pictures[which]
    _, h, w = p.shape
    case("flip", which, F.horizontal_flip(p))
    case("vflip", which, F.vertical_flip(p))
    for degrees in 0, 15, -37.5, 90, 180:
        case("rotate", which, F.rotate(p, degrees, bilinear), degrees)
    for degrees, dx, dy, scale, sx, sy in (0, 3, -2, 1, 0, 0), (20, 0, 0, 1, 0, 0), (0, 0, 0, 0.6, 0, 0), (0, 0, 0, 1.5, 0, 0), (0, 0, 0, 1, 25, 0), (-33, -1, 2, 1.2, -12, 0), (10, 1, 1, 0.9, 5, -7):
        case("affine", which, F.affine(p, degrees, [dx, dy], scale, [sx, sy], bilinear), degrees, dx, dy, scale, sx, sy)
    start = [[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]]
    for ends in start, [[1, 0], [w - 2, 1], [w - 1, h - 2], [0, h - 1]], [[2, 1], [w - 1, 0], [w - 3, h - 3], [1, h - 1]]:
        case("perspective", which, F.perspective(p, start, ends, bilinear), *np.ravel(ends).tolist())
    for padding, top, left in (2, 0, 0), (2, 4, 1), (3, 3, 6):
        case("crop", which, F.crop(F.pad(p, [padding] * 4), top, left, h, w), padding, top, left)
    for i, j, eh, ew in (0, 0, 2, 3), (1, 2, h - 1, 1):
        case("erase", which, F.erase(p, i, j, eh, ew, torch.zeros(1, 1, 1)), i, j, eh, ew)
    for sigma in 0.4, 0.6:
        size = int(8 * sigma + 1) | 1
        case("blur", which, F.gaussian_blur(p, [size, size], [sigma, sigma]), sigma)
for which in "colour", "grey":
    for factor in 0, 0.3, 1, 1.7:
        case("brightness", which, F.adjust_brightness(pictures[which], factor), factor)
        case("contrast", which, F.adjust_contrast(pictures[which], factor), factor)
        case("saturation", which, F.adjust_saturation(pictures[which], factor), factor)
    for turn in -0.5, -0.2, 0, 0.1, 0.35, 0.5:
        case("hue", which, F.adjust_hue(pictures[which], turn), turn)
case("gray", "colour", F.rgb_to_grayscale(pictures["colour"], 3))

p = pictures["even"]
_, h, w = p.shape
for sigma in 1.3, 4:
    size = int(8 * sigma + 1) | 1
    case("blur", "even", F.gaussian_blur(p, [size, size], [sigma, sigma]), sigma)
    for alpha in 30, 200:  # as torchvision's ElasticTransform makes its displacement
        dx, dy = (noise(seed, 1, 1, h, w) * 2 - 1 for seed in (6, 7))
        moved = [F.gaussian_blur(d, [size, size], [sigma, sigma]) * alpha / n for d, n in ((dx, w), (dy, h))]
        case("elastic", "even", F.elastic(p, torch.concat(moved, 1).permute(0, 2, 3, 1), bilinear), alpha, sigma, dx=dx, dy=dy)

batch = pictures["batch"].reshape(5, 3, 4, 6)
labels = torch.arange(5)
for lam in 0, 0.3, 0.5, 0.9, 1:
    mixup = v2.MixUp(num_classes=5)
    params = {"labels": labels, "batch_size": 5, "lam": lam}
    case("mixup", "batch", mixup.transform(batch, params).reshape(15, 4, 6), lam, targets=mixup.transform(labels, params))
for x1, y1, x2, y2 in (0, 0, 6, 4), (1, 2, 4, 3), (2, 2, 2, 4), (3, 0, 6, 2):
    cutmix = v2.CutMix(num_classes=5)
    params = {"labels": labels, "batch_size": 5, "box": (x1, y1, x2, y2), "lam_adjusted": 1 - (x2 - x1) * (y2 - y1) / 24}
    case("cutmix", "batch", cutmix.transform(batch, params).reshape(15, 4, 6), x1, y1, x2, y2, targets=cutmix.transform(labels, params))

out.mkdir(exist_ok=True)
save_file(tensors, out / "torchvision.safetensors")
lines = ",\n".join(" " + json.dumps(c) for c in cases)
(out / "torchvision.json").write_text('{"torch": "%s", "torchvision": "%s", "cases": [\n%s\n]}\n' % (torch.__version__, torchvision.__version__, lines))
print(len(cases), "cases", (out / "torchvision.safetensors").stat().st_size, "bytes")

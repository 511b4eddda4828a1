"""Record pictures of every kind that data tells apart, and what torchvision makes of them through PIL.

Rerun (a second, no GPU):

    python -m venv VENV && VENV/bin/pip install numpy pillow torch torchvision
    VENV/bin/python scripts/record_pictures.py

Recorded with numpy 2.4.6, Pillow 13.0.0, torchvision 0.29.2+cu132. Files, in data/testdata/pictures:

  NAME.jpg, NAME.png    the pictures: noise whose power falls with frequency as in photographs, with a few edges
  want/NAME.HOW.png     HOW is centred (resized to a shorter side of 40, of which the middle 32 x 32), stretched (to 24 wide
                        and 32 high) or part (of w x h pixels the half that begins at w/7, h/5, resized to 32 x 32)
"""

import pathlib

import numpy as np
from PIL import Image
from torchvision.transforms import functional as F

folder = pathlib.Path("data/testdata/pictures")
random = np.random.default_rng(7)


def natural(width, height, channels=3):
    """Noise whose power falls with frequency as in photographs, with a few edges."""
    f = np.sqrt(np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None] ** 2)
    f[0, 0] = 1

    def pink(power):
        noise = np.fft.irfft2((random.normal(size=f.shape) + 1j * random.normal(size=f.shape)) / f**power, s=(height, width))
        return noise / noise.std()

    shared = pink(1.2) * 35
    picture = np.stack([shared + pink(1.4) * 12 + 125 for _ in range(channels)], -1)
    for _ in range(4):
        x, y = random.integers(0, width // 2), random.integers(0, height // 2)
        picture[y : y + height // 3, x : x + width // 3] += random.normal(size=channels) * 15
    return np.clip(picture, 0, 255).astype(np.uint8)


def main():
    (folder / "want").mkdir(parents=True, exist_ok=True)
    for old in folder.rglob("*.*g"):
        old.unlink()
    colour = lambda w=107, h=85: Image.fromarray(natural(w, h))
    grey = Image.fromarray(natural(90, 101, 1)[..., 0])
    jpegs = {
        "420": (colour(), dict(quality=90, subsampling=2)),
        "422": (colour(), dict(quality=85, subsampling=1)),
        "444": (colour(), dict(quality=80, subsampling=0)),
        "tall": (colour(66, 131), dict(quality=75, subsampling=2)),
        "tiny": (colour(17, 9), dict(quality=95, subsampling=2)),
        "wide": (colour(300, 40), dict(quality=90, subsampling=2)),
        "large": (colour(260, 200), dict(quality=75, subsampling=2)),
        "restart": (colour(), dict(quality=90, subsampling=2, restart_marker_blocks=3)),
        "optimised": (colour(), dict(quality=97, subsampling=2, optimize=True)),
        "grey": (grey, dict(quality=88)),
        "progressive": (colour(), dict(quality=90, subsampling=2, progressive=True)),
        "cmyk": (colour().convert("CMYK"), dict(quality=90)),
        "rgb": (colour(), dict(quality=90, keep_rgb=True)),
    }
    sources = []
    for name, (picture, options) in jpegs.items():
        picture.save(folder / f"{name}.jpg", **options)
        sources.append(f"{name}.jpg")
    pngs = {
        "plain": colour(70, 61),
        "palette": colour(70, 61).quantize(64),
        "greypng": grey.resize((70, 61)),
        "opaque": colour(70, 61).convert("RGBA"),
        "bits": colour(70, 61).convert("1"),
    }
    for name, picture in pngs.items():
        picture.save(folder / f"{name}.png")
        sources.append(f"{name}.png")
    for source in sources:
        picture = Image.open(folder / source).convert("RGB")
        w, h = picture.size
        stem = source.split(".")[0]
        results = {
            "centred": F.center_crop(F.resize(picture, 40), [32, 32]),
            "stretched": F.resize(picture, [32, 24]),
            "part": F.resized_crop(picture, h // 5, w // 7, h // 2, w // 2, [32, 32]),
        }
        for how, result in results.items():
            result.save(folder / "want" / f"{stem}.{how}.png")


main()

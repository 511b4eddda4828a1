"""Compare what cmd/inspect says of torchvision's networks with PyTorch: Grad-CAM and the occlusion map.

    VENV/bin/python scripts/compare_inspecting.py [--device cpu] [alexnet vgg11_bn ...]

VENV has torch, torchvision, safetensors, numpy and pillow. For each network: seeded weights (as compare_torchvision.py makes
them) and a picture of random blots, written as files; `inspect gradcam --values` and
`inspect occlusion --values` read them; PyTorch in float64, with hooks, computes both by their papers' definitions. Printed are the
distances ||ours - truth|| / ||truth||, of the occlusion map after its mean is taken away, and beside each PyTorch's own in float32. The exit code is 1 if
one of ours is above --bound and above twice PyTorch's.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from compare_torchvision import ROOT, distance, network

# The module of torchvision whose maps are the last with more than one place, with what belongs to it.
LAST = {
    "alexnet": lambda net: net.features[11],
    "vgg11_bn": lambda net: net.features[27],
    "vgg16": lambda net: net.features[29],
    "googlenet": lambda net: net.inception5b,
    "resnet18": lambda net: net.layer4[1],
    "resnet50": lambda net: net.layer4[2],
}
SIDE, SQUARE, STRIDE, GREY = 224, 64, 32, 0.25
MEAN, DEVIATION = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


def prepared(x):
    """What torchvision's weights expect of values of 0 to 1."""
    return (x - MEAN.to(x.dtype)) / DEVIATION.to(x.dtype)


def grad_cam(net, module, x, k):
    """Selvaraju and others 2017, equations 1 and 2."""
    kept = {}

    def keep(_, __, maps):
        kept["maps"] = maps.clone()  # what follows may change maps in place
        kept["maps"].retain_grad()
        return kept["maps"]

    hook = module.register_forward_hook(keep)
    net(prepared(x))[0, k].backward()
    hook.remove()
    weight = kept["maps"].grad.mean(dim=(2, 3), keepdim=True)
    return F.relu((weight * kept["maps"]).sum(dim=1))[0].detach().double().numpy()


def occlusion(net, x, k):
    """Zeiler and Fergus 2013, section 4.2: the class's probability with each square."""
    at = list(range(0, SIDE - SQUARE, STRIDE)) + [SIDE - SQUARE]
    values = np.empty((len(at), len(at)))
    with torch.no_grad():
        for i, top in enumerate(at):
            for j, left in enumerate(at):
                hidden = x.clone()
                hidden[:, :, top : top + SQUARE, left : left + SQUARE] = GREY
                values[i, j] = F.softmax(net(prepared(hidden)).double(), dim=1)[0, k]
    return values - values.mean()


def inspect(program, command, folder, name, device, k, *more):
    values = folder / "values.npy"
    arguments = [program, command, "--model", name, "--weights", folder / "weights.safetensors", "--device", device, "--class", str(k)]
    arguments += ["--values", values, "-o", folder / "drawn.png", *more, folder / "picture.png"]
    done = subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{name}: inspect {command}: {done.stderr.decode()}")
    return np.load(values).astype(np.float64)


def compare(name, program, device, folder):
    net = network(name)
    save_file(net.state_dict(), folder / "weights.safetensors")
    blots = np.random.default_rng(3).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    picture = Image.fromarray(blots).resize((256, 256), Image.Resampling.BICUBIC)  # a side at which no other size is made of it
    picture.save(folder / "picture.png")
    x = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].double() / 255
    x = x[:, :, 16 : 16 + SIDE, 16 : 16 + SIDE]
    with torch.no_grad():
        k = int(net(prepared(x.float())).argmax())
    single = [grad_cam(net, LAST[name](net), x.float(), k), occlusion(net, x.float(), k)]
    net.double()
    truth = [grad_cam(net, LAST[name](net), x, k), occlusion(net, x, k)]
    ours = [inspect(program, "gradcam", folder, name, device, k),
            inspect(program, "occlusion", folder, name, device, k, "--size", str(SQUARE), "--stride", str(STRIDE), "--grey", str(GREY))]
    ours[1] -= ours[1].mean()
    return [(distance(o, t), distance(s, t), np.abs(t).max()) for o, s, t in zip(ours, single, truth)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(LAST), help=f"of {', '.join(LAST)}; default: all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bound", type=float, default=1e-4)
    args = parser.parse_args()
    if unknown := set(args.networks) - set(LAST):
        sys.exit(f"no such network: {', '.join(sorted(unknown))}; expected some of {', '.join(LAST)}")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        program = folder / "inspect"
        subprocess.run(["go", "build", "-o", program, "./cmd/inspect"], cwd=ROOT, check=True)
        for name in args.networks:
            for what, (ours, pytorch, largest) in zip(["Grad-CAM", "occlusion"], compare(name, program, args.device, folder)):
                if largest < 1e-6:
                    print(f"{name:9} {what:9} nothing to compare: the numbers differ by {largest:.2g}", flush=True)
                    continue
                print(f"{name:9} {what:9} Fovea {ours:.2g}, PyTorch float32 {pytorch:.2g}", flush=True)
                failed |= not ours <= max(args.bound, 2 * pytorch)
    if failed:
        sys.exit(f"above {args.bound:.2g} and twice PyTorch's distance")


if __name__ == "__main__":
    main()

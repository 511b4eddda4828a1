"""Compare Fovea's networks with torchvision's: the same weights, the same pictures, the logits of both in evaluation mode.

    VENV/bin/python scripts/compare_torchvision.py [--device cpu] [--batch 2] [--format pth] [alexnet vgg16 ...]

VENV has torch, torchvision, safetensors and numpy. For each network: random weights (seeded; running statistics after two
batches in training mode, so that they are not 0 and 1) are saved under torchvision's names, as safetensors or by torch.save
in today's format (pth) or the one before (stream), cmd/predict reads them and a batch of noise [N,3,224,224], and its logits
are compared with torchvision's in float64. Printed are the distances ||logits - truth|| / ||truth|| of Fovea and, beside it, of PyTorch in float32. The exit code is 1 if Fovea's is
above --bound for any network. --predict names a cmd/predict built before, for example one with CUDA.
"""

import argparse
import copy
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = ["alexnet", "googlenet"] + [f"vgg{n}{bn}" for n in (11, 13, 16, 19) for bn in ("", "_bn")]
NETWORKS += [f"resnet{n}" for n in (18, 34, 50, 101, 152)]


def network(name):
    torch.manual_seed(1)
    options = {"aux_logits": True, "init_weights": True} if name == "googlenet" else {}
    net = getattr(torchvision.models, name)(weights=None, **options)
    net.train()
    with torch.no_grad():
        for _ in range(2):
            net(torch.randn(4, 3, 96, 96))
    return net.eval()


def distance(got, truth):
    return float(np.linalg.norm(got - truth) / np.linalg.norm(truth))


def compare(name, predict, device, batch, form, folder):
    net = network(name)
    weights, pictures, logits = folder / f"weights.{form}", folder / "pictures.npy", folder / "logits.npy"
    if form == "safetensors":
        save_file(net.state_dict(), weights)
    else:
        torch.save(net.state_dict(), weights, _use_new_zipfile_serialization=form == "pth")
    x = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    np.save(pictures, x.numpy())
    command = [predict, "--model", name, "--weights", weights, "--device", device, "--top-k", "1", "--logits", logits, pictures]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with torch.no_grad():
        single = net(x).numpy()
        truth = copy.deepcopy(net).double()(x.double()).numpy()
    return distance(np.load(logits), truth), distance(single, truth)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--format", choices=["safetensors", "pth", "stream"], default="safetensors")
    parser.add_argument("--bound", type=float, default=1e-5)
    parser.add_argument("--predict", type=Path, help="a built cmd/predict (default: the pure-Go one, built now)")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}; Fovea on {args.device}, batch {args.batch}, {args.format}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        predict = args.predict
        if predict is None:
            predict = folder / "predict"
            subprocess.run(["go", "build", "-o", predict, "./cmd/predict"], cwd=ROOT, check=True)
        for name in args.networks:
            try:
                fovea, single = compare(name, predict, args.device, args.batch, args.format, folder)
            except subprocess.CalledProcessError as failed:
                sys.exit(f"{name}: predict: {failed.stderr.decode()}")
            print(f"{name:10} Fovea {fovea:.2g}, PyTorch float32 {single:.2g}", flush=True)
            worst = max(worst, fovea)
    if not worst <= args.bound:
        sys.exit(f"Fovea's distance is {worst:.2g}, allowed is {args.bound:.2g}")


if __name__ == "__main__":
    main()

"""Check Fovea's ONNX files against the world, both ways.

    VENV/bin/python scripts/check_onnx.py [--export NETWORK ...] [--import NETWORK ...]

VENV has numpy, onnx and onnxruntime, and for the import torch, torchvision and onnxscript. Without names: every network
of the zoo, and the networks of torchvision in IMPORTS.

Export: `inspect export-onnx` writes a network that `train` made (with its first weights, but for running statistics of batch
normalisation), onnx.checker must find nothing, and onnxruntime's outputs for three random samples must agree with those of
`predict --run` and, where the operators are read too, of `predict --model FILE.onnx`.
Import: torch.onnx writes torchvision's network, by the old exporter and the new one, and `predict --model FILE.onnx` must
agree with PyTorch. The distance is ||a - b|| / ||b||, and none may be above 1e-5. Exits 1 if one is.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOUND = 1e-5
IMPORTS = ["alexnet", "vgg11", "vgg11_bn", "resnet18", "googlenet", "squeezenet1_1", "mobilenet_v2", "densenet121", "mobilenet_v3_small", "shufflenet_v2_x1_0",
           "efficientnet_b0", "mnasnet1_0", "regnet_y_400mf", "resnext50_32x4d"]


def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def distance(a, b):
    return np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b.astype(np.float64))


def predict(programs, folder, arguments, samples):
    batch, logits = folder / "batch.npy", folder / "logits.npy"
    np.save(batch, samples)
    run(programs / "predict", "--device", "cpu", "--logits", logits, *arguments, batch)
    return np.load(logits)


def check_export(programs, folder, name):
    path, data, trained = folder / f"{name}.onnx", folder / "data.npz", folder / "run"
    run(programs / "inspect", "export-onnx", "--model", name, "-o", path)
    shape = onnxruntime.InferenceSession(str(path)).get_inputs()[0].shape[1:]
    random = np.random.default_rng(2)
    samples = random.normal(size=[3, *shape]).astype(np.float32)
    # A step of training that leaves the weights as they are gives statistics of batch normalisation of their own.
    np.savez(data, x=random.normal(size=[4, *shape]).astype(np.float32), y=np.arange(4))
    run(programs / "train", "--data", f"npz:{data}", "--model", name, "--classes", "10", "--optimizer", "sgd", "--lr", "1e-30",
        "--batch", "4", "--max-steps", "1", "--device", "cpu", "--out", trained)
    run(programs / "inspect", "export-onnx", "--weights", trained / "model.safetensors", "-o", path)
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path))
    theirs = session.run(None, {"input": samples})[0]
    ours = predict(programs, folder, ["--run", trained], samples)
    off = distance(ours, theirs)
    listing = run(programs / "inspect", "onnx", path)
    if "cannot be used" not in listing:
        off = max(off, distance(predict(programs, folder, ["--model", path], samples), theirs))
    return off


def check_import(programs, folder, name, dynamo):
    import torch
    import torchvision

    torch.manual_seed(1)
    kwargs = {"aux_logits": False, "init_weights": True} if name == "googlenet" else {}
    network = torchvision.models.get_model(name, weights=None, **kwargs)
    network.train()
    with torch.no_grad():  # running statistics that are not those of the beginning
        network(torch.randn(4, 3, 224, 224))
    network.eval()
    samples = torch.randn(3, 3, 224, 224)
    with torch.no_grad():
        theirs = network(samples).numpy()
    path = folder / f"{name}.onnx"
    if dynamo:
        batch = torch.export.Dim("batch", min=1)
        torch.onnx.export(network, (samples,), str(path), dynamo=True, dynamic_shapes=({0: batch},), verbose=False)
    else:
        torch.onnx.export(network, samples, str(path), dynamo=False, dynamic_axes={"x": {0: "batch"}}, input_names=["x"])
    return distance(predict(programs, folder, ["--model", path], samples.numpy()), theirs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", nargs="*", help="networks of the zoo (default all; none with --import alone)")
    parser.add_argument("--import", nargs="*", dest="imports", help="networks of torchvision (default IMPORTS; none with --export alone)")
    arguments = parser.parse_args()
    both = arguments.export is None and arguments.imports is None
    failed = False
    with tempfile.TemporaryDirectory() as name:
        programs = pathlib.Path(name) / "bin"
        for program in ("inspect", "predict", "train"):
            run("go", "build", "-o", programs / program, f"./cmd/{program}")

        def check(title, function, *rest):
            nonlocal failed
            with tempfile.TemporaryDirectory(dir=name) as folder:
                try:
                    off = function(programs, pathlib.Path(folder), *rest)
                    verdict = "ok" if off <= BOUND else "TOO FAR"
                    print(f"{title:40} {off:.2g} {verdict}", flush=True)
                except Exception as e:  # each network is told of
                    verdict = "failed"
                    print(f"{title:40} {verdict}: {e}", flush=True)
                failed |= verdict != "ok"

        if both or arguments.export is not None:
            listing = run(programs / "inspect", "export-onnx", "--model", "list").splitlines()[1:]
            for network in arguments.export or [line.split()[0] for line in listing]:
                check(f"export {network}", check_export, network)
        if both or arguments.imports is not None:
            for network in arguments.imports or IMPORTS:
                for dynamo in (False, True):
                    check(f"import {network}, {'new' if dynamo else 'old'} exporter", check_import, network, dynamo)
    sys.exit(failed)


if __name__ == "__main__":
    main()

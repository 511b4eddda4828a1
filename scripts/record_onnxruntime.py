"""Record what onnxruntime makes of the small networks that nn/onnx exports: nn/onnx/testdata/onnxruntime.json.

    VENV/bin/python scripts/record_onnxruntime.py

VENV has numpy, onnx and onnxruntime. The test TestPieces writes the networks and their inputs; onnx.checker must find nothing.
"""
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    recordings = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["go", "test", "./nn/onnx", "-run", "^TestPieces$", "-count=1"], cwd=ROOT, check=True, env={**os.environ, "FOVEA_ONNX_RECORD": folder})
        for path in sorted(pathlib.Path(folder).glob("*.onnx")):
            onnx.checker.check_model(str(path), full_check=True)
            session = onnxruntime.InferenceSession(str(path))
            output = session.run(None, {"input": np.load(path.with_suffix(".npy"))})[0]
            assert list(output.shape[1:]) == session.get_outputs()[0].shape[1:], path
            recordings[path.stem] = {"graph": path.with_suffix(".txt").read_text(), "output": [float(f"{v:.9g}") for v in output.ravel()]}
    target = ROOT / "nn/onnx/testdata/onnxruntime.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(recordings, indent=None, separators=(",", ":")).replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()

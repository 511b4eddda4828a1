"""Record files that NumPy and Hugging Face's safetensors write, as the reference for Fovea's readers and writers.

Rerun (a second, no GPU):

    python -m venv VENV && VENV/bin/pip install numpy safetensors
    VENV/bin/python scripts/record_numpy.py

Recorded with Python 3.11.7, numpy 2.4.6, safetensors 0.8.0. A rerun with these versions gives the same bytes.

Files:

  data/testdata/float32.npy, float64.npy, int64.npy   values 0.5*i - 3 (int64: i - 3) for i = 0, 1, ... in the shapes
      [2,3,4], [5] and [2,2]; scalar.npy is the float32 2.5; version2.npy is float32.npy in format 2.0
  data/testdata/fortran.npy, bigendian.npy, bool.npy, structured.npy, empty.npy   arrays that are refused
  data/testdata/classes.npz      x [6,1,2,2] and x_test [2,1,2,2] of float32 i/8, y int64 0 1 2 0 1 2, y_test uint8 2 0
  data/testdata/packed.npz       the same by np.savez_compressed, y as int32
  data/testdata/regression.npz   x [4,3] of float32 i/8, y [4,2] of float32 -i
  nn/weights/testdata/foreign.safetensors   half (F16), brain (BF16) and double (F64), each with what it must be read
      as in float32 under the same name and ".want"; bn.num_batches_tracked (I64), which is passed over
"""

from pathlib import Path

import numpy as np
from safetensors import TensorSpec, serialize_file

root = Path(__file__).resolve().parent.parent
arrays = root / "data" / "testdata"
weights = root / "nn" / "weights" / "testdata"


def steps(shape, scale=0.5, start=-3.0, dtype=np.float32):
    return (scale * np.arange(np.prod(shape)) + start).astype(dtype).reshape(shape)


def npy(name, array, version=None):
    with open(arrays / f"{name}.npy", "wb") as f:
        np.lib.format.write_array(f, array, version=version)


def record_arrays():
    npy("float32", steps((2, 3, 4)))
    npy("float64", steps((5,), dtype=np.float64))
    npy("int64", steps((2, 2), scale=1, dtype=np.int64))
    npy("scalar", np.array(2.5, dtype=np.float32))
    npy("version2", steps((2, 3, 4)), version=(2, 0))
    npy("fortran", np.asfortranarray(steps((2, 3))))
    npy("bigendian", steps((3,), dtype=">f4"))
    npy("bool", np.array([True, False]))
    npy("structured", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
    npy("empty", np.zeros((0, 3), dtype=np.float32))


def record_archives():
    def eighths(shape):
        return steps(shape, scale=0.125, start=0)

    y, y_test = [0, 1, 2, 0, 1, 2], np.array([2, 0], dtype=np.uint8)
    x, x_test = eighths((6, 1, 2, 2)), eighths((2, 1, 2, 2))
    np.savez(arrays / "classes.npz", x=x, y=np.array(y, dtype=np.int64), x_test=x_test, y_test=y_test)
    np.savez_compressed(arrays / "packed.npz", x=x, y=np.array(y, dtype=np.int32), x_test=x_test, y_test=y_test)
    np.savez(arrays / "regression.npz", x=eighths((4, 3)), y=steps((4, 2), scale=-1, start=0))


def record_weights():
    # Zeros, the smallest and largest subnormals, the smallest and largest normals, ones, infinities, and a spread.
    bits = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x8400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00, 0x7C00, 0xFC00]
    bits = np.array(bits + list(range(0x0123, 0x7C00, 0x0777)), dtype=np.uint16)
    half = bits.view(np.float16)
    brain = np.array([0x0000, 0x8000, 0x0001, 0x3F80, 0xBF80, 0x4049, 0x7F7F, 0x7F80, 0xFF80], dtype=np.uint16)
    double = np.array([[0.1, -1 / 3], [1e-300, 16777217.0]])
    tensors = {
        "half": ("float16", half),
        "half.want": ("float32", half.astype(np.float32)),
        "brain": ("bfloat16", brain),
        "brain.want": ("float32", (brain.astype(np.uint32) << 16).view(np.float32)),
        "double": ("float64", double),
        "double.want": ("float32", double.astype(np.float32)),
        "bn.num_batches_tracked": ("int64", np.array(7)),
    }
    specs = {name: TensorSpec(dtype=kind, shape=a.shape, data_ptr=a.ctypes.data, data_len=a.nbytes)
             for name, (kind, a) in tensors.items()}
    serialize_file(specs, weights / "foreign.safetensors", {"format": "pt"})


for folder in (arrays, weights):
    folder.mkdir(parents=True, exist_ok=True)
record_arrays()
record_archives()
record_weights()

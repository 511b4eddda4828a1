"""Record files that SciPy writes in the form of ImageNet's meta.mat, as the reference for Fovea's reader.

Rerun (a second, no GPU):

    VENV/bin/python scripts/record_matlab.py      # VENV has scipy and numpy

Recorded with Python 3.11.7, SciPy 1.17.1. Files, in data/internal/matfile/testdata: plain.mat, compressed.mat, with the same in them.
"""

from pathlib import Path

import numpy as np
from scipy.io import savemat

FOLDER = Path(__file__).resolve().parent.parent / "data" / "internal" / "matfile" / "testdata"
FIELDS = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"]
ROWS = [
    (np.uint8(1), "n02119789", "kit fox, Vulpes macrotis", "small grey fox", np.uint8(0), np.zeros((0, 0)), 0.5, np.uint16(1300)),
    (np.uint8(2), "n02100735", "Ångström’s setter 🐕", "", np.int16(0), np.array([[7.0]]), np.float32(1), np.int32(70000)),
    (np.uint16(1860), "n00001740", "entity", np.array(["a", "b"], dtype=object), np.int64(3), np.array([[-2], [3], [10**10]], dtype=np.int64), 19.0, np.uint64(0)),
]

table = np.zeros((len(ROWS), 1), dtype=[(f, object) for f in FIELDS])
for i, row in enumerate(ROWS):
    table[i, 0] = row
for name, compress in ("plain", False), ("compressed", True):
    savemat(FOLDER / f"{name}.mat", {"counts": np.arange(3.0), "synsets": table}, do_compression=compress)

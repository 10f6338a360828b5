"""One thread and fixed CPU instruction sets, so that two x86-64 machines compute the same bits."""

import os
import sys

PINNED = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}


def pin() -> None:
    """Set the environment that PyTorch, oneDNN, MKL and OpenBLAS read when they are loaded.

    Raises:
        RuntimeError: NumPy or PyTorch is loaded already, too late for the settings to count.
    """
    late = [name for name in ("numpy", "torch") if name in sys.modules]
    if late and any(os.environ.get(name) != value for name, value in PINNED.items()):
        raise RuntimeError(f"numerics.pin() must come before the import of {late[0]}")
    os.environ.update(PINNED)

"""Settings of glibc that keep freed memory for the next training step."""

import ctypes
import sys

# Numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
MEBIBYTE = 2**20


def keep() -> None:
    """Make glibc keep freed memory instead of returning it, so that the next step has no page faults.

    On other systems than Linux with glibc it does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 * MEBIBYTE)
        mallopt(M_TRIM_THRESHOLD, 1024 * MEBIBYTE)
        mallopt(M_TOP_PAD, 64 * MEBIBYTE)

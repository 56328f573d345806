"""How much memory the process has held at most."""

from __future__ import annotations

import sys

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]


def peak_memory_mb() -> float | None:
    """Most main memory that this process has held so far, in MB of 10^6 bytes; None where the system does not tell.

    >>> peak = peak_memory_mb()
    >>> peak is None or peak > 1
    True
    """
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6)

"""Where device tests run: on the device that ``NEGATIVES_DEVICE`` names, else on the one that is pretended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pretend import DEVICE, Log, pretended

NAMED = os.environ.get("NEGATIVES_DEVICE")
PRETENDED = NAMED is None


@contextmanager
def device() -> Iterator[tuple[torch.device, Log]]:
    """The device, and the log of waits, which stays empty on a real one."""
    if NAMED is None:
        with pretended() as log:
            yield DEVICE, log
    else:
        real, tf32 = torch.device(NAMED), torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = False  # recurrent layers are compared with those of the CPU
        try:
            yield (torch.device(real.type, real.index or 0) if real.type != "cpu" else real), Log()
        finally:
            torch.backends.cudnn.allow_tf32 = tf32

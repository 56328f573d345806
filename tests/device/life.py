"""What becomes of a part, and where it makes the CPU wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from pretend import Log
from torch import Tensor

from negatives.types import moved

T = TypeVar("T")
STEPS = 2
CPU = torch.device("cpu")


@dataclass(slots=True)
class Life:
    """What a part gave, and where it made the CPU wait in its last step.

    Args:
        device: Where everything that it gives must be.
        log: Where waits are noted.
    """

    device: torch.device
    log: Log = field(default_factory=Log)
    given: list[tuple[str, Tensor]] = field(default_factory=list)

    def on(self, value: T) -> T:
        """The value on the device."""
        return moved(value, self.device)

    def take(self, what: str, value: Tensor | None) -> None:
        """Keep a result, on the CPU."""
        if value is None:
            return
        assert value.device == self.device, f"{what} lies on {value.device}, not on {self.device}"
        value = value.detach().to(CPU)
        self.given.append((what, value.to_dense() if value.is_sparse else value))

    @contextmanager
    def watch(self, step: int) -> Iterator[None]:
        """Note the waits inside if this is the last step, for the first ones make what is kept."""
        self.log.watching = step == STEPS - 1
        try:
            yield
        finally:
            self.log.watching = False

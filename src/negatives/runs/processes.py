"""What a command does where ``torchrun`` has started several of it; nothing is imported for that."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from negatives.errors import ConfigError

COMMAND = "train"
"""The one command that several processes can share."""


def several() -> bool:
    """Whether ``torchrun`` has started more than one process."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def first() -> bool:
    """Whether this process is the one that prints."""
    return not several() or os.environ.get("RANK") == "0"


def silent() -> bool:
    """Whether a fault is told by another: until they have met, all processes of one machine find the same."""
    distributed = sys.modules.get("torch.distributed")
    met = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return several() and os.environ.get("LOCAL_RANK") != "0" and not met


def check_command(words: Sequence[str]) -> None:
    """Refuse, under ``torchrun``, what several processes would do at once, each for itself.

    Raises:
        ConfigError: The command is another than train.
    """
    name = next((word for word in words if not word.startswith("-")), None)
    if several() and name != COMMAND:
        raise ConfigError(f"torchrun starts several processes, which only {COMMAND} can share; leave torchrun out")

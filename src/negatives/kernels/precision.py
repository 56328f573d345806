"""Which number format multiplies faster on a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

Format = Literal["float32", "bfloat16"]
NATIVE = ("amx_bf16", "avx512_bf16")
"""Abilities of a processor that make bfloat16 products faster; without one of them they are emulated."""


def faster_format(device: str, abilities: Mapping[str, Any] | None = None) -> Format:
    """``bfloat16`` where the device multiplies it natively, else ``float32``.

    Emulated products are up to 200 times as slow as float32 ones (an AVX2 processor, torch 2.13).

    Args:
        device: ``cpu`` or ``cuda``.
        abilities: What the processor can do, by name; asked of PyTorch when left out.

    >>> faster_format("cpu", {"avx2": True}), faster_format("cpu", {"avx2": True, "amx_bf16": True})
    ('float32', 'bfloat16')
    """
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if abilities is None:
        ask = getattr(torch.cpu, "get_capabilities", None)  # absent from older versions
        abilities = ask() if ask else {}
    return "bfloat16" if any(abilities.get(name) for name in NATIVE) else "float32"


def in_float32(tensor: Tensor) -> torch.autocast:
    """A block in which products of float32 are float32, also where the caller's loop is under ``autocast``.

    Args:
        tensor: One that lies where the products are done.

    >>> one = torch.eye(2)
    >>> with torch.autocast("cpu", torch.bfloat16), in_float32(one):
    ...     (one @ one).dtype
    torch.float32
    """
    return torch.autocast(tensor.device.type, enabled=False)

"""Every row of every table on the device: nothing is left on the CPU, and the answers are those of the CPU."""

from __future__ import annotations

import pytest
import torch
from lives import CPU, KINDS, Life, lived
from torch import Tensor

EVERY = [pytest.param(kind, name, id=f"{kind}-{name}") for kind, (_, cases) in KINDS.items() for name in cases]
FREE: dict[tuple[str, str], str] = {}
"""Kind and case whose numbers may differ from those of the CPU, and why."""


def differ(found: Tensor, wanted: Tensor) -> bool:
    """Whole numbers must be the same; others up to rounding."""
    if found.dtype.is_floating_point:
        return not torch.allclose(found.double(), wanted.double(), rtol=1e-4, atol=1e-5, equal_nan=True)
    return not torch.equal(found, wanted)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_on_the_device_as_on_the_cpu(kind: str, name: str) -> None:
    live, cases = KINDS[kind]
    here, there = Life(CPU), lived(kind, name)
    live(cases[name], here)
    assert [what for what, _ in there.given] == [what for what, _ in here.given]
    wrong = [what for (what, one), (_, two) in zip(there.given, here.given, strict=True) if differ(one, two)]
    assert not wrong or (kind, name) in FREE, f"{wrong} differ from those of the CPU"

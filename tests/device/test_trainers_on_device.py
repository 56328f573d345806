"""Other libraries' loops, where vectors lie on the device and a loader's numbers on the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from life import CPU
from places import device
from torch import Tensor

import negatives
from negatives.integrations.pyg import LinkNegatives
from negatives.integrations.text_drawing import Encoded
from negatives.types import Negatives

USERS, ITEMS = torch.arange(40) % 8, torch.arange(40) * 7 % 20
FIELDS = ("ids", "ok", "log_q", "scores")


class Texts:
    """What a Sentence Transformers model is to a drawing."""

    training = False

    def __init__(self, where: torch.device) -> None:
        self.device, self.table = where, torch.randn(28, 4, generator=torch.Generator().manual_seed(0)).to(where)

    def train(self, mode: bool) -> None:
        assert not mode

    def encode_query(self, texts: list[str], **_: Any) -> Tensor:
        return self.table[torch.tensor([int(one) for one in texts], device=self.device)]

    encode_document = encode_query


def drawn(where: torch.device, sampler: str) -> Negatives:
    """By texts, from ids of a loader."""
    numbers = [str(number) for number in range(28)]
    made = negatives.sampler(sampler, train=(USERS, ITEMS))
    return made(USERS[:6], ITEMS[:6], Encoded(Texts(where), numbers[20:], numbers[:20]), examples=torch.arange(6))


def linked(where: torch.device, sampler: str) -> Negatives:
    """By embeddings of nodes, from edges of a loader."""
    z = torch.randn(20, 4, generator=torch.Generator().manual_seed(1)).to(where)
    edges = torch.stack([USERS, ITEMS])
    links = LinkNegatives(edges, 20, sampler)
    links.remember(z)
    return links(None, edges[:, :6])


@pytest.mark.parametrize("sampler", ["dns", "sir", "ance"])
@pytest.mark.parametrize("ask", [drawn, linked])
def test_draws_are_made_where_the_vectors_are(ask: Any, sampler: str) -> None:
    here = ask(CPU, sampler)
    with device() as (where, _):
        found = ask(where, sampler)
        assert found.ids.device == where
        for name in FIELDS:
            one, two = getattr(found, name), getattr(here, name)
            assert (one is None) == (two is None)
            assert one is None or torch.allclose(one.cpu().double(), two.double(), atol=1e-5), name

"""What encoders of texts share: cosine scores with a scale, and encoding in blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.models.base import Model

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TextScorer(Model, ABC):
    """A model that scores new texts."""

    @abstractmethod
    def score_texts(self, texts: Sequence[str]) -> Tensor:
        """Scores ``(n, n_items)`` of new queries with all documents, without gradients."""

    @abstractmethod
    def score_pairs(self, texts: Sequence[str], documents: Sequence[str]) -> Tensor:
        """Scores ``(n,)`` of new queries with new documents, one each, without gradients."""


class TextCounter(TextScorer, ABC):
    """A model that is counted from its documents, and so can be counted anew from others."""

    @abstractmethod
    def over(self, documents: Sequence[str]) -> Self:
        """The model over other documents, and no queries."""

    @abstractmethod
    def again(self, facts: Mapping[str, Any]) -> Self:
        """The model over the documents of which :meth:`kept` gave these facts."""


@dataclass(frozen=True, slots=True)
class TokenSums:
    """What an encoder does that only sums the vectors of tokens, for programs that do it again.

    Args:
        table: ``(n_tokens, dim)`` float32, vectors with their weights in them.
        tokenizer: Gives the rows.
        mean: Mean length of the documents by which :func:`negatives.data.tokens.saturated` counts tokens; None where
            each counts as often as it stands.
    """

    table: Tensor
    tokenizer: Tokenizer
    mean: float | None


class TextEncoder(TextScorer, ABC):
    """``s(q, d) = scale cos(f(q), f(d))`` with one tower ``f`` for both sides.

    Args:
        n_queries: Number of queries.
        n_items: Number of documents.
        dim: Length of an embedding.
        scale: Factor of the cosine, so that losses without a temperature have one.

    Raises:
        ConfigError: ``scale`` is not above zero.
    """

    block: ClassVar[int] = 4096
    """Texts that are encoded at once where all are."""

    def __init__(self, n_queries: int, n_items: int, dim: int, scale: float) -> None:
        super().__init__(n_queries, n_items, dim, "cosine")
        if not scale > 0:
            raise ConfigError(f"scale is {scale}; it must be above 0")
        self.scale = scale

    @abstractmethod
    def encode_texts(self, texts: Sequence[str], kind: str = "query") -> Tensor:
        """Embeddings ``(n, dim)`` of new texts, of length ``sqrt(scale)``.

        Args:
            texts: The texts.
            kind: ``query`` or ``item``.
        """

    def token_sums(self, kind: str) -> TokenSums | None:
        """How texts of a kind are summed of their tokens' vectors, then brought to one length; None where more is done.

        Args:
            kind: ``query`` or ``item``.
        """
        return None

    @torch.no_grad()
    def encode_many(self, texts: Sequence[str], kind: str = "query") -> Tensor:
        """As :meth:`encode_texts`, block by block, without gradients and on the CPU."""
        blocks = [texts[at : at + self.block] for at in range(0, len(texts), self.block)]
        return torch.cat([torch.empty(0, self.dim), *(self.encode_texts(some, kind).cpu() for some in blocks)])

    @torch.no_grad()
    def score_texts(self, texts: Sequence[str]) -> Tensor:
        return self.encode_texts(texts) @ self.tables()[1].T

    @torch.no_grad()
    def score_pairs(self, texts: Sequence[str], documents: Sequence[str]) -> Tensor:
        found: Tensor = (self.encode_texts(texts) * self.encode_texts(documents, "item")).sum(1)
        return found

    def scaled(self, vectors: Tensor) -> Tensor:
        """Vectors of length ``sqrt(scale)``; zero stays zero."""
        found: Tensor = self.normalise(vectors) * self.scale**0.5
        return found

    @torch.no_grad()
    def tables(self) -> tuple[Tensor, Tensor]:
        """All queries ``(n_queries, dim)`` and all documents ``(n_items, dim)``, encoded block by block."""
        self.refresh()
        device = next(self.parameters()).device
        found = []
        for count, encode in ((self.n_queries, self.encode_queries), (self.n_items, self.encode_items)):
            blocks = torch.split(torch.arange(count, device=device), self.block)
            found.append(torch.cat([encode(rows) for rows in blocks]) if count else torch.empty(0, self.dim))
        return found[0], found[1]

"""Static token embeddings: a text is the weighted sum of its tokens' vectors.

``f(x) = sum_t n_t(x) w_t e_t`` at unit length, where ``n_t`` is the saturated count of BM25, ``w_t`` a learnt weight
that starts at ``sqrt(idf_t)``, and ``e_t`` a learnt vector that starts from latent semantic analysis of the documents.
No layer, no context: fast on a CPU. After Joulin et al., 2017, "Bag of tricks for efficient text classification", and
for the weights Arora et al., 2017, "A simple but tough-to-beat baseline for sentence embeddings".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.data.pairs import SparseFeatures
from negatives.data.tokens import bags_of, lengths_of, saturated
from negatives.errors import ConfigError
from negatives.models.encoders.base import TextEncoder, TokenSums
from negatives.models.encoders.latent import latent_vectors
from negatives.models.restoring import is_restoring
from negatives.parameters import Settings
from negatives.randomness import Purpose, generator, stream

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class TokenTable(Settings):
    """How the vectors and weights of tokens begin, move and count.

    Args:
        start: ``latent`` for latent semantic analysis of the documents, or ``random``.
        weights: Start of the token weights: ``idf`` for its square root, or ``ones``.
        speed: Steps of the weights' logarithms are this many times those of the vectors; 0 leaves them as they start.
        symmetric: Queries are weighted as documents are, so that ``s(a, b) = s(b, a)``.

    Raises:
        ConfigError: ``start`` or ``weights`` is not known.
    """

    start: str = "latent"
    weights: str = "idf"
    speed: float = 30.0
    symmetric: bool = False

    def __post_init__(self) -> None:
        start, weights = self.start, self.weights
        if start not in ("latent", "random") or weights not in ("idf", "ones"):
            raise ConfigError(f"start is {start!r} and weights {weights!r}; choose latent or random, and idf or ones")


class StaticEncoder(TextEncoder):
    """Weighted sums of token vectors.

    Args:
        query_bags: SparseFeatures of the queries, with counts.
        document_bags: SparseFeatures of the documents, with counts.
        tokenizer: What made the bags; its JSON is kept among the model's tensors.
        vectors: ``(n_tokens, dim)`` start of the token vectors; None to make them as ``tokens`` says.
        dim: Length of an embedding, where no vectors are given.
        tokens: Start and weights of the token vectors.
        scale: Factor of the cosine.
        seed: Seed of the initial values.

    Raises:
        ConfigError: The vectors do not fit the vocabulary.
    """

    named_rows: ClassVar = {"token_table": ("token",), "token_weight": ("token",)}

    def __init__(
        self,
        query_bags: SparseFeatures,
        document_bags: SparseFeatures,
        tokenizer: Tokenizer,
        vectors: Tensor | None = None,
        dim: int = 512,
        tokens: TokenTable = TokenTable(),
        scale: float = 20.0,
        seed: int = 0,
    ) -> None:
        super().__init__(query_bags.n_rows, document_bags.n_rows, dim if vectors is None else vectors.shape[1], scale)
        self.tokenizer, self.tokens = tokenizer, tokens
        self.register_buffer("mean_length", lengths_of(document_bags).mean())
        self._queries = self._counted(query_bags, "query")
        self._documents = self._counted(document_bags, "item")
        first = _idf(document_bags).sqrt() if tokens.weights == "idf" else torch.ones(document_bags.n_cols)
        self.token_table = nn.Parameter(self._start(first, vectors, stream(seed, Purpose.INIT)))
        self.token_weight = nn.Parameter(torch.zeros(document_bags.n_cols), requires_grad=tokens.speed > 0)
        self.register_buffer("first_weight", first)
        text = bytearray(tokenizer.to_str().encode())
        self.register_buffer("tokenizer_json", torch.frombuffer(text, dtype=torch.uint8).clone())

    def _start(self, weights: Tensor, vectors: Tensor | None, key: int) -> Tensor:
        """First vectors ``(n_tokens, dim)`` of the tokens; empty ones where they are loaded afterwards."""
        n_tokens = weights.numel()
        if is_restoring():
            return torch.empty(n_tokens, self.dim)
        if vectors is None and self.tokens.start == "latent":
            return latent_vectors(self._documents, weights, self.dim, key)
        if vectors is None:
            return torch.empty(n_tokens, self.dim).normal_(0, self.dim**-0.5, generator=generator(key))
        if vectors.shape[0] != n_tokens:
            raise ConfigError(f"{vectors.shape[0]} vectors were given for {n_tokens} tokens")
        return vectors.clone()

    def kept(self) -> dict[str, Any]:
        """No texts: what encodes new ones, beside the weights, is the tokenizer."""
        found, nothing = dict(self.given), _no_rows(self.first_weight.numel())  # type: ignore[operator]
        if found.get("vectors") is not None:
            found["vectors"] = torch.empty(0, self.dim)  # its width is that of the weights
        return found | {"query_bags": nothing, "document_bags": nothing}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in PyTorch.

        A state that an older version wrote holds no mean length: it is that of the documents given here.

        Raises:
            RuntimeError: The state is of another tokenizer.
        """
        state_dict = {"mean_length": self.mean_length, **state_dict}
        other = state_dict.get("tokenizer_json")
        own: Tensor = self.tokenizer_json  # type: ignore[assignment]
        if other is not None and not torch.equal(other.cpu(), own.cpu()):
            raise RuntimeError("the tokenizer of the saved model is another one")
        return super().load_state_dict(state_dict, strict, assign)

    @property
    def mean(self) -> float:
        """Mean number of tokens of the documents that it was trained on."""
        return float(self.mean_length)  # type: ignore[arg-type]

    def own_names(self) -> dict[str, list[str]]:
        """``token``: the pieces of the tokenizer, by id."""
        return {"token": [piece for piece, _ in sorted(self.tokenizer.get_vocab().items(), key=lambda pair: pair[1])]}

    @torch.no_grad()
    def token_sums(self, kind: str) -> TokenSums:
        """See :meth:`TextEncoder.token_sums`; that is all that it does."""
        table = (self.weights()[:, None] * self.token_table).cpu()
        return TokenSums(table, self.tokenizer, self.mean if self._saturates(kind) else None)

    def weights(self) -> Tensor:
        """``(n_tokens,)`` weight of each token: ``first * exp(speed * parameter)``."""
        first: Tensor = self.first_weight  # type: ignore[assignment]
        return first * torch.exp(self.tokens.speed * self.token_weight)

    def encode_queries(self, queries: Tensor) -> Tensor:
        if self._queries.indptr.device != queries.device:
            self._queries = self._queries.to(queries.device)
        return self._distinct(self._queries, queries)

    def encode_items(self, items: Tensor) -> Tensor:
        if self._documents.indptr.device != items.device:
            self._documents = self._documents.to(items.device)
        return self._distinct(self._documents, items)

    def encode_texts(self, texts: Sequence[str], kind: str = "query") -> Tensor:
        """See :meth:`TextEncoder.encode_texts`."""
        bags = self._counted(bags_of(texts, self.tokenizer), kind)
        device = self.token_table.device
        return self._distinct(bags.to(device), torch.arange(len(texts), device=device))

    def _counted(self, bags: SparseFeatures, kind: str) -> SparseFeatures:
        """Bags with the counts of documents saturated, and those of queries where both are treated alike."""
        return saturated(bags, mean=self.mean) if self._saturates(kind) else bags

    def _saturates(self, kind: str) -> bool:
        return kind == "item" or self.tokens.symmetric

    def _distinct(self, bags: SparseFeatures, rows: Tensor) -> Tensor:
        """Embeddings ``(..., dim)`` of texts ``(...)``; each text is encoded once."""
        unique, inverse = torch.unique(rows, return_inverse=True)
        some = bags.pick(unique)
        weights = some.values * self.weights()[some.indices]
        sums = functional.embedding_bag(
            some.indices, self.token_table, some.indptr[:-1], mode="sum", per_sample_weights=weights
        )
        return self.scaled(sums)[inverse]


def _no_rows(n_cols: int) -> SparseFeatures:
    """Bags of no texts."""
    nothing = torch.empty(0, dtype=torch.int64)
    return SparseFeatures(torch.zeros(1, dtype=torch.int64), nothing, torch.empty(0), n_cols)


def _idf(bags: SparseFeatures) -> Tensor:
    """``log(1 + (N - n + 1/2) / (n + 1/2))`` of each token, as BM25 has it."""
    found = torch.bincount(bags.indices, minlength=bags.n_cols).float()
    return torch.log1p((bags.n_rows - found + 0.5) / (found + 0.5))

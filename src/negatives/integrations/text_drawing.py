"""Negatives for Sentence Transformers by any sampler, drawn for each batch with the model as it stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from negatives import kernels
from negatives.integrations.drawn import Drawn, Inputs
from negatives.integrations.hugging_face import Drawing, SamplerCallback
from negatives.integrations.upstream import imported
from negatives.mining.identical import own_documents
from negatives.randomness import Purpose, stream
from negatives.registry import Spec
from negatives.sampler import Sampler, build
from negatives.types import Catalogue, Csr, union

INSTALL = "'negatives[sentence-transformers]' datasets accelerate"


class Encoded:
    """A Sentence Transformers model as a scorer of ids: ``scale`` times the cosine.

    Args:
        model: The model.
        queries: Texts of the queries.
        documents: Texts of the documents.
        scale: As that of the loss; ``MultipleNegativesRankingLoss`` has 20.
    """

    def __init__(self, model: Any, queries: Sequence[str], documents: Sequence[str], scale: float = 20.0) -> None:
        self.model, self.queries, self.documents, self.scale = model, queries, documents, scale

    @property
    def device(self) -> torch.device:
        """Where the vectors are, whatever the loader's numbers are on."""
        found: torch.device = self.model.device
        return found

    def encode_queries(self, queries: torch.Tensor) -> torch.Tensor:
        """Vectors ``(n, d)`` of queries by number."""
        return self._encoded(self.model.encode_query, [self.queries[row] for row in queries.tolist()])

    def encode_items(self, items: torch.Tensor) -> torch.Tensor:
        """Vectors ``(n, d)`` of documents by number."""
        return self._encoded(self.model.encode_document, [self.documents[row] for row in items.tolist()])

    def _encoded(self, encode: Callable[..., torch.Tensor], texts: list[str]) -> torch.Tensor:
        was_training = self.model.training
        found = encode(texts, convert_to_tensor=True, show_progress_bar=False, batch_size=64).float()
        self.model.train(was_training)
        return torch.nn.functional.normalize(found, dim=1) * math.sqrt(self.scale)


@dataclass(slots=True)
class TextDrawing:
    """A data collator: draws negatives for each batch of texts, with the model as it stands, then reads the texts.

    Every candidate of the sampler is encoded where it looks at scores, each text once for a batch: with a transformer,
    take few candidates, or a ``pool``.

    Args:
        queries: Texts of the queries.
        documents: Texts of the documents.
        positives: Known pairs; never drawn.
        sampler: A preset's name, parts as in a configuration, or a sampler that knows its data.
        model: The Sentence Transformers model.
        seed: Seed of all draws.
        collate: From rows of texts to what the trainer takes; as the trainer itself does when None.
        filled: Places so far that got a random document, because no drawn one was allowed.

    Raises:
        ConfigError: Sentence Transformers is missing or broken, or the sampler is not known.
    """

    queries: Sequence[str]
    documents: Sequence[str]
    positives: Csr
    sampler: Spec | Sampler
    model: Any
    seed: int = 0
    collate: Any = None
    filled: int = 0
    drawing: Drawing = field(init=False, repr=False)
    _known: Csr = field(init=False, repr=False)

    def __post_init__(self) -> None:
        imported("sentence_transformers", "TextDrawing", INSTALL)
        self._known = union([self.positives, own_documents(self.queries, self.documents, self.positives)])
        sampler = self.sampler if isinstance(self.sampler, Sampler) else self._built(self.sampler)
        if self.collate is None:
            self.collate = _collator(self.model)
        scorer = Encoded(self.model, self.queries, self.documents)
        self.drawing = Drawing(sampler, scorer, self._texts, self.collate)

    def __call__(self, rows: Sequence[Any]) -> Inputs:
        """What the trainer takes."""
        return self.drawing(rows)

    @property
    def valid_label_columns(self) -> list[str]:
        """Columns of labels; the trainer asks for them."""
        found: list[str] = self.collate.valid_label_columns
        return found

    def dataset(self) -> Any:
        """A ``datasets.Dataset`` of the known pairs by number: the columns query, positive and example."""
        from datasets import Dataset  # type: ignore[attr-defined]

        owners = torch.repeat_interleave(torch.arange(self.positives.n_rows), self.positives.lengths())
        columns = owners.tolist(), self.positives.indices.tolist(), list(range(len(owners)))
        return Dataset.from_dict(dict(zip(("query", "positive", "example"), columns, strict=True)))

    def callback(self, name: str = "negatives") -> SamplerCallback:
        """See :meth:`negatives.integrations.hugging_face.Drawing.callback`."""
        return self.drawing.callback(name)

    def _built(self, spec: Spec) -> Sampler:
        made = build(spec, self.seed)
        n = len(self.documents)
        counts = torch.bincount(self.positives.indices.long(), minlength=n)
        made.bind(Catalogue(len(self.queries), n, counts, self._known))
        return made

    def _texts(self, drawn: Drawn) -> Inputs:
        ids, ok = drawn.negatives.ids, drawn.negatives.ok
        if not bool(ok.all()):
            self.filled += int((~ok).sum())
            key = stream(self.seed, Purpose.CANDIDATES, -1)
            known, n = self._known.to(ids.device), len(self.documents)
            random = kernels.draw_uniform(drawn.examples, ids.shape[1], n, key, queries=drawn.queries, known=known)
            ids = torch.where(ok, ids, random.clamp(min=0))
        numbers = {"positive": drawn.positives} | {f"negative_{at + 1}": one for at, one in enumerate(ids.T)}
        columns = {name: [self.documents[row] for row in one.tolist()] for name, one in numbers.items()}
        anchors = [self.queries[row] for row in drawn.queries.tolist()]
        names = ("anchor", *columns)
        rows = [dict(zip(names, row, strict=True)) for row in zip(anchors, *columns.values(), strict=True)]
        return dict(self.collate(rows))


def _collator(model: Any) -> Any:
    module = "sentence_transformers.sentence_transformer.data_collator"
    collator = imported(module, "TextDrawing", INSTALL, "SentenceTransformerDataCollator")
    return collator(preprocess_fn=model.preprocess)

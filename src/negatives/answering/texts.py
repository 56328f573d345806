"""Runs that answer a text with texts, whether those of their training or new ones: search and sentence similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, final

import torch
from torch import Tensor

from negatives.answering.approximate import Graph
from negatives.answering.base import Run
from negatives.answering.documents import Documents, read_index, write_index
from negatives.answering.forms import Field, Form, Question
from negatives.answering.held import Held
from negatives.answering.names import Names
from negatives.answering.ranked import Ranked, by_scores, by_vectors
from negatives.errors import ConfigError, InputError
from negatives.models.encoders.base import TextCounter, TextEncoder, TextScorer
from negatives.models.fingerprint import fingerprint

TEXT = Form("text", "a text", (Field("text", "the words of a question"),))
DOCUMENT = Form("document", "documents like a new one", (Field("document", "its text"),))
QUERY = Form("query", "a query that it was trained on", (Field("query", "its name", kind="query"),))
TEXTS, ASKED = "item_texts", "query_texts"
"""Names of what is kept: texts of what is answered, and of the queries, by id."""
T = TypeVar("T", bound=TextScorer)


class TextRun(Run):
    """Texts asked of texts.

    Args:
        held: What it holds.
        graph: A graph over the vectors of what it answers, by which they are searched; None to compare all.

    Attributes:
        side: What its items are encoded as, ``query`` or ``item``.
    """

    side: ClassVar[str] = "item"

    def __init__(self, held: Held, graph: Graph | None = None) -> None:
        super().__init__(held)
        self._graph = graph
        for kind, what in ((self.items, TEXTS), ("query", ASKED)):
            if kind in held.names and what in held.more and len(held.more[what]) != len(held.names[kind]):
                told = f"{len(held.names[kind])} {kind} names for {len(held.more[what])} texts"
                raise InputError(told, path=held.path, hint="train the run again")

    @final
    def index(self, documents: Any, *, approximate: bool = False) -> Self:
        """The run over new documents: it is asked in the same ways, and answers with these.

        Args:
            documents: Texts, which are called ``0``, ``1``, ...; a mapping of id to text; a table with columns for id,
                text and title, or the path of one; or the folder of an index that :meth:`save` has written.
            approximate: Search a graph in place of all vectors (FAISS; Malkov and Yashunin, 2018): for millions of
                documents. A few of the nearest may be missed.

        Raises:
            InputError: There is no document, an id stands twice, or the index is of another model.
            ConfigError: The model has no vectors to search a graph of, or FAISS is not installed.
        """
        if approximate and not self.held.by_tables:
            raise ConfigError(f"the model {self.held.config.part('model')} has no vectors; leave approximate out")
        with self._one_at_a_time():
            if isinstance(documents, (str, Path)) and (found := read_index(Path(documents))) is not None:
                made, graph = self._reopened(found, Path(documents)), Graph.read(Path(documents))
            else:
                made, graph = self._indexed(Documents.of(documents)), None
            if approximate and graph is None:
                graph = Graph.of(made.table(self.items))
        return type(self)(made, graph)

    @final
    def save(self, folder: str | Path) -> None:
        """Write what it answers into a new folder, to be opened by :meth:`index` of the same run.

        Raises:
            InputError: The folder holds an index already.
            OSError: It cannot be written.
        """
        folder, names = Path(folder), self.names(self.items).series
        with self._one_at_a_time():
            found: dict[str, Any] = {"names": names, "texts": list(self.texts(self.items) or names)}
            if self.held.by_tables:
                found |= {"vectors": self.held.table(self.items), "model": self._model_key()}
            else:
                found |= {"facts": self._model(TextCounter).kept(), "model": str(self.held.config.part("model"))}
            write_index(folder, found)
            if self._graph is not None:
                self._graph.write(folder)

    # What a run of texts answers.

    def texts(self, kind: str) -> Sequence[str] | None:
        found: Sequence[str] | None = self.held.more.get(TEXTS) if kind == self.items else None
        return found

    def _predict(self, form: Form, questions: Sequence[Question], k: int, include_known: bool) -> Ranked:
        names = self.names(self.items)
        if self.held.by_tables:
            vectors, table = self._encode(form, questions), self.held.table(self.items)
            ids, scores, _ = by_vectors(vectors, table, k) if self._graph is None else self._graph.top(vectors, k)
        else:
            texts, model = self._asked(form, questions), self._model(TextScorer)
            ids, scores, _ = by_scores(lambda rows: model.score_texts(_some(texts, rows)), len(texts), k)
        labels = [self.label(form, question) for question in questions]
        return Ranked(labels, ids, scores * self._unit(), names, texts=self.texts(self.items))

    def _encode(self, form: Form, questions: Sequence[Question]) -> Tensor:
        if not self.held.by_tables:
            return super()._encode(form, questions)
        if form is QUERY:
            return self.held.table("query")[self._ids(questions)].clone()
        return self._model(TextEncoder).encode_many(self._asked(form, questions), self._side(form))

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        if self.held.by_tables:
            return (self._encode(form, questions) * self._vectors(items)).sum(1) * self._unit()
        known, texts = self._known(items), self.texts(self.items)
        others = [text if at < 0 or texts is None else texts[at] for at, text in zip(known, items, strict=True)]
        return self._model(TextScorer).score_pairs(self._asked(form, questions), others) * self._unit()

    def _vectors(self, items: Sequence[str]) -> Tensor:
        """Vectors ``(n, d)`` of documents by name, or of new texts."""
        known = torch.tensor(self._known(items))
        found = torch.empty(len(items), self._model(TextEncoder).dim)
        new = (known < 0).nonzero()[:, 0]
        found[new] = self._model(TextEncoder).encode_many(_some(items, new), self.side)
        if new.numel() < len(items):
            found[known >= 0] = self.held.table(self.items)[known[known >= 0]]
        return found

    def _known(self, items: Sequence[str]) -> list[int]:
        """Ids of items that are names of documents, -1 of those that are texts."""
        named = self.texts(self.items) is not None  # else names are the texts themselves
        found: list[int] = self.names(self.items).find(items).tolist() if named else [-1] * len(items)
        return found

    def _asked(self, form: Form, questions: Sequence[Question]) -> list[str]:
        """The texts of questions."""
        if form is QUERY:
            return [self.held.more[ASKED][at] for at in self._ids(questions).tolist()]
        return [question[form.fields[0].name] for question in questions]

    def _ids(self, questions: Sequence[Question]) -> Tensor:
        return self.names("query").ids([question["query"] for question in questions])

    def _side(self, form: Form) -> str:
        return "item" if form is DOCUMENT else "query"

    def _unit(self) -> float:
        """What scores of the model are multiplied by."""
        return 1.0

    def _model(self, family: type[T]) -> T:
        model = self.held.model
        if not isinstance(model, family):
            raise ConfigError(f"the model {self.held.config.part('model')} takes no texts; train another one")
        return model

    def _model_key(self) -> str:
        """What tells an index of this model from those of others."""
        return f"{self.side} {fingerprint(self.held.model.state_dict())}"

    # Other documents.

    def _indexed(self, documents: Documents) -> Held:
        if self.held.by_tables:
            vectors = self._model(TextEncoder).encode_many(documents.texts, self.side)
            return self._over(documents, vectors, None)
        return self._over(documents, None, self._model(TextCounter).over(documents.texts))

    def _reopened(self, found: Mapping[str, Any], path: Path) -> Held:
        documents, vectors, facts = Documents(found["names"], found["texts"]), found.get("vectors"), found.get("facts")
        own = self._model_key() if self.held.by_tables else str(self.held.config.part("model"))
        if found["model"] != own or (vectors is None) == self.held.by_tables:
            raise InputError("the index is of another model", path=path, hint="make it anew: run.index(documents)")
        return self._over(documents, vectors, None if facts is None else self._model(TextCounter).again(facts))

    def _over(self, documents: Documents, vectors: Tensor | None, model: TextScorer | None) -> Held:
        """What is held, with other documents."""
        held, own = self.held, model
        names = {kind: one for kind, one in held.names.items() if kind == "query" and kind != self.items}
        tables = {kind: held.tables[kind] for kind in names if kind in held.tables}
        names[self.items] = Names(self.called.get(self.items, self.items), documents.names)
        if vectors is not None:
            tables[self.items] = vectors
        more = {**held.more, TEXTS: documents.texts}
        make = (lambda: held.model) if own is None else (lambda: own)
        return replace(held, names=names, tables=tables, more=more, make=make, path=None)


@final
class SearchRun(TextRun):
    """Questions and documents. Of encoders a score is ``scale`` times the cosine, of other models their own."""

    forms = (TEXT, DOCUMENT, QUERY)
    called: ClassVar[Mapping[str, str]] = {"item": "document"}


@final
class SimilarityRun(TextRun):
    """Sentences and sentences. A score is the cosine, from -1 to 1, and the same in both directions."""

    forms = (TEXT,)
    items = "sentence"
    side = "query"

    def _unit(self) -> float:
        return 1.0 / self._model(TextEncoder).scale if self.held.by_tables else 1.0


def _some(texts: Sequence[str], rows: Tensor) -> list[str]:
    return [texts[row] for row in rows.tolist()]

"""Graphs: nodes are asked for the nodes that they may be linked to, nodes that came after training among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from negatives.answering.forms import Field, Form, Question
from negatives.answering.pairs import PairRun
from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError, InputError
from negatives.models.graph.network import GraphNetwork
from negatives.types import Csr

NODE = Form("node", "what a node may be linked to", (Field("node", "its name", kind="node"),))
TARGET = Form(
    "target",
    "what may be linked to a node, where edges have directions",
    (Field("target", "its name", kind="node"),),
)
FEATURES = Field("features", "numbers of the columns of its features", many=True)
NEIGHBOURS = Form(
    "neighbours",
    "a node that came after training, by its links",
    (
        Field("neighbours", "names of nodes", many=True, kind="node"),
        Field(FEATURES.name, FEATURES.about, many=True, optional=True),
    ),
)
ALONE = Form("features", "a node that came after training and has no links", (FEATURES,))


class GraphRun(PairRun):
    """Nodes. The score of an edge without direction is the mean of both directions where these differ, as in the test;
    simple methods that are no graph method are asked in one direction. In a graph with two sides a node is answered
    with nodes of the other side."""

    forms: tuple[Form, ...] = (NODE, TARGET, NEIGHBOURS, ALONE)
    later = (NEIGHBOURS, ALONE)
    queries = items = "node"
    by_number = True
    folding = "propagation, gcn or sage"

    # How nodes are scored.

    def _found(
        self, form: Form, questions: Sequence[Question], k: int, exclude: Csr | None, only: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        partition = self._partition
        if partition is None:
            return super()._found(form, questions, k, exclude, only)
        own = self._own_sides(form, questions, partition)
        ids = torch.full((len(questions), min(k, len(partition))), -1)
        scores = torch.full(ids.shape, -torch.inf)
        for side in sorted(set(own.tolist())):
            rows = (own == side).nonzero()[:, 0]
            some, left_out = [questions[row] for row in rows.tolist()], None if exclude is None else exclude.pick(rows)
            others = (partition != side).nonzero()[:, 0] if side >= 0 else None
            ids[rows], scores[rows] = super()._found(form, some, k, left_out, others)
        return ids, scores

    def _sides(self, form: Form, questions: Sequence[Question]) -> tuple[Tensor, Tensor] | None:
        if not self.held.by_tables:
            return None
        sources, targets = self._ends
        if form in self.later:
            return self._folded(form, questions), targets
        ids = self._ids(form, questions)
        if sources is targets or self.held.more["directed"]:
            return (targets[ids], sources) if form is TARGET else (sources[ids], targets)
        there, back = self._both_ways
        return there[ids], back

    def _every(self, form: Form, questions: Sequence[Question]) -> Callable[[Tensor], Tensor]:
        if not self._backwards(form):
            return super()._every(form, questions)
        ids, back, nodes = self._ids(form, questions), self._answers().back, torch.arange(len(self.names(self.items)))
        return lambda rows: back(ids[rows], nodes.expand(len(rows), -1))

    def _score(self, form: Form, questions: Sequence[Question], items: Sequence[str]) -> Tensor:
        if self.held.by_tables or not self._backwards(form):
            return super()._score(form, questions, items)
        return self._answers().back(self._ids(form, questions), self.names(self.items).ids(items)[:, None])[:, 0]

    def _backwards(self, form: Form) -> bool:
        """Whether a model without tables is asked for the source of an edge, and that is another question."""
        return form is TARGET and self.held.more["directed"] and not getattr(self.held.model, "symmetric", False)

    def _encode(self, form: Form, questions: Sequence[Question]) -> Tensor:
        if form is TARGET:
            return self._ends[1][self._ids(form, questions)].clone()
        return super()._encode(form, questions)

    @cached_property
    def _ends(self) -> tuple[Tensor, Tensor]:
        """Vectors of all nodes as the source and as the target of an edge; one table where they are the same."""
        nodes = self.held.table("node")
        return nodes, self.held.tables.get("context", nodes)

    @cached_property
    def _both_ways(self) -> tuple[Tensor, Tensor]:
        """Vectors of both ends side by side, whose inner product is the mean of both directions."""
        sources, targets = self._ends
        return 0.5 * torch.cat([sources, targets], 1), torch.cat([targets, sources], 1)

    # Nodes that came after training.

    def _fold(self, form: Form, questions: Sequence[Question]) -> Tensor | None:
        features, model = self._features([question.get(FEATURES.name) for question in questions]), self.held.model
        if isinstance(model, GraphNetwork):
            return model.fold_in(self._named(form, questions), features)
        return super()._fold(form, questions)

    def _features(self, given: Sequence[Sequence[str] | None]) -> SparseFeatures | None:
        """Features of new nodes as the model reads those of old ones; None where it reads none."""
        model, weights = self.held.model, self.held.more.get("weights")
        name = self.held.config.part("model")
        if not isinstance(model, GraphNetwork) or model.features is None or weights is None:
            if any(one is not None for one in given):
                raise ConfigError(f"the model {name} reads no features; leave features out and give neighbours")
            return None
        if any(one is None for one in given):
            raise ConfigError(f"the model {name} reads features of nodes; give features beside neighbours")
        columns = [sorted({_column(text, weights.numel()) for text in one or ()}) for one in given]
        ends = torch.tensor([0, *(len(one) for one in columns)]).cumsum(0)
        indices = torch.tensor([column for one in columns for column in one], dtype=torch.int32)
        return SparseFeatures(ends, indices, weights[indices.long()], weights.numel())

    # What a node is linked to already.

    def _known(self, form: Form, questions: Sequence[Question]) -> Csr | None:
        if form is TARGET and self.held.more["directed"]:
            return self._predecessors.pick(self._ids(form, questions))
        if form is ALONE:
            return None
        return super()._known(form, questions)

    def _never(self, form: Form, questions: Sequence[Question]) -> Csr | None:
        """A node is not linked to itself."""
        if form in self.later:
            return None
        ids = self._ids(form, questions)
        return Csr.from_pairs(torch.arange(len(ids)), ids, len(ids), len(self.names(self.items)))

    @cached_property
    def _predecessors(self) -> Csr:
        known = self.held.known
        assert known is not None
        rows = torch.repeat_interleave(torch.arange(known.n_rows), known.lengths())
        return Csr.from_pairs(known.indices.long(), rows, known.n_cols, known.n_rows)

    @property
    def _partition(self) -> Tensor | None:
        """``(n,)`` side of each node of a graph that has two, -1 for a node without edges; else None."""
        sides: Tensor | None = self.held.more.get("sides")
        return sides

    def _own_sides(self, form: Form, questions: Sequence[Question], sides: Tensor) -> Tensor:
        """The side of each question, -1 where it has none; a new node is on the side where its neighbours are not."""
        if form not in self.later:
            return sides[self._ids(form, questions)]
        linked = self._named(form, questions)
        of = [sides[linked.row(row)] for row in range(len(questions))]
        first = [int(one[one >= 0][0]) if (one >= 0).any() else -1 for one in of]
        return torch.tensor([1 - side if side >= 0 else -1 for side in first], dtype=torch.int64)


def _column(text: str, columns: int) -> int:
    if not text.isdecimal() or int(text) >= columns:
        hint = f"give numbers from 0 to {columns - 1}"
        raise InputError(f"the feature {text!r} is no number of a column", hint=hint)
    return int(text)

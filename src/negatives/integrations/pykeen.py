"""Adaptive negatives in PyKEEN: a negative sampler that sees the model, and the training loop that shows it.

    import negatives.integrations.pykeen  # PyKEEN knows both by the name "adaptive" from here on

    pipeline(dataset="Nations", model="TransE", training_loop="adaptive",
             negative_sampler="adaptive", negative_sampler_kwargs={"sampler": "dns", "num_negs_per_pos": 8})

PyKEEN's own samplers live in the loader and see triples only. With this loop the sampler scores candidates by the model
as it stands. Known triples are never drawn, where PyKEEN's filter drops them after the draw, one in a thousand wrongly.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import torch
from torch import Tensor

from negatives.data.triples import TripleData, Triples
from negatives.errors import ConfigError, InputError
from negatives.integrations.sized import sized
from negatives.integrations.upstream import expect, fault
from negatives.randomness import Purpose, stream, uniforms
from negatives.registry import Spec
from negatives.sampler import Sampler
from negatives.types import shared_pool

ERROR: Exception | None = None
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pykeen.models import ERModel
        from pykeen.sampling import NegativeSampler, negative_sampler_resolver
        from pykeen.training import SLCWATrainingLoop, training_loop_resolver

    expect(SLCWATrainingLoop, "_create_training_data_loader", "_save_state", "_load_state")
except Exception as error:
    ERROR = error
    ERModel = NegativeSampler = SLCWATrainingLoop = object
INSTALL = "'negatives[pykeen]'"


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of entities by a model of PyKEEN, in the mode of evaluation.

    Args:
        model: The model.
        heads: ``(n_queries,)`` int64 entity of each query.
        relations: ``(n_queries,)`` int64; from ``n_relations`` on those that ask for the head.
        n_relations: Number of relations.
    """

    model: Any
    heads: Tensor
    relations: Tensor
    n_relations: int

    @torch.no_grad()
    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs ``(rows,)``, of candidates ``(rows, k)`` or of a shared pool."""
        pool = shared_pool(items)
        wide = items[:, None] if items.dim() == 1 else items
        found = torch.empty(wide.shape, device=items.device)
        anchors, relations = self.heads[queries], self.relations[queries]
        training = self.model.training
        self.model.eval()
        for asks_head in (False, True):
            rows = (relations >= self.n_relations) == asks_head
            if bool(rows.any()):
                given = pool if pool is not None else wide[rows]
                found[rows] = self._side(anchors[rows], relations[rows] % self.n_relations, given, asks_head).float()
        self.model.train(training)
        self.model.post_parameter_update()  # what models with message passing keep was made without gradients
        return found.reshape(items.shape)

    def _side(self, anchors: Tensor, relations: Tensor, items: Tensor, asks_head: bool) -> Tensor:
        if isinstance(self.model, ERModel):
            if asks_head:
                return self.model.score_h(torch.stack([relations, anchors], 1), heads=items)  # type: ignore[no-any-return]
            return self.model.score_t(torch.stack([anchors, relations], 1), tails=items)  # type: ignore[no-any-return]
        items = items.expand(len(anchors), -1)
        one, other = (part[:, None].expand_as(items) for part in (anchors, relations))
        triples = torch.stack([items, other, one] if asks_head else [one, other, items], -1)
        return self.model.score_hrt(triples.reshape(-1, 3)).view(items.shape)  # type: ignore[no-any-return]


class AdaptiveNegativeSampler(NegativeSampler):  # type: ignore[misc]
    """Corrupts the head or the tail of each triple by a sampler of this library.

    Args:
        mapped_triples: ``(n, 3)`` training triples; none of them is ever a negative.
        num_entities: Number of entities; one more than the highest id when left out.
        num_relations: Number of relations, likewise.
        num_negs_per_pos: Negatives for each triple; the sampler's own number where it is left out.
        sampler: A preset's name, parts as in a configuration, or a sampler.
        scheme: ``"uniform"``: heads and tails with the same chance; ``"bernoulli"``: the side by relation, as TransH.
        seed: Seed of all draws.
        total_steps: Batches that the training will have, for samplers with schedules.

    Raises:
        ConfigError: PyKEEN cannot be used, the scheme or the sampler is not known, or the sampler asks the model and
            the training loop does not show it.

    Source: Wang et al., 2014, "Knowledge graph embedding by translating on hyperplanes", for the side by relation.
    """

    hpo_default: ClassVar[dict[str, Any]] = {"num_negs_per_pos": {"type": int, "low": 1, "high": 100, "log": True}}

    def __init__(
        self,
        *,
        mapped_triples: Tensor,
        num_entities: int | None = None,
        num_relations: int | None = None,
        num_negs_per_pos: int | None = None,
        sampler: Spec | Sampler = "dns",
        scheme: str = "uniform",
        seed: int = 0,
        total_steps: int | None = None,
    ) -> None:
        if ERROR is not None:
            raise fault("PyKEEN", INSTALL, ERROR)
        if scheme not in ("uniform", "bernoulli"):
            raise ConfigError(f"no scheme is called {scheme!r}; choose uniform or bernoulli")
        super().__init__(
            mapped_triples=mapped_triples,
            num_entities=num_entities,
            num_relations=num_relations,
            num_negs_per_pos=num_negs_per_pos,
        )
        self.seed, self.rows = seed, 0
        self.loop: list[Any] = []  # of one at most; in a list, so that the sampler does not own the model
        self.data = _data(mapped_triples, self.num_entities, self.num_relations)
        self.sampler = sized(sampler, num_negs_per_pos, seed)
        self.sampler.total_steps = self.sampler.total_steps or total_steps
        self.sampler.bind(self.data.catalogue())
        self.about = self.data.query_heads, self.data.query_relations
        self.codes = self._codes(mapped_triples.cpu()).sort().values
        self.heads_first = _heads_first(mapped_triples, self.num_relations, scheme)

    def corrupt_batch(self, positive_batch: Tensor) -> Tensor:
        """Negatives ``(..., k, 3)`` of triples ``(..., 3)``; see :meth:`sample` for those that do not count."""
        return self.sample(positive_batch)[0]

    def sample(self, positive_batch: Tensor) -> tuple[Tensor, Tensor | None]:
        """Negatives ``(..., k, 3)`` of triples ``(..., 3)``, and bool ``(..., k)``, where they count, or None for all.

        Raises:
            InputError: A triple is not among the training triples.
            ConfigError: The sampler asks the model and has none, or gives weights, which PyKEEN's losses do not take.
        """
        loop = self.loop[0] if self.loop else None
        device = positive_batch.device if loop is None else loop.model.device
        triples = positive_batch.reshape(-1, 3).to(device)
        examples = torch.arange(self.rows, self.rows + len(triples), device=device)
        self.rows += len(triples)
        epoch = 0 if loop is None else loop._epoch
        coins = uniforms(stream(self.seed, Purpose.SIDES, epoch), examples, 0)
        side = coins < self.heads_first.to(device)[triples[:, 1]]
        data = self.data
        queries = self._queries(triples, side)
        scorer = None
        if loop is not None:
            self.about = self.about[0].to(device), self.about[1].to(device)  # moved once
            scorer = Scored(loop.model, *self.about, data.n_relations)
        right = torch.where(side, triples[:, 0], triples[:, 2])
        found = self.sampler(queries, right, scorer, examples=examples, epoch=epoch)
        if found.weight is not None:
            raise ConfigError("this sampler weights its negatives; PyKEEN does so in its loss: loss='nssa'")
        wrong = triples[:, None].repeat(1, found.k, 1)
        wrong[..., 0] = torch.where(side[:, None], found.ids, wrong[..., 0])
        wrong[..., 2] = torch.where(side[:, None], wrong[..., 2], found.ids)
        shape = *positive_batch.shape[:-1], found.k
        ok = None if bool(found.ok.all()) else found.ok.reshape(shape).to(positive_batch.device)
        return wrong.view(*shape, 3).to(positive_batch.device), ok

    def state(self) -> dict[str, Any]:
        """All that the sampler must remember to go on exactly where it was."""
        return {"rows": self.rows, "sampler": self.sampler.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self.rows = state["rows"]
        self.sampler.load_state(state["sampler"])

    def _queries(self, triples: Tensor, side: Tensor) -> Tensor:
        ids = triples.cpu()
        codes = self._codes(ids)
        at = torch.searchsorted(self.codes, codes).clamp(max=max(0, len(self.codes) - 1))
        strange = self.codes[at] != codes
        if bool(strange.any()):
            one = ids[int(strange.nonzero()[0, 0])].tolist()
            raise InputError(f"the triple {one} is not among the training triples", hint="draw for training triples")
        tails, heads = self.data.queries(Triples(ids[:, 0], ids[:, 1], ids[:, 2]))
        return torch.where(side.cpu(), heads, tails).to(triples.device)

    def _codes(self, triples: Tensor) -> Tensor:
        heads, relations, tails = triples.T
        n_relations, n_entities = self.data.n_relations, self.data.n_entities
        codes: Tensor = (heads * n_relations + relations) * n_entities + tails
        return codes


class AdaptiveTrainingLoop(SLCWATrainingLoop):  # type: ignore[misc]
    """PyKEEN's loop for sampled negatives, whose sampler sees the model; a checkpoint holds the sampler's state.

    Takes what ``SLCWATrainingLoop`` takes. The negative sampler is :class:`AdaptiveNegativeSampler` by default.

    Raises:
        ConfigError: PyKEEN cannot be used here.
    """

    negative_sampler: Any
    drawn: AdaptiveNegativeSampler | None = None
    kept: dict[str, Any] | None = None

    def __new__(cls, *_: Any, **__: Any) -> AdaptiveTrainingLoop:
        """Says what is missing before anything is made."""
        if ERROR is not None:
            raise fault("PyKEEN", INSTALL, ERROR)
        return super().__new__(cls)  # type: ignore[no-any-return]

    def _create_training_data_loader(
        self,
        triples_factory: Any,
        *,
        sampler: str | None,
        batch_size: int,
        drop_last: bool,
        num_workers: int = 0,
        pin_memory: bool = True,
        shuffle: bool = True,
    ) -> Any:
        self.negative_sampler = self.negative_sampler or AdaptiveNegativeSampler
        loader = super()._create_training_data_loader(
            triples_factory,
            sampler=sampler,
            batch_size=batch_size,
            drop_last=drop_last,
            num_workers=num_workers,
            pin_memory=pin_memory,
            shuffle=shuffle,
        )
        drawn = loader.dataset.negative_sampler
        if not isinstance(drawn, AdaptiveNegativeSampler):
            return loader
        if num_workers:
            raise ConfigError("workers of a loader would draw by a copy of the model; train with num_workers=0")
        drawn.loop, self.drawn = [self], drawn
        if self.kept is not None:
            drawn.load_state(self.kept)
            self.kept = None
        return loader

    def _save_state(
        self,
        path: Any,
        stopper: Any = None,
        best_epoch_model_checkpoint_file_path: Path | None = None,
        triples_factory: Any = None,
    ) -> None:
        super()._save_state(path, stopper, best_epoch_model_checkpoint_file_path, triples_factory)
        if self.drawn is not None and isinstance(path, (str, Path)):
            checkpoint = torch.load(path, weights_only=False)
            torch.save(checkpoint | {"negatives": self.drawn.state()}, path)

    def _load_state(self, path: Any, triples_factory: Any = None) -> Any:
        found = super()._load_state(path, triples_factory)
        self.kept = torch.load(path, weights_only=False).get("negatives")
        return found


def _data(triples: Tensor, n_entities: int, n_relations: int) -> TripleData:
    entities, relations = (pl.Series(range(n), dtype=pl.Int64).cast(pl.String) for n in (n_entities, n_relations))
    ids = triples.cpu().long()
    return TripleData("pykeen", {"train": Triples(ids[:, 0], ids[:, 1], ids[:, 2])}, entities, relations)


def _heads_first(triples: Tensor, n_relations: int, scheme: str) -> Tensor:
    """``(n_relations,)`` chance that the head is replaced: ``tph / (tph + hpt)`` of TransH, or one half."""
    if scheme == "uniform":
        return torch.full((n_relations,), 0.5)
    counts = []
    for column in (0, 2):
        pairs = torch.unique(triples[:, [1, column]].cpu(), dim=0)
        counts.append(torch.bincount(pairs[:, 0], minlength=n_relations).double())
    heads, tails = counts  # tails per head is n / heads, heads per tail n / tails
    return torch.where(heads + tails > 0, tails / (heads + tails), 0.5).float()


if ERROR is None:
    negative_sampler_resolver.register(AdaptiveNegativeSampler, raise_on_conflict=False)
    training_loop_resolver.register(AdaptiveTrainingLoop, raise_on_conflict=False)

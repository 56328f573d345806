"""Adaptive negatives for the transformers of RecTools (SASRec, BERT4Rec and one's own), trained by RecTools.

    model = SASRecModel(loss="sampled_softmax", n_negatives=256, **with_negatives("softmax"))
    model.fit(dataset)

RecTools draws in its loader: uniformly, the session's own items too, and before the model has seen the batch. Here the
training step draws. It has the vectors of the sessions by then, so that a sampler may ask the model; no item of a
session is drawn for it; and the sampled softmax is corrected by ``log q``.

``n_negatives`` is the number of negatives as before. ``loss`` is one of RecTools' or a loss of this library.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from negatives import losses
from negatives.control import build_part
from negatives.errors import ConfigError
from negatives.guards import KnownPositives
from negatives.integrations.sized import sized
from negatives.integrations.upstream import expect, fault
from negatives.integrations.workers import epoch_of_workers
from negatives.losses.base import Loss
from negatives.registry import Part, Spec
from negatives.sampler import Sampler
from negatives.sampler.build import resolve
from negatives.scoring import Vectors
from negatives.types import Catalogue, Csr, Negatives

ERROR: Exception | None = None
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rectools.dataset import IdMap
        from rectools.models.nn.transformers.lightning import TransformerLightningModule
        from rectools.models.nn.transformers.negative_sampler import TransformerNegativeSamplerBase
        from rectools.models.nn.transformers.sasrec import SASRecDataPreparator

        expect(TransformerLightningModule, "get_loss_calculator", "get_batch_logits", "_calc_custom_loss_outputs")
        IdMap.from_values(SASRecDataPreparator.item_extra_tokens)  # pandas 3 refuses what RecTools 0.19 gives it
except Exception as error:
    ERROR = error
    TransformerLightningModule = TransformerNegativeSamplerBase = object
INSTALL = "--no-deps rectools pm-implicit typeguard && pip install 'pandas<3' pytorch-lightning"
MOST = 1 << 20
"""Sessions of a batch at most."""
NEVER = -1e4
"""Score of a slot that must not count, for RecTools' losses: its ``exp`` is zero, and zero times it is a number."""


def with_negatives(sampler: Spec = "dns", seed: int = 0) -> dict[str, Any]:
    """What a transformer of RecTools is given so that it trains with this library's negatives.

    Args:
        sampler: A preset's name, or parts as in a configuration; plain values, for RecTools saves them.
        seed: Seed of all draws.

    Raises:
        ConfigError: RecTools cannot be used here, or the sampler is not known.
    """
    sized(sampler, None)
    if ERROR is not None:
        raise fault("RecTools", INSTALL, ERROR)
    return {
        "negative_sampler_type": SessionNegatives,
        "negative_sampler_kwargs": {"sampler": sampler, "seed": seed},
        "lightning_module_type": NegativesModule,
    }


def session_sampler(spec: Spec, k: int, seed: int = 0) -> Sampler:
    """A sampler for :class:`Sessions`, which bring what they know themselves.

    Args:
        spec: A preset's name, or parts as in a configuration.
        k: Negatives for each row.
        seed: Seed of all draws.

    Raises:
        ConfigError: The sampler is not known, or a part of it remembers or looks up the query.
    """
    parts = resolve(spec)
    guards = parts.get("guards", [])
    made = sized(parts | {"guards": [one for one in guards if Part.of(one).name != "known_positives"]}, k, seed)
    needs = [type(one).__name__ for one in made.guards if one.needs_queries]
    if made.proposal.needs_queries:
        needs.append(type(made.proposal).__name__)
    if needs:
        raise ConfigError(f"{needs[0]} looks up the user, whom RecTools' batches do not name; leave it out")
    return made


@dataclass(slots=True)
class Sessions:
    """A sampler whose queries are the sessions of a batch, which know their own items.

    Args:
        sampler: From :func:`session_sampler`.
        first: Id of the first item; those below are padding and masks, and never drawn.
        n_items: Number of items.
        counts: ``(n_items,)`` int64, how often each item is a target; None where the sampler need not know.
    """

    sampler: Sampler
    first: int
    n_items: int
    counts: Tensor | None = None
    _own: KnownPositives = field(init=False, repr=False)

    def __post_init__(self) -> None:
        none = Csr(torch.zeros(1, dtype=torch.int64).expand(MOST + 1), torch.zeros(0, dtype=torch.int32), self.n_items)
        counts = torch.zeros(self.n_items, dtype=torch.int64) if self.counts is None else self.counts
        self._own = KnownPositives(none)
        self.sampler.guards = [*self.sampler.guards, self._own]
        self.sampler.bind(Catalogue(MOST, self.n_items, counts, none))

    def __call__(
        self,
        x: Tensor,
        y: Tensor,
        places: Tensor,
        scorer: Any = None,
        examples: Tensor | None = None,
        epoch: int = 0,
        progress: float = 0.0,
    ) -> Negatives:
        """Negatives, by RecTools' ids, for the places of a batch that are True, row by row.

        Args:
            x: ``(batch, length)`` ids of the sessions.
            y: ``(batch, targets)`` ids of the targets.
            places: Bool of the shape of ``y``.
            scorer: Vectors of these places, and of items from 0.
            examples: As :class:`Sampler` takes them, as the others below.
            epoch: Epoch, counted from zero.
            progress: Share of the training that is done.
        """
        self._own.known = own_items(x, y, self.first, self.n_items)
        found = self.sampler(
            torch.arange(len(x)),
            (y - self.first).clamp(min=0),
            scorer,
            mask=places,
            examples=examples,
            epoch=epoch,
            progress=progress,
        ).flat()
        pool = found.pool
        ids = found.ids + self.first if pool is None else (pool + self.first).expand_as(found.ids)
        return replace(found, ids=ids)


def own_items(x: Tensor, y: Tensor, first: int, n_items: int) -> Csr:
    """The items of each session ``(batch, n_items)``, in the past and to come, numbered from 0.

    Args:
        x: ``(batch, length)`` ids of the sessions.
        y: ``(batch, targets)`` ids of the targets.
        first: Id of the first item.
        n_items: Number of items.
    """
    both = torch.cat([x, y], 1).cpu() - first
    rows, at = (both >= 0).nonzero(as_tuple=True)
    return Csr.from_pairs(rows, both[rows, at], len(x), n_items).to(x.device)


def as_the_loss(rows: Tensor, items: Tensor, distance: str, scale: float) -> Vectors:
    """Scores as RecTools' losses see them: ``s / logits_t``, by inner product or cosine.

    Args:
        rows: ``(rows, d)`` vectors of the sessions.
        items: ``(n_items, d)``.
        distance: ``"dot"`` or ``"cosine"``.
        scale: ``logits_t``.
    """
    rows, items = rows.detach(), items.detach()
    if distance == "cosine":
        rows, items = (torch.nn.functional.normalize(one, dim=-1) for one in (rows, items))
    return Vectors(rows / scale, items)


class SessionNegatives(TransformerNegativeSamplerBase):  # type: ignore[misc]
    """Negatives for the places of sessions; no item of a session is drawn for it, and never a padding token.

    With RecTools' own training step it draws uniformly, in the loader. With that of :class:`NegativesModule`, which
    :func:`with_negatives` brings, the step draws, by any sampler. Negatives of a validation loss are uniform and the
    same at every epoch, so that its values can be compared.

    Args:
        n_negatives: Negatives for each place.
        sampler: A preset's name, or parts as in a configuration.
        seed: Seed of all draws.

    Raises:
        ConfigError: RecTools cannot be used here, or the sampler is not known or looks up the query.
    """

    def __init__(self, n_negatives: int, sampler: Spec = "uniform", seed: int = 0, **_: Any) -> None:
        if ERROR is not None:
            raise fault("RecTools", INSTALL, ERROR)
        super().__init__(n_negatives)
        self.name, self.seed, self.in_step = sampler, seed, False
        self.sampler = session_sampler(sampler, n_negatives, seed)
        self.uniform: Sessions | None = None

    def get_negatives(
        self,
        batch_dict: dict[str, Tensor],
        lowest_id: int,
        highest_id: int,
        session_len_limit: int | None = None,
        **_: Any,
    ) -> Tensor:
        """``(batch, length, n_negatives)`` ids, or ``(batch, length, 0)`` where the training step draws.

        Args:
            batch_dict: ``x`` and ``y``, ids ``(batch, length)``.
            lowest_id: First id of an item.
            highest_id: One more than the last id.
            session_len_limit: Length, where it is not that of ``x``: 1 in validation.

        Raises:
            ConfigError: The sampler is not uniform, and RecTools' own training step will ask for no other.
        """
        x, y = batch_dict["x"], batch_dict["y"]
        shape = len(x), session_len_limit or x.shape[1]
        if session_len_limit is None and self.in_step:
            return torch.empty((*shape, 0), dtype=torch.int64)
        if not self.in_step and self.name != "uniform":
            raise ConfigError(f"{self.name} is drawn in the training step; give the model **with_negatives(...)")
        if self.uniform is None:
            sampler = session_sampler("uniform", self.n_negatives, self.seed)
            self.uniform = Sessions(sampler, lowest_id, highest_id - lowest_id)
        fixed = None if session_len_limit is None else torch.arange(shape[0] * shape[1]).view(shape)
        epoch = epoch_of_workers() if fixed is None else 0
        places = torch.ones(shape, dtype=torch.bool)
        drawn = self.uniform(x, y[:, -shape[1] :], places, examples=fixed, epoch=epoch)
        return drawn.ids.view(*shape, self.n_negatives)


class NegativesModule(TransformerLightningModule):  # type: ignore[misc]
    """RecTools' training with negatives that are drawn in the step, from the vectors that the step has computed.

    Takes what ``TransformerLightningModule`` takes. A checkpoint holds the sampler's state, and going on from it
    draws what the training would have drawn.

    Raises:
        ConfigError: The loss is neither RecTools' nor this library's.
    """

    own_loss: Loss | None = None
    sessions: Sessions | None = None
    state_of_sampler: dict[str, Any] | None = None

    @staticmethod
    def requires_negatives(loss: str) -> bool:
        """False for the softmax over all items only."""
        return loss != "softmax"

    def get_loss_calculator(self) -> Any:
        """RecTools' loss; None for one of this library."""
        found = super().get_loss_calculator()
        self.own_loss = None if found is not None else build_part(losses.registry, self.loss)
        return found

    @property
    def drawn(self) -> SessionNegatives | None:
        """The negative sampler; None for the softmax over all items."""
        return self.data_preparator.negative_sampler  # type: ignore[no-any-return]

    def on_fit_start(self) -> None:
        """Tells the sampler that the step draws, before the loader asks it."""
        super().on_fit_start()
        if self.drawn is not None:
            self.drawn.in_step = True

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One step; see ``TransformerLightningModule``."""
        if self.drawn is None:
            return super().training_step(batch, batch_idx)  # type: ignore[no-any-return]
        y = batch["y"]
        places = y != 0
        items = self.torch_model.item_model.get_all_embeddings()
        rows = self.torch_model.encode_sessions(batch, items)[places]
        sessions = self._bound(self.drawn)
        distance = getattr(getattr(self.torch_model.similarity_module, "distance", None), "value", "dot")
        scorer = as_the_loss(rows, items[sessions.first :], distance, self.logits_t)
        share = self.trainer.global_step / max(1.0, float(self.trainer.estimated_stepping_batches))
        negatives = sessions(
            batch["x"], y, places, scorer, epoch=self.current_epoch, progress=share if 0 <= share <= 1 else 0.0
        )
        positive = self._logits(rows, items, y[places][:, None])[:, 0]
        loss = self._loss_of(positive, self._logits(rows, items, negatives.ids), negatives, batch["yw"][places])
        self.log(self.train_loss_name, loss, on_step=False, on_epoch=True, prog_bar=self.verbose > 0)
        return loss

    def _calc_custom_loss_outputs(self, batch: dict[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Loss of a validation batch by a loss of this library, on the uniform negatives of the loader."""
        logits = self.get_batch_logits(batch)[:, -1]
        ids, first = batch["negatives"][:, -1], self.data_preparator.n_item_extra_tokens
        n_items = self.data_preparator.item_id_map.size - first
        left = n_items - own_items(batch["x"], batch["y"], first, n_items).lengths()
        log_q = -left.to(logits).log()
        ok = torch.ones_like(ids, dtype=torch.bool)
        drawn = Negatives(ids, log_q[:, None].expand(ids.shape), ok, positive_log_q=log_q)
        rows = self.own_loss.rows(logits[:, 0], logits[:, 1:], drawn)  # type: ignore[union-attr]
        return {"loss": (rows * batch["yw"][:, -1]).mean(), "pos_neg_logits": logits}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the sampler's state."""
        super().on_save_checkpoint(checkpoint)
        if self.sessions is not None:
            checkpoint["negatives"] = self.sessions.sampler.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the sampler's state until the sampler knows the data."""
        super().on_load_checkpoint(checkpoint)
        self.state_of_sampler = checkpoint.get("negatives")

    def _bound(self, drawn: SessionNegatives) -> Sessions:
        if self.sessions is None:
            data = self.data_preparator
            first = data.n_item_extra_tokens
            targets = torch.from_numpy(data.train_dataset.interactions.df["item_id"].to_numpy(copy=True)).long()
            counts = torch.bincount(targets, minlength=data.item_id_map.size)[first:]
            self.sessions = Sessions(drawn.sampler, first, counts.numel(), counts.to(self.device))
            if self.state_of_sampler is not None:
                self.sessions.sampler.load_state(self.state_of_sampler)
        return self.sessions

    def _logits(self, rows: Tensor, items: Tensor, ids: Tensor) -> Tensor:
        """Scores ``(rows, k)`` of ids ``(rows, k)``."""
        if ids.shape[0] > 1 and ids.stride(0) == 0:
            found = self.torch_model.similarity_module(rows[None], items[ids[0]])
        else:
            found = self.torch_model.similarity_module(rows[None], items, ids[None])
        return found[0] / self.logits_t  # type: ignore[no-any-return]

    def _loss_of(self, positive: Tensor, negative: Tensor, negatives: Negatives, weight: Tensor) -> Tensor:
        if self.own_loss is not None:
            return (self.own_loss.rows(positive, negative, negatives) * weight).mean()
        if self.loss == "sampled_softmax":
            if negatives.log_q is not None:
                negative = negative - (negatives.log_q + math.log(negatives.k)).to(negative.dtype)
            if negatives.weight is not None:
                negative = negative + negatives.weight.log().to(negative.dtype)
        elif negatives.weight is not None:
            raise ConfigError(f"{self.loss} takes no weights of negatives; choose loss='sampled_softmax' or 'logistic'")
        logits = torch.cat([positive[:, None], negative.masked_fill(~negatives.ok, NEVER)], 1)[None]
        one = torch.ones((1, len(positive)), dtype=torch.int64, device=logits.device)
        return self.loss_calculator(logits, one, weight[None])  # type: ignore[no-any-return]

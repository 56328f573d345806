"""Training that starts from a finished run: rows of the same names are taken over, new ones keep their first values."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from negatives.answering import Names, Run
from negatives.config import RunConfig
from negatives.errors import ConfigError, InputError
from negatives.evaluation import Metrics
from negatives.models import Model
from negatives.runs.builder import Trained
from negatives.runs.opening import opened
from negatives.tasks.base import AnyTask, Examples

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Carried:
    """What was taken over from an earlier run.

    Args:
        rows: By kind, how many rows have a name of the earlier run, how many are new, and how many of it are gone.
        whole: Parameters that were taken over as they are.
        fresh: Parameters that fit nothing of the earlier run.
    """

    rows: Mapping[str, tuple[int, int, int]]
    whole: Sequence[str]
    fresh: Sequence[str]

    def told(self) -> str:
        """In one line."""
        parts = [
            f"{kind} {kept:,} taken over, {new:,} new, {gone:,} gone" for kind, (kept, new, gone) in self.rows.items()
        ]
        if self.whole:
            parts.append(f"{len(self.whole)} other parameters taken over")
        if self.fresh:
            parts.append(f"not fitting and begun anew: {', '.join(self.fresh)}")
        return "; ".join(parts)


def start_from(trained: Trained) -> None:
    """Give a training that has not begun the weights of the run that its configuration starts from, and tell it.

    Raises:
        InputError: There is no such run.
        ConfigError: It is of another task or model, or nothing of it fits.
    """
    if trained.config.start is not None:
        run = opened(Path(trained.config.start))
        found = carry(run, trained.model, trained.config, trained.task, trained.examples)
        log.info(f"from {trained.config.start}: {found.told()}")


def judged(trained: Trained) -> Metrics | None:
    """The run that a training started from on the test part of the new data; None where it started from none, or
    where that one is gone by now.

    Its weights are carried over once more, into a model of the new data that is not trained.
    """
    config, task, examples = trained.config, trained.task, trained.examples
    if config.start is None:
        return None
    try:
        run = opened(Path(config.start))
    except InputError as error:
        log.warning("the run that this one started from is not judged beside it: %s", error)
        return None
    model = task.model(config, examples)
    carry(run, model, config, task, examples)
    task.complete(model, examples)
    return task.evaluate(model, examples, "test", config)


def verdict(trained: Trained, before: Metrics, after: Metrics) -> str:
    """The sentence about the run that a training started from and the one that came of it."""
    watched = trained.task.watched(trained.config)
    if watched not in before.mean or watched not in after.mean:
        return f"the run {trained.config.start} is not judged by {watched}"
    old, new = before.mean[watched], after.mean[watched]
    told = f"{watched} on this test part: {old:.4f} of {trained.config.start} as it was, {new:.4f} after this training"
    return told if new >= old else f"{told}; the old one was better, keep it or train with a smaller step size (--lr)"


@torch.no_grad()
def carry(run: Run, model: Model, config: RunConfig, task: AnyTask, examples: Examples[object]) -> Carried:
    """Take over what fits; rows by their names, other parameters whole.

    Args:
        run: The earlier run.
        model: Gains its weights.
        config: Of the new run.
        task: Of the new run.
        examples: The new data.

    Raises:
        ConfigError: The run is of another task or model, or nothing of it fits.
    """
    mine, theirs = (str(one.part("model")) for one in (config, run.held.config))
    if (config.task, mine) != (run.held.config.task, theirs):
        raise ConfigError(
            f"{config.start} is a run of {run.held.config.task} with the model {theirs}, this one of {config.task} "
            f"with {mine}; start from a run of the same task and model"
        )
    old = run.held.model
    names = _names(old, run, model, task, examples)
    there = dict(old.named_parameters())
    rows: dict[str, tuple[int, int, int]] = {}
    whole, fresh = [], []
    for name, one in model.named_parameters():
        kinds = model.named_rows.get(name)
        if name in there and kinds is not None and _take_rows(one, there[name], kinds, names, rows):
            continue
        if name in there and kinds is None and there[name].shape == one.shape:
            one.copy_(there[name])
            whole.append(name)
        else:
            fresh.append(name)
    if not rows and not whole:
        raise ConfigError(
            f"nothing of {config.start} fits this model: it has no weights, or vectors of another length; "
            "leave out what changes them, or train without --from"
        )
    return Carried(rows, whole, fresh)


def _names(
    old: Model, run: Run, model: Model, task: AnyTask, examples: Examples[object]
) -> dict[str, tuple[Names, pl.Series]]:
    """Names of the earlier run and of the new one, by kind as models call it."""
    called = dict(task.kinds) | {kind: kind for kind in run.held.names if kind not in task.kinds.values()}
    kept = task.kept(examples, run.held.config).names
    found = {}
    for kind, told in called.items():
        if told in run.held.names:
            new = kept[told] if told in kept else task.names(kind, examples)
            found[kind] = run.held.names[told], new.cast(pl.String)
    own, theirs = model.own_names(), old.own_names()
    for kind in own.keys() & theirs.keys():
        found[kind] = Names(kind, pl.Series(theirs[kind], dtype=pl.String)), pl.Series(own[kind], dtype=pl.String)
    return found


def _take_rows(
    one: Tensor,
    there: Tensor,
    kinds: Sequence[str],
    names: Mapping[str, tuple[Names, pl.Series]],
    told: dict[str, tuple[int, int, int]],
) -> bool:
    """Take over the rows of the same names; whether that could be done.

    Args:
        one: Gains the rows.
        there: The earlier run's.
        kinds: What the rows are; those that stand below one another are there as far as the rows go.
        names: Old and new names by kind.
        told: Gains how many were found.
    """
    if one.shape[1:] != there.shape[1:]:
        return False
    new_first = old_first = 0
    for kind in kinds:
        if new_first == len(one) and old_first == len(there):
            break
        if kind not in names:
            return False
        old, new = names[kind]
        if new_first + len(new) > len(one) or old_first + len(old) > len(there):
            return False
        ids = old.find(new.to_list())
        found = ids >= 0
        one[new_first : new_first + len(new)][found] = there[old_first + ids[found]].to(one.device)
        kept = int(found.sum())
        told[kind] = kept, len(new) - kept, len(old) - int(torch.unique(ids[found]).numel())
        new_first, old_first = new_first + len(new), old_first + len(old)
    return new_first == len(one) and old_first == len(there)

"""Negatives for the Hugging Face ``Trainer``: drawn when a batch is collated, with the model as it stands.

    drawing = Drawing(negatives.sampler("dns", train=(users, items)), model)
    trainer = Trainer(
        model, args, train_dataset=Pairs(users, items), data_collator=drawing, callbacks=[drawing.callback()]
    )

The model's ``forward`` takes ``queries``, ``positives`` and the fields of the negatives; :func:`as_negatives` makes
of these what the losses of this package take. Accelerate asks for a batch while the one before it is being trained on:
the model that a draw sees is one step old. A checkpoint holds such a draw too, so that a resumed training draws what it
would have drawn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from negatives.errors import ConfigError, InputError
from negatives.integrations.drawn import Drawn, Inputs, ToInputs, as_negatives, plain
from negatives.integrations.upstream import base, fault, imported
from negatives.sampler import Sampler
from negatives.sampler.collate import Pairs
from negatives.training import checkpoint
from negatives.types import State, moved

TrainerCallback, BROKEN = base("TrainerCallback", "transformers")
INSTALL = "'negatives[hugging-face]'"
NAMES = ("query", "positive", "example")


@dataclass(slots=True)
class Drawing:
    """A data collator: draws negatives for the rows of a batch, then collates.

    A row is one of :class:`negatives.sampler.collate.Pairs`, or a mapping with ``query``, ``positive`` and ``example``,
    its number in the whole training set, by which its negatives are the same on any number of ranks and in any order of
    the batches. Mappings without a number as ``positive``, as those of an evaluation, are left to ``other``. Works in
    the trainer's own process only, for there the model is; and with data sets that have a length.

    Args:
        sampler: What draws; see :func:`negatives.sampler.sampler`.
        scorer: The model, or what else the sampler may ask; None where nothing depends on scores.
        collate: From a batch with its negatives to what the model takes.
        other: Collates rows that are no training pairs; the trainer's default when None.
        last: The last batch.

    Raises:
        InputError: On a batch, rows are no training pairs, or lost their columns.
        ConfigError: On a batch, in a worker of the loader.
    """

    sampler: Sampler
    scorer: object | None = None
    collate: ToInputs = plain
    other: Callable[[Sequence[Any]], Inputs] | None = None
    last: Drawn | None = field(default=None, init=False, repr=False)
    _epoch: int = field(default=0, init=False, repr=False)
    _total: int | None = field(default=None, init=False, repr=False)
    _drawn: int = field(default=0, init=False, repr=False)
    _ahead: deque[Drawn] = field(default_factory=deque, init=False, repr=False)
    _again: deque[Drawn] = field(default_factory=deque, init=False, repr=False)

    def __call__(self, rows: Sequence[Any]) -> Inputs:
        """A batch for the model."""
        if not self._are_pairs(rows):
            other = self.other or imported("transformers", "Drawing", INSTALL, "default_data_collator")
            return dict(other(rows))
        if get_worker_info() is not None:
            raise ConfigError(
                "a worker of the loader sees neither the model nor what the sampler learns; "
                "set dataloader_num_workers=0"
            )
        keys = NAMES if isinstance(rows[0], Mapping) else range(len(NAMES))
        of = tuple(torch.tensor([int(row[key]) for row in rows]) for key in keys)
        if self._again and not self._again[0].has_rows_of(of):
            self._again.clear()  # other rows come than before the interruption
        self.last = self._again.popleft() if self._again else self._draw(*of)
        self._ahead.append(self.last)
        return self.collate(self.last)

    def callback(self, name: str = "negatives") -> SamplerCallback:
        """What tells epoch and progress, keeps the state in the trainer's checkpoints, and logs.

        Args:
            name: Of the file in a checkpoint, and before the names of what is logged.
        """
        return SamplerCallback(self, name)

    def begin(self, total: int | None) -> None:
        """A training begins, or goes on, that will have so many batches."""
        self._total = total
        self._ahead.clear()

    def at_epoch(self, epoch: int) -> None:
        """An epoch begins, counted from zero."""
        self._epoch = epoch

    def trained(self) -> None:
        """The oldest batch that was drawn has been trained on."""
        if self._ahead:
            self._ahead.popleft()

    def state(self) -> State:
        """The sampler's, and the draws that nothing was trained on yet."""
        ahead = [one.state() for one in self._ahead]
        return {"drawn": self._drawn, "sampler": self.sampler.state(), "ahead": ahead}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._drawn = state["drawn"]
        self.sampler.load_state(state["sampler"])
        self._ahead.clear()
        self._again = deque(Drawn.of(one) for one in state["ahead"])

    def _draw(self, queries: Tensor, positives: Tensor, examples: Tensor) -> Drawn:
        progress = min(1.0, self._drawn / self._total) if self._total else None
        self._drawn += 1
        found = self.sampler(queries, positives, self.scorer, examples=examples, epoch=self._epoch, progress=progress)
        pool, cpu = found.pool, torch.device("cpu")  # where the loader may pin it
        if pool is not None:
            found = replace(found, ids=pool.to(cpu).expand(found.ids.shape))
        return Drawn(queries, positives, examples, moved(found, cpu))

    def _are_pairs(self, rows: Sequence[Any]) -> bool:
        first = rows[0] if rows else None
        if isinstance(first, tuple) and len(first) == len(NAMES):
            return True
        if not isinstance(first, Mapping) or not first:
            raise InputError(
                "the rows of a batch hold no columns", hint="set remove_unused_columns=False, or give Pairs(...)"
            )
        if isinstance(first.get("positive"), (Integral, Tensor)):
            if missing := [name for name in NAMES if name not in first]:
                raise InputError(f"a row has no {missing[0]}", hint="give query, positive and example, or Pairs(...)")
            return True
        return False


class SamplerCallback(TrainerCallback):  # type: ignore[misc,valid-type]
    """Keeps a :class:`Drawing`, or anything with ``state`` and ``load_state``, in step with a trainer.

    The state stands in each checkpoint's folder as ``NAME.safetensors``, and is read where a training goes on from
    ``output_dir/checkpoint-N``, or from ``args.resume_from_checkpoint`` where that is a path.

    Args:
        drawing: What draws.
        name: Of the file, and before the names of what is logged.

    Raises:
        ConfigError: The library is missing or broken; on a resume, the checkpoint holds no such state.
    """

    def __init__(self, drawing: Drawing, name: str = "negatives") -> None:
        if BROKEN is not None:
            raise fault("SamplerCallback", INSTALL, BROKEN)
        self.drawing, self.name = drawing, name

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        total = state.max_steps * args.gradient_accumulation_steps
        self.drawing.begin(total if total > 0 else None)
        if state.global_step > 0:
            self.drawing.load_state(kept(args, state.global_step, self.name))

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        self.drawing.at_epoch(int((state.epoch or 0) + 1e-6))

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        self.drawing.trained()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        self.drawing.trained()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """See ``transformers.TrainerCallback``; adds the sampler's signals to what is logged while training.

        They stand in ``trainer.state.log_history``, and reach the callbacks that come after this one.
        """
        measured = {f"{self.name}/{key}": value for key, value in self.drawing.sampler.measured.items()}
        if logs is not None and "loss" in logs:
            logs |= measured
            state.log_history[-1] |= measured

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See ``transformers.TrainerCallback``."""
        keep(args, state.global_step, self.name, self.drawing.state())


def keep(args: Any, step: int, name: str, state: State) -> None:
    """Write a state into the checkpoint of a step; each process of a training has a file of its own."""
    path = _file(args, step, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(path, state)


def kept(args: Any, step: int, name: str) -> State:
    """The state from which a training goes on.

    Raises:
        ConfigError: There is none in the checkpoint.
    """
    path, given = _file(args, step, name), args.resume_from_checkpoint
    if isinstance(given, str) and Path(given).is_dir():
        path = Path(given) / path.name
    if not path.exists():
        raise ConfigError(
            f"{path} is missing, so negatives cannot go on where they were; where the checkpoint is another folder, "
            "give it as resume_from_checkpoint= to the training arguments too"
        )
    return checkpoint.load(path)


def _file(args: Any, step: int, name: str) -> Path:
    rank = f"-{args.process_index}" if args.process_index else ""
    return Path(args.output_dir) / f"checkpoint-{step}" / f"{name}{rank}.safetensors"


__all__ = ["Drawing", "Drawn", "Pairs", "SamplerCallback", "as_negatives", "plain"]

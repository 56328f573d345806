"""What an engine is: the part that takes one training step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, ClassVar

from torch import Tensor

from negatives.errors import ConfigError, NonFiniteScores
from negatives.losses.base import Loss
from negatives.models import Model
from negatives.ranks import Ranks
from negatives.sampler import Sampler
from negatives.training.optimisers import RowOptimiser
from negatives.types import Context, Negatives, State


@dataclass(frozen=True, slots=True)
class Update:
    """How parameters move, the same choice for every engine.

    Args:
        optimiser: ``sgd``, ``adagrad`` or ``adam``; ``async_sgd`` has an engine of its own.
        weight_decay: L2 factor, on touched rows where an engine updates rows.
        half: Multiply by a shared pool in bfloat16, where an engine multiplies matrices.
    """

    optimiser: str
    weight_decay: float = 0.0
    half: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gives back.

    Args:
        loss: Mean loss of the batch.
        negatives: What the sampler chose.
        positive: ``(rows,)`` detached scores of the positives.
        negative: ``(seen, k)`` detached scores of the negatives of the first rows: of all, or of as many as
            signals are measured on, where a shared pool's scores are streamed.
    """

    loss: float
    negatives: Negatives
    positive: Tensor
    negative: Tensor


@dataclass(slots=True)
class Engine(ABC):
    """Takes one training step.

    An engine narrows the type of ``model`` and names it in ``model_type``; what it keeps beside these fields is made in
    :meth:`_prepare`.

    Args:
        model: What is trained.
        sampler: Where negatives come from.
        loss: What is minimised.
        update: How parameters move.

    Raises:
        ConfigError: The model, the loss or the update is none that this engine knows.
    """

    model: Model
    sampler: Sampler
    loss: Loss
    update: Update
    seconds: dict[str, float] = field(default_factory=dict, init=False)
    """Time spent so far by part of the step, besides the sampler's own."""
    memory: dict[str, RowOptimiser] = field(default_factory=dict, init=False, repr=False)
    """Optimisers of tables by name, which :meth:`state` keeps."""

    model_type: ClassVar[type[Model]]
    """Models that it trains."""
    most: ClassVar[int | None] = None
    """Steps after which there is nothing left to do; None for as many as are planned."""
    on_cpu: ClassVar[bool] = False
    """Whether its kernels run on the CPU alone."""
    family: ClassVar[str] = "a model"
    """What such a model is, in words that follow "is not"."""

    def __post_init__(self) -> None:
        if not isinstance(self.model, self.model_type):
            raise ConfigError(f"{type(self.model).__name__} is not {self.family}")
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Refuse what cannot be trained, and make the optimisers' memory."""

    @abstractmethod
    def step(self, context: Context, lr: float) -> Outcome:
        """Sample, score, differentiate and update for one batch.

        Raises:
            NonFiniteScores: The loss is NaN or infinite.
        """

    def state(self) -> State:
        """The optimisers' memory; plain gradient descent has none."""
        return {name: one.state() for name, one in self.memory.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        for name, one in self.memory.items():
            one.load_state(state[name])

    def divide(self, ranks: Ranks) -> None:
        """Divide each step among processes that have the same batches; an engine that can overrides it.

        Raises:
            ConfigError: It cannot, as where kernels move the rows of tables.
        """
        raise ConfigError("its steps cannot be divided among processes")

    @classmethod
    def divides(cls) -> bool:
        """Whether its steps can be divided."""
        return cls.divide is not Engine.divide

    def _spend(self, part: str, start: float) -> float:
        now = perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - start
        return now

    def _refuse_device(self, table: Tensor, name: str) -> None:
        """Refuse a model that is not on the CPU, where alone its kernels run."""
        if table.device.type != "cpu":
            raise ConfigError(f"{name} trains on the CPU; leave device out")


def finite(loss: Tensor, context: Context) -> float:
    """The loss as a number.

    Raises:
        NonFiniteScores: It is NaN or infinite.
    """
    value = float(loss)
    if value - value != 0.0:
        raise NonFiniteScores(
            f"the loss is {value} at step {context.step} (epoch {context.epoch}); lower the learning rate"
        )
    return value

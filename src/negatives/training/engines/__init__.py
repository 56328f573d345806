"""How one training step changes a model; one file each, one row below. A model names the engine that it needs."""

from __future__ import annotations

from negatives.losses.base import Loss
from negatives.models import Model
from negatives.registry import Registry
from negatives.sampler import Sampler
from negatives.training.engines.base import Engine, Outcome, Update

registry: Registry[Engine] = Registry(
    "engines",
    (
        ("autograd", "negatives.training.engines.autograd:AutogradEngine"),
        ("asynchronous", "negatives.training.engines.asynchronous:AsynchronousEngine"),
        ("rows", "negatives.training.engines.rows:RowEngine"),
        ("windows", "negatives.training.engines.windows:WindowEngine"),
        ("cells", "negatives.training.engines.cells:CellEngine"),
        ("composed", "negatives.training.engines.composed:ComposedEngine"),
        ("counted", "negatives.training.engines.counted:CountedEngine"),
        ("encoded", "negatives.training.engines.encoded:EncodedEngine"),
        ("tower", "negatives.training.engines.tower:TowerEngine"),
    ),
)

SEQUENCES = "sequences"
"""The feed whose rows are places of histories."""


def engine_for(model: Model, sampler: Sampler, loss: Loss, update: Update) -> Engine:
    """The engine that the model, or the optimiser, asks for.

    A model of sequences that names none gets ``encoded``: its rows have vectors of their own, which the sampler must
    see by their places.

    Args:
        model: What is trained.
        sampler: Where negatives come from.
        loss: What is minimised.
        update: How parameters move; ``async_sgd`` has an engine of its own.
    """
    return kind_for(model, update.optimiser)(model, sampler, loss, update)


def kind_for(model: Model, optimiser: str) -> type[Engine]:
    """The class of :func:`engine_for`."""
    name = "asynchronous" if optimiser == "async_sgd" else model.engine
    if name == Model.engine and model.feed == SEQUENCES and model.inner_product:
        name = "encoded"
    return registry.get(name)


__all__ = ["Engine", "Outcome", "Update", "engine_for", "kind_for", "registry"]

"""Programs that show a run while it trains: one file and one row each, chosen with ``--log`` or the key ``log``.

Each is told what stands in ``history.jsonl``, line by line, then the test metrics and those of the simple methods.
"""

from __future__ import annotations

from negatives.integrations.loggers.base import Begun, Logger
from negatives.registry import Registry

registry: Registry[Logger] = Registry(
    "loggers",
    (
        ("tensorboard", "negatives.integrations.loggers.tensorboard:TensorBoard"),
        ("wandb", "negatives.integrations.loggers.wandb:WeightsAndBiases"),
        ("mlflow", "negatives.integrations.loggers.mlflow:MLflow"),
        ("trackio", "negatives.integrations.loggers.trackio:Trackio"),
    ),
)


def names_of(asked: str | None) -> list[str]:
    """The names in the key ``log``, which commas divide.

    >>> names_of("tensorboard, mlflow"), names_of(None)
    (['tensorboard', 'mlflow'], [])
    """
    return list(dict.fromkeys(name.strip() for name in (asked or "").split(",") if name.strip()))


def check(asked: str | None) -> None:
    """Make sure that all that is asked for can be told, before anything else is done.

    Args:
        asked: The key ``log`` of a configuration.

    Raises:
        ConfigError: A name is not known, its package is missing, or it is not set up.
    """
    for name in names_of(asked):
        registry.get(name).check()


__all__ = ["Begun", "Logger", "check", "names_of", "registry"]

"""The step size and regularisation of each sampler, chosen on the validation part."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from negatives.config import RunConfig, Values

TRIALS = ((1.0, 1.0), (3.0, 1.0), (0.3, 1.0), (1.0, 0.1), (3.0, 0.1), (1.0, 10.0), (0.3, 0.1), (3.0, 10.0), (10.0, 1.0))
"""Factors on the recipe's step size and regularisation, in the order in which they are tried."""
TRIAL_SHARE = 0.25
"""Share of a run's budget that a trial may spend."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning found.

    Args:
        config: The configuration with the values that did best.
        trials: Step size, regularisation and validation value of each trial.
    """

    config: RunConfig
    trials: list[Values]

    def values(self) -> Values:
        """The choice for compare.json."""
        chosen = self.config.optimiser
        return {"lr": chosen.lr, "weight_decay": chosen.weight_decay, "trials": self.trials}


def tuned(config: RunConfig, trials: int, judge: Callable[[RunConfig], float]) -> Tuned:
    """Try some step sizes and regularisations.

    Args:
        config: A filled configuration.
        trials: How many; 0 for the configuration's own.
        judge: Trains with a configuration and gives the best validation value, minus infinity where it diverges.
    """
    best, best_value, tried = config, -math.inf, []
    for candidate in _candidates(config, trials):
        choice = candidate.optimiser
        value = judge(_shortened(candidate))
        tried.append({"lr": choice.lr, "weight_decay": choice.weight_decay, "valid": value})
        if value > best_value:
            best, best_value = candidate, value
    return Tuned(best, tried)


def _candidates(config: RunConfig, trials: int) -> Iterator[RunConfig]:
    choice = config.optimiser
    lr, decay = choice.lr or 0.01, choice.weight_decay or 0.0
    for lr_factor, decay_factor in TRIALS[:trials]:
        optimiser = choice.model_copy(update={"lr": lr * lr_factor, "weight_decay": decay * decay_factor})
        yield config.model_copy(update={"optimiser": optimiser})


def _shortened(config: RunConfig) -> RunConfig:
    """The same for the budget of a trial, evaluated at its end."""
    epochs = max(1, round((config.epochs or 20) * TRIAL_SHARE))
    seconds = config.max_seconds * TRIAL_SHARE if config.max_seconds else None
    watched = config.evaluation.model_copy(update={"every": float(epochs), "seconds": seconds})
    return config.model_copy(update={"epochs": epochs, "max_seconds": seconds, "evaluation": watched})

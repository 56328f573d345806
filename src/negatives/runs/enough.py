"""How much is held back to choose by, where samplers are compared: a part that is large enough, or several folds."""

from __future__ import annotations

import logging

from negatives.config import RunConfig
from negatives.runs.folds import ENOUGH, folds_of, in_fold, loaded, share_of, whole
from negatives.tasks.base import AnyTask, Examples

log = logging.getLogger(__name__)


def enough(task: AnyTask, config: RunConfig, examples: Examples[object]) -> tuple[RunConfig, Examples[object], int]:
    """What a choice is made by: the same data, or with more held back where the validation part is too small for it.

    A share or a fold that the user gave stays, and so does a part that the data brings.

    Returns:
        The configuration, its data, and how many folds ask enough; see :func:`further`.
    """
    size, split = task.size("valid", examples), config.split
    if split.valid is not None or split.fold is not None or size is None or size >= ENOUGH:
        return config, examples, 1
    without = whole(task, config)
    if without is None:
        return config, examples, 1
    share = round(share_of(without), 4)
    more = config.model_copy(update={"split": split.model_copy(update={"valid": share})})
    first = loaded(task, more)
    now = task.size("valid", first) or 0
    log.info("validation part: %d queries are too few to choose by, so split.valid is %g; now %d", size, share, now)
    return more, first, folds_of(now)


def further(task: AnyTask, config: RunConfig, number: int) -> list[Examples[object]]:
    """The data of the folds that follow the first, where there are so many."""
    return [loaded(task, in_fold(config, fold)) for fold in range(1, number)]

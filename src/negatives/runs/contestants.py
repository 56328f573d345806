"""Who takes part in a comparison: presets, those of other packages too, and samplers of one's own in TOML files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from negatives.config import Part, RunConfig
from negatives.errors import ConfigError
from negatives.losses import registry as losses
from negatives.runs.builder import fill
from negatives.sampler import preset, presets
from negatives.sampler.files import from_file
from negatives.tasks.base import AnyTask, Examples

EVALUATIONS = 24
"""Points on a learning curve."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A sampler under the name that the comparison gives it.

    Args:
        name: A preset's name, or the file's without its ending.
        sampler: What the configuration says of it.
        loss: The loss of the file; None for the preset's.
    """

    name: str
    sampler: Part
    loss: Part | None = None

    def filled(self, config: RunConfig, task: AnyTask, examples: Examples[object]) -> RunConfig:
        """The configuration of its runs: only the sampler, and the loss it needs, differ from those of others."""
        filled = fill(self.asked(config, task, examples), task, examples)
        every = (filled.epochs or 20) / EVALUATIONS
        seconds = filled.max_seconds / EVALUATIONS if filled.max_seconds else None
        watched = filled.evaluation.model_copy(update={"every": every, "seconds": seconds, "patience": None})
        parts = filled.split.model_copy(update={"seed": config.split_seed})  # the same for all seeds
        return filled.model_copy(update={"evaluation": watched, "split": parts})

    def forms(self, config: RunConfig, task: AnyTask, examples: Examples[object]) -> list[RunConfig]:
        """The configurations among which its numbers are searched: :meth:`filled`, and its other forms if it has any.

        A preset may have a form for each kind of loss. Which of them fits the data is as much a question for the
        validation part as a step size is, unless the user has named the loss.
        """
        own = self.filled(config, task, examples)
        named = self.loss is not None or (config.loss and config.loss.name)
        plain = not self.sampler.params and not (config.sampler and config.sampler.params)
        known = preset(self.sampler.name) if self.sampler.name in presets else None
        if named or not plain or known is None or len(known.losses) == 1:
            return [own]
        kind, found = losses.get(str(own.part("loss").name)).kind(), [own]
        for name in known.losses:
            if losses.get(name).kind() != kind:
                other = replace(self, loss=Part(name)).filled(config, task, examples)
                with suppress(ConfigError):  # the task cannot judge a model that was trained so
                    task.check_filled(other)
                    found.append(other)
        return found

    def asked(self, config: RunConfig, task: AnyTask, examples: Examples[object]) -> RunConfig:
        """What its runs are asked for, before a recipe fills the rest."""
        shared = {} if config.recipe or config.model else {"recipe": task.shared_recipe(examples)}
        base = config.model_copy(update=shared)
        same = base.sampler.params if base.sampler else {}  # for instance candidates, the same for all
        own = {"sampler": Part(self.sampler.name, {**self.sampler.params, **same})}
        if self.loss is not None and base.loss is None:
            own["loss"] = self.loss
        given = base.model_dump(exclude_unset=True) | {"recipe": base.recipe}
        return RunConfig.model_validate(given | own)


def contestants(names: Sequence[str]) -> list[Contestant]:
    """Each sampler by its preset's name or by the path of a TOML file.

    Raises:
        ConfigError: A name is not known or stands twice, or a file holds something else than a sampler.
        InputError: A file cannot be read.
    """
    found = [_from_file(Path(name)) if name.endswith(".toml") else _from_preset(name) for name in names]
    taken = [one.name for one in found]
    if len(set(taken)) != len(taken) or not taken:
        raise ConfigError(
            f"--samplers {','.join(names)!r} must hold different names; write for instance uniform,dns, and give files "
            "names of their own"
        )
    return found


def _from_preset(name: str) -> Contestant:
    preset(name)
    return Contestant(name, Part(name))


def _from_file(path: Path) -> Contestant:
    return Contestant(path.stem, *from_file(path))

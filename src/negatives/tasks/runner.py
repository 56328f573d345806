"""One run from a configuration to its folder: load, build, train, test, write."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import polars
import torch
from torch import Tensor
from tqdm import tqdm

from negatives import kernels
from negatives.config import RunConfig, build, load_config
from negatives.control import build_part
from negatives.diagnostics import Probes, Recorder, write_report
from negatives.errors import ConfigError, InputError, Interrupted
from negatives.losses import registry as losses
from negatives.models import Model
from negatives.models import registry as models
from negatives.registry import suggest
from negatives.sampler import Sampler, preset, presets
from negatives.sampler import build as build_sampler
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.registry import registry
from negatives.tasks.run_folder import CONFIG, HISTORY, IDS, METRICS, MODEL, REPORT, SAMPLER, RunFolder, environment
from negatives.training import checkpoint
from negatives.training.callbacks import Callback, Evaluation, Step
from negatives.training.checkpoint import Checkpoints
from negatives.training.engines import engine_for
from negatives.training.loop import Loop, Plan
from negatives.training.optimisers import StepSize

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Trained:
    """A finished training, still in memory.

    Args:
        config: With every field filled.
        task: The task.
        examples: The data.
        model: Holding its best state.
        loop: For its counters.
        sampler: For its state and times.
        per_query: Test metrics of each query, once tested.
    """

    config: RunConfig
    task: Task
    examples: Examples
    model: Model
    loop: Loop
    sampler: Sampler
    per_query: Mapping[str, Tensor] = field(default_factory=dict)

    def evaluate(self, part: str) -> Scores:
        """Metrics on ``valid`` or ``test``."""
        return self.task.evaluate(self.model, self.examples, part, self.config)

    def summary(self) -> dict[str, Any]:
        """What metrics.json holds, but for the metrics."""
        parts = self.sampler.seconds
        sampling = parts["draw"] + parts["guard"] + parts["select"]
        seconds = max(self.loop.seconds, 1e-9)
        return {
            "task": self.task.name,
            "data": self.examples.name,
            "sampler": part_name(self.config.sampler),
            "model": part_name(self.config.model),
            "loss": part_name(self.config.loss),
            "seed": self.config.seed,
            "epochs": self.loop.steps / self.loop.steps_per_epoch,
            "steps": self.loop.steps,
            "best_step": self.loop.best_step,
            "train_seconds": self.loop.seconds,
            "sampler_share": sampling / seconds,
            "seconds": self.sampler.seconds | self.loop.engine.seconds,
            "unfilled": self.sampler.unfilled,
            "notes": list(self.examples.notes),
            "environment": environment(self.config.threads),
        }


def task_of(config: RunConfig) -> Task:
    """The task of a configuration."""
    task = registry.get(config.task)()
    assert isinstance(task, Task)
    return task


def part_name(spec: Any) -> str:
    """The name of a part, ``custom`` for a composition without one."""
    return spec if isinstance(spec, str) else str((spec or {}).get("name", "custom"))


def check(config: RunConfig) -> None:
    """Look up every part by its name, so that a misspelt one is told before any data is read.

    Raises:
        ConfigError: A name or parameter is not known.
    """
    if config.sampler is not None and (isinstance(config.sampler, str) or "name" in config.sampler):
        build_sampler(config.sampler)
    if config.loss is not None and (isinstance(config.loss, str) or "name" in config.loss):
        build_part(losses, config.loss)
    if config.model is not None and (isinstance(config.model, str) or "name" in config.model):
        models.get(part_name(config.model))


def located(config: RunConfig) -> RunConfig:
    """The configuration with the whole path of its data, so that it can be repeated from any folder."""
    return config.model_copy(update={"data": str(Path(config.data).absolute())}) if config.data else config


def fill(config: RunConfig, task: Task, examples: Examples) -> RunConfig:
    """Fill what was left out from the task's recipe that fits the data."""
    name = task.recipe_name(config, examples)
    recipe = dict(task.recipes()[name])
    asked = part_name(config.sampler)
    if config.loss is None and asked in presets and preset(asked).loss != part_name(recipe["loss"]):
        recipe["loss"] = preset(asked).loss
    return config.filled(recipe, f"the recipe {name}").model_copy(update={"recipe": name})


def prepare(config: RunConfig, examples: Examples, task: Task) -> Trained:
    """Build everything a run needs, from a filled configuration; nothing is trained yet."""
    device = _device(config.device or "cpu")
    threads = config.threads or kernels.threads()
    kernels.set_threads(threads)
    torch.set_num_threads(threads)
    model = task.model(config, examples).to(device)
    sampler = build_sampler(_spec(config.sampler), config.seed)
    sampler.bind(examples.catalogue)
    sampler.canaries, sampler.canary_share = examples.canaries, examples.canary_share
    loss = build_part(losses, _spec(config.loss))
    choice = config.optimiser
    engine = engine_for(
        model,
        sampler,
        loss,
        choice.name or "adam",
        choice.weight_decay or 0.0,
        config.precision == "bfloat16",
    )
    watched = config.evaluation
    metric, metrics = watched.metric or task.metric, task.metric_names(config)
    if metric not in metrics:
        raise ConfigError(f"evaluation.metric: no metric is called {metric!r}; {suggest(metric, metrics)}")
    plan = Plan(
        epochs=config.epochs or 20,
        batch_size=min(config.batch_size or 8192, max(1, examples.queries.numel())),
        step_size=StepSize(choice.lr or 0.01, choice.schedule or "constant", choice.warm_up or 0.0),
        seed=config.seed,
        max_seconds=config.max_seconds,
        evaluate_every=watched.every or 1.0,
        evaluate_seconds=watched.seconds,
        watch=metric,
        patience=watched.patience,
    )
    loop = Loop(engine, examples.queries.to(device), examples.items.to(device), plan, dict)
    trained = Trained(config, task, examples, model, loop, sampler)
    if task.can_validate(examples):
        loop.evaluate = lambda: trained.evaluate("valid").mean
    return trained


def train(config: RunConfig, out: Path | None, *, resume: bool = False, command: str = "") -> Path:
    """Train, test and write a run folder.

    Args:
        config: What the user asked for; the recipe fills the rest.
        out: The run folder; a new one under ``runs/`` when left out.
        resume: Go on with the run in ``out``.
        command: The command line, for the report.

    Returns:
        The run folder.

    Raises:
        NegativesError: Bad input or configuration; nothing has been written then.
        Interrupted: A signal ended the training; a checkpoint has been written.
    """
    folder = RunFolder(out) if out else RunFolder.new(config.task, config.data, config.sampler)
    if resume:
        folder.check_run()
    else:
        folder.check_free()
    check(config)
    task = task_of(config)
    config = located(config)
    examples = task.load(Path(config.data) if config.data else None, config)
    for note in examples.notes:
        log.info(note)
    config = fill(config, task, examples)
    trained = prepare(config, examples, task)
    _train_into(folder, trained, resume)
    finish(folder, trained, command)
    return folder.path


def _train_into(folder: RunFolder, trained: Trained, resume: bool) -> None:
    loop, checkpoints = trained.loop, Checkpoints(folder.checkpoints)
    latest = checkpoints.latest() if resume else None
    if resume and latest is None:
        log.warning("no checkpoint was written before the interruption; starting anew")
    probes = Probes(trained.examples.catalogue.counts)
    begin = Begin(lambda: void(folder.write_toml(CONFIG, trained.config.given())))
    loop.callbacks = [begin, probes, Recorder(folder.path / HISTORY, probes), Bar(loop)]
    loop.save = lambda state: void(checkpoints.save(state["steps"], state))
    if latest is not None:
        loop.load_state(checkpoint.load(latest))
    with signals_caught() as caught:
        loop.stop = lambda: bool(caught)
        loop.run()
    if loop.interrupted:
        raise Interrupted(caught[0], folder.path)


def finish(folder: RunFolder, trained: Trained, command: str) -> None:
    """Look at the test part once and write all that a finished run holds."""
    trained.task.complete(trained.model, trained.examples)
    valid, test = trained.loop.best_metrics, trained.evaluate("test")
    trained.per_query = test.per_query
    users, items = trained.model.tables()
    tensors = {f"model.{name}": value for name, value in trained.model.state_dict().items()}
    folder.write_tensors(MODEL, tensors | {"queries": users, "items": items})
    write_ids(folder, trained.examples)
    checkpoint.save(folder.path / SAMPLER, trained.sampler.state())
    samples = trained.task.samples(trained.model, trained.examples)
    whole = trained.summary() | {"test": dict(test.mean), "valid": valid, "samples": samples, "command": command}
    folder.write_json(METRICS, whole)
    write_report([folder.path], folder.path / REPORT)


def write_ids(folder: RunFolder, examples: Examples) -> None:
    """Names of all queries and items."""
    from negatives.training.files import replacing

    columns = []
    for kind, names in (("query", examples.query_names), ("item", examples.item_names)):
        index = polars.Series("index", range(len(names)), dtype=polars.Int64)
        columns.append(polars.DataFrame({"kind": [kind] * len(names), "index": index, "name": names.cast(polars.Utf8)}))
    with replacing(folder.path / IDS) as temporary:
        polars.concat(columns).write_parquet(temporary)


def load_run(run: Path, data: str | None = None) -> Trained:
    """A finished run with its data and its trained model.

    Raises:
        InputError: The folder holds no finished run, or the model does not fit the data.
    """
    from negatives.training.files import read_tensors

    folder = RunFolder(run)
    folder.check_run()
    config = build([(str(run / CONFIG), load_config(run / CONFIG))])
    if not (run / MODEL).exists():
        raise InputError("the run is not finished", path=run, mend="finish it with train --resume --out " + str(run))
    if data is not None:
        config = config.model_copy(update={"data": data})
    task = task_of(config)
    examples = task.load(Path(config.data) if config.data else None, config)
    trained = prepare(config, examples, task)
    tensors, _ = read_tensors(run / MODEL)
    state = {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
    try:
        trained.model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            "the model does not fit this data", path=run, mend="give the data that it was trained on"
        ) from error
    task.complete(trained.model, examples)
    return trained


def evaluate(run: Path, data: str | None = None) -> dict[str, float]:
    """Test metrics of a finished run, on its own data or on other data with the same ids."""
    return dict(load_run(run, data).evaluate("test").mean)


def demo(task: str, out: Path | None = None) -> Path:
    """The task's main job on the offline dataset; prints what the model answers."""
    path = train(RunConfig(task=task), out, command=f"negatives demo {task}")
    metrics = RunFolder(path).read_json(METRICS)
    for sample in metrics["samples"]:
        known = ", ".join(sample["known"][:8])
        print(f"\n{sample['query']}  (calls {known})")
        print("    would also call: " + ", ".join(one["item"] for one in sample["recommended"]))
    return path


class Begin(Callback):
    """Starts the run folder after the first step, so that a faulty configuration leaves nothing behind."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write: Callable[[], None] | None = write

    def on_step(self, step: Step) -> None:
        if self._write is not None:
            self._write()
            self._write = None


class Bar(Callback):
    """A progress bar with rate and time left; silent where the output is no terminal."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._bar: Any = None
        self._metric = ""

    def on_step(self, step: Step) -> None:
        if self._bar is None:
            self._bar = tqdm(
                total=self._loop.total_steps, initial=step.context.step, unit="step", disable=None, file=sys.stderr
            )
        self._bar.update(1)
        if step.context.step % 20 == 0:
            self._bar.set_description(f"loss {step.loss:.4f}{self._metric}", refresh=False)

    def on_evaluation(self, evaluation: Evaluation) -> None:
        watch = self._loop.plan.watch
        self._metric = f", valid {watch} {evaluation.metrics[watch]:.4f}"

    def on_end(self) -> None:
        if self._bar is not None:
            self._bar.close()


@contextmanager
def signals_caught() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of dying; a second one has its usual effect."""
    caught: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, before[number])

    for number in (int(signal.SIGINT), int(signal.SIGTERM)):
        try:
            before[number] = signal.signal(number, note)
        except ValueError:  # not in the main thread
            break
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def void(_: object) -> None:
    """Drop a value."""


def _spec(spec: Any) -> Any:
    if spec is None:
        raise ConfigError("the configuration is not filled")
    return spec


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is available; leave device out or set device=cpu")
    return torch.device(name)


__all__ = ["Trained", "demo", "evaluate", "fill", "finish", "load_run", "prepare", "train"]

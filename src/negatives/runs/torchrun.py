"""``torchrun -m negatives train``: the processes of one training, and how all end where one does.

Every process reads the same data and takes the same steps; the first one alone writes, prints and evaluates.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from time import perf_counter

import torch
from torch import distributed as dist

from negatives import kernels
from negatives.config import RunConfig
from negatives.data.digest import digest
from negatives.data.readers.opening import STANDARD_INPUT
from negatives.errors import ConfigError, InputError, Interrupted
from negatives.models import registry as models
from negatives.ranks import ALONE, Ranks
from negatives.runs import steps
from negatives.runs.auto import racing
from negatives.runs.budget import Clock, fit, price
from negatives.runs.builder import Trained, fill, prepare
from negatives.runs.processes import several
from negatives.runs.terminal import signals_caught
from negatives.training.engines import registry as engines
from negatives.types import moved

FAILED = "negatives.failed"
"""Where the first process that fails says so: it alone tells why."""
PATIENCE = timedelta(days=7)
"""How long one waits for another, as for the first one's evaluation; one that has failed ends the others at once."""


@contextmanager
def launched() -> Iterator[Ranks]:
    """The processes that ``torchrun`` has started, as a group; one alone without it.

    Raises:
        SystemExit: Another process has failed and told why, or was interrupted.
    """
    if not several():
        yield ALONE
        return
    _check_backend()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    kernels.set_threads(max(1, kernels.threads() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    _meet()
    ranks = Ranks.here()
    try:
        yield ranks
    except (Interrupted, KeyboardInterrupt) as stop:
        if ranks.rank or _failures(0):
            raise SystemExit(128 + getattr(stop, "signal", 2)) from None
        raise
    except BaseException as error:
        if _failures(1) > 1:
            raise SystemExit(2) from None
        if _lost(error):
            raise ConfigError(
                "another process of this training is gone (killed, or out of memory); go on from the last checkpoint "
                "with --resume"
            ) from error
        raise
    dist.destroy_process_group()


def check(config: RunConfig, ranks: Ranks) -> None:
    """Refuse what one process does, before any data is read.

    Raises:
        ConfigError: Data comes from standard input, or there are more processes than devices.
    """
    if ranks.count == 1:
        return
    if config.data == str(STANDARD_INPUT):
        raise ConfigError("several processes cannot read standard input; give a file")
    here, devices = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if config.device in ("cuda", "auto") and 0 < devices < here:
        raise ConfigError(f"{here} processes for {devices} CUDA devices; start {devices}")


def check_named(names: Sequence[str], ranks: Ranks) -> None:
    """Refuse a race of recipes, which one process decides.

    Raises:
        ConfigError: There are recipes that would race.
    """
    if names and ranks.count > 1:
        raise ConfigError(
            f"recipes are tried in one process; under torchrun name one of them (--recipe {names[0]}), or the parts"
        )


def divide(trained: Trained, ranks: Ranks) -> None:
    """Let a prepared training share its steps, once it is known that all processes hold the same data.

    Raises:
        ConfigError: It trains in one process.
        InputError: This process has read other data than the first.
    """
    if ranks.count == 1:
        return
    own = digest(trained.examples.data)
    if ranks.told(own) != own:
        path = trained.config.data
        raise InputError(f"process {ranks.rank} has read other data than the first", hint=f"give all the same {path}")
    try:
        trained.loop.engine.divide(ranks)
    except ConfigError as error:
        able = ", ".join(name for name in trained.task.offer().fitting() if _divisible(name)) or "there is none here"
        raise ConfigError(
            f"{trained.config.model} with {trained.config.optimiser.name} trains in one process: {error}; start it "
            f"without torchrun, or choose another model ({able})"
        ) from None
    trained.loop.ranks = ranks


def follow(config: RunConfig, ranks: Ranks, resume: bool = False) -> None:
    """Train beside the first process, to the same end; what the training has found stands there.

    Args:
        config: As the user gave it.
        ranks: The processes, of which this is not the first.
        resume: Whether the first goes on with a run.

    Raises:
        Interrupted: A process was asked to stop.
    """
    check(config, ranks)
    clock = Clock(config.budget, perf_counter())
    config, task, examples = steps.load(config)
    check_named(racing(config, task, examples), ranks)
    with signals_caught() as caught:
        trained = prepare(fill(config, task, examples), examples, task)
        divide(trained, ranks)
        if not resume and (cost := price(trained, config, clock)) is not None:
            fit(trained, config, cost, clock.left)
        same_start(trained, ranks)
        trained.loop.stop = lambda: bool(caught)
        trained.loop.run()
        if trained.loop.interrupted:
            raise Interrupted(caught[0] if caught else signal.SIGINT)


def same_start(trained: Trained, ranks: Ranks, begun_before: bool = False) -> None:
    """Let all processes start from the first one's weights, and from its whole state where the training goes on.

    Two machines need not compute the same first weights to the bit.

    Args:
        trained: Ready to run.
        ranks: The processes.
        begun_before: Of the first process: whether its state is other than that of a new training.
    """
    if ranks.count == 1:
        return
    if ranks.told(begun_before):
        state = ranks.told(moved(trained.loop.state(), torch.device("cpu")) if ranks.rank == 0 else None)
        if ranks.rank and state is not None:
            trained.loop.load_state(state)
        return
    for weights in trained.model.state_dict().values():
        if weights.is_floating_point():
            ranks.spread_(weights)


def _divisible(name: str) -> bool:
    return engines.get(models.get(name).engine).divides()


def _check_backend() -> None:
    if not dist.is_available():
        raise ConfigError("this PyTorch has no torch.distributed; start the training without torchrun")


def _meet() -> None:
    try:
        dist.init_process_group(timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"the processes cannot meet at {where} ({reason}); start them again, with another port for torchrun"
        ) from error


def _lost(error: BaseException) -> bool:
    """Whether an error is that of a process which waits for another in vain."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _failures(more: int) -> int:
    """How many processes have failed, with so many more; 1 where nobody can be asked."""
    store = dist.distributed_c10d._get_default_store()
    with suppress(RuntimeError, ValueError):
        return int(store.add(FAILED, more))
    return 1 + more

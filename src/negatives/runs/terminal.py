"""What a run shows at the terminal, and how it listens to signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tqdm import tqdm

from negatives.errors import SIGNALS, Interrupted, Stopped
from negatives.training.callbacks import Callback, Evaluation, Step
from negatives.training.loop import Loop
from negatives.training.run_folder import BEGUN, CHECKPOINTS, RunFolder


class Begin(Callback):
    """Starts the run folder after the first step, so that a faulty configuration leaves nothing behind."""

    def __init__(self, write: Callable[[], object]) -> None:
        self._write: Callable[[], object] | None = write

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


class RunBar:
    """A progress bar that counts whole runs, of so many if that is known; silent where the output is no terminal."""

    def __init__(self, total: int | None) -> None:
        self._bar: Any = tqdm(total=total, unit="run", disable=None, file=sys.stderr)

    def begin(self, name: str) -> None:
        """Show what runs now."""
        self._bar.set_description(name)

    def count(self) -> None:
        """One run is done."""
        self._bar.update(1)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


@contextmanager
def signals_caught() -> Iterator[list[int]]:
    """Collect :data:`SIGNALS` in a list instead of dying; a second one of a kind has its usual effect.

    A terminal that closes may send SIGHUP twice, so that a second one is only noted. What the process was started to
    ignore, as ``nohup`` does with SIGHUP, stays ignored.
    """
    caught: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        if number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, before[number])

    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        try:
            before[number] = signal.signal(number, note)
        except ValueError:  # not in the main thread
            break
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def telling(folder: RunFolder, command: str) -> Iterator[None]:
    """Say of an interruption outside of a training what the folder holds, and how to go on.

    Raises:
        Interrupted: In the place of a KeyboardInterrupt, once something was begun in the folder.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        if not (folder.path / BEGUN).exists():
            raise
        saved = any(folder.path.glob(f"**/{CHECKPOINTS}/*"))
        number = stop.signal if isinstance(stop, Stopped) else int(signal.SIGINT)
        raise Interrupted(number, folder.path, command, saved, kept(folder)) from stop


def kept(folder: RunFolder) -> int:
    """How many trainings of a comparison are finished and read back when it goes on."""
    return sum(1 for _ in folder.path.glob("*/per_query.parquet"))

"""Kills commands at random moments and starts them again: nothing is lost, unreadable or left over.

Every round starts a command in a process of its own and kills it with SIGKILL at a random moment, until a start comes
to its end. Then the outcome must be that of a run in one go, bit for bit, and nothing temporary may be left. Pairs
start the same command twice in the same moment: one result, whole, and a sentence for the other.

    python benchmarks/kills.py --kills 200 --pairs 40

It prints a line for each command, and exits with 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import atexit
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import load_file

from negatives.cli import main as command
from negatives.temporary import SUFFIX

ALONE = ("--threads", "1", "--baselines", "none", "--set", "save_every=0.05")
CLOCKS = (
    *("train_seconds", "seconds_to_baseline", "seconds", "command", "verdict", "environment", "sampler_share"),
    *("baselines_verdict", "race", "data", "curve"),
)
"""What the clock or the folder's name decides."""
MEASURED = ("test", "valid", "watched", "steps", "epochs", "best_step", "unfilled", "samples", "details")
"""What a run gave, whenever and wherever it ran."""
READ: dict[str, Callable[[Path], object]] = {
    ".json": lambda path: json.loads(path.read_text()),
    ".toml": lambda path: path.read_text(),
    ".safetensors": load_file,
    ".parquet": pl.read_parquet,
    ".npy": np.load,
    ".jsonl": lambda path: path.read_bytes(),
}


MOST = 300.0
"""Seconds after which a command is said to hang."""
IMPORTED = (
    *(
        "torch",
        "numba",
        "jinja2",
        "negatives.runs.runner",
        "negatives.runs.compare",
        "negatives.mining",
    ),
    *("negatives.runs.export", "negatives.mining.write"),
)
"""What a forked process need not import again; it has no thread yet."""


@dataclass(frozen=True, slots=True)
class Case:
    """One command.

    Args:
        name: For the table.
        words: The command; ``OUT`` stands for where it writes.
        again: What is started once something was begun; the same where it is empty.
        out: Name of what it writes.
        apart: Whether it may be started twice without ``--out``.
        ready: Prepares the place of a round.
    """

    name: str
    words: Sequence[str]
    again: Sequence[str] = ()
    out: str = "out"
    ready: Callable[[Path], object] = lambda place: None


@dataclass(slots=True)
class Tally:
    """What was seen of one command.

    Args:
        length: Seconds of the quickest run in one go so far.
    """

    length: float
    kills: int = 0
    rounds: int = 0
    pairs: int = 0
    wrong: list[str] = field(default_factory=list)


def data(place: Path) -> None:
    """Pairs in clusters, a text, and vectors."""
    rng = np.random.default_rng(0)
    users = rng.integers(0, 300, 6000)
    items = (users % 10) * 20 + rng.integers(0, 20, 6000)
    (place / "pairs.csv").write_text("user,item\n" + "".join(f"u{u},i{i}\n" for u, i in zip(users, items, strict=True)))
    words = [" ".join(f"w{c * 30 + w}" for w in rng.integers(0, 30, 12)) for c in rng.integers(0, 8, 4000)]
    (place / "text.txt").write_text("\n".join(words) + "\n")
    lines = [{"question": f"question {q}", "answer": f"answer {q % 900}"} for q in range(1500)]
    (place / "qa.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (place / "vectors").mkdir()
    for name, n in (("queries", 1500), ("items", 900)):
        np.save(place / "vectors" / f"{name}.npy", rng.standard_normal((n, 16)).astype(np.float32))


def cases(place: Path) -> list[Case]:
    """All that is tried, on data that lies in a folder."""
    pairs, text, run = place / "pairs.csv", place / "text.txt", place / "run"
    mf = ("--model", "mf", "--set", "model.dim=16", "--set", "batch_size=256")
    resume = ("train", "--resume", "--out", "OUT")
    vectors = ("--vectors", str(place / "vectors"), "--num-negatives", "3")
    return [
        Case("train", ("train", "recommend", str(pairs), "--out", "OUT", "--epochs", "12", *mf, *ALONE), resume),
        Case("train --from", ("train", "recommend", str(pairs), "--from", str(run), "--out", "OUT", "--epochs", "6",
             *mf, *ALONE), resume),
        Case("train, race", ("train", "recommend", str(pairs), "--out", "OUT", "--epochs", "1", *ALONE), resume),
        Case("train words", ("train", "words", str(text), "--out", "OUT", "--epochs", "4", "--recipe", "default",
             "--set", "reading.min_count=1", *ALONE), resume),
        Case("compare", ("compare", "recommend", str(pairs), "--samplers", "uniform,dns", "--seeds", "2", "--tune", "2",
             "--out", "OUT", "--epochs", "3", *mf, *ALONE), ("compare", "--resume", "--out", "OUT")),
        Case("mine", ("mine", str(place / "qa.jsonl"), *vectors, "--out", "OUT"), out="out.jsonl"),
        Case("export", ("export", "OUT", "--format", "parquet"), ready=lambda there: shutil.copytree(run, there)),
    ]  # fmt: skip


def start(words: Sequence[str], out: Path, log: Path) -> int:
    """Start a command in a forked process, which has everything imported; its number."""
    number = os.fork()
    if number:
        return number
    code = 70
    try:
        os.chdir(out.parent)
        with log.open("a") as file, redirect_stdout(file), redirect_stderr(file):
            code = command([str(out) if word == "OUT" else word for word in words])
        atexit._run_exitfuncs()
    finally:
        os._exit(code)
    return 0


def wait(number: int, seconds: float) -> int | None:
    """The exit code of a process, or None where it was killed after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(number, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(number, signal.SIGKILL)
    _, status = os.waitpid(number, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code


def unreadable(place: Path, note: Path) -> list[str]:
    """Files with names of their own that cannot be read; a process of its own looks, for readers have threads."""
    number = os.fork()
    if not number:
        try:
            found = []
            for path in files(place):
                try:
                    READ.get(path.suffix, lambda path: None)(path)
                except Exception as error:
                    found.append(f"{path.relative_to(place)} cannot be read: {error}")
            note.write_text(json.dumps(found))
        finally:
            os._exit(0)
    if wait(number, 60.0) is None:
        return ["reading never ended"]
    told: list[str] = json.loads(note.read_text())
    return told


def files(place: Path) -> Iterator[Path]:
    """All files but what is temporary."""
    for path in sorted(place.rglob("*")):
        if path.is_file() and not any(part.endswith(SUFFIX) for part in path.parts):
            yield path


def left_over(place: Path) -> list[str]:
    """What is temporary."""
    found = [path for path in place.rglob("*") if path.name.endswith((SUFFIX, ".part")) or path.name == ".lock"]
    return [f"{path.relative_to(place)} is left over" for path in found]


def steady(value: Any) -> Any:
    """What does not depend on the clock."""
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if key not in CLOCKS}
    return [steady(one) for one in value] if isinstance(value, list) else value


def outcome(out: Path) -> dict[str, Any]:
    """The results in a folder or file: weights, names, vectors and metrics."""
    if out.is_file():
        return {out.name: out.read_bytes()}
    found: dict[str, Any] = {}
    for path in files(out):
        name = path.relative_to(out).as_posix()
        if path.name in ("metrics.json", "compare.json"):
            told = json.loads(path.read_text())
            found[name] = steady(told if path.name == "compare.json" else {key: told.get(key) for key in MEASURED})
        elif path.name in ("model.safetensors", "vectors.parquet", "per_query.parquet", "ids.parquet"):
            found[name] = path.read_bytes()
    return found


def differing(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Names of the results that are not the same."""
    odd = [name for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name)]
    return [f"{name} differs" for name in odd]


def round_of(case: Case, place: Path, wanted: dict[str, Any], tally: Tally, most: int) -> None:
    """Start and kill until a start comes to its end, after ``most`` kills at the latest."""
    out, log, before = place / case.out, place / "log", tally.kills
    case.ready(out)
    while True:
        begun = (out / "begun.json").exists() and case.again
        patience = random.uniform(0.0, 1.1 * tally.length) if tally.kills - before < most else MOST
        begin = time.monotonic()
        code = wait(start(case.again if begun else case.words, out, log), patience)
        if code == 0 and not begun:
            tally.length = min(tally.length, time.monotonic() - begin)
        tally.wrong += [f"{case.name}: {one}" for one in unreadable(place, place.with_suffix(".note"))]
        if code is None:
            if patience == MOST:
                tally.wrong.append(f"{case.name}: does not end: {log.read_text()[-300:]}")
                break
            tally.kills += 1
            continue
        finished = code == 2 and ("is finished" in log.read_text() or "exists already" in log.read_text())
        if code and not finished:
            tally.wrong.append(f"{case.name}: exit code {code}: {log.read_text()[-300:]}")
        break
    tally.rounds += 1
    faults = differing(outcome(out), wanted) + left_over(place)
    tally.wrong += [f"{case.name}: {one}: {log.read_text()[-300:]}" for one in faults]


def pair_of(case: Case, place: Path, wanted: dict[str, Any], tally: Tally) -> None:
    """Start a command twice at once: one result; the other has the same or is told."""
    out = place / case.out
    case.ready(out)
    logs = [place / "log1", place / "log2"]
    numbers = [start(case.words, out, log) for log in logs]
    codes = [wait(number, MOST) for number in numbers]
    for code, log in zip(codes, logs, strict=True):
        told = [line for line in log.read_text().splitlines() if line.startswith("negatives: ")]
        if code not in (0, 2) or (code == 2 and len(told) != 1):
            tally.wrong.append(f"{case.name}: exit code {code} of a pair: {log.read_text()[-300:]}")
    if 0 not in codes:
        tally.wrong.append(f"{case.name}: nobody of a pair came to its end")
    tally.pairs += 1
    faults = unreadable(place, place.with_suffix(".note")) + differing(outcome(out), wanted) + left_over(place)
    tally.wrong += [f"{case.name}: pair: {one}" for one in faults]


def apart(case: Case, place: Path, wanted: dict[str, Any], tally: Tally) -> None:
    """Start a command without ``--out`` twice at once: two folders, both whole."""
    at = case.words.index("--out")
    words = [*case.words[:at], *case.words[at + 2 :]]
    logs = [place / "log1", place / "log2"]
    codes = [wait(number, MOST) for number in [start(words, place / case.out, log) for log in logs]]
    found = sorted((place / "runs").iterdir())
    if codes != [0, 0] or len(found) != 2:
        tally.wrong.append(f"{case.name}: a pair ended with {codes} and {len(found)} folders")
    tally.pairs += 1
    faults = [one for run in found for one in differing(outcome(run), wanted)] + left_over(place)
    tally.wrong += [f"{case.name}: pair apart: {one}" for one in faults]


def measure(case: Case, place: Path) -> tuple[dict[str, Any], float]:
    """The outcome of a run in one go, and its seconds."""
    case.ready(place / case.out)
    begin = time.monotonic()
    code = wait(start(case.words, place / case.out, place / "log"), MOST)
    if code:
        raise SystemExit(f"{case.name}: {(place / 'log').read_text()}")
    return outcome(place / case.out), time.monotonic() - begin


def tried(kills: int, pairs: int, seconds: float, only: Sequence[str] = ()) -> list[str]:
    """Kill and start until so many kills and pairs are done, or the time is over.

    Args:
        kills: Over all commands.
        pairs: Over all commands.
        seconds: At most.
        only: Names of the commands; all where it is empty.

    Returns:
        All that was wrong.
    """
    end, tallies = time.monotonic() + seconds, {}
    for name in IMPORTED:
        importlib.import_module(name)
    root = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        os.environ["TMPDIR"], os.environ["NEGATIVES_CACHE"] = str(root / "tmp"), str(root / "cache")
        tempfile.tempdir = None
        (root / "tmp").mkdir()
        data(root)
        known: dict[str, dict[str, Any]] = {}
        every = [one for one in cases(root) if not only or one.name in only]
        for case in every:
            known[case.name], length = measure(case, fresh(root / "whole"))
            tallies[case.name] = Tally(length)
            if case.name == "train":
                shutil.copytree(root / "whole" / "out", root / "run")
        while time.monotonic() < end:
            done = sum(one.kills for one in tallies.values()), sum(one.pairs for one in tallies.values())
            if done[0] >= kills and done[1] >= pairs:
                break
            case = min(every, key=lambda one: tallies[one.name].kills + 5 * tallies[one.name].pairs)
            tally, wanted = tallies[case.name], known[case.name]
            place = fresh(root / "round")
            if done[1] * kills < done[0] * pairs or done[0] >= kills:
                without = "--out" in case.words and case.again and tally.pairs % 2
                (apart if without else pair_of)(case, place, wanted, tally)
            else:
                round_of(case, place, wanted, tally, min(4, kills - done[0]))
            tally.wrong += [f"{case.name}: {one}" for one in left_over(root / "tmp")]
        for name, one in tallies.items():
            print(f"{name:<12} {one.kills:>4} kills in {one.rounds:>3} rounds, {one.pairs:>3} pairs, "
                 f"{len(one.wrong)} wrong, {one.length:.1f} s in one go")  # fmt: skip
    finally:
        shutil.rmtree(root)
    return [one for tally in tallies.values() for one in tally.wrong]


def fresh(place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of commands, divided by commas")
    given = parser.parse_args()
    random.seed(given.seed)
    wrong = tried(given.kills, given.pairs, given.seconds, [name for name in given.only.split(",") if name])
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

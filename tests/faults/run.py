"""Would the suite notice? Plants small faults one at a time and runs the tests that must catch them.

    python tests/faults/run.py                       # all, on two processes
    python tests/faults/run.py --only losses         # one package, or every fault whose name holds these words
    python tests/faults/run.py --part 3/10           # every tenth fault, from the third
    python tests/faults/run.py --part today/30       # another thirtieth each day; FAULTS_PART=3 decides otherwise
    python tests/faults/run.py --list                # what there is

Each worker copies the tree once, imports what is slow to import (but not ``negatives``), and forks a child for each
fault: it changes one file of the copy, the child runs the fault's tests and dies, and the file is put back. First of
all each worker's tests must pass without a fault (``--trust`` leaves that out, where the suite has just run). A fault
is *caught* when a test fails, and has *survived* when all pass. One that keeps tests from being collected, or whose
tests do not end, is an error: it says nothing about the tests. Exit status 1 when a fault survived or was an error.
"""

from __future__ import annotations

import argparse
import compileall
import datetime
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from catalogue import ROOT, SOURCES, Fault, part_of, read

SECONDS = 120
"""Longest that the tests of one fault may take."""
SOUND = 1800
"""Longest that the tests of all faults together may take, in a tree without one."""
COPIED = ("src", "tests", "pyproject.toml", "README.md", "docs", "benchmarks", "examples")
COMPILED = ("kernels/jit", "randomness.py")
"""What compiled kernels are made of."""
CAUGHT, SURVIVED = 1, 0
OPTIONS = (
    "-x",
    "-q",
    "--no-header",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "--tb=line",
    "-W",
    "ignore::DeprecationWarning",
)
PLAIN = ("-W", "ignore::RuntimeWarning")
"""Uncompiled, hashes tell that they overflow."""
HEAVY = ("numpy", "torch", "numba", "polars", "pydantic", "safetensors.torch", "scipy.sparse", "hypothesis", "pytest")
"""What a worker imports before it forks; each is imported in one process and used in none of its threads."""


def copied(target: Path) -> Path:
    """A copy of the tree to change, with its files compiled."""
    ignore = shutil.ignore_patterns("*.egg-info", ".hypothesis", ".venv")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=ignore)
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, target / name)
    for name in ("src", "tests"):
        compileall.compile_dir(target / name, quiet=2)
    return target


# --- the worker --------------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer the requests of :meth:`Worker.ask` from standard input, one a line."""
    import importlib

    for name in HEAVY:
        importlib.import_module(name)
    sys.dont_write_bytecode = True
    with TemporaryDirectory(prefix="faults-") as folder:
        root = copied(Path(folder).resolve() / "tree")
        for line in sys.stdin:
            print(json.dumps(answer(root, json.loads(line))), flush=True)


def answer(root: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Apply a change, run tests in a child, put the file back."""
    start = time.monotonic()
    if asked["fault"] is None:
        return _outcome(root, asked) | {"seconds": time.monotonic() - start}
    fault = Fault(**asked["fault"])
    path = root / SOURCES / fault.file
    before, times = path.read_bytes(), path.stat()
    try:
        path.write_text(fault.applied(root), encoding="utf-8")
        os.utime(path, (times.st_atime, times.st_mtime + 1000))  # so that no compiled form passes for it
        return _outcome(root, asked) | {"seconds": time.monotonic() - start}
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _outcome(root: Path, asked: dict[str, Any]) -> dict[str, Any]:
    log = root.parent / "log.txt"
    child = os.fork()
    if child == 0:
        _child(root, asked, log)
    deadline = time.monotonic() + (SOUND if asked["fault"] is None else SECONDS)
    status = None
    while time.monotonic() < deadline:
        done, state = os.waitpid(child, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(state)
            break
        time.sleep(0.02)
    if status is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {"status": status, "log": log.read_text(encoding="utf-8", errors="replace")[-3000:]}


def _child(root: Path, asked: dict[str, Any], log: Path) -> None:
    """Run the tests in this process and leave it."""
    status = 70
    try:
        os.setsid()
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.chdir(root)
        os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(root / "src")}
        if asked["fault"] is not None and asked["fault"]["file"].startswith(COMPILED):
            os.environ["NUMBA_CACHE_DIR"] = str(root.parent / "compiled")  # nothing of it goes to the user's cache
        if asked["plain"]:
            import numba

            os.environ["NUMBA_DISABLE_JIT"] = "1"
            numba.config.DISABLE_JIT = True
        sys.path[:0] = [str(root / "src"), str(root / "tests")]
        import pytest

        options = [*OPTIONS, *(PLAIN if asked["plain"] else ()), f"--basetemp={root.parent / 'base'}"]
        status = int(pytest.main([*options, *asked["tests"]]))
        sys.stdout.flush()
    finally:
        os._exit(status)


# --- the process that asks ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """Tests to run, with a fault or without one."""

    label: str
    tests: list[str]
    plain: bool
    fault: Fault | None = None


class Worker:
    """A process that serves; see :func:`serve`."""

    def __init__(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
        words = [sys.executable, str(Path(__file__).resolve()), "--serve"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, env=os.environ | threads, stdin=pipe, stdout=pipe, text=True)

    def ask(self, job: Job) -> dict[str, Any]:
        """What becomes of the tests."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        fault = None if job.fault is None else asdict(job.fault)
        self.process.stdin.write(json.dumps({"tests": job.tests, "plain": job.plain, "fault": fault}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that ran {job.label} has ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def sound(faults: Sequence[Fault], jobs: int) -> list[Job]:
    """The tests of all faults in a tree without one, where they must pass."""
    found = []
    for plain in (False, True):
        tests = sorted({test for fault in faults if fault.plain is plain for test in fault.tests})
        for index in range(min(jobs, len(tests))):
            label = f"without a fault, part {index + 1}" + ", uncompiled" * plain
            found.append(Job(label, tests[index::jobs], plain))
    return found


def verdict(status: int | None) -> str:
    """In words."""
    if status is None:
        return f"error: no end after {SECONDS} s"
    return {CAUGHT: "caught", SURVIVED: "SURVIVED"}.get(status, f"error: pytest ended with {status}")


def run(faults: Sequence[Fault], jobs: int, trust: bool) -> int:
    """Try all; print a row for each that was not caught, and a summary. The number of those."""
    start, lock, outcomes = time.monotonic(), threading.Lock(), dict[str, str]()
    left: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in [] if trust else sound(faults, jobs):
        left.put(job)
    for fault in faults:
        left.put(Job(fault.label, list(fault.tests), fault.plain, fault))

    def work() -> None:
        worker = Worker()
        while not left.empty():
            try:
                job = left.get_nowait()
            except queue.Empty:
                break
            found = worker.ask(job)
            if job.fault is None:
                said = "passed" if found["status"] == 0 else f"error: tests fail ({found['status']})"
            else:
                said = verdict(found["status"])
            with lock:
                outcomes[job.label] = said
                print(f"{said:<9} {found['seconds']:5.1f} s  {job.label}", flush=True)
                if said.startswith("error"):
                    print("    " + "\n    ".join(found["log"].strip().splitlines()[-15:]), flush=True)
        worker.close()

    threads = [threading.Thread(target=work) for _ in range(min(jobs, max(1, len(faults))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return summary(faults, outcomes, time.monotonic() - start)


def summary(faults: Sequence[Fault], outcomes: dict[str, str], seconds: float) -> int:
    """Print what was caught, by package; the number of faults and baselines that went wrong."""
    for package in dict.fromkeys(fault.package for fault in faults):
        mine = [outcomes.get(fault.label, "error: not run") for fault in faults if fault.package == package]
        print(f"{package:<12} {mine.count('caught'):3} of {len(mine)} caught")
    labels = {fault.label for fault in faults}
    caught = sum(outcomes.get(label) == "caught" for label in labels)
    bad = [label for label, said in outcomes.items() if said not in ("caught", "passed")]
    print(f"{caught} of {len(faults)} faults caught in {seconds:.0f} s")
    for label in bad:
        print(f"{outcomes[label]}: {label}")
    return len(faults) - caught + sum(label not in labels for label in bad)


def chosen(asked: argparse.Namespace) -> list[Fault]:
    """The faults that the options name."""
    faults = read()
    if asked.only:
        faults = [fault for fault in faults if any(one == fault.package or one in fault.label for one in asked.only)]
    if asked.part:
        index, _, n = asked.part.partition("/")
        if index == "today":
            index = os.environ.get("FAULTS_PART") or datetime.date.today().timetuple().tm_yday
        faults = part_of(faults, int(index), int(n))
        print(f"planted faults, part {int(index) % int(n)} of {n}: {len(faults)}", flush=True)
    return faults


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="a package, or words of a name; may stand several times")
    parser.add_argument("--part", help="I/N: every N-th fault from the I-th; I may be 'today'")
    parser.add_argument("--jobs", type=int, default=2, help="processes; 2 by default")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without a fault first")
    parser.add_argument("--list", action="store_true", help="print the faults")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve()
        return 0
    faults = chosen(asked)
    try:
        for fault in faults:
            fault.applied(ROOT)
    except ValueError as stale:
        print(stale, file=sys.stderr)
        return 2
    if asked.list:
        for fault in faults:
            print(f"{fault.label}\n    {fault.file}: {fault.why}")
        return 0
    return int(run(faults, asked.jobs, asked.trust) > 0)


if __name__ == "__main__":
    sys.exit(main())

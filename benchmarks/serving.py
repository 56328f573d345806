"""How long one question over HTTP takes, beside the run in Python and the product of the tables alone.

    OMP_NUM_THREADS=2 python benchmarks/serving.py --items 1000000 --dim 64

Trains a run of a few pairs, puts tables of the wanted size in its place, opens the folder, and asks it one user at a
time: by :meth:`Run.ask`, and over one connection to a server of another process. Beside it stands the plain product of
the table with one vector, which reads the table once, and :func:`torch.topk` of it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import torch

import negatives
from negatives.answering import Run
from negatives.config import build
from negatives.runs import runner
from negatives.runs.ids import write_ids
from negatives.training import kept
from negatives.training.files import write_tensors
from negatives.training.run_folder import IDS, KEPT, MODEL, plural
from negatives.types import Csr

USERS, KNOWN = 10_000, 20


def folder_of(where: Path, items: int, dim: int) -> Path:
    """A run of random vectors: tables, names and known pairs as a recommendation run writes them."""
    data = where / "pairs.csv"
    data.write_text(
        "user,item\n" + "\n".join(f"u{user},i{(user * 7 + n) % 24}" for user in range(30) for n in range(8))
    )
    config = build(
        [("here", {"task": "recommend", "data": str(data), "model": "mf", "epochs": 1, "baselines": "none"})]
    )
    run = runner.train(config, where / "run")
    random = torch.Generator().manual_seed(0)
    tables = {"query": torch.randn(USERS, dim, generator=random), "item": torch.randn(items, dim, generator=random)}
    write_tensors(run / MODEL, {plural(kind): table for kind, table in tables.items()})
    write_ids(run / IDS, {k: pl.Series([f"{k}-{n}" for n in range(len(table))]) for k, table in tables.items()})
    owners = torch.arange(USERS).repeat_interleave(KNOWN)
    held = kept.read(run / KEPT)
    held["known"] = Csr.from_pairs(owners, torch.randint(items, (len(owners),), generator=random), USERS, items)
    kept.save(run / KEPT, held)
    return run


@contextmanager
def served(run: Path) -> Iterator[tuple[str, int]]:
    """Host and port of ``negatives serve`` in a process of its own."""
    command = [sys.executable, "-m", "negatives", "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = None
        while found is None and (line := process.stdout.readline()):
            found = re.search(r"http://([\d.]+):(\d+)/", line)
        if found is None:
            raise SystemExit("the server did not start")
        try:
            yield found[1], int(found[2])
        finally:
            process.terminate()


def milliseconds(work: Callable[[int], object], repeats: int) -> str:
    """Median and 95th percentile of one call, after three to warm up."""
    taken = []
    for turn in range(repeats + 3):
        start = time.perf_counter()
        work(turn)
        taken.append(1e3 * (time.perf_counter() - start))
    cuts = statistics.quantiles(taken[3:], n=20)
    return f"median {statistics.median(taken[3:]):8.2f} ms   95 % {cuts[-1]:8.2f} ms"


def asked_by_http(host: str, port: int, k: int, repeats: int) -> Iterator[str]:
    connection = http.client.HTTPConnection(host, port)

    def post(path: str, body: dict[str, object]) -> bytes:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        assert reply.status == 200
        return reply.read()

    def get(path: str) -> bytes:
        connection.request("GET", path)
        return connection.getresponse().read()

    def user(turn: int) -> str:
        return f"query-{turn * 37 % USERS}"

    yield "POST /predict    " + milliseconds(lambda n: post("/predict", {"queries": [user(n)], "k": k}), repeats)
    yield "  with reasons   " + milliseconds(
        lambda n: post("/predict", {"queries": [user(n)], "k": k, "why": True}), repeats
    )
    yield "GET /suggest     " + milliseconds(lambda n: get(f"/suggest?kind=item&text=item-{n}"), repeats)
    yield "GET /health      " + milliseconds(lambda n: get("/health"), repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = folder_of(Path(folder), options.items, options.dim)
        start = time.perf_counter()
        run = negatives.load(path)
        assert isinstance(run, Run)
        print(f"load             {1e3 * (time.perf_counter() - start):.0f} ms")
        items, queries = run.held.table("item"), run.held.table("query")
        n = options.repeats
        print("product          " + milliseconds(lambda turn: items @ queries[turn % USERS], n))
        print("product and topk " + milliseconds(lambda turn: (items @ queries[turn % USERS]).topk(options.k), n))
        print("Run.ask          " + milliseconds(lambda turn: run.ask([{"user": f"query-{turn}"}], options.k), n))
        with served(path) as (host, port):
            for line in asked_by_http(host, port, options.k, n):
                print(line)


if __name__ == "__main__":
    main()

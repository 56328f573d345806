"""Mine hard negatives beside Sentence Transformers' ``mine_hard_negatives``: time, peak memory, the same negatives.

Each side runs in a process of its own over the same random vectors; its peak is that of the resident memory above what
it held before mining. Needs sentence-transformers and datasets.

    python benchmarks/mine.py [--documents 100000] [--queries 10000] [--dim 384]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

OPTIONS: dict[str, Any] = {"num_negatives": 5, "range_min": 10, "range_max": 100, "absolute_margin": -0.2}


def resident() -> int:
    """Resident memory of this process in bytes, without mapped files."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


class Peak(threading.Thread):
    """Watches the resident memory every 5 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.start_at, self.highest, self.going = resident(), 0, True

    def run(self) -> None:
        while self.going:
            self.highest = max(self.highest, resident())
            time.sleep(0.005)


def prepare(folder: Path, documents: int, queries: int, dim: int) -> None:
    """Random unit vectors; each query lies near its document, as queries do."""
    random = np.random.default_rng(0)
    items = random.standard_normal((documents, dim)).astype(np.float32)
    own = np.arange(queries) * 7 % documents
    asked = items[own] * 0.3 + random.standard_normal((queries, dim)).astype(np.float32)
    for name, table in (("items", items), ("queries", asked)):
        np.save(folder / f"{name}.npy", table / np.linalg.norm(table, axis=1, keepdims=True))
    np.save(folder / "own.npy", own)


def ours(folder: Path) -> tuple[list[str], dict[str, list[Any]]]:
    import torch

    from negatives.mining import Mining, columns, mine
    from negatives.types import Csr

    queries, items = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("queries", "items"))
    rows = torch.arange(len(queries))
    known = Csr.from_pairs(rows, torch.from_numpy(np.load(folder / "own.npy")), len(queries), len(items))
    texts = [f"d{index}" for index in range(len(items))], [f"q{index}" for index in range(len(queries))]
    found = columns(mine(queries, items, known, Mining(**OPTIONS)), texts[1], texts[0], "triplet")
    return list(found), found


def theirs(folder: Path) -> tuple[list[str], dict[str, list[Any]]]:
    import torch
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    queries, items = (np.load(folder / f"{name}.npy") for name in ("queries", "items"))
    own = np.load(folder / "own.npy")
    texts = [f"d{index}" for index in range(len(items))]

    class Given:
        """Gives the vectors in place of a model."""

        device = torch.device("cpu")

        def encode_document(self, some: list[str], **_: Any) -> Any:
            return items

        def encode_query(self, some: list[str], **_: Any) -> Any:
            return queries

        def similarity(self, left: Any, right: Any) -> Any:
            return torch.as_tensor(left) @ torch.as_tensor(right).T

        def similarity_pairwise(self, left: Any, right: Any) -> Any:
            return (torch.as_tensor(left) * torch.as_tensor(right)).sum(1)

    pairs = {"anchor": [f"q{index}" for index in range(len(queries))], "positive": [f"d{index}" for index in own]}
    found = mine_hard_negatives(Dataset.from_dict(pairs), Given(), corpus=texts, verbose=False, **OPTIONS)
    return found.column_names, {name: list(found[name]) for name in found.column_names}


def warm_up(side: str) -> None:
    """Import and compile before the clock starts."""
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), 300, 20, 8)
        {"ours": ours, "theirs": theirs}[side](Path(name))


def measure(side: str, folder: Path) -> None:
    """Run one side and print its figures and a digest of what it mined."""
    warm_up(side)
    peak = Peak()
    peak.start()
    start = time.perf_counter()
    names, found = {"ours": ours, "theirs": theirs}[side](folder)
    seconds = time.perf_counter() - start
    peak.going = False
    rows = sorted(zip(*(found[name] for name in names), strict=True))
    (folder / f"{side}.json").write_text(json.dumps(rows))
    print(json.dumps({"seconds": seconds, "peak": peak.highest - peak.start_at, "rows": len(rows), "columns": names}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        measure(given.side, given.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, given.documents, given.queries, given.dim)
        found = {}
        for side in ("ours", "theirs"):
            command = [sys.executable, __file__, "--side", side, "--folder", name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[side] = json.loads(done.stdout.strip().splitlines()[-1])
            print(f"{side}: {found[side]['seconds']:.2f} s, peak {found[side]['peak'] / 2**20:,.0f} MiB,"
                  f" {found[side]['rows']:,} rows {found[side]['columns']}", flush=True)  # fmt: skip
        left, right = ({tuple(row) for row in json.loads((folder / f"{side}.json").read_text())} for side in found)
        print(f"time: {found['theirs']['seconds'] / found['ours']['seconds']:.2f} times as fast")
        print(f"memory: {found['ours']['peak'] / max(1, found['theirs']['peak']):.3f} of theirs")
        print(f"same rows: {len(left & right) / max(1, len(left | right)):.4%}")


if __name__ == "__main__":
    main()

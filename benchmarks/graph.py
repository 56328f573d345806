"""Walks per second of the node2vec kernel beside those that PyTorch Geometric's Node2Vec makes, in one run.

    python benchmarks/graph.py                                  # a made graph of 200,000 nodes
    python benchmarks/graph.py --data PATH                      # a graph of one's own
    python benchmarks/graph.py --quick                          # a small graph, to see that everything runs

PyTorch Geometric walks with ``torch_cluster``, a compiled extra; where it is not installed the table says so and
holds our figures only. Both get the same graph, the same starting nodes and the same number of threads; the shortest
of several runs counts, and the two take turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from negatives import kernels
from negatives.data.edges import symmetric
from negatives.data.loading.edges import Reading, load_edges
from negatives.kernels.walks import walks
from negatives.randomness import Purpose, stream
from negatives.types import Csr

KEY = stream(0, Purpose.WALKS)
CASES = ((1.0, 1.0), (0.5, 2.0), (2.0, 0.5), (0.25, 4.0))


def made_graph(n_nodes: int, degree: int) -> Csr:
    """An undirected graph whose degrees have a long tail."""
    weights = 1.0 / torch.arange(1, n_nodes + 1, dtype=torch.float64) ** 0.7
    half = kernels.draw_alias(kernels.build_alias(weights), torch.arange(n_nodes), degree // 2, KEY)
    sources, targets = torch.arange(n_nodes).repeat_interleave(degree // 2), half.reshape(-1)
    apart = sources != targets
    return symmetric(Csr.from_pairs(sources[apart], targets[apart], n_nodes, n_nodes))


def library() -> Callable[..., Tensor] | None:
    """The operator that walks for PyTorch Geometric, or None."""
    try:
        import torch_cluster  # noqa: F401
    except ImportError:
        return None
    found: Callable[..., Tensor] = torch.ops.torch_cluster.random_walk
    return found


def seconds(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Shortest time of each call; the first round is not counted."""
    best = [float("inf")] * len(calls)
    for turn in range(rounds + 1):
        for place, call in enumerate(calls):
            start = time.perf_counter()
            call()
            if turn:
                best[place] = min(best[place], time.perf_counter() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="file or folder of edges")
    parser.add_argument("--nodes", type=int, default=200_000)
    parser.add_argument("--degree", type=int, default=20)
    parser.add_argument("--length", type=int, default=40, help="steps of a walk")
    parser.add_argument("--walks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=kernels.threads())
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.nodes, options.walks, options.rounds = 2_000, 2_000, 1
    kernels.set_threads(options.threads)
    torch.set_num_threads(options.threads)
    if options.data is None:
        graph = made_graph(options.nodes, options.degree)
    elif options.data.exists():
        graph = load_edges(options.data, Reading(test=0.01, valid=0.0, canaries=0.0)).graph()
    else:
        parser.exit(2, f"{options.data}: no such data; leave --data out for a made graph\n")
    usable = (graph.lengths() > 0).nonzero()[:, 0]
    starts = usable[torch.arange(options.walks) % usable.numel()]
    print(
        f"{graph.n_rows:,} nodes, {graph.nnz // 2:,} edges, largest degree {int(graph.lengths().max()):,}; "
        f"{options.walks:,} walks of {options.length} steps, {options.threads} threads, "
        f"shortest of {options.rounds} runs"
    )
    report(graph, starts, options.length, options.rounds)


def report(graph: Csr, starts: Tensor, length: int, rounds: int) -> None:
    """One line for each pair of p and q."""
    peer, examples = library(), torch.arange(starts.numel())
    rows, cols = graph.indptr, graph.indices.long()
    if peer is None:
        print("torch_cluster is not installed; pip install torch-cluster needs a C++ compiler")
    print(f"{'p':>5} {'q':>5} {'negatives':>16} {'torch_cluster':>16} {'ratio':>7}")
    for p, q in CASES:
        calls: list[Callable[[], object]] = [
            lambda p=p, q=q: walks(graph, starts, length, KEY, examples=examples, p=p, q=q)
        ]
        if peer is not None:
            calls.append(lambda p=p, q=q: peer(rows, cols, starts, length, p, q))
        rates = [starts.numel() / took for took in seconds(calls, rounds)]
        other = f"{rates[1]:>14,.0f}/s {rates[0] / rates[1]:>6.1f}x" if len(rates) > 1 else f"{'-':>16} {'-':>7}"
        print(f"{p:>5} {q:>5} {rates[0]:>14,.0f}/s {other}", flush=True)


if __name__ == "__main__":
    main()

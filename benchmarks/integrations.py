"""Other libraries' trainings with their own negatives, and with this library's in the same loop for the same steps.

    python benchmarks/integrations.py rectools .../sequence/beauty.txt --epochs 6 --seeds 3
    python benchmarks/integrations.py pykeen .../knowledge/umls --epochs 30 --seeds 3
    python benchmarks/integrations.py links .../graph/cora --seeds 3  # PyTorch Geometric
    python benchmarks/integrations.py pairs .../recommend/small/beauty --seeds 3  # likewise, two kinds of nodes

Each line is one training. The last lines give for each arm the mean over seeds, and the difference to the first arm
with a 95 % interval over seeds (Student's t, paired). ``--part test`` measures the test part; choose by validation.
"""

from __future__ import annotations

import argparse
import logging
import runpy
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from negatives import losses
from negatives.evaluation.significance import interval
from negatives.integrations.pyg import Embeddings, LinkNegatives, inner_product

Arm = tuple[str, Callable[[int, argparse.Namespace], dict[str, float]]]
Edges = tuple[Tensor, Tensor, Tensor]
"""Edges ``(2, n)`` of the three parts."""


def rectools(data: Path) -> Iterator[Arm]:
    """SASRec of RecTools; NDCG@10 of the last item but one (validation) or the last (test) among all unseen items."""
    from negatives.integrations.rectools import with_negatives

    example = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "rectools_sasrec.py"))
    rows = [[int(item) for item in line.split()[1:]] for line in data.read_text().splitlines()]

    def arm(name: str, loss: str, k: int, sampler: Any = None) -> Arm:
        def train(seed: int, options: argparse.Namespace) -> dict[str, float]:
            more = {} if sampler is None else with_negatives(sampler, seed)
            arguments = {"loss": loss, "n_negatives": k, **more}
            past = [row[:-2] for row in rows]
            model = example["trained"](past, options.epochs, seed, **arguments)
            if options.part == "valid":
                return {"ndcg@10": example["ndcg"](model, past, np.array([row[-2] for row in rows]))}
            seen = [row[:-1] for row in rows]
            return {"ndcg@10": example["ndcg"](model, seen, np.array([row[-1] for row in rows]))}

        return name, train

    yield arm("BCE, 1 uniform, RecTools", "BCE", 1)
    yield arm("sampled softmax, 32 uniform, RecTools", "sampled_softmax", 32)
    yield arm("BCE, dns, 1 of 32", "BCE", 1, "dns")
    yield arm("sampled softmax, 32 own of each row", "sampled_softmax", 32, {"proposal": "uniform", "candidates": 32})
    yield arm("sampled softmax, pool of 256", "sampled_softmax", 256, "softmax")


def pykeen(data: Path) -> Iterator[Arm]:
    """ComplEx and TransE of PyKEEN; filtered mean reciprocal rank of heads and tails."""
    from pykeen.pipeline import pipeline
    from pykeen.triples import TriplesFactory

    import negatives.integrations.pykeen  # noqa: F401

    train = TriplesFactory.from_path(data / "train.txt")
    names = {"entity_to_id": train.entity_to_id, "relation_to_id": train.relation_to_id}
    parts = {name: TriplesFactory.from_path(data / f"{name}.txt", **names) for name in ("valid", "test")}

    def arm(name: str, model: str, loss: str, sampler: str, **more: Any) -> Arm:
        def run(seed: int, options: argparse.Namespace) -> dict[str, float]:
            result = pipeline(
                training=train,
                validation=parts["valid"],
                testing=parts[options.part],
                model=model,
                model_kwargs={"embedding_dim": 64},
                loss=loss,
                training_loop="adaptive" if sampler == "adaptive" else "slcwa",
                negative_sampler=sampler,
                negative_sampler_kwargs={"num_negs_per_pos": 4, **more},
                optimizer_kwargs={"lr": 0.01},
                training_kwargs={"num_epochs": options.epochs, "batch_size": 256, "use_tqdm": False},
                evaluation_kwargs={"use_tqdm": False, "batch_size": 256},
                random_seed=seed,
                device="cpu",
            )
            return {"mrr": result.metric_results.get_metric("mrr")}

        return f"{model}, {name}", run

    for model, loss in (("ComplEx", "softplus"), ("TransE", "marginranking")):
        yield arm("basic, PyKEEN", model, loss, "basic")
        yield arm("bernoulli, PyKEEN", model, loss, "bernoulli")
        yield arm("dns, 4 of 32", model, loss, "adaptive", sampler="dns")
        yield arm("sir, 4 of 32", model, loss, "adaptive", sampler="sir")


class Encoder(nn.Module):
    """Two layers of a graph network over features, or over free vectors."""

    def __init__(self, nodes: int, features: Tensor | None, layer: Any, dim: int = 64) -> None:
        super().__init__()
        self.free = nn.Embedding(nodes, dim) if features is None else None
        if self.free is not None:
            nn.init.normal_(self.free.weight, std=0.1)
        self.features = features
        width = dim if features is None else features.shape[1]
        self.layers = nn.ModuleList([layer(width, dim), layer(dim, dim)])

    def forward(self, edges: Tensor) -> Tensor:
        start = self.features if self.free is None else self.free.weight
        return self.layers[1](self.layers[0](start, edges).relu(), edges)  # type: ignore[no-any-return]


def reciprocal_ranks(z: Embeddings, edges: Tensor, known: Tensor) -> float:
    """Mean reciprocal rank of each target among the nodes of its kind that are not ``known`` bool ``(m, n)``.

    Ties count one half: a network that has collapsed gives all nodes one score.
    """
    sources, targets = z if isinstance(z, tuple) else (z, z)
    found = []
    for some in edges.split(1024, 1):
        scores = sources[some[0]] @ targets.T
        right = scores.gather(1, some[1][:, None])
        others = scores.masked_fill(known[some[0]], -torch.inf).scatter(1, some[1][:, None], -torch.inf)
        found.append(1 / (1 + (others > right).sum(1) + (others == right).sum(1) / 2))
    return float(torch.cat(found).mean())


def divided(edges: Tensor) -> Edges:
    """85, 5 and 10 % of the edges."""
    edges = edges[:, torch.randperm(edges.shape[1], generator=torch.Generator().manual_seed(0))]
    first, second = int(0.85 * edges.shape[1]), int(0.9 * edges.shape[1])
    return edges[:, :first], edges[:, first:second], edges[:, second:]


def arms_of_edges(edges: Edges, sizes: tuple[int, int], two_kinds: bool, features: Tensor | None) -> Iterator[Arm]:
    """Full-batch trainings of a graph network by PyTorch Geometric; each step takes all edges."""
    from torch_geometric.nn import GCNConv, SAGEConv
    from torch_geometric.utils import negative_sampling

    train, (m, n) = edges[0], sizes
    other = train + torch.tensor([[0], [m]]) if two_kinds else train
    messages = torch.cat([other, other.flip(0)], 1)
    nodes = m + n if two_kinds else n

    def arm(name: str, sampler: Any, loss: Any) -> Arm:
        def run(seed: int, options: argparse.Namespace) -> dict[str, float]:
            torch.manual_seed(seed)
            model = Encoder(nodes, features, SAGEConv if features is None else GCNConv)
            optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
            drawn = sampler and LinkNegatives(train, sizes if two_kinds else n, sampler, seed=seed)
            for step in range(options.epochs):
                whole = model(messages)
                z = (whole[:m], whole[m:]) if two_kinds else whole
                right = inner_product(z, train)
                if drawn:
                    wrong = drawn(z, train, epoch=step)
                    value = loss(right, inner_product(z, drawn.edges(train, wrong)), wrong)
                else:
                    graph, number = (train, sizes) if two_kinds else (messages, n)
                    fake = negative_sampling(graph, number, train.shape[1])
                    scores = torch.cat([right, inner_product(z, fake)])
                    labels = torch.cat([torch.ones(len(right)), torch.zeros(fake.shape[1])])
                    value = nn.functional.binary_cross_entropy_with_logits(scores, labels)
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
            known = torch.zeros(sizes, dtype=torch.bool)
            for part in edges[: 1 if options.part == "valid" else 2]:
                known[part[0], part[1]] = True
                if not two_kinds:
                    known[part[1], part[0]] = True
            if not two_kinds:
                known.fill_diagonal_(True)
            with torch.no_grad():
                whole = model(messages)
            z = (whole[:m], whole[m:]) if two_kinds else whole
            return {"mrr": reciprocal_ranks(z, edges[1 if options.part == "valid" else 2], known)}

        return name, run

    yield arm("BCE, negative_sampling of PyG", None, None)
    yield arm("logistic, uniform", "uniform", losses.logistic)
    yield arm("bpr, dns", "dns", losses.bpr)
    yield arm("sampled softmax, pool of 512", {"name": "softmax", "pool": 512}, losses.sampled_softmax)


def links(data: Path) -> Iterator[Arm]:
    """A graph of one kind of nodes, with features where there are any; rank among all nodes."""
    lines = [line.split() for line in (data / "edges.txt").read_text().splitlines() if line[:1].isdigit()]
    edges = torch.tensor([[int(a), int(b)] for a, b, *_ in lines]).T
    edges = torch.unique(edges.sort(0).values, dim=1)
    n, features, path = int(edges.max()) + 1, None, data / "features.txt"
    if path.exists():
        first, *rows = [[int(one) for one in line.split()] for line in path.read_text().splitlines()]
        features = torch.zeros(first[0], first[1])
        for row, columns in enumerate(rows):
            features[row, columns] = 1 / max(1, len(columns))
        n = first[0]
    yield from arms_of_edges(divided(edges), (n, n), False, features)


def pairs(data: Path) -> Iterator[Arm]:
    """Users and items; rank among all items."""
    rows = [[int(one) for one in line.split()] for line in (data / "train.txt").read_text().splitlines()]
    edges = torch.tensor([[row[0], item] for row in rows for item in row[1:]]).T
    sizes = int(edges[0].max()) + 1, int(edges[1].max()) + 1
    yield from arms_of_edges(divided(edges), sizes, True, None)


def summary(results: dict[str, list[float]]) -> Iterator[str]:
    """Mean of each arm, and its difference to the first arm of its kind."""
    for name, values in results.items():
        kind = name.split(", ")[0]
        base = next(one for one in results if one.split(", ")[0] == kind or kind not in ("ComplEx", "TransE"))
        mean, off = torch.tensor(values).mean(), torch.tensor(values) - torch.tensor(results[base])
        low, high = interval(off)
        told = "" if name == base else f"{off.mean():+.4f} ({low:+.4f} to {high:+.4f})"
        yield f"| {name} | {mean:.4f} | {told} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rectools", "pykeen", "links", "pairs"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--part", choices=("valid", "test"), default="valid")
    parser.add_argument("--arms", default="", help="numbers of the arms, with commas; all by default")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    arms = list({"rectools": rectools, "pykeen": pykeen, "links": links, "pairs": pairs}[options.what](options.data))
    arms = [arms[int(one)] for one in options.arms.split(",")] if options.arms else arms
    results: dict[str, list[float]] = {name: [] for name, _ in arms}
    for seed in range(options.seeds):
        for name, run in arms:
            start = time.perf_counter()
            ((metric, value),) = run(seed, options).items()
            results[name].append(value)
            print(
                f"{name}: seed {seed}, {options.part} {metric} {value:.4f}, {time.perf_counter() - start:.0f} s",
                flush=True,
            )
    print("\n".join(summary(results)))


if __name__ == "__main__":
    main()

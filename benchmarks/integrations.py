"""Other libraries' trainings with their own negatives, and with this library's in the same loop for the same steps.

    python benchmarks/integrations.py rectools .../sequence/beauty.txt --epochs 6 --seeds 3
    python benchmarks/integrations.py pykeen .../knowledge/umls --epochs 30 --seeds 3
    python benchmarks/integrations.py links .../graph/cora --epochs 60 --seeds 3  # PyTorch Geometric
    python benchmarks/integrations.py pairs .../recommend/small/beauty --rows 8192 --seeds 3  # two kinds of nodes

Each line is one training. The last lines give for each arm the mean over seeds, and the difference to the first arm
of its kind (loss or model), both with 95 % intervals over seeds (Student's t, paired). ``--part test`` measures the
test part; choose by validation.
"""

from __future__ import annotations

import argparse
import json
import logging
import runpy
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
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
OWN = {"proposal": "uniform", "candidates": 32}


def rectools(data: Path) -> Iterator[Arm]:
    """SASRec of RecTools; NDCG@10 of the last item but one (validation) and the last (test) among all unseen items."""
    from negatives.integrations.rectools import with_negatives

    example = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "rectools_sasrec.py"))
    rows = [[int(item) for item in line.split()[1:]] for line in data.read_text().splitlines()]

    def arm(name: str, loss: str, k: int, sampler: Any = None, **arguments: Any) -> Arm:
        def train(seed: int, options: argparse.Namespace) -> dict[str, float]:
            more = {} if sampler is None else with_negatives(sampler, seed)
            past = [row[:-2] for row in rows]
            model = example["trained"](past, options.epochs, seed, loss=loss, n_negatives=k, **arguments, **more)
            found = {"ndcg@10, valid": example["ndcg"](model, past, np.array([row[-2] for row in rows]))}
            if options.part == "test":
                seen = [row[:-1] for row in rows]
                found["ndcg@10, test"] = example["ndcg"](model, seen, np.array([row[-1] for row in rows]))
            return found

        return name, train

    softmax = "sampled_softmax"
    yield arm("sampled softmax, 32 uniform, RecTools", softmax, 32)
    yield arm("sampled softmax, 32 uniform, but none of the session and with log q", softmax, 32, OWN)
    yield arm("sampled softmax, 32 of clusters near the session", softmax, 32, "cluster")
    yield arm("sampled softmax, 32 of 256 popular ones by the model", softmax, 32, example["LIKELY"])
    yield arm("sampled softmax, pool of 256 uniform", softmax, 256, "softmax")
    yield arm("sampled softmax, pool of 256 of other rows", softmax, 256, "in_batch")
    yield arm("BCE, 1 uniform, RecTools", "BCE", 1)
    yield arm("BCE, 1 by auto", "BCE", 1, "auto")
    yield arm("gBCE, 32 uniform, RecTools", "gBCE", 32, gbce_t=0.75)
    yield arm("gBCE, 32 of clusters near the session", "gBCE", 32, "cluster", gbce_t=0.75)


def pykeen(data: Path) -> Iterator[Arm]:
    """ComplEx and TransE of PyKEEN; filtered mean reciprocal rank of heads and tails."""
    from pykeen.pipeline import pipeline
    from pykeen.triples import TriplesFactory

    import negatives.integrations.pykeen  # noqa: F401

    train = TriplesFactory.from_path(data / "train.txt")
    names = {"entity_to_id": train.entity_to_id, "relation_to_id": train.relation_to_id}
    parts = {name: TriplesFactory.from_path(data / f"{name}.txt", **names) for name in ("valid", "test")}

    def arm(name: str, model: str, loss: str, drawing: str, **more: Any) -> Arm:
        def run(seed: int, options: argparse.Namespace) -> dict[str, float]:
            result = pipeline(
                training=train,
                validation=parts["valid"],
                testing=parts[options.part],
                model=model,
                model_kwargs={"embedding_dim": 64},
                loss=loss,
                training_loop="adaptive" if drawing == "adaptive" else "slcwa",
                negative_sampler=drawing,
                negative_sampler_kwargs={"num_negs_per_pos": 4, **more},
                optimizer_kwargs={"lr": 0.01},
                training_kwargs={"num_epochs": options.epochs, "batch_size": 256, "use_tqdm": False},
                evaluation_kwargs={"use_tqdm": False, "batch_size": 256},
                random_seed=seed,
                device="cpu",
            )
            return {f"mrr, {options.part}": result.metric_results.get_metric("mrr")}

        return f"{model}, {name}", run

    for model, loss in (("ComplEx", "softplus"), ("TransE", "marginranking")):
        yield arm("basic, PyKEEN", model, loss, "basic")
        yield arm("bernoulli, PyKEEN", model, loss, "bernoulli")
        yield arm("uniform, but no known triple", model, loss, "adaptive", sampler={"candidates": 4})
        yield arm("dns, 4 of 32", model, loss, "adaptive", sampler="dns")
        yield arm("auto, 4 of 32", model, loss, "adaptive", sampler="auto")


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
    """Trainings of a graph network by PyTorch Geometric on the whole graph; each step asks for all edges or ``rows``.

    Vectors are scored as they come out of the network, or at one length (``unit``), times four.
    """
    from torch_geometric.nn import GCNConv, SAGEConv
    from torch_geometric.utils import negative_sampling

    train, (m, n) = edges[0], sizes
    other = train + torch.tensor([[0], [m]]) if two_kinds else train
    messages = torch.cat([other, other.flip(0)], 1)
    nodes = m + n if two_kinds else n

    def arm(name: str, sampler: Any, loss: Any, unit: bool) -> Arm:
        def embedded(model: Encoder) -> Embeddings:
            whole = model(messages)
            whole = 2 * nn.functional.normalize(whole) if unit else whole
            return (whole[:m], whole[m:]) if two_kinds else whole

        def run(seed: int, options: argparse.Namespace) -> dict[str, float]:
            torch.manual_seed(seed)
            model = Encoder(nodes, features, SAGEConv if features is None else GCNConv)
            optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
            drawn = sampler and LinkNegatives(train, sizes if two_kinds else n, sampler, seed=seed)
            for step in range(options.epochs):
                some = train if options.rows is None else train[:, torch.randperm(train.shape[1])[: options.rows]]
                z = embedded(model)
                right = inner_product(z, some)
                if drawn:
                    wrong = drawn(z, some, epoch=step)
                    value = loss(right, drawn.scores(z, some, wrong), wrong)
                else:
                    graph, number = (train, sizes) if two_kinds else (messages, n)
                    value = theirs(right, inner_product(z, negative_sampling(graph, number, some.shape[1])))
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
            with torch.no_grad():
                parts = edges[: 1 if options.part == "valid" else 2]
                known = known_edges(parts, sizes, two_kinds)
                asked = edges[1 if options.part == "valid" else 2]
                return {f"mrr, {options.part}": reciprocal_ranks(embedded(model), asked, known)}

        return f"{'unit vectors' if unit else 'inner product'}, {name}", run

    for unit in (False, True):
        yield arm("BCE, negative_sampling of PyG", None, None, unit)
        yield arm("BCE, uniform for each source", "uniform", losses.logistic, unit)
        yield arm("BCE, dns", "dns", losses.logistic, unit)
        yield arm("BPR, dns", "dns", losses.bpr, unit)
        yield arm("BPR, auto", "auto", losses.bpr, unit)
        yield arm("sampled softmax, pool of 512", {"name": "softmax", "pool": 512}, losses.sampled_softmax, unit)


def theirs(right: Tensor, wrong: Tensor) -> Tensor:
    """Binary cross-entropy as in PyTorch Geometric's examples; :func:`negatives.losses.logistic` is twice as much."""
    labels = torch.cat([torch.ones_like(right), torch.zeros_like(wrong)])
    return nn.functional.binary_cross_entropy_with_logits(torch.cat([right, wrong]), labels)


def known_edges(parts: Sequence[Tensor], sizes: tuple[int, int], two_kinds: bool) -> Tensor:
    """Bool ``(m, n)``, True for the edges of the parts, in both directions and with loops where nodes are of a kind."""
    known = torch.zeros(sizes, dtype=torch.bool)
    for part in parts:
        known[part[0], part[1]] = True
        if not two_kinds:
            known[part[1], part[0]] = True
    return known if two_kinds else known.fill_diagonal_(True)


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
    """Mean of each arm, and its difference to the first arm of its kind, which stands before the comma."""
    for name, values in results.items():
        base = next(one for one in results if one.split(", ")[0] == name.split(", ")[0])
        mean, off = torch.tensor(values).mean(), torch.tensor(values) - torch.tensor(results[base])
        (low, high), (below, above) = interval(torch.tensor(values)), interval(off)
        told = "" if name == base else f"{off.mean():+.4f} ({below:+.4f} to {above:+.4f})"
        yield f"| {name} | {mean:.4f} ({low:.4f} to {high:.4f}) | {told} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rectools", "pykeen", "links", "pairs"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--part", choices=("valid", "test"), default="valid")
    parser.add_argument("--arms", default="", help="numbers of the arms, with commas; all by default")
    parser.add_argument("--rows", type=int, help="links, pairs: edges of a step; all by default")
    parser.add_argument("--keep", type=Path, help="a file in which finished trainings are kept, and not run again")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    arms = list({"rectools": rectools, "pykeen": pykeen, "links": links, "pairs": pairs}[options.what](options.data))
    arms = [arms[int(one)] for one in options.arms.split(",")] if options.arms else arms
    results: dict[str, dict[str, list[float]]] = {}
    for seed in range(options.seeds):
        for name, run in arms:
            start = time.perf_counter()
            key = " ".join(map(str, (options.data.name, options.epochs, options.rows, options.part, name, seed)))
            kept = json.loads(options.keep.read_text()) if options.keep and options.keep.exists() else {}
            if key not in kept:
                kept[key] = run(seed, options)
                print(f"{key}: {kept[key]}, {time.perf_counter() - start:.0f} s", flush=True)
                if options.keep:
                    options.keep.write_text(json.dumps(kept, indent=1))
            for metric, value in kept[key].items():
                results.setdefault(metric, {}).setdefault(name, []).append(value)
    for metric, found in results.items():
        print(metric, *summary(found), sep="\n")


if __name__ == "__main__":
    main()

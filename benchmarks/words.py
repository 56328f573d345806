"""Word vectors beside gensim's, epoch by epoch in turn; adaptive negatives; GloVe with and without zero cells; memory.

    pip install gensim                                               # optional: the library to compare with
    OMP_WAIT_POLICY=PASSIVE python benchmarks/words.py --data .../words/wiki_en.txt.xz
    python benchmarks/words.py --data TEXT --only adaptive --seeds 3 # recipes for as many seconds as gensim takes
    python benchmarks/words.py --data TEXT --only glove
    python benchmarks/words.py --data TEXT --only memory             # repeats the text up to 1 GB; Linux only
    python benchmarks/words.py --data TEXT --quick                   # one epoch each, to see that it runs

All parties get the same text, dimension 100, window 5, five negatives, linearly falling step sizes and the same number
of threads. Rates count words as they stand in the text, before rare and frequent ones are dropped; reading and
counting are not timed. Quality is measured on whole sets, by one code for all: that of ``negatives evaluate``.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor

from negatives import kernels
from negatives.config import RunConfig
from negatives.data.loading.text import Text, sentences
from negatives.evaluation import interval
from negatives.evaluation import words as evaluation
from negatives.runs.builder import Trained, fill, prepare, task_of
from negatives.tasks.base import Examples
from negatives.tasks.words import Words

SETTINGS = {"vector_size": 100, "window": 5, "negative": 5, "sg": 1, "min_count": 5, "sample": 1e-3}
MEGABYTES = 1000


@dataclass(slots=True)
class Party:
    """Who trains: what it is called, seconds of each epoch, and what came out."""

    name: str
    seconds: list[float] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)

    def line(self, words: int, epochs: float = 1.0) -> str:
        """``epochs`` is how many of them one entry of ``seconds`` stands for."""
        rate = words * epochs / statistics.median(self.seconds) / 1e6
        sets = "  ".join(f"{name.removeprefix('spearman:')} {value:.4f}" for name, value in self.scores.items())
        return f"{self.name:<26} {rate:6.3f} M words/s  {sum(self.seconds):7.1f} s   {sets}"


def scores(vectors: Tensor, names: Sequence[str], examples: Examples) -> dict[str, float]:
    """Figures on whole sets, and their mean."""
    index, data = evaluation.word_index(names), examples.data
    found = {
        one.name: float(evaluation.spearman_terms(evaluation.similarity(vectors, index, one)).mean())
        for one in data.similarity
    }
    found["analogies"] = float(evaluation.analogies(vectors, index, data.analogies).mean())
    return found | {"mean": sum(found.values()) / len(found)}


def built(data: Path, seed: int, threads: int, **asked: Any) -> Trained:
    """A training that has not begun."""
    config = RunConfig(task="words", data=str(data), seed=seed, threads=threads, **asked)
    task = task_of(config)
    examples = task.load(data, config)
    return prepare(fill(config, task, examples), examples, task)


def epoch(trained: Trained) -> float:
    """Seconds of one epoch."""
    start = time.perf_counter()
    for _ in range(trained.loop.steps_per_epoch):
        trained.loop._step()
    return time.perf_counter() - start


def judged(trained: Trained) -> dict[str, float]:
    """Figures of a trained model."""
    names, vectors = Words().vectors(trained.model, trained.examples)["word"]
    return scores(vectors, names.to_list(), trained.examples)


def beside_gensim(data: Path, epochs: int, seed: int, threads: int, recipe: str) -> tuple[list[Party], int]:
    """Ours and gensim's, one epoch each in turn; and the words of one epoch."""
    try:
        from gensim.models import Word2Vec
    except ImportError:
        Word2Vec = None
        print("gensim is not installed; only ours is measured")
    trained = built(data, seed, threads, recipe=recipe, epochs=epochs)
    text = text_of(data)
    words = sum(map(len, text))
    ours, theirs = Party(f"negatives, {recipe}"), Party("gensim")
    if Word2Vec is not None:
        model = Word2Vec(workers=threads, seed=seed + 1, epochs=epochs, **SETTINGS)
        model.build_vocab(text)
    trained.loop._step()  # compiles
    trained = built(data, seed, threads, recipe=recipe, epochs=epochs)
    for done in range(epochs):
        ours.seconds.append(epoch(trained))
        if Word2Vec is not None:
            theirs.seconds.append(gensim_epoch(model, text, done, epochs))
        latest = ", ".join(f"{one.name} {one.seconds[-1]:.1f} s" for one in (ours, theirs) if one.seconds)
        print(f"epoch {done + 1}: {latest}", flush=True)
    ours.scores = judged(trained)
    if Word2Vec is None:
        return [ours], words
    theirs.scores = scores(torch.from_numpy(model.wv.vectors.copy()), model.wv.index_to_key, trained.examples)
    return [ours, theirs], words


def text_of(data: Path) -> list[list[str]]:
    """The sentences as gensim wants them."""
    return [list(map(sys.intern, one)) for one in sentences(Text(data))]


def gensim_epoch(model: Any, text: list[list[str]], done: int, epochs: int) -> float:
    """Seconds of one epoch of gensim's, whose step size falls as if all were one call."""
    alphas = [0.025 - (0.025 - 0.0001) * part / epochs for part in (done, done + 1)]
    start = time.perf_counter()
    model.train(text, total_examples=len(text), epochs=1, start_alpha=alphas[0], end_alpha=alphas[1])
    return time.perf_counter() - start


def in_gensims_time(data: Path, epochs: int, given: argparse.Namespace) -> None:
    """gensim with each seed, then each recipe for as many seconds; means of the four sets with intervals over seeds."""
    from gensim.models import Word2Vec

    text, found = text_of(data), {}
    for seed in range(given.seeds):
        theirs = Party(f"gensim, seed {seed}")
        model = Word2Vec(workers=given.threads, seed=seed + 1, epochs=epochs, **SETTINGS)
        model.build_vocab(text)
        theirs.seconds = [gensim_epoch(model, text, done, epochs) for done in range(epochs)]
        budget = sum(theirs.seconds)
        for name in given.recipes.split(","):
            asked = {"epochs": 1} if given.quick else {"max_seconds": budget}
            trained = built(data, seed, given.threads, recipe=name, **asked)
            trained.loop.evaluate = dict
            trained.loop.run()
            party = Party(f"{name}, seed {seed}", [trained.loop.seconds], judged(trained))
            passes = trained.loop.steps / trained.loop.steps_per_epoch
            print(party.line(trained.examples.data.corpus.n_tokens, passes) + f"   {passes:.1f} passes", flush=True)
            found.setdefault(name, []).append(party.scores["mean"])
        vectors = torch.from_numpy(model.wv.vectors.copy())
        theirs.scores = scores(vectors, model.wv.index_to_key, trained.examples)
        print(theirs.line(trained.examples.data.corpus.n_tokens), flush=True)
        found.setdefault("gensim", []).append(theirs.scores["mean"])
    for name, values in found.items():
        gaps = [a - b for a, b in zip(values, found["gensim"], strict=True)]
        (low, high), (least, most) = (interval(torch.tensor(one)) for one in (values, gaps))
        mean = statistics.mean(values)
        print(f"{name:<10} mean {mean:.4f} ({low:.4f} to {high:.4f}), less gensim ({least:+.4f} to {most:+.4f})")


def alone(data: Path, seeds: int, threads: int, variants: Mapping[str, dict[str, Any]]) -> list[Party]:
    """Each variant with each seed."""
    found = []
    for seed in range(seeds):
        for name, asked in variants.items():
            trained = built(data, seed, threads, **asked)
            party = Party(f"{name}, seed {seed}")
            for _ in range(round(trained.loop.plan.epochs)):
                party.seconds.append(epoch(trained))
            party.scores = judged(trained)
            found.append(party)
            print(party.line(trained.examples.data.corpus.n_tokens), flush=True)
    return found


def memory(data: Path, threads: int) -> float:
    """Peak resident memory in MB of a training on the text repeated up to 1 GB."""
    with tempfile.TemporaryDirectory() as folder:
        text, run = Path(folder) / "text.txt", Path(folder) / "run"
        content = "\n".join(" ".join(one) for one in sentences(Text(data))) + "\n"
        with text.open("w", encoding="utf-8") as file:
            for _ in range(-(-MEGABYTES * 1_000_000 // len(content.encode()))):
                file.write(content)
        del content
        size = text.stat().st_size
        options = ["--epochs", "1", "--max-seconds", "30", "--threads", str(threads), "--recipe", "word2vec"]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "negatives", "train", "words", str(text), "--out", str(run), *options], check=True
        )
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    print(f"text of {size / 1e9:.2f} GB: peak {peak:.0f} MB resident, {seconds:.0f} s with 30 s of training")
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a text with a folder eval beside it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--recipe", default="word2vec", help="recipe that stands beside gensim")
    parser.add_argument("--recipes", default="adaptive,default", help="recipes for --only adaptive")
    parser.add_argument("--only", default="gensim", choices=("gensim", "adaptive", "glove", "memory"))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    logging.disable(logging.INFO)
    if not given.data.exists():
        sys.exit(f"{given.data} is not there; give the text with --data")
    kernels.set_threads(given.threads)
    print(f"{given.threads} threads on {os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}")
    epochs = 1 if given.quick else given.epochs
    if given.only == "memory":
        memory(given.data, given.threads)
    elif given.only == "gensim":
        for seed in range(given.seeds):
            parties, words = beside_gensim(given.data, epochs, seed, given.threads, given.recipe)
            for party in parties:
                print(party.line(words), flush=True)
            if len(parties) == 2:
                ratio = statistics.median(b / a for a, b in zip(parties[0].seconds, parties[1].seconds, strict=True))
                print(f"gensim's seconds over ours, median of epochs: {ratio:.2f}")
    elif given.only == "adaptive":
        in_gensims_time(given.data, epochs, given)
    else:
        without = {"recipe": "glove", "loss": {"name": "squared", "zeros": 0.0}, "epochs": epochs}
        alone(
            given.data,
            given.seeds,
            given.threads,
            {"glove": {"recipe": "glove", "epochs": epochs}, "no zeros": without},
        )
    print(f"load average at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

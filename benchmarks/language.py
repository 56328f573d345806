"""Language models from sampled words beside the exact softmax of the same model: perplexity, time, normalisation.

    python benchmarks/language.py speed --data PATH             # exact softmax, sampled softmax and NCE
    python benchmarks/language.py noise --data PATH             # perplexity over the number of noise words, by noise
    python benchmarks/language.py speed                         # the offline text
    python benchmarks/language.py sentences --data PATH         # real sentences told from noise, by kind of noise

``PATH`` is a folder with train, valid and test files; ``--lines`` takes the first lines of the training part and a
tenth as many of the others. All ways train the same model with the same step sizes, epochs and order. The exact
softmax is plain PyTorch: one matrix product with all words, ``cross_entropy``, and dense updates of both tables by the
same rules.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from negatives.config import apply_sets, build
from negatives.data.ngrams import Sentences
from negatives.evaluation import interval, p_text, paired
from negatives.evaluation.sentences import told_right
from negatives.models.language.base import LanguageModel
from negatives.models.language.sentence import SentenceModel
from negatives.runs.builder import Trained, fill, prepare, task_of
from negatives.types import Context

WAYS: dict[str, list[str]] = {
    "sampled softmax, count^0.75, 1,024 shared": [],
    "NCE, unigram, 1,024 shared": ["recipe=nce"],
    "NCE, learned bigram, 32 per position": ["recipe=bigram"],
}
UNIGRAM = 'proposal={name="popularity",alpha=1.0}'
NOISES_OF_WORDS = {
    "NCE, unigram": ("nce", UNIGRAM + ',candidates={k},select="all"'),
    "NCE, bigram, weight 0.5": ("nce", 'proposal={name="bigram"},candidates={k},select="all"'),
    "NCE, bigram, weight learned": ("nce", 'proposal={name="bigram",adapt=0.05},candidates={k},select="all"'),
    "NCE, clusters that follow the model": (
        "nce",
        'proposal={name="cluster",within="counts"},candidates={k},select="all"',
    ),
    "softmax, unigram": ("sampled_softmax", UNIGRAM + ',candidates={k},select="all"'),
    "softmax, drawn by the model among 64 of unigram": (
        "sampled_softmax",
        UNIGRAM + ',candidates=64,select={name="softmax",k={k}}',
    ),
}
"""Loss and sampler, in which ``{k}`` stands for the number of noise words of each position."""


NOISES: dict[str, list[str]] = {
    "static noise": ["sampler=uniform", "loss=logistic", "reading.reestimate=false"],
    "re-estimated": ["sampler=uniform", "loss=logistic"],
    "half of it hardened": ["reading.reestimate=false"],
    "hardened": ["sampler.select.share=1.0", "reading.reestimate=false"],
    "re-estimated, half hardened (the recipe)": [],
    "re-estimated, hardened": ["sampler.select.share=1.0"],
}


def shortened(folder: Path, lines: int, target: Path) -> Path:
    """The first lines of each part, a tenth as many of valid and test."""
    for file in sorted(folder.iterdir()):
        most = lines if "train" in file.name else max(200, lines // 10)
        with file.open(encoding="utf-8") as source:
            text = list(islice((line for line in source if line.strip()), most))
        (target / file.name).write_text("".join(text), encoding="utf-8")
    return target


def prepared(data: Path | None, sets: list[str], task: str = "language") -> Trained:
    """The task, ready to train."""
    start = {"task": task} | ({} if data is None else {"data": str(data)})
    config = build([("the benchmark", apply_sets(start, sets))])
    of = task_of(config)
    examples = of.load(data, config)
    return prepare(fill(config, of, examples), examples, of)


def exact(trained: Trained) -> None:
    """Train the model of a prepared run by the exact softmax."""
    model, loop, plan = trained.model, trained.loop, trained.loop.plan
    assert isinstance(model, LanguageModel)
    tables = [model.item_table, model.word_table]
    mine = {id(one) for one in tables}
    net = [p for p in model.parameters() if id(p) not in mine]
    rules: list[torch.optim.Optimizer] = [torch.optim.Adagrad(tables, eps=1e-10), torch.optim.Adam(net, fused=True)]
    size, rate = plan.step_size, model.table_rate
    for step in range(loop.total_steps):
        epoch, index = divmod(step, loop.steps_per_epoch)
        batch = loop.feed.batch(plan.seed, epoch, index, plan.batch_size)
        model.refresh(Context(batch.queries, batch.items, batch.examples, plan.seed, epoch, step))
        for parameter in model.parameters():
            parameter.grad = None
        loss = cross_entropy(model.encode_queries(batch.queries) @ model.item_table.T, batch.items)
        loss.backward()
        grad = model.word_table.grad
        assert grad is not None
        model.word_table.grad = grad.to_dense()
        nn.utils.clip_grad_norm_(net, model.max_norm or 1e9)
        for rule, factor in zip(rules, (rate, 1.0), strict=True):
            for group in rule.param_groups:
                group["lr"] = size.at(step / loop.total_steps) * factor
            rule.step()


def line(name: str, seconds: float, words: int, found: Mapping[str, float]) -> str:
    figures = f"{found['perplexity']:.1f} | {found['log_z']:+.2f} ± {found['log_z_sd']:.2f}"
    return f"| {name} | {seconds:.1f} | {words / seconds:,.0f} | {figures} |"


def speed(data: Path | None, options: argparse.Namespace) -> None:
    """One line for each way."""
    sets = [f"epochs={options.epochs}", f"threads={options.threads}", "evaluation.every=1000.0", *options.set]
    print("| way | seconds | words/s | test perplexity | log Z |\n|---|---|---|---|---|")
    for name, more in WAYS.items():
        trained = prepared(data, [*sets, *more])
        trained.loop.evaluate = dict
        start = options.clock()
        trained.loop.run()
        seconds = options.clock() - start
        words = trained.loop.steps * trained.loop.plan.batch_size
        print(line(name, seconds, words, trained.evaluate("test").mean), flush=True)
    trained = prepared(data, sets)
    start = options.clock()
    exact(trained)
    seconds = options.clock() - start
    words = trained.loop.total_steps * trained.loop.plan.batch_size
    print(line("exact softmax", seconds, words, trained.evaluate("test").mean), flush=True)


def noise(data: Path | None, options: argparse.Namespace) -> None:
    """Perplexity over the number of noise words of each position; means over seeds with half their 95 % interval."""
    sets = [f"epochs={options.epochs}", f"threads={options.threads}", "recipe=bigram", *options.set]
    print("| loss, noise | " + " | ".join(f"{k} words" for k in options.words) + " |")
    print("|---" * (1 + len(options.words)) + "|")
    for name, (loss, parts) in NOISES_OF_WORDS.items():
        if options.only not in name:
            continue
        cells = []
        for k in options.words:
            sampler = "sampler={guards=[]," + parts.replace("{k}", str(k)) + "}"
            found = []
            for seed in range(options.seeds):
                trained = prepared(data, [*sets, sampler, f"loss={loss}", f"seed={seed}"])
                trained.loop.evaluate = dict
                trained.loop.run()
                found.append(trained.evaluate("test").mean["perplexity"])
            cells.append(with_interval(found, 1))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def hardest(model: SentenceModel, n: int, among: int, key: int) -> Sentences:
    """``n`` noise sentences, each that of ``among`` which a model finds most real."""
    drawn = model.noise.start.draw(n * among, key)
    best = model.told(drawn).view(n, among).argmax(1)
    return drawn.pick(torch.arange(n) * among + best)


def trained_scorer(data: Path | None, options: argparse.Namespace, sets: list[str], seed: int) -> Trained:
    """A scorer of sentences, trained."""
    start = [f"epochs={options.epochs}", f"threads={options.threads}", f"seed={seed}"]
    trained = prepared(data, [*start, "evaluation.every=1000.0", *options.set, *sets], "sentences")
    trained.loop.evaluate = dict
    trained.loop.run()
    return trained


def sentences(data: Path | None, options: argparse.Namespace) -> None:
    """Accuracy of scorers trained with noise of each kind; the hardest noise is chosen by a scorer of its own.

    Means over seeds with half their 95 % interval; the last column compares the accuracy against the hardest noise with
    that of the first row by a paired test over the test sentences, each sentence's mean over the seeds.
    """
    judge = trained_scorer(data, options, NOISES["static noise"], 99)
    assert isinstance(judge.model, SentenceModel)
    n = judge.examples.data.real["test"].lengths.numel()
    false = {"hardened": hardest(judge.model, n, 8, 12345)}
    static: torch.Tensor | None = None
    for kind, sets in NOISES.items():
        if kind != "static noise" and options.only not in kind:
            continue
        scores: dict[str, list[float]] = {}
        told = []
        for seed in range(options.seeds):
            made = trained_scorer(data, options, sets, seed)
            assert isinstance(made.model, SentenceModel)
            told.append(told_right(made.model.told, made.examples.data.real["test"], false)["accuracy:hardened"])
            for name, value in (*made.evaluate("test").mean.items(), ("accuracy:hardened", float(told[-1].mean()))):
                scores.setdefault(name, []).append(value)
        if static is None:
            print(
                f"| trained with | {' | '.join(scores)} | hardened less static |\n" + "|---" * (2 + len(scores)) + "|"
            )
        cells = [with_interval(values, 3) for values in scores.values()]
        hard = torch.stack(told).mean(0)
        print(f"| {kind} | {' | '.join(cells)} | {'' if static is None else less(hard, static)} |", flush=True)
        static = hard if static is None else static


def with_interval(values: list[float], digits: int) -> str:
    """Mean and half the 95 % interval over seeds."""
    low, high = interval(torch.tensor(values))
    return f"{sum(values) / len(values):.{digits}f} ± {(high - low) / 2:.{digits}f}"


def less(a: torch.Tensor, b: torch.Tensor) -> str:
    """The paired difference over sentences."""
    gap = paired(a, b)
    return f"{gap.mean:+.3f} ({gap.interval[0]:+.3f} to {gap.interval[1]:+.3f}), {p_text(gap.p_value)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("speed", "noise", "sentences"))
    parser.add_argument("--data", type=Path, help="folder with train, valid and test; the offline text without it")
    parser.add_argument("--lines", type=int, default=3_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--words", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--only", default="", help="part of the names of the rows of noise and sentences")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="key=value of the configuration")
    parser.add_argument("--processor", action="store_true", help="processor time, which other work does not change")
    options = parser.parse_args()
    options.clock = time.process_time if options.processor else time.perf_counter
    run: Any = {"speed": speed, "noise": noise, "sentences": sentences}[options.command]
    if options.data is None:
        run(None, options)
        return
    if not options.data.is_dir():
        parser.exit(2, f"{options.data}: no such folder; leave --data out for the offline text\n")
    with tempfile.TemporaryDirectory() as folder:
        run(shortened(options.data, options.lines, Path(folder)), options)


if __name__ == "__main__":
    main()

"""Word vectors: the query is a word of the text, the item a word near it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars
import torch
from pydantic import Field
from torch import Tensor

from negatives.config import RunConfig, Section
from negatives.data.cooccurrence import count_cooccurrence
from negatives.data.corpus import Corpus, Text, encode, join_phrases, sentences
from negatives.errors import ConfigError
from negatives.evaluation import evaluate, rank
from negatives.evaluation import words as evaluation
from negatives.models import Model, registry
from negatives.models.words.glove import Glove
from negatives.registry import suggest
from negatives.tasks.base import Examples, Scores, Task
from negatives.tasks.recipes_words import WORDS
from negatives.training.cell_feed import CellFeed
from negatives.training.corpus_feed import CorpusFeed
from negatives.training.feeds import Feed
from negatives.types import Catalogue, Csr

HOLD_OUT = 25
"""Every so many-th sentence is held out where there is no evaluation set; half of them are the test part."""
LITTLE = 2_000_000
"""Words of a text below which it is passed over more often."""
NEAR = 5
"""Words on each side that count as contexts of a word in held-out text."""
ASKED = (
    *("king", "london", "car", "music", "seven", "river", "computer", "war"),
    *("file", "string", "thread", "encoding", "exception", "socket"),
)


class WordReading(Section):
    """Options of the reader."""

    tokens: Literal["auto", "blank", "words"] = "auto"
    """What a word is: what stands between blanks, or a run of letters and digits in lower case."""
    key: str = "text"
    """Key of the text in JSON Lines."""
    min_count: Annotated[int, Field(ge=1)] = 5
    """Words that occur less often are dropped."""
    max_words: Annotated[int, Field(ge=2)] | None = None
    """Only so many of the most frequent words stay."""
    sample: Annotated[float, Field(ge=0.0)] = 1e-3
    """Share of the text above which a word is thinned out at random; 0 keeps all."""
    phrases: Annotated[int, Field(ge=0, le=4)] = 0
    """How often neighbours that belong together are joined to one word."""
    phrase_threshold: Annotated[float, Field(gt=0.0)] = 100.0
    """The larger, the fewer phrases."""
    cooccurrence: Annotated[int, Field(ge=1)] = 10
    """Largest distance at which GloVe counts two words."""
    evaluation: str | None = None
    """Folder of similarity sets and analogies; the folder eval beside the data by default."""


@dataclass(slots=True)
class WordData:
    """A text with what word vectors are judged by.

    Args:
        corpus: The text.
        index: Row of each word.
        similarity: Similarity sets.
        analogies: Analogies.
        held: Contexts of words in held-out text by part; empty where there are evaluation sets.
    """

    corpus: Corpus
    index: dict[str, int]
    similarity: list[evaluation.Similarity] = field(default_factory=list)
    analogies: evaluation.Analogies = field(default_factory=lambda: evaluation.Analogies([]))
    held: dict[str, Csr] = field(default_factory=dict)


class Words(Task):
    """Word vectors from running text."""

    name = "words"
    metric = "mean"
    models = ("skip_gram", "cbow", "glove")
    reading = WordReading
    phrases = ("stands near", "is like")

    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        return WORDS

    def recipe_name(self, config: RunConfig, examples: Examples) -> str:
        """That of the model asked for; for skip-gram the one that fits the length of the text."""
        if config.recipe:
            if config.recipe not in WORDS:
                raise ConfigError(f"no recipe is called {config.recipe!r}; {suggest(config.recipe, WORDS)}")
            return config.recipe
        name = _model_name(config)
        if name in WORDS:
            return str(name)
        return "small" if examples.raw.corpus.n_tokens < LITTLE else "default"

    def shared_recipe(self, examples: Examples) -> str:
        return "word2vec"

    def load(self, path: Path | None, config: RunConfig) -> Examples:
        reading: WordReading = self.options(config)
        folder = _evaluation_folder(path, reading)
        corpus, notes = _corpus(path, reading, hold_out=0 if folder else HOLD_OUT)
        data = WordData(corpus, evaluation.word_index(corpus.words))
        if folder:
            data.similarity, data.analogies = evaluation.read_sets(folder)
            notes.append(_found(data, folder))
        else:
            data.held = {part: _contexts(corpus, odd) for part, odd in (("valid", 0), ("test", 1))}
            notes.append("evaluation: no sets found; contexts in held-out sentences are ranked instead")
        n = len(corpus.words)
        each = torch.arange(n)
        feed: Feed = CorpusFeed(corpus, reading.sample)
        known = Csr.from_pairs(each, each, n, n)
        if "glove" in (_model_name(config), config.recipe):
            cells = count_cooccurrence(corpus, reading.cooccurrence)
            notes += cells.notes
            feed, known = CellFeed(cells), cells.known(n)
        names = polars.Series("word", corpus.words, dtype=polars.String)
        return Examples(
            name="stdlib" if path is None else path.name.split(".")[0] or path.name,
            feed=feed,
            catalogue=Catalogue(n, n, corpus.counts, known, query_anchors=each),
            canaries=Csr(torch.zeros(n + 1, dtype=torch.int64), torch.empty(0, dtype=torch.int32), n),
            canary_share=0.0,
            query_names=names,
            item_names=names,
            notes=tuple(notes),
            raw=data,
        )

    def model(self, config: RunConfig, examples: Examples) -> Model:
        spec: dict[str, Any] = {"name": config.model} if isinstance(config.model, str) else dict(config.model or {})
        if spec["name"] == "glove":
            if not isinstance(examples.feed, CellFeed):
                raise ConfigError("glove needs co-occurrence; name it with --model glove")
            spec["counts"] = examples.feed.cells.counts
        return registry.build(spec | {"n_words": examples.catalogue.n_items, "seed": config.seed})

    def metric_names(self, config: RunConfig) -> list[str]:
        """``spearman:<set>`` and ``analogies`` for the sets found; here those of the best-known sets."""
        return ["mean", "analogies", *(f"spearman:{name}" for name in ("ws353", "simlex999", "men")), "recall@20"]

    def can_validate(self, examples: Examples) -> bool:
        return True

    def complete(self, model: Model, examples: Examples) -> None:
        """Word vectors cannot take in more text without training."""

    def evaluate(self, model: Model, examples: Examples, part: str, config: RunConfig) -> Scores:
        """Spearman's correlations and analogies, and their mean; or the recall of held-out contexts."""
        data: WordData = examples.raw
        vectors = self.vectors(model, examples)["word"][1].cpu()
        if data.held:
            return _recall(model, data.held[part])
        per_query = {
            f"spearman:{one.name}": evaluation.spearman_terms(evaluation.similarity(vectors, data.index, one, part))
            for one in data.similarity
        }
        most = config.evaluation.queries if part == "valid" else None
        per_query["analogies"] = evaluation.analogies(vectors, data.index, data.analogies, part, most)
        per_query = {name: values for name, values in per_query.items() if values.numel()}
        per_query = {"mean": _together(list(per_query.values()))} | per_query
        return Scores({name: float(values.mean()) for name, values in per_query.items()}, per_query)

    def vectors(self, model: Model, examples: Examples) -> dict[str, tuple[polars.Series, Tensor]]:
        """``word``: the input vectors, which are used; ``context``: the output vectors."""
        words, contexts = model.words() if isinstance(model, Glove) else model.tables()
        return {"word": (examples.query_names, words), "context": (examples.item_names, contexts)}

    def samples(self, model: Model, examples: Examples) -> list[dict[str, Any]]:
        """The nearest words of some words, and the words they expect near them."""
        index = examples.raw.index
        asked = [index[word] for word in ASKED if word in index][:6] or list(range(min(6, len(index))))
        rows = torch.tensor(asked)
        vectors = self.vectors(model, examples)["word"][1].cpu()
        inputs, outputs = (table.cpu() for table in model.tables())
        near = torch.topk(inputs[rows] @ outputs.T, min(8, len(outputs))).indices
        best, cosines = evaluation.nearest(vectors, rows, 8)
        name = examples.item_names
        return [
            {
                "query": name[row],
                "known": [name[one] for one in near[at].tolist()],
                "recommended": [
                    {"item": name[one], "score": round(score, 4)}
                    for one, score in zip(best[at].tolist(), cosines[at].tolist(), strict=True)
                ],
            }
            for at, row in enumerate(asked)
        ]


def _model_name(config: RunConfig) -> str | None:
    return config.model.get("name") if isinstance(config.model, dict) else config.model


def _corpus(path: Path | None, reading: WordReading, hold_out: int) -> tuple[Corpus, list[str]]:
    if path is None:
        from negatives.data.stdlib_prose import paragraphs

        source, text_notes = paragraphs(), ["text: docstrings and comments of the standard library"]
    else:
        text = Text(path, reading.tokens, reading.key)
        source, text_notes = sentences(text), text.notes
    corpus = encode(source, min_count=reading.min_count, max_words=reading.max_words, hold_out=hold_out, path=path)
    held = corpus.held
    for _ in range(reading.phrases):
        corpus = join_phrases(corpus, reading.min_count, reading.phrase_threshold)
    if not reading.phrases:
        corpus.held = held
    return corpus, [*text_notes, *corpus.notes]


def _evaluation_folder(path: Path | None, reading: WordReading) -> Path | None:
    if reading.evaluation is not None:
        return Path(reading.evaluation)
    if path is None:
        return None
    beside = (path if path.is_dir() else path.parent) / "eval"
    return beside if beside.is_dir() else None


def _found(data: WordData, folder: Path) -> str:
    known = [sum(a in data.index and b in data.index for a, b in one.pairs) for one in data.similarity]
    sets = [f"{one.name} {n} of {len(one.pairs)}" for one, n in zip(data.similarity, known, strict=True)]
    questions = data.analogies.questions
    if questions:
        sets.append(f"analogies {sum(all(w in data.index for w in q) for q in questions)} of {len(questions)}")
    return f"evaluation: {folder.name}: {', '.join(sets)} with known words; a third validates, the rest tests"


def _contexts(corpus: Corpus, odd: int) -> Csr:
    """The words near each word in every other held-out sentence."""
    ids, bounds = corpus.held
    n = len(corpus.words)
    sentence = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    left, right = [], []
    for step in range(1, NEAR + 1):
        same = (sentence[step:] == sentence[:-step]) & (sentence[step:] % 2 == odd) & (ids[step:] != ids[:-step])
        left += [ids[:-step][same], ids[step:][same]]
        right += [ids[step:][same], ids[:-step][same]]
    rows, cols = (torch.from_numpy(np.concatenate(part).astype(np.int64)) for part in (left, right))
    return Csr.from_pairs(rows, cols, n, n)


def _recall(model: Model, truth: Csr) -> Scores:
    queries = torch.nonzero(truth.lengths() > 0)[:, 0]
    users, items = (table.cpu() for table in model.tables())
    nothing = Csr(torch.zeros(truth.n_rows + 1, dtype=torch.int64), torch.empty(0, dtype=torch.int32), truth.n_cols)
    ranking = rank(users, items, queries=queries, truth=truth, exclude=nothing, k=min(20, truth.n_cols))
    name = f"recall@{min(20, truth.n_cols)}"
    found = evaluate(ranking, [name])
    return Scores({"mean": found.mean[name]} | found.mean, {"mean": found.per_query[name]} | found.per_query)


def _together(sets: list[Tensor]) -> Tensor:
    """All terms of several sets, weighted so that their mean is the mean of the sets' means."""
    whole = sum(one.numel() for one in sets)
    return torch.cat([one * (whole / (len(sets) * one.numel())) for one in sets] or [torch.zeros(1)])

"""What the task words trains and judges by: the options of the reader, a corpus, and evaluation sets or contexts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from negatives.config import Section
from negatives.data.cooccurrence import Cooccurrence
from negatives.data.corpus import Corpus
from negatives.data.loading.named import short_name
from negatives.data.loading.words import CorpusSplit, held_contexts, load_corpus
from negatives.data.readers.opening import STANDARD_INPUT
from negatives.evaluation.word_sets import Analogies, Similarity, read_sets
from negatives.evaluation.words import word_index
from negatives.types import Csr

HOLD_OUT = 25
"""Every so many-th sentence is held out where there is no evaluation set; half of them are the test part."""


class WordReading(Section):
    """Options of the reader."""

    tokens: Literal["auto", "blank", "words"] = "auto"
    """What a word is: what stands between blanks, or a run of letters and digits in lower case."""
    key: str | None = None
    """Column or key of the text in tables and JSON Lines; left out, it is looked for and told."""
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

    def split(self, hold_out: int) -> CorpusSplit:
        """How the text becomes a corpus of which every ``hold_out``-th sentence is held out; 0 for none."""
        asked = (self.tokens, self.key, self.min_count, self.max_words, self.phrases, self.phrase_threshold)
        return CorpusSplit(*asked, hold_out)


@dataclass(frozen=True, slots=True)
class WordData:
    """A text with what word vectors are judged by.

    Args:
        name: Short name of the text.
        corpus: The text.
        index: Row of each word.
        notes: What was read and what was dropped.
        similarity: Similarity sets.
        analogies: Analogies.
        held: Contexts of words in held-out text by part; empty where there are evaluation sets.
        cells: Co-occurrence, where a model is trained on it.
    """

    name: str
    corpus: Corpus
    index: dict[str, int]
    notes: tuple[str, ...]
    similarity: list[Similarity] = field(default_factory=list)
    analogies: Analogies = field(default_factory=lambda: Analogies([]))
    held: dict[str, Csr] = field(default_factory=dict)
    cells: Cooccurrence | None = None


def read_words(path: Path | None, reading: WordReading) -> WordData:
    """The text with its evaluation sets or its held-out contexts.

    Raises:
        InputError: The text or a set cannot be used.
    """
    folder = evaluation_folder(path, reading)
    corpus, notes = load_corpus(path, reading.split(0 if folder else HOLD_OUT))
    name = "stdlib" if path is None else short_name(path)
    data = WordData(name, corpus, word_index(corpus.words), tuple(notes))
    if folder:
        similarity, analogies = read_sets(folder)
        data = replace(data, similarity=similarity, analogies=analogies)
        note = sets_found(data, folder)
    else:
        data = replace(data, held={part: held_contexts(corpus, odd) for part, odd in (("valid", 0), ("test", 1))})
        note = "evaluation: no sets found; contexts in held-out sentences are ranked instead"
    return replace(data, notes=(*data.notes, note))


def evaluation_folder(path: Path | None, reading: WordReading) -> Path | None:
    if reading.evaluation is not None:
        return Path(reading.evaluation)
    if path is None or path == STANDARD_INPUT:
        return None
    beside = (path if path.is_dir() else path.parent) / "eval"
    return beside if beside.is_dir() else None


def sets_found(data: WordData, folder: Path) -> str:
    known = [sum(a in data.index and b in data.index for a, b in one.pairs) for one in data.similarity]
    sets = [f"{one.name} {n} of {len(one.pairs)}" for one, n in zip(data.similarity, known, strict=True)]
    questions = data.analogies.questions
    if questions:
        sets.append(f"analogies {sum(all(w in data.index for w in q) for q in questions)} of {len(questions)}")
    return f"evaluation: {folder.name}: {', '.join(sets)} with known words; a third validates, the rest tests"

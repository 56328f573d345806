"""Finished runs over running text answer without it, as they did when they were trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from negatives.answering import Run
from negatives.answering.language import LanguageRun, SentencesRun
from negatives.errors import ConfigError, InputError
from opened import trained_and_opened

Ready = Callable[[str, str], tuple[Run, Run]]


def text(folder: Path) -> Path:
    """Lines in which every word has one that follows it."""
    kinds = ("the cat sat on the mat .", "a dog ran to a house .", "one bird flew over one tree .")
    path = folder / "data.txt"
    path.write_text("".join(kinds[at % 3] + "\n" for at in range(120)))
    return path


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    @cache
    def of(task: str, model: str) -> tuple[Run, Run]:
        folder = tmp_path_factory.mktemp(task)
        lines = text(folder)
        if task == "sentences":  # a test sentence must not stand in the training part
            lines.write_text("".join(f"the {a} sat on {b} .\n" for a in "abcdefghi" for b in "klmnopqrs"))
        values = {} if task == "sentences" else {"model": model}
        return trained_and_opened(folder, task=task, data=str(lines), **values)

    return of


@pytest.mark.parametrize("model", ["lstm", "transformer", "ngram"])
def test_answers_are_those_of_the_training_process(ready: Ready, model: str) -> None:
    trained, opened = ready("language", model)
    asked = ["the cat", "one bird flew over one", "", "what is this"]
    found = trained.predict(asked, k=4)
    assert found.equals(opened.predict(asked, k=4))
    assert isinstance(trained, LanguageRun)
    assert isinstance(opened, LanguageRun)
    every = [math.exp(score) for score in opened.predict("the cat", k=1000)["score"]]
    assert sum(every) == pytest.approx(1.0, abs=1e-4)
    lines = ["the cat sat on the mat .", "mat cat the"]
    told = opened.likelihood(lines)
    assert told.equals(trained.likelihood(lines))
    assert told["log_likelihood"][0] / 8 > told["log_likelihood"][1] / 4
    assert told["perplexity"][0] == pytest.approx(math.exp(-told["log_likelihood"][0] / 8))
    assert trained.generate("a", seed=3, words=6) == opened.generate("a", seed=3, words=6)


def test_next_words_of_a_deterministic_text(ready: Ready) -> None:
    _, opened = ready("language", "ngram")
    assert isinstance(opened, LanguageRun)
    assert opened.predict(["the cat", "one bird flew"], k=1)["item"].to_list() == ["sat", "over"]
    assert opened.generate("a dog", temperature=0) == "a dog ran to a house ."
    assert opened.generate("a dog", words=2, temperature=0) == "a dog ran to"
    assert opened.score("the cat", ["sat", "mat"])["score"][0] > opened.score("the cat", "mat")["score"][0]
    with pytest.raises(ConfigError, match="must not be below 0"):
        opened.generate(temperature=-1)
    assert opened.likelihood("the zebra")["unknown"][0] == 1


def test_sentences_are_told_from_noise(ready: Ready) -> None:
    trained, opened = ready("sentences", "sentence")
    asked = ["the a sat on k .", "sat sat the the . on"]
    assert trained.predict(asked).equals(opened.predict(asked))
    assert isinstance(opened, SentencesRun)
    found = opened.predict(asked)
    assert len(found) == 4
    assert found["score"].to_list()[0] == -found["score"].to_list()[1]
    assert opened.score(asked, "real")["score"].to_list() == pytest.approx(
        [-one for one in opened.score(asked, "noise")["score"].to_list()]
    )
    with pytest.raises(InputError, match="a sentence has 70 words"):
        opened.predict("the " * 70)

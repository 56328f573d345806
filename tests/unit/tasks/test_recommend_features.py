"""From tables of users and items to answers for those whom training never showed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import negatives
from negatives.cli import main
from negatives.config import EvaluationConfig, RunConfig
from negatives.data.loading.pairs import load_pairs
from negatives.errors import ConfigError, InputError, UnknownName
from negatives.models.answers import answers_of_scores
from negatives.tasks.recommend import Recommend

COLOURS = ("red", "blue", "green", "grey")
SETS = ("baselines=none", "model.dim=8", "evaluation.k=3", "split.valid=0", "sampler.pool=64", "threads=1")
QUICK = ["--epochs", "30", *(word for one in SETS for word in ("--set", one))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty users of four towns, each of which likes items of one colour; the last four users and items are new."""
    made = tmp_path_factory.mktemp("shop")
    items = [f"i{n},{COLOURS[n % 4]},{n}" for n in range(44)]
    users = [f"u{n},{'ABCD'[n % 4]}own,{20 + n}" for n in range(44)]
    first = [user * 7 + user % 4 - user * 7 % 4 for user in range(40)]
    pairs = [f"u{user},i{(first[user] + at * 4) % 40},buy" for user in range(40) for at in range(7)]
    shown = [f"u{user},i{(user * 3 + at) % 40},impression" for user in range(40) for at in range(6)]
    (made / "items.csv").write_text("item,colour,price\n" + "\n".join(items) + "\n")
    (made / "users.csv").write_text("user,town,age\n" + "\n".join(users) + "\n")
    (made / "interactions.csv").write_text("user,item,event\n" + "\n".join([*pairs, *shown]) + "\n")
    return made


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], negatives.Run]:
    runs: dict[str, negatives.Run] = {}

    def run(split: str) -> negatives.Run:
        if split not in runs:
            out = tmp_path_factory.mktemp("runs") / split
            options = [*QUICK, "--set", f"split.kind={split}", "--set", "reading.shown=impression"]
            assert main(["train", "recommend", str(folder), "--out", str(out), *options]) == 0
            runs[split] = negatives.load(out)
        return runs[split]

    return run


def colours(items: list[str]) -> set[str]:
    return {COLOURS[int(item[1:]) % 4] for item in items}


def test_a_cold_user_is_answered_from_features(trained: Callable[[str], negatives.Run]) -> None:
    run = trained("cold_users")
    assert run.held.metrics["model"] == "two_tower"
    assert run.held.metrics["test"]["precision@3"] > 0.5  # by chance 7 of 44
    known = run.predict("u41", k=5)["item"].to_list()
    assert colours(known) == {"blue"}
    asked = run.predict(features=["town:Bown", "age:61"], k=5)
    assert asked["item"].to_list() == known
    assert colours(run.predict(features=["town:Down"], k=3)["item"].to_list()) == {"grey"}
    strange = run.predict(features=["town:Nowhere", "age:old"], k=40)
    assert len(strange) == 40
    both = run.predict(history=["i1", "i5"], features=["town:Bown"], k=5)["item"].to_list()
    assert colours(both) == {"blue"}
    assert not {"i1", "i5"} & set(both)
    assert run.encode(features=["town:Bown"]).shape == (1, 8)


def test_an_item_that_nobody_took_is_answered(trained: Callable[[str], negatives.Run]) -> None:
    run = trained("cold_items")
    answers = run.predict("u1", k=44)["item"].to_list()
    assert {"i40", "i41", "i42", "i43"} <= set(answers)
    assert answers.index("i41") < min(answers.index(one) for one in ("i40", "i42", "i43"))
    assert colours(run.similar("i43", k=3)["item"].to_list()) == {"grey"}


def test_questions_that_cannot_be_asked(trained: Callable[[str], negatives.Run]) -> None:
    run = trained("cold_users")
    with pytest.raises(InputError, match="no column of users is called 'twon'"):
        run.predict(features=["twon:Bown"])
    with pytest.raises(InputError, match="write column:value"):
        run.predict(features=["Bown"])
    with pytest.raises(UnknownName, match="no user is called 'u99'"):
        run.predict("u99")


def test_given_negatives_reach_the_sampler_and_features_need_a_model(folder: Path, tmp_path: Path) -> None:
    options = ["--epochs", "1", "--set", "reading.shown=impression", "--sampler", "impressions"]
    assert main(["train", "recommend", str(folder), "--out", str(tmp_path / "r"), *options, "--model", "mf"]) == 0
    run = negatives.load(tmp_path / "r")
    assert run.held.metrics["loss"] == "bpr"
    with pytest.raises(ConfigError, match="reads no features of users"):
        run.predict(features=["town:Bown"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--sampler impressions", "given needs given negatives, and this data has none"),
        ("--set reading.item_columns=colour:colour", "is no column with its kind"),
        ("--set reading.item_columns=color:text", "no column is called 'color'"),
        ("--set reading.users=nobody.csv", "nobody.csv: no such file"),
        ("--set model.drop_history=2 --model two_tower", "drop_history is 2"),
        ("--set model.hidden=-1 --model two_tower", "hidden is -1"),
    ],
)
def test_wrong_options_are_one_line(
    options: str, message: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = [*QUICK[:8], *QUICK[12:]]
    given = [*quick, "--set", "reading.events=buy", *options.split()]
    assert main(["train", "recommend", str(folder), "--out", str(tmp_path / "r"), *given]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_cold_users_without_features_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*QUICK, "--set", "reading.events=buy", "--set", "split.kind=cold_users"]
    data = tmp_path / "pairs.csv"
    data.write_bytes((folder / "interactions.csv").read_bytes())
    assert main(["train", "recommend", str(data), "--out", str(tmp_path / "r"), *given]) == 2
    assert "no test pair is left" in capsys.readouterr().err


def test_cold_items_of_the_validation_part_are_ranked_among_all_cold_items() -> None:
    """Alone they would be so few that any model finds what is right."""
    pairs = {"user": [f"u{n % 12}" for n in range(240)], "item": [f"i{n * 7 % 40}" for n in range(240)]}
    items = {"item": [f"i{n}" for n in range(40)], "price": list(range(40))}
    config = RunConfig(task="recommend", recipe="content", evaluation=EvaluationConfig(k=1))
    data = load_pairs({"train": pairs, "items": items}, split="cold_items", test=0.3, valid=0.2)
    examples = Recommend().made(data, config)
    scores = torch.zeros(40)
    scores[data.part("valid").items] = 1.0
    scores[data.part("test").items] = 2.0

    class Fixed:
        def answers(self) -> object:
            return answers_of_scores(
                lambda queries: scores.expand(len(queries), -1), lambda queries, items: scores[items]
            )

    found = {part: Recommend().evaluate(Fixed(), examples, part, config).mean for part in ("valid", "test")}  # type: ignore[arg-type]
    assert found["valid"]["recall@1"] == 0.0  # those of the test stand above them
    assert found["test"]["recall@1"] > 0.0

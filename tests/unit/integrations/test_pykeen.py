"""PyKEEN's pipeline with a negative sampler that sees the model; known triples are never drawn."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from negatives.errors import ConfigError, InputError
from negatives.integrations import pykeen
from negatives.integrations.pykeen import AdaptiveNegativeSampler, AdaptiveTrainingLoop, Scored

pytestmark = pytest.mark.filterwarnings("ignore")  # PyKEEN's own
ENTITIES, RELATIONS = 12, 2
RING = torch.tensor([[n, r, (n + r + 1) % ENTITIES] for n in range(ENTITIES) for r in range(RELATIONS)])
HARDEST = {"candidates": 300, "select": {"name": "hardest", "k": 1}}


def factory() -> Any:
    from pykeen.triples import CoreTriplesFactory

    return CoreTriplesFactory.create(RING)


def trained(model: str = "TransE", epochs: int = 5, folder: Path | None = None, **sampler: Any) -> Any:
    """PyKEEN's own pipeline, by names: ``4 * epochs`` steps."""
    from pykeen.pipeline import pipeline

    training: dict[str, Any] = {"num_epochs": epochs, "batch_size": 6, "use_tqdm": False}
    if folder is not None:
        training |= {"checkpoint_directory": folder, "checkpoint_name": "run.pt", "checkpoint_frequency": 0}
    return pipeline(
        training=factory(),
        testing=factory(),
        model=model,
        model_kwargs={"embedding_dim": 4},
        training_loop="adaptive",
        negative_sampler="adaptive",
        negative_sampler_kwargs=sampler,
        training_kwargs=training,
        evaluation_kwargs={"use_tqdm": False},
        random_seed=0,
        device="cpu",
    )


def test_known_triples_are_never_drawn_and_both_sides_are() -> None:
    sampler = AdaptiveNegativeSampler(mapped_triples=RING, sampler="uniform", num_negs_per_pos=200)
    wrong, ok = sampler.sample(RING)
    assert ok is None
    assert wrong.shape == (len(RING), 200, 3)
    known = {tuple(one) for one in RING.tolist()}
    assert not known & {tuple(one) for one in wrong.view(-1, 3).tolist()}
    changed = (wrong != RING[:, None]).any(1)
    assert (changed.sum(1) == 1).all()
    assert changed[:, 0].any()
    assert changed[:, 2].any()
    assert not torch.equal(sampler.corrupt_batch(RING[:6].view(2, 3, 3)).flatten(0, 1), wrong[:6])


def test_the_side_by_relation() -> None:
    one_head = torch.tensor([[0, 0, n] for n in range(1, 10)])
    sampler = AdaptiveNegativeSampler(mapped_triples=one_head, scheme="bernoulli", num_entities=20)
    assert sampler.heads_first.tolist() == pytest.approx([0.9])  # 9 tails to the head, 1 head to a tail


def test_a_step_after_a_draw_has_its_gradients() -> None:
    """R-GCN keeps what it has passed on; kept in a draw, it would have no gradients."""
    from pykeen.models import RGCN

    model = RGCN(triples_factory=factory(), embedding_dim=4, num_layers=1)
    sampler = AdaptiveNegativeSampler(mapped_triples=RING)
    Scored(model, sampler.data.query_heads, sampler.data.query_relations, RELATIONS).score(
        torch.arange(3), torch.tensor([1, 2, 3])
    )
    assert model.training
    model.score_hrt(RING[:4]).sum().backward()
    assert any(one.grad is not None and bool(one.grad.any()) for one in model.entity_representations.parameters())


@pytest.mark.parametrize("model", ["TransE", pytest.param("ConvE", marks=pytest.mark.nightly)])
def test_the_model_is_seen_in_pykeens_pipeline(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hardest: list[bool] = []
    draw = AdaptiveNegativeSampler.sample

    def spy(self: AdaptiveNegativeSampler, positive_batch: Tensor) -> tuple[Tensor, Tensor | None]:
        wrong, ok = draw(self, positive_batch)
        shown = self.loop[0].model
        assert shown.training
        shown.eval()
        with torch.no_grad():
            for right, (found,) in zip(positive_batch, wrong, strict=True):
                column = 0 if found[0] != right[0] else 2
                every = right.repeat(ENTITIES, 1)
                every[:, column] = torch.arange(ENTITIES)
                scores = shown.score_hrt(every)[:, 0]
                scores[[bool((one == RING).all(1).any()) for one in every]] = -torch.inf
                hardest.append(bool(scores[found[column]] >= scores.max() - 1e-5))
        shown.train()
        shown.post_parameter_update()
        return wrong, ok

    monkeypatch.setattr(AdaptiveNegativeSampler, "sample", spy)
    if model == "TransE":
        result = trained(model, sampler=HARDEST)
        assert len(hardest) >= 20 * 6  # PyKEEN tries a batch or two before it begins
        assert result.metric_results.get_metric("mrr") > 0.1
    else:
        from pykeen.models import ConvE
        from torch.optim import Adam

        built = ConvE(triples_factory=factory(), embedding_dim=16, output_channels=2)
        loop = AdaptiveTrainingLoop(
            model=built,
            triples_factory=factory(),
            optimizer=Adam(built.parameters()),
            negative_sampler_kwargs={"sampler": HARDEST},
        )
        loop.train(factory(), num_epochs=1, batch_size=6, use_tqdm=False)
    assert sum(hardest) == len(hardest)


def test_scores_of_pairs_candidates_and_pools() -> None:
    model = trained(epochs=1).model
    sampler = AdaptiveNegativeSampler(mapped_triples=RING)
    scorer = Scored(model, sampler.data.query_heads, sampler.data.query_relations, RELATIONS)
    queries = torch.arange(sampler.data.n_queries)
    pool = torch.tensor([3, 5]).expand(len(queries), -1)
    one = torch.stack([scorer.score(queries, pool[:, at].clone()) for at in range(2)], 1)
    torch.testing.assert_close(scorer.score(queries, pool), one)
    torch.testing.assert_close(scorer.score(queries, pool.clone()), one)
    head, relation = int(scorer.heads[0]), int(scorer.relations[0])
    assert relation < RELATIONS
    torch.testing.assert_close(one[0, 0], model.score_hrt(torch.tensor([[head, relation, 3]]))[0, 0].detach())


def test_a_checkpoint_holds_the_sampler(tmp_path: Path) -> None:
    whole = trained(epochs=4).losses
    trained(epochs=2, folder=tmp_path)
    assert torch.load(tmp_path / "run.pt", weights_only=False)["negatives"]["rows"] == 2 * len(RING)
    assert trained(epochs=4, folder=tmp_path).losses == pytest.approx(whole)


def test_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no scheme is called 'random'; choose uniform or bernoulli"):
        AdaptiveNegativeSampler(mapped_triples=RING, scheme="random")
    with pytest.raises(InputError, match=r"\[0, 0, 7\] is not among the training triples"):
        AdaptiveNegativeSampler(mapped_triples=RING, sampler="uniform").sample(torch.tensor([[0, 0, 7]]))
    with pytest.raises(ConfigError, match="this sampler reads scores"):
        AdaptiveNegativeSampler(mapped_triples=RING).sample(RING)
    with pytest.raises(ConfigError, match="weights its negatives; PyKEEN does so in its loss: loss='nssa'"):
        trained(epochs=1, sampler="self_adversarial")
    monkeypatch.setattr(pykeen, "ERROR", ModuleNotFoundError("no", name="pykeen"))
    with pytest.raises(ConfigError, match=r"PyKEEN needs the package pykeen; run: pip install 'negatives\[pykeen\]'"):
        AdaptiveNegativeSampler(mapped_triples=RING)


@pytest.mark.nightly
def test_the_example(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[3] / "examples" / "pykeen_pipeline.py"
    assert len(path.read_text().splitlines()) < 80
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    basic, adaptive = (float(one) for one in re.findall(r"rank ([\d.]+)", capsys.readouterr().out))
    assert adaptive > basic > 0.05

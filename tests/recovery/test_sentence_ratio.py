"""A scorer trained against noise of known probability gives back the probability of every real sentence."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives import Csr, KnownPositives, Sampler, Uniform, losses
from negatives.data.ngrams import Ngram, sentences_of
from negatives.models.language.noise import NoiseBank
from negatives.models.language.sentence import ITSELF, SentenceModel
from negatives.types import Context

END, WORDS, N, BATCH, STEPS = 0, 5, 2_000, 100, 240
KINDS = ([1, 2, END], [2, 1, END], [3, END], [4, END])
SHARES = (0.5, 0.25, 0.15, 0.1)


def planted() -> Tensor:
    """A text of four sentences in known shares."""
    counts = [round(share * N) for share in SHARES]
    return torch.tensor([word for kind, n in zip(KINDS, counts, strict=True) for _ in range(n) for word in kind])


def test_scores_are_the_ratio_of_data_and_noise() -> None:
    text, rows = planted(), torch.arange(N)
    real, q = sentences_of(text, END), Ngram(text, END, 1)
    model = SentenceModel(real, NoiseBank(q, N, 20, reestimate=False, longest=12), WORDS, 16)
    own = torch.full((N,), ITSELF)
    known = Csr.from_pairs(rows, own, N, 1 + N)
    sampler = Sampler(Uniform(1 + N), candidates=4, guards=[KnownPositives(known)])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(STEPS):
        batch = torch.randint(N, (BATCH,))
        model.refresh(Context(batch, own[batch], batch, step=step))
        negatives = sampler(batch, own[batch], model)
        scores = model.score(batch, own[batch]), model.score(batch, negatives.ids)
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / STEPS)
        optimiser.zero_grad()
        losses.logistic(*scores, negatives, mean=True).backward()
        optimiser.step()
    kinds = real.pick(torch.tensor([round(sum(SHARES[:kind]) * N) for kind in range(4)]))
    found = model.told(kinds) + q.log_prob(kinds)
    assert (found - torch.tensor(SHARES).log()).abs().max() < 0.35
    assert found.argsort().tolist() == [3, 2, 1, 0]

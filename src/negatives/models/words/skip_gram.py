"""Skip-gram with negative sampling."""

from __future__ import annotations

from negatives.models.words.base import WindowModel


class SkipGram(WindowModel):
    """Each word around a centre tells the centre from negatives: ``s(u, w) = <x_u, y_w>``.

    All words of a window share the centre's negatives; word2vec draws new ones for each.

    Source: Mikolov et al., Distributed Representations of Words and Phrases, NIPS 2013; sharing after Ji et al.,
    IEEE TPDS 2019.
    """

    mean = False

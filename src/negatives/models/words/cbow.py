"""Continuous bag of words with negative sampling."""

from __future__ import annotations

from negatives.models.words.base import WindowModel


class Cbow(WindowModel):
    """The mean of the words around a centre tells the centre from negatives: ``s = <mean_u x_u, y_w>``.

    Each word gets its share of the gradient, ``1/n`` of it, as it should; word2vec and gensim give each all of it, so
    step sizes here are larger.

    Source: Mikolov et al., Efficient Estimation of Word Representations, 2013; the gradient after İrsoy et al.,
    Corrected CBOW Performs as well as Skip-gram, 2021.
    """

    mean = True

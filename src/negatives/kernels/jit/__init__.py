"""Numba kernels, each beside the function that calls it with tensors."""

from negatives.kernels.jit.alias import fill_alias
from negatives.kernels.jit.draw import draw_alias, draw_uniform
from negatives.kernels.jit.hogwild import async_pairs_
from negatives.kernels.jit.members import contains, contains_pool, excluded_mass
from negatives.kernels.jit.optimisers import adagrad_rows_, adam_rows_, sgd_rows_
from negatives.kernels.jit.order import shuffled
from negatives.kernels.jit.pairs import sgd_pairs_
from negatives.kernels.jit.propagate import spmm
from negatives.kernels.jit.resample import resample
from negatives.kernels.jit.scores import gather_scores, score_backward, sum_rows
from negatives.kernels.jit.softmax import exp_rows
from negatives.kernels.jit.topk import top_k

__all__ = [
    "adagrad_rows_",
    "adam_rows_",
    "async_pairs_",
    "contains",
    "contains_pool",
    "draw_alias",
    "draw_uniform",
    "excluded_mass",
    "exp_rows",
    "fill_alias",
    "gather_scores",
    "resample",
    "score_backward",
    "sgd_pairs_",
    "sgd_rows_",
    "shuffled",
    "spmm",
    "sum_rows",
    "top_k",
]

"""The façade over all kernels; only :mod:`negatives.kernels.jit` imports Numba, and ``kernels.triton`` Triton.

Tensors and integer codes in, tensors out. Four backends give the same answers:

* ``numba``: compiled loops over zero-copy NumPy views, in chunks on the package's own threads (CPU);
* ``triton``: draws and membership in one launch each (CUDA, with the Triton that PyTorch brings there);
* ``torch``: plain tensor operations, for all that is left;
* ``numpy``: naive twins, slow and obvious, for tests.

``NEGATIVES_KERNELS`` or :func:`use` chooses; by default the tensor's device does (see
:mod:`negatives.kernels.dispatch`). Results do not depend on the number of threads. Integer results are the same bits
on every path.
"""

from __future__ import annotations

from negatives.kernels.alias import AliasTable, build_alias
from negatives.kernels.best import best
from negatives.kernels.dispatch import use
from negatives.kernels.division import latest_of_each, lowest_of_each, move_up_
from negatives.kernels.draw import draw_alias, draw_uniform
from negatives.kernels.hogwild import LossKernel, async_pairs_
from negatives.kernels.members import contains, contains_pool, excluded_mass
from negatives.kernels.numbering import Numbering, number_
from negatives.kernels.optimisers import adagrad_rows_, adam_rows_, sgd_rows_
from negatives.kernels.order import shuffled
from negatives.kernels.pairs import sgd_pairs_
from negatives.kernels.propagate import spmm
from negatives.kernels.resampling import resample
from negatives.kernels.scores import gather_scores, score_backward, sum_rows, total_rows
from negatives.kernels.softmax import exp_rows
from negatives.kernels.threads import flush_denormals, set_threads, threads
from negatives.kernels.topk import top_k

__all__ = [
    "AliasTable",
    "LossKernel",
    "Numbering",
    "adagrad_rows_",
    "adam_rows_",
    "async_pairs_",
    "best",
    "build_alias",
    "contains",
    "contains_pool",
    "draw_alias",
    "draw_uniform",
    "excluded_mass",
    "exp_rows",
    "flush_denormals",
    "gather_scores",
    "latest_of_each",
    "lowest_of_each",
    "move_up_",
    "number_",
    "resample",
    "score_backward",
    "set_threads",
    "sgd_pairs_",
    "sgd_rows_",
    "shuffled",
    "spmm",
    "sum_rows",
    "threads",
    "top_k",
    "total_rows",
    "use",
]

"""Mined hard negatives for other programs' trainers.

From the vectors of any model, in the columns that Sentence Transformers expects, in bounded memory.

>>> import numpy, torch
>>> from negatives.types import Csr
>>> known = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([0, 1]), n_rows=2, n_cols=3)
>>> items = numpy.array([[1, 0], [0, 1], [-1, -1]], dtype=numpy.float32)
>>> mined = mine(items[:2], items, known, Mining(num_negatives=1))
>>> columns(mined, ["a", "b"], ["A", "B", "C"])["negative"]
['B', 'A']
"""

from negatives.mining.formats import columns
from negatives.mining.mine import Mined, mine
from negatives.mining.options import FORMATS, Mining
from negatives.mining.report import report
from negatives.mining.vectors import embedded
from negatives.models.fingerprint import fingerprint

__all__ = ["FORMATS", "Mined", "Mining", "columns", "embedded", "fingerprint", "mine", "report"]

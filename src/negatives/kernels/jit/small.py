"""Products of a few rows with a few others, and sums of a few rows, without slices; vectors fit the cache."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from negatives.kernels.jit.compile import fast_kernel, inner_kernel

_ZERO = np.float32(0)


@fast_kernel
def _one(a, i, b, j, out, d):
    total = _ZERO
    for c in range(d):
        total += a[i, c] * b[j, c]
    out[i, j] = total


@fast_kernel
def _six(a, i, b, j, out, d):
    """Products of two rows with three, each number loaded once."""
    s = t = u = v = w = x = _ZERO
    for c in range(d):
        p, q, e, f, g = a[i, c], a[i + 1, c], b[j, c], b[j + 1, c], b[j + 2, c]
        s += p * e
        t += p * f
        u += p * g
        v += q * e
        w += q * f
        x += q * g
    out[i, j], out[i, j + 1], out[i, j + 2] = s, t, u
    out[i + 1, j], out[i + 1, j + 1], out[i + 1, j + 2] = v, w, x


@inner_kernel
def products(a, n, b, m, out, d):
    """``out[i, j] = <a_i, b_j>`` for ``n`` rows and ``m`` rows."""
    for i in range(0, n - 1, 2):
        for j in range(0, m - 2, 3):
            _six(a, i, b, j, out, d)
        for j in range(m - m % 3, m):
            _one(a, i, b, j, out, d)
            _one(a, i + 1, b, j, out, d)
    if n % 2:
        for j in range(m):
            _one(a, n - 1, b, j, out, d)


@fast_kernel
def _add_one(table, row, d, weights, w, j, x):
    a = weights[w, j]
    for c in range(d):
        table[row, c] += a * x[j, c]


@fast_kernel
def _add_three(table, row, d, weights, w, j, x):
    a, b, e = weights[w, j], weights[w, j + 1], weights[w, j + 2]
    for c in range(d):
        table[row, c] += a * x[j, c] + b * x[j + 1, c] + e * x[j + 2, c]


@fast_kernel
def _add_six(table, row, d, weights, w, j, x):
    a, b, e, f, g, h = (
        weights[w, j], weights[w, j + 1], weights[w, j + 2], weights[w, j + 3], weights[w, j + 4], weights[w, j + 5],
    )  # fmt: skip
    for c in range(d):
        table[row, c] += (a * x[j, c] + b * x[j + 1, c] + e * x[j + 2, c]) + (
            f * x[j + 3, c] + g * x[j + 4, c] + h * x[j + 5, c]
        )


@inner_kernel
def combine(table, row, d, weights, w, x, n):
    """``table[row] += sum_j weights[w, j] x_j`` over ``n`` rows."""
    j = 0
    while j + 6 <= n:
        _add_six(table, row, d, weights, w, j, x)
        j += 6
    while j + 3 <= n:
        _add_three(table, row, d, weights, w, j, x)
        j += 3
    while j < n:
        _add_one(table, row, d, weights, w, j, x)
        j += 1

"""Naive twins: the same answers as the kernels by the most obvious loops, for tests."""

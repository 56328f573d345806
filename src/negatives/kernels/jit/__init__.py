"""Numba kernels, each beside the function that calls it with tensors; one module for each family."""

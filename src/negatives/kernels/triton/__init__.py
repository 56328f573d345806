"""Triton kernels for GPUs: families whose tensor operations would be hundreds of small launches."""

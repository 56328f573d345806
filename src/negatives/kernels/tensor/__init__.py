"""Kernels in plain tensor operations, for tensors on any device; a family that is missing here has none."""

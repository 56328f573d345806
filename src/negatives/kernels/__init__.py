"""The façade over all compiled kernels; the only package that imports Numba.

Arrays and integer codes in, arrays out. Every function takes and returns PyTorch tensors. On the CPU it runs the
Numba kernel over zero-copy NumPy views, in chunks on the package's own thread pool; with
``NEGATIVES_KERNELS=numpy`` the plain NumPy twin runs instead; tensors on another device take the torch path.
Results do not depend on the number of threads, and integer results are the same bits on every path.
"""

"""The CPU backend: Numba kernels, threads over views and tiles."""

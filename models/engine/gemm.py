"""The matrix product: numpy's BLAS or torch's, whichever is faster on this processor.

Which one wins differs by processor and build by a factor of three either way, so it is measured, not assumed. The
choice changes last bits, so a screening plan measures once and every worker uses what the plan says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Final, Literal

import numpy as np

Gemm = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Product of float32 matrices (n, k) and (k, m), float32, shape (n, m)."""

GemmName = Literal["numpy", "torch"]


_CLEARLY: Final = 1.2


def numpy_gemm(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Product by numpy's BLAS."""
    product: np.ndarray = left @ right
    return product


def torch_gemm(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Product by torch's BLAS."""
    import torch

    product: np.ndarray = (torch.from_numpy(left) @ torch.from_numpy(right)).numpy()
    return product


def gemm(name: GemmName) -> Gemm:
    """Return the product called ``name``."""
    return {"numpy": numpy_gemm, "torch": torch_gemm}[name]


@cache
def chosen_gemm() -> GemmName:
    """The product for new plans on this machine: numpy's where it is clearly faster, else torch's; measured once a process."""
    return measure_gemm()


def measure_gemm(width: int = 300, *, rows: int = 4096, repeats: int = 5) -> GemmName:
    """Return the faster product for (rows, width) by (width, width), by the best CPU time of ``repeats``.

    numpy's has to be faster by a fifth, so that noise does not decide between equals.
    """
    left = np.linspace(-1, 1, rows * width, dtype=np.float32).reshape(rows, width)
    right = np.linspace(1, -1, width * width, dtype=np.float32).reshape(width, width)

    def best(product: Gemm) -> float:
        product(left[:64], right)
        times = []
        for _ in range(repeats):
            begin = time.process_time()
            product(left, right)
            times.append(time.process_time() - begin)
        return min(times)

    return "numpy" if best(numpy_gemm) * _CLEARLY < best(torch_gemm) else "torch"

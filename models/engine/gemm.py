"""The matrix product: numpy's BLAS or torch's, whichever is faster on this processor.

Which one wins differs by processor and build by a factor of three either way, so it is measured, not assumed. The
choice changes last bits, so a screening plan measures once and every worker uses what the plan says.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, Protocol

import numpy as np


class Gemm(Protocol):
    """Product of float32 matrices."""

    def __call__(self, left: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """``left`` (n, k) times ``right`` (k, m), float32, shape (n, m); in ``out``, C order, where it is given."""


GemmName = Literal["numpy", "torch", "cuda"]
"""``cuda``: states of directed networks live on a GPU (:mod:`.on_device`), other products go there and back."""


_CLEARLY: Final = 1.2


def numpy_gemm(left: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Product by numpy's BLAS."""
    product: np.ndarray = np.matmul(left, right, out=out)
    return product


def torch_gemm(left: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Product by torch's BLAS."""
    import torch

    place = None if out is None else torch.from_numpy(out)
    product: np.ndarray = torch.mm(torch.from_numpy(left), torch.from_numpy(right), out=place).numpy()
    return product


@dataclass(frozen=True, slots=True)
class DeviceProduct:
    """Product on a device of torch; the directed engine keeps its states there."""

    device: str
    """Name of the device."""

    def __call__(self, left: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The product, made there and brought back."""
        import torch

        with torch.inference_mode():
            product: np.ndarray = (
                (torch.from_numpy(left).to(self.device) @ torch.from_numpy(right).to(self.device)).cpu().numpy()
            )
        if out is None:
            return product
        out[:] = product
        return out


def gemm(name: GemmName) -> Gemm:
    """Return the product called ``name``."""
    products: dict[GemmName, Gemm] = {"numpy": numpy_gemm, "torch": torch_gemm, "cuda": DeviceProduct("cuda")}
    return products[name]


def has_gpu() -> bool:
    """Whether torch finds a GPU that it can use."""
    import torch

    return torch.cuda.is_available()


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

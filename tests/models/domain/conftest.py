"""Molecules for tests of the domain."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def small_molecules() -> list[str]:
    """Series of substituted rings and chains: related within a series, unrelated between them."""
    tails = ["C", "CC", "CCC", "O", "N", "F", "Cl", "C#N", "C(=O)O", "C(=O)N", "OC", "S(=O)(=O)N"]
    cores = ["c1ccc(%s)cc1", "c1ccnc(%s)c1", "C1CCC(%s)CC1", "c1ccc2[nH]c(%s)cc2c1", "CCCCCC%s"]
    return [core % tail for core in cores for tail in tails]

"""Settings of a screen: what decides the result, and where the work runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import ByteSize, Field

from cinchona.settings import Config

_PARTITIONS: Final = 32
_FEWEST_ROWS: Final = 1_000
_MOST_ROWS: Final = 20_000


class ScreenConfig(Config):
    """How a library is scored. Part of the plan's fingerprint: a resumed run keeps it."""

    partition_rows: int | None = Field(None, ge=1, le=1_000_000)
    """Rows of the library in one task, one part file and one receipt; what a crash can cost at most, per worker.
    Default: a 32nd of the library, at least 1,000; above 20,000 a 64th, a 96th and so on."""
    batch_rows: int | None = Field(None, ge=1, le=1_000_000)
    """Distinct compounds that the scorer gets at once; batches never cross partitions. Default: 4,096, or for libraries of a million
    rows and more what is clearly faster with this model where the screen is planned. Stored in the plan."""
    product: Literal["auto", "numpy", "torch", "cuda"] = "auto"
    """Matrix product of graph networks: ``auto`` measures which one of the processor's is faster; ``cuda`` keeps the states of
    directed networks on a GPU, one for all workers of a machine. Scores differ by rounding."""
    top_k: int = Field(1_000, ge=1, le=1_000_000)
    """Distinct compounds in the hit list."""
    objective: str | None = Field(None, max_length=2_000)
    """What ranks, as an expression over the model's endpoints such as ``gmean(high(pIC50, 6, 8), low(hERG, 0.2, 0.7))``;
    default: the model's own objective."""
    cascade: bool = False
    """Learn a cheap first stage from a sample of the library, which passes only promising compounds on to the model (99 %
    of the best in expectation); used only where it pays."""
    max_reject_share: float = Field(0.5, ge=0.0, le=1.0)
    """Share of rejected rows above which a finished screen ends with an error; the results are written all the same."""

    def rows_of_partitions(self, library_rows: int) -> int:
        """Rows of a partition of a library of ``library_rows``; depends on nothing else, so neither do scores.

        A large library has a multiple of 32 of them, so that two, four or eight workers come to the end together.

        >>> [ScreenConfig().rows_of_partitions(n) for n in (500, 64_000, 640_000, 10_000_000)]
        [1000, 2000, 20000, 19532]
        """
        if self.partition_rows is not None:
            return self.partition_rows
        rounds = -(-library_rows // (_PARTITIONS * _MOST_ROWS))
        return max(-(-library_rows // (_PARTITIONS * max(1, rounds))), _FEWEST_ROWS)


PropertyName = Literal["heavy_atoms", "mw", "hbd", "hba", "tpsa", "logp", "rotatable_bonds"]
"""Properties that are sums over atoms or bonds: heavy atoms, molecular weight (g/mol), hydrogen-bond donors and acceptors, polar
surface (square angstrom), Crippen logP, rotatable bonds; as RDKit computes them."""


class SpaceConfig(Config):
    """How a space of products is searched. Part of the plan's fingerprint."""

    audit: int = Field(1_000, ge=0, le=1_000_000)
    """Random products that are built and scored the ordinary way to compare."""
    threshold: float | None = None
    """Count all products with at least this score, and list no others as hits."""
    best_only: bool = False
    """Skip blocks of products that provably cannot reach the hits. Hits are the same; there is no histogram of all scores and
    no mean by reagent."""
    filters: dict[PropertyName, tuple[float, float]] = Field(default_factory=dict)
    """Least and greatest value of properties of a product; others are rejected. For example ``{mw: [0, 500], logp: [-1, 5]}``."""


class ExecutorConfig(Config):
    """Where the work runs. Not part of the plan: every executor gives the same table, and a resumed run may change it."""

    kind: Literal["serial", "processes", "dask"] = "dask"
    """``serial``: in this process; ``processes``: a pool on this machine; ``dask``: a local Dask cluster."""
    profile: Path | None = None
    """Profile of a site, a YAML file: where workers run; default: on this machine."""
    workers: int | None = Field(None, ge=1, le=4_096)
    """Worker processes, each with one thread; default: the processors that this process may use."""
    in_flight: int | None = Field(None, ge=1, le=100_000)
    """Partitions handed out and not yet back; default: two a worker. Bounds what an interrupted run repeats."""
    memory_limit: str = "auto"
    """Memory of one Dask worker, for example ``4GiB``; ``auto`` shares the machine's, ``0`` sets no limit."""
    dashboard: bool = True
    """Offer Dask's dashboard on this machine (loopback only, any free port)."""
    stall_seconds: float = Field(30.0, ge=5.0, le=86_400.0)
    """Silence after which a worker process counts as stalled, in seconds; it is started again, and its work given to
    others. Noticed within twice that time."""
    watchdog: bool = True
    """Score in child processes that are watched, so that a molecule that crashes, hangs or takes all memory costs its own
    row only. Without it, such a molecule costs its partition."""
    molecule_seconds: float = Field(30.0, ge=0.5, le=86_400.0)
    """CPU time in seconds after which a molecule alone counts as hanging; four times that if it uses none. Larger pieces
    have more, by the pace seen so far."""
    molecule_memory: ByteSize = Field(ByteSize(4 << 30), ge=64 << 20, validate_default=True)
    """Memory by which a process may grow while it scores, for example ``4GiB``; beyond it, it is ended."""
    poison_rows: int = Field(50, ge=1, le=1_000_000)
    """Rows of one partition that may crash, hang or take all memory; with more the partition fails, since then scorer or
    installation is the likelier cause."""
    pack_receipts: int = Field(10_000, ge=1, le=1_000_000)
    """Finished partitions whose receipts are packed into one file, so that a long run is not a million small ones."""
    lease_seconds: float = Field(60.0, gt=0.5, le=3_600.0)
    """Silence after which another driver may take the run folder over, in seconds."""

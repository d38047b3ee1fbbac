"""Settings of the models room: the shape of a network and how it is trained."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from cinchona.settings import Config

ArchitectureName = Literal["dmpnn", "gin", "gine", "attentivefp", "pna", "gatv2", "gps"]
"""How atoms learn from their surroundings."""

ReadoutName = Literal["mean", "sum", "norm", "max", "attention", "attentive"]
"""How atom states become one vector a molecule."""

FeatureName = Literal["morgan", "rdkit"]
"""Features of whole molecules: folded Morgan bits of radius 2, RDKit's quick descriptors."""

LossName = Literal["mse", "mae", "huber", "tobit"]
"""Loss of regression targets; classification targets always take the cross-entropy."""

UncertaintyName = Literal["ensemble", "mean-variance", "evidential", "mc-dropout"]
"""Where the uncertainty of a network's prediction comes from."""

ScheduleName = Literal["one-cycle", "noam", "constant"]
"""How the learning rate runs over the epochs."""


class GraphNetConfig(Config):
    """Shape of a graph network."""

    architecture: ArchitectureName = "dmpnn"
    """``dmpnn`` (messages on directed bonds), ``gin``, ``gine``, ``attentivefp``, ``pna``, ``gatv2`` or ``gps`` (a small graph
    transformer). The first three are served by the fast engine with the readouts ``mean``, ``sum`` and ``norm``."""
    hidden: int = Field(300, ge=1, le=4096)
    """Width of the bond and atom states."""
    depth: int = Field(3, ge=1, le=12)
    """Message-passing steps T; an atom sees bonds up to T away."""
    heads: int = Field(4, ge=1, le=64)
    """Attention heads of ``gatv2`` and ``gps``; ``hidden`` is a multiple of them."""
    readout: ReadoutName = "norm"
    """How atom states become one vector a molecule: their ``mean``, ``sum``, sum over a constant (``norm``), ``max``, a sum
    weighted by learnt ``attention``, or ``attentive``, the molecule part of AttentiveFP."""
    norm: float = Field(30.0, gt=0)
    """Constant that the ``norm`` readout divides the sum by; about the atoms of a molecule."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the units that are dropped in training, in encoder and head."""
    head_hidden: int = Field(300, ge=1, le=4096)
    """Width of the hidden layers of the head."""
    head_layers: int = Field(1, ge=0, le=6)
    """Hidden layers of the head; 0 is a linear head."""
    features: tuple[FeatureName, ...] = ()
    """Features of whole molecules that join the vector of the graph before the head: ``morgan``, ``rdkit`` or both."""

    uncertainty: UncertaintyName = "ensemble"
    """``ensemble``: networks differ; ``mean-variance``: each network predicts a variance too; ``evidential``: each predicts a
    distribution over means and variances, which is known to be unreliable; ``mc-dropout``: units of the last hidden layer are
    left out at random, with ``dropout`` above 0. All of them add up with the spread of the ensemble."""
    samples: int = Field(20, ge=2, le=1000)
    """Samples of ``mc-dropout``."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.uncertainty == "mc-dropout" and not (self.dropout > 0 and self.head_layers > 0):
            raise ValueError(
                "mc-dropout leaves out units of a hidden layer: set dropout above 0 and head_layers to 1 or more"
            )
        return self

    @property
    def program_depth(self) -> int:
        """Rounds of messages on directed bonds that a batch has to lay out; 0 for encoders that work on atoms."""
        return self.depth if self.architecture == "dmpnn" else 0

    def as_spec(self) -> dict[str, Any]:
        """The settings as plain data; those that came later are left out at their default, so that old digests stay."""
        later = {name for name in _LATER if getattr(self, name) == type(self).model_fields[name].default}
        return self.model_dump(mode="json", exclude=later)


_LATER: Final = ("architecture", "heads", "features", "uncertainty", "samples")
"""Settings that models of version 0.1 do not name."""


class TrainingConfig(Config):
    """How networks are trained."""

    ensemble_size: int = Field(4, ge=1, le=100)
    """Networks that differ in their first weights and the order of the compounds; the prediction is their mean."""
    epochs: int | None = Field(None, ge=1, le=10_000)
    """Passes over the training part, over which the learning-rate schedule is laid out. None: as many as make about 700
    optimization steps, at least 15 and at most 200."""
    batch_size: int = Field(50, ge=1, le=100_000)
    """Compounds in one optimization step."""
    learning_rate: float = Field(3e-3, gt=0, le=1)
    """Highest learning rate (AdamW)."""
    schedule: ScheduleName = "one-cycle"
    """``one-cycle``: linear rise, then half a cosine down; ``noam``: linear rise, then exponential decay."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the rate rises."""
    final_rate: float = Field(0.01, gt=0, le=1)
    """Last learning rate as a share of the highest."""
    weight_decay: float = Field(0.0, ge=0, le=10)
    """Decay of the weights (decoupled, AdamW)."""
    gradient_clip: float = Field(5.0, gt=0)
    """Largest norm of the gradient; longer ones are scaled down to it."""
    loss: LossName = "mse"
    """Loss of regression targets, in units of the target's standard deviation. Bounds (``>``, ``<``) cost nothing while a
    prediction keeps them; ``tobit`` takes their Gaussian likelihood instead."""
    variance_weighting: float = Field(0.5, ge=0, le=1)
    """Beta of the likelihood of ``mean-variance`` networks: 0 is the plain one, 1 weighs errors as the squared error does."""
    evidence_penalty: float = Field(0.2, ge=0, le=10)
    """Weight of the error times the evidence in the loss of ``evidential`` networks."""
    ranking: float = Field(0.0, ge=0, le=1)
    """Share of a loss on pairs of compounds in the loss, which looks at their order alone."""
    task_weights: dict[str, float] = Field(default_factory=dict)
    """Weights of targets in the loss, by name; the others weigh 1."""
    task_groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Groups of targets, by any name: each group counts as its weights say, however many labels it has. The targets that stand
    in none are a group of their own."""
    auxiliary: Literal["none", "descriptors"] = "none"
    """``descriptors``: let the network predict RDKit's descriptors of the training compounds too, which cost no measurement."""
    auxiliary_weight: float = Field(0.1, gt=0, le=100)
    """Weight of all auxiliary targets together against all targets together."""
    pretrained: str = "auto"
    """Encoder to start from: ``none``, ``default`` (comes with the package), a folder that ``cinchona pretrain`` wrote, or ``auto``:
    the default one where it fits the network, at most 2,000 compounds are fitted and it wins on held-out folds."""
    encoder_rate: float = Field(1.0, ge=0, le=10)
    """Learning rate of a pretrained encoder as a share of the head's; 0 keeps it as it is."""
    patience: int | None = Field(None, ge=1)
    """Epochs without a better validation loss after which training stops. None: 40 % of ``epochs``, at least 10."""
    workers: int | None = Field(None, ge=1, le=256)
    """Networks trained at the same time, each on one core; None takes the cores at hand. Does not change results."""
    max_seconds: float | None = Field(None, gt=0)
    """Stop each network at the end of the epoch in which this much time has passed; makes results depend on speed."""
    lower_is_better: tuple[str, ...] = ()
    """Targets of which a low value is good, for example a toxicity; hits are ranked accordingly."""
    forest_trees: int = Field(300, ge=1, le=5000)
    """Trees of the random forest that is fitted beside the networks."""


class PretrainingConfig(Config):
    """How an encoder learns from structures alone (``cinchona pretrain``)."""

    molecules_per_file: int | None = Field(None, ge=1)
    """Structures drawn at random from each file; None takes all."""
    epochs: int = Field(10, ge=1, le=1_000)
    """Passes over the structures, over which the learning-rate schedule is laid out."""
    stop_epoch: int | None = Field(None, ge=1)
    """Stop after this many passes, with the schedule still laid out over ``epochs``; None goes to the end. A run that was
    stopped early, or killed, goes on when more are asked for, and one that is under way may be stopped earlier."""
    batch_size: int = Field(512, ge=1, le=100_000)
    """Structures in one optimization step."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """Highest learning rate (AdamW)."""
    schedule: ScheduleName = "one-cycle"
    """``one-cycle``: linear rise, then half a cosine down; ``noam``: linear rise, then exponential decay."""
    warmup: float = Field(0.05, ge=0, lt=1)
    """Share of the steps in which the rate rises."""
    final_rate: float = Field(0.01, gt=0, le=1)
    """Last learning rate as a share of the highest."""
    gradient_clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient; longer ones are scaled down to it."""
    fingerprint_bits: int = Field(1_024, ge=64, le=16_384, multiple_of=64)
    """Width of the Morgan fingerprint that is to be predicted."""
    fingerprint_weight: float = Field(3.0, ge=0, le=1_000)
    """Weight of the fingerprint's cross-entropy against the descriptors' squared error, which weighs 1."""
    valid_fraction: float = Field(0.02, gt=0, lt=0.5)
    """Share of the structures kept apart to see how well the targets are predicted, 5,000 at most."""
    block_rows: int = Field(20_000, ge=100, le=200_000)
    """Structures in one block: what a killed run may have to do again."""


__all__ = [
    "ArchitectureName",
    "FeatureName",
    "GraphNetConfig",
    "LossName",
    "PretrainingConfig",
    "ReadoutName",
    "ScheduleName",
    "TrainingConfig",
    "UncertaintyName",
]

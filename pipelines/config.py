"""The settings of every workflow: one small frozen model per room, put together here."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from cinchona.datasets.config import CurationConfig, ReaderConfig, SplitConfig, StandardizeConfig
from cinchona.models.calibration.config import CalibrationConfig
from cinchona.models.choice_config import ChoiceConfig
from cinchona.models.config import GraphNetConfig, PretrainingConfig, TrainingConfig
from cinchona.models.deepchem_bridge.config import DeepChemConfig
from cinchona.models.domain.config import DomainConfig
from cinchona.models.explanation.config import ExplanationConfig
from cinchona.models.tuning.config import TuningConfig
from cinchona.screening.config import ExecutorConfig, ScreenConfig, SpaceConfig
from cinchona.settings import Config


class TrackingConfig(Config):
    """Where runs are recorded."""

    enabled: bool = True
    """Record runs in MLflow where it is installed; without it a run says that it is not tracked."""
    uri: str | None = None
    """Tracking store, for example ``sqlite:///runs/mlflow.db`` or a server's address; default: see ``folder``."""
    folder: Path = Path("cinchona-runs")
    """Folder of the default SQLite store and its artifacts, used when ``uri`` is not given."""
    experiment: str = Field("cinchona", min_length=1)
    """MLflow experiment that collects the runs."""


class Settings(Config):
    """Settings of all workflows; a command reads the parts it needs.

    Precedence: settings file, then environment (``CINCHONA_SCREEN__TOP_K=50``), then ``--set screen.top_k=50``.
    """

    reader: ReaderConfig = Field(default_factory=ReaderConfig)
    """How input files are read."""
    standardize: StandardizeConfig = Field(default_factory=StandardizeConfig)
    """How structures are standardized, in training and in screening alike."""
    curation: CurationConfig = Field(default_factory=CurationConfig)
    """How an assay table becomes training data."""
    split: SplitConfig = Field(default_factory=SplitConfig)
    """How compounds are held out."""
    network: GraphNetConfig = Field(default_factory=GraphNetConfig)
    """Shape of the graph network."""
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    """How it is trained."""
    choice: ChoiceConfig = Field(default_factory=ChoiceConfig)
    """Which model is trained, and how ``auto`` finds out."""
    calibration: CalibrationConfig = Field(default_factory=CalibrationConfig)
    """How the model learns what its predictions are worth."""
    deepchem: DeepChemConfig = Field(default_factory=DeepChemConfig)
    """What ``choice.model=deepchem`` fits."""
    domain: DomainConfig = Field(default_factory=DomainConfig)
    """What the model folder keeps of the training compounds."""
    pretraining: PretrainingConfig = Field(default_factory=PretrainingConfig)
    """How an encoder is pretrained."""
    tuning: TuningConfig = Field(default_factory=TuningConfig)
    """How settings of the network are searched for."""
    explanation: ExplanationConfig = Field(default_factory=ExplanationConfig)
    """How predictions are explained."""
    screen: ScreenConfig = Field(default_factory=ScreenConfig)
    """How a library is scored."""
    space: SpaceConfig = Field(default_factory=SpaceConfig)
    """How a space of products is searched."""
    executor: ExecutorConfig = Field(default_factory=ExecutorConfig)
    """Where the work runs."""
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)
    """Where runs are recorded."""

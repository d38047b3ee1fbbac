"""The few lines that a notebook needs: ``cinchona.train``, ``cinchona.explain``, ``cinchona.load``, ``cinchona.screen``, ``cinchona.screen_space``."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
from rdkit import Chem

from cinchona.models.folder import read_trust
from cinchona.pipelines import screen as screening_workflow
from cinchona.pipelines import train as training_workflow
from cinchona.pipelines.config import Settings
from cinchona.pipelines.predict import batch_of, opened, predict_batch
from cinchona.protocols import Scorer, Tracker
from cinchona.settings import load_settings

if TYPE_CHECKING:
    from cinchona.datasets.config import StandardizeConfig
    from cinchona.pipelines.explain import Explained
    from cinchona.pipelines.screen_result import ScreenResult
    from cinchona.pipelines.space_result import SpaceResult

_CHUNK = 20_000


class Model:
    """A model folder, ready to predict.

    Args:
        folder: The model folder.
        scorer: The opened scorer.
        standardize: How structures were standardized in training, and are here.
    """

    def __init__(self, folder: Path, *, scorer: Scorer, standardize: StandardizeConfig) -> None:
        self.folder = folder
        self.scorer = scorer
        self._standardize = standardize

    @property
    def figures(self) -> pd.DataFrame:
        """Metrics on held-out compounds beside the baselines': target, model, metric, estimate, lower, upper, n."""
        return pd.DataFrame(read_trust(self.folder).get("metrics") or [])

    def predict(self, molecules: str | Chem.Mol | Iterable[str | Chem.Mol]) -> pd.DataFrame:
        """Predict molecules; nothing is dropped or moved.

        Args:
            molecules: One SMILES or RDKit molecule, or a list, array or Series of them (None and NaN are rejects).

        Returns:
            One row a molecule in the order given, with the index of a Series: ``smiles``, ``parent_smiles``, ``score``
            (higher is better), each endpoint with its uncertainty, ``flags``, and a ``reason`` where there is no
            prediction.
        """
        index = molecules.index if isinstance(molecules, pd.Series) else None
        items: Sequence[Any] = [molecules] if isinstance(molecules, str | Chem.Mol) else list(molecules)
        batch = batch_of(items)
        parts = [
            predict_batch(batch.slice(start, _CHUNK), self.scorer, standardize=self._standardize)
            for start in range(0, max(len(batch), 1), _CHUNK)
        ]
        frame = pa.concat_tables(parts).drop_columns(["row_id", "compound_id"]).to_pandas()
        return frame if index is None else frame.set_index(index)

    def __repr__(self) -> str:
        targets = ", ".join(endpoint.name for endpoint in self.scorer.endpoints)
        return f"<Model {self.scorer.name}: {targets} from {str(self.folder)!r}>"

    def _repr_html_(self) -> str:
        """The model and its figures, for notebooks; every text is escaped."""
        head = f"<p>{html.escape(repr(self))}</p>"
        figures = self.figures
        return head if figures.empty else head + str(figures.to_html(index=False, escape=True, float_format="%.3f"))


def train(
    table: str | Path | pa.Table | pd.DataFrame,
    *,
    target: str | Sequence[str],
    out: str | Path,
    seed: int = 0,
    settings: Settings | Sequence[str] | None = None,
    tracker: Tracker | None = None,
) -> Model:
    """Train an ensemble of graph networks on a table of measurements.

    Args:
        table: CSV, SDF or Parquet file, ``catalogue:NAME``, Arrow table or DataFrame.
        target: Measured column or columns.
        out: Folder of the model; if it holds this very model, nothing is trained.
        seed: Seed of all randomness.
        settings: Settings, or changes like ``["training.epochs=20"]``.
        tracker: Keeps a record of the run; None for none.

    Returns:
        The model; its ``figures`` say how good it was on held-out compounds beside simple baselines.

    Raises:
        CinchonaError: as :func:`cinchona.pipelines.train.train`.
    """
    targets = [target] if isinstance(target, str) else list(target)
    result = training_workflow.train(
        table, targets=targets, out=out, settings=_settings(settings), seed=seed, tracker=tracker
    )
    return load(result.folder)


def load(folder: str | Path) -> Model:
    """Open a model folder; everything in it is checked first.

    Raises:
        ModelFileError: if the folder holds no usable model.
        UnsafeFileError: if it holds something that could do harm.
    """
    scorer, rules = opened(folder, default=Settings().standardize)
    return Model(Path(folder), scorer=scorer, standardize=rules)


def explain(
    model: Model | str | Path | Scorer,
    compounds: str | Path | Chem.Mol | Sequence[str | Path | Chem.Mol],
    *,
    out: str | Path | None = None,
    endpoint: str | None = None,
    settings: Settings | Sequence[str] | None = None,
) -> Explained:
    """Say which atoms and bonds raise and lower a prediction; in a notebook the result shows itself as pictures.

    Args:
        model: A model, its folder, or any scorer.
        compounds: SMILES or RDKit molecules, or files that hold compounds.
        out: Folder for the report and the tables; None writes none.
        endpoint: What to explain; None for the first endpoint.
        settings: Settings, or changes like ``["explanation.method=removal"]``.

    Raises:
        CinchonaError: as :func:`cinchona.pipelines.explain.explain`.
    """
    from cinchona.pipelines import explain as explanation_workflow

    source = model.folder if isinstance(model, Model) else model
    return explanation_workflow.explain(
        compounds, model=source, out=out, endpoint=endpoint, settings=_settings(settings)
    )


def screen(
    library: str | Path | Sequence[str | Path],
    *,
    model: Model | str | Path | Scorer,
    out: str | Path,
    seed: int = 0,
    settings: Settings | Sequence[str] | None = None,
    tracker: Tracker | None = None,
) -> ScreenResult:
    """Score a library of any size and rank the hits; the same call goes on where an interrupted one stopped.

    Args:
        library: Files, globs, ``catalogue:NAME`` or ``-``.
        model: A model, its folder, or any scorer.
        out: Folder of the run, with scores, hits, rejects and report.
        seed: Written into the manifest.
        settings: Settings, or changes like ``["executor.kind=serial"]``.
        tracker: Keeps a record of the run; None for none.

    Raises:
        CinchonaError: as :func:`cinchona.pipelines.screen.screen`.
    """
    source = model.folder if isinstance(model, Model) else model
    return screening_workflow.screen(
        library, model=source, out=out, settings=_settings(settings), seed=seed, tracker=tracker
    )


def screen_space(
    space: str | Path,
    *,
    model: Model | str | Path | Scorer,
    out: str | Path,
    seed: int = 0,
    settings: Settings | Sequence[str] | None = None,
    tracker: Tracker | None = None,
) -> SpaceResult:
    """Score all products that reactions make from lists of reagents; the same call goes on where an interrupted one stopped.

    Args:
        space: Space file: YAML with reactions and reagent files, or RDKit's synthon text.
        model: A model, its folder, or any scorer.
        out: Folder of the run, with hits, rejects, reagents and report.
        seed: Decides which products are audited.
        settings: Settings, or changes like ``["space.threshold=7"]``.
        tracker: Keeps a record of the run; None for none.

    Raises:
        CinchonaError: as :func:`cinchona.pipelines.space.screen_space`.
    """
    from cinchona.pipelines import space as space_workflow

    source = model.folder if isinstance(model, Model) else model
    return space_workflow.screen_space(
        space, model=source, out=out, settings=_settings(settings), seed=seed, tracker=tracker
    )


def _settings(given: Settings | Sequence[str] | None) -> Settings:
    if given is None or isinstance(given, Settings):
        return given or Settings()
    return load_settings(Settings, overrides=list(given))


__all__ = ["Model", "explain", "load", "screen", "screen_space", "train"]

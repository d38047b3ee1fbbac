"""The sentences of a model card, each made from figures of the model's own record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cinchona.models.metrics import METRICS
from cinchona.models.weak_spots import NO_RINGS, Spot

_LED_BY: Final = {"regression": "rmse", "classification": "roc_auc"}
"""Metric by which a model is compared with the baselines, by kind of target."""
_BASELINES: Final = ("mean", "nearest-neighbour", "forest")
_FEW: Final = 100
_TOLD: Final = 6
_SPLITS: Final = {
    "random": "Test compounds were drawn at random, so most have close relatives in training; on other series expect larger errors.",
    "scaffold": "Test compounds have scaffolds that training has not; the figures are for new scaffolds of the same programme.",
    "cluster": "Test compounds are of clusters that training has not; the figures are for new series.",
    "time": "Test compounds are the latest; the figures are for compounds made after training.",
}
_SHARED: Final = {
    "duplicates": ("is in training too", "are in training too"),
    "twins": ("is a stereo or tautomer twin of a known one", "are stereo or tautomer twins of known ones"),
    "shared_scaffolds": ("has a scaffold that training has", "have a scaffold that training has"),
}
"""What a test compound can share with known ones, for one or none and for several."""


def intended_use(endpoints: Sequence[Mapping[str, Any]], trust: Mapping[str, Any]) -> Iterator[str]:
    """What the model is for."""
    names = ", ".join(_with_unit(e.get("name"), e.get("unit")) for e in endpoints)
    yield f"It predicts {names} from the structure of small organic molecules, to rank compounds for testing."
    yield "Its predictions are not measurements, and no ground for decisions about the safety of people."
    for target in (trust.get("data") or {}).get("targets") or ():
        if target.get("kind") == "classification":
            yield f"{target.get('name')}: the share of actives in training was {_number(target.get('mean'))}; where it is another one, probabilities are off."
        else:
            span = f"{_number(target.get('lowest'))} to {_number(target.get('highest'))}"
            yield f"{_with_unit(target.get('name'), target.get('unit'))}: learnt from {span}; it can hardly predict values outside."


def standing(trust: Mapping[str, Any]) -> Iterator[str]:
    """How the model stands beside the best baseline, a sentence a target."""
    metrics = [m for m in trust.get("metrics") or () if isinstance(m, dict)]
    kinds = {str(t.get("name")): str(t.get("kind")) for t in (trust.get("data") or {}).get("targets") or ()}
    for target in dict.fromkeys(str(m.get("target")) for m in metrics):
        name = _LED_BY.get(kinds.get(target, "regression"), "rmse")
        own = [m for m in metrics if str(m.get("target")) == target and m.get("metric") == name]
        model = next((m for m in own if m.get("model") not in _BASELINES), None)
        rivals = [m for m in own if m.get("model") in _BASELINES and isinstance(m.get("estimate"), int | float)]
        if model is not None and isinstance(model.get("estimate"), int | float) and rivals:
            yield _compared(target, name, model, rivals)


def leakage_words(leakage: Mapping[str, Any]) -> str:
    """What the test compounds share with the known ones, in words; nothing where it is not known."""
    told = []
    for key, (one, more) in _SHARED.items():
        count = leakage.get(key)
        if isinstance(count, int):
            told.append(f"{count:,} {more}" if count > 1 else f"{'one' if count else 'none'} {one}")
    if not told:
        return ""
    tests = f"{leakage['n_test']:,} test compounds" if isinstance(leakage.get("n_test"), int) else "test compounds"
    near = leakage.get("median_similarity")
    nearest = f"; the nearest known compound has a similarity of {near:.2f} in the median" if _finite(near) else ""
    return f"Of the {tests} {', '.join(told)}{nearest}."


def limits(trust: Mapping[str, Any], worst: Sequence[tuple[str, str, str, Spot]], *, looked: bool) -> Iterator[str]:
    """What the model is not for, and what is not known of it.

    Args:
        trust: Its record.
        worst: Target, unit, kind of group and group where it is worse than elsewhere.
        looked: Whether its held-out predictions were at hand.
    """
    yield from limits_of_record(trust)
    if not looked:
        yield "Where it fails is not known: its held-out predictions are not in the folder."
    for target, unit, label, spot in worst[:_TOLD]:
        place = f"the series {spot.name}" if label == "series" else f"{label} {spot.name}"
        place = "compounds without rings" if spot.name == NO_RINGS else place
        amount = f"{spot.error:.3g}{f' {unit}' if unit else ''}"
        yield f"{target}: it is worse for {place}: wrong by {amount} on average, {spot.ratio:.1f} times the mean ({spot.compounds:,} compounds)."
    if looked and not worst:
        yield "No series or property range of the held-out compounds is worse than the rest beyond chance; small groups can hide one."


def limits_of_record(trust: Mapping[str, Any]) -> Iterator[str]:
    """The limits that a record tells by itself, without held-out predictions."""
    yield from _of_data(trust)
    yield from _of_trust(trust)


def limits_of_kind(spec: Any) -> Iterator[str]:  # noqa: ANN401 - read from a file
    """The limits that come with the kind of uncertainty in a model's specification."""
    network = spec.get("network") if isinstance(spec, Mapping) else None
    if isinstance(network, Mapping) and network.get("uncertainty") == "evidential":
        yield (
            "Its networks state evidential uncertainties, which are known to be unreliable (Meinert et al. 2023): calibration mends their "
            "scale, not which compounds they call uncertain."
        )


def _compared(target: str, name: str, model: Mapping[str, Any], rivals: Sequence[Mapping[str, Any]]) -> str:
    metric = METRICS[name]
    pick = max if metric.higher_is_better else min
    best = pick(rivals, key=lambda m: float(m["estimate"]))
    sign = 1 if metric.higher_is_better else -1
    ahead = sign * (float(model["estimate"]) - float(best["estimate"]))
    word = "no different from" if ahead == 0 else "better than" if ahead > 0 else "worse than"
    apart = _apart(model, best)
    note = "" if apart else "; their intervals overlap, so the order is not certain"
    return f"{target}: {metric.title} {_with_interval(model)}, {word} the best baseline ({best['model']}, {_with_interval(best)}){note}."


def _of_data(trust: Mapping[str, Any]) -> Iterator[str]:
    split, data, leakage = (trust.get(key) or {} for key in ("split", "data", "leakage"))
    few = trust.get("few_shot")
    if isinstance(few, Mapping):
        yield from _of_few(few)
        return
    if not split:
        yield "What it was trained and tested on is not known."
        return
    if str(split.get("kind")) in _SPLITS:
        yield _SPLITS[str(split.get("kind"))]
    if isinstance(split.get("test"), int) and split["test"] < _FEW:
        yield f"The test part has {split['test']} compounds only, so every figure is uncertain."
    known = sum(n for n in (leakage.get("duplicates"), leakage.get("twins")) if isinstance(n, int))
    if known:
        one = known == 1
        what = (
            "compound is a duplicate, stereo or tautomer twin of a known one"
            if one
            else "compounds are duplicates, stereo or tautomer twins of known ones"
        )
        yield f"{known:,} test {what}, which makes the figures too good."
    bounds = sum(t.get("bounds") or 0 for t in data.get("targets") or ())
    if bounds:
        yield f"{bounds:,} labels are bounds (such as > 100); they are in no figure."


def _of_few(few: Mapping[str, Any]) -> Iterator[str]:
    """Limits of a ranker that was made from a few actives."""
    yield (
        f"It learnt from {_count(few.get('actives'))} actives against {_count(few.get('background'))} background molecules that were taken for inactive; "
        "no measured inactive says how good it is."
    )
    if isinstance(few.get("held_out_rank"), int | float):
        yield (
            f"An active that was held out stood ahead of {few['held_out_rank']:.0%} of the background on average (chance: 50 %). "
            "That is how well it finds more of the same, not how well it finds new series."
        )


def _of_trust(trust: Mapping[str, Any]) -> Iterator[str]:
    if not trust.get("conformal"):
        yield "Its uncertainties are not calibrated, and it gives no prediction intervals."
    for entry in (trust.get("calibration") or {}).get("endpoints") or ():
        yield from _coverage(entry)
    domain = trust.get("domain")
    if not isinstance(domain, dict):
        yield "Its applicability domain is not known: it cannot say which compounds are too far from training."
        return
    for threshold in domain.get("thresholds") or ():
        if threshold.get("basis") != "error":
            yield "Held-out errors do not show beyond which distance from training it fails; its domain is where training compounds have neighbours."
            return


def _coverage(entry: Mapping[str, Any]) -> Iterator[str]:
    """A promise that the test part did not keep."""
    level, found, span = (entry.get(key) for key in ("level", "coverage", "coverage_interval"))
    numbers = [level, found, *(span if isinstance(span, Sequence) and len(span) == 2 else (None, None))]
    promised, held, low, high = (float(x) if isinstance(x, int | float) else float("nan") for x in numbers)
    if promised < low or promised > high:
        way = "fewer" if held < promised else "more"
        yield f"{entry.get('target')}: its {promised:.0%} intervals held {way} of the test labels than promised, {held:.1%} ({low:.1%} to {high:.1%})."


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    ends = [float(m[key]) for m in (one, other) for key in ("lower", "upper") if isinstance(m.get(key), int | float)]
    return len(ends) == 4 and (ends[0] > ends[3] or ends[2] > ends[1])


def _with_interval(metric: Mapping[str, Any]) -> str:
    low, high = metric.get("lower"), metric.get("upper")
    known = isinstance(low, int | float) and isinstance(high, int | float)
    return _number(metric.get("estimate")) + (f" ({_number(low)} to {_number(high)})" if known else "")


def _with_unit(name: Any, unit: Any) -> str:  # noqa: ANN401 - read from a file
    return f"{name} [{unit}]" if unit else str(name)


def _finite(value: Any) -> bool:  # noqa: ANN401 - read from a file
    return isinstance(value, int | float) and math.isfinite(value)


def _count(value: Any) -> str:  # noqa: ANN401 - read from a file
    return f"{value:,}" if isinstance(value, int) else "?"


def _number(value: Any) -> str:  # noqa: ANN401 - read from a file
    return f"{value:.3g}" if isinstance(value, int | float) else "?"


__all__ = ["intended_use", "leakage_words", "limits", "limits_of_kind", "limits_of_record", "standing"]

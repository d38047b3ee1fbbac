"""The reference page names every measure, column and rule as the code has it."""

from cinchona.pharmacovigilance.signals.evaluation.harness import BASELINES, METRICS
from cinchona.pharmacovigilance.signals.gps.fit import FitStatus
from cinchona.pharmacovigilance.signals.gps.prior import PriorLikelihood
from cinchona.pharmacovigilance.signals.measures.catalogue import CATALOGUE
from cinchona.pharmacovigilance.signals.rules.rule_sets import rule_sets


def test_reference_page_is_complete(repository):
    page = (repository / "docs" / "reference" / "signals.md").read_text(encoding="utf-8")
    for measure in CATALOGUE:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{measure.name}` |"))
        assert all(f"`{column}`" in row for column in measure.columns), measure.name
    for rule in rule_sets().values():
        assert f"| `{rule.name}` | `{rule.when}` | `{rule.rank_by[0]}` |" in page, rule.name
    for name in (*FitStatus, *PriorLikelihood, *BASELINES, *(m for m in METRICS if m != "precision")):
        assert f"`{name}`" in page, name

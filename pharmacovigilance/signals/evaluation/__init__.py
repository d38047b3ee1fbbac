"""Judging measures: within events, within drugs, over time, always beside naive baselines."""

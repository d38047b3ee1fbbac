"""Data with known truth: tables drawn from a prior, signals injected on real margins, reports that accrue."""

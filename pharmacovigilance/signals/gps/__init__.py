"""The gamma-Poisson shrinker: prior fits under three likelihoods, posterior scores, exact and fast quantiles."""

"""Everything MLflow: tracking, model flavour, registry, browser."""

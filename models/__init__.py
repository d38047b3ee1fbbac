"""Numbers to predictions: message-passing networks, baselines, model folders."""

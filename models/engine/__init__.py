"""Fast inference: equal atom environments are computed once, exactly."""

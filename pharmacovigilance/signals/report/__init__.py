"""Reports on the signals of one drug or one event: one HTML file that reaches nothing outside itself."""

"""Pictures of signals: colour-blind safe, readable without colour, as SVG or PNG."""

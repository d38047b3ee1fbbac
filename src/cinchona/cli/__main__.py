"""The command line for interpreters without the ``cinchona`` script on their path: ``python -m cinchona.cli``."""

from __future__ import annotations

from cinchona.cli.main import main

if __name__ == "__main__":
    main()

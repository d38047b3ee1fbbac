"""Write the versions of this environment to constraints.txt, as plain pins without addresses or local labels."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HEADER = """\
# Every version that the tests ran with, on Python 3.11. Written by 'make constraints', used by the Makefile as
#   pip install -c constraints.txt '.[all]'
"""
LEFT_OUT = frozenset({"cinchona", "pip", "wheel"})


def pins(freeze: str) -> list[str]:
    r"""Plain pins from the output of ``pip freeze``.

    >>> pins("torch==2.13.0+cpu\n-e git+https://x\nsix==1.17.0\n")
    ['six==1.17.0', 'torch==2.13.0']
    """
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^+\s]+)", freeze, re.MULTILINE)
    return sorted((f"{name}=={version}" for name, version in found if name.lower() not in LEFT_OUT), key=str.casefold)


def main() -> int:
    """Rewrite constraints.txt in the current folder."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "freeze", "--all"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    Path("constraints.txt").write_text(HEADER + "\n".join(pins(answer.stdout)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

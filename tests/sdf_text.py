"""SDF records for tests."""

from __future__ import annotations

MOL_BLOCK = """{title}
  test

  2  1  0  0  0  0            999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.0000    0.0000    0.0000 {atom}   0  0
  1  2  1  0
M  END
"""


def sdf(title: str = "", atom: str = "O", **properties: str) -> str:
    """Methanol, or another molecule of a carbon and an atom, with properties."""
    block = MOL_BLOCK.format(title=title, atom=atom)
    return block + "".join(f">  <{key}>  (1)\n{value}\n\n" for key, value in properties.items()) + "$$$$\n"

"""Sphinx extension that writes the reference pages: one page a module, one overview a room.

The pages follow the files, so a new module is documented without touching a list. They are written to
``docs/reference/generated``, which git ignores.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sphinx.util import logging

import cinchona

if TYPE_CHECKING:
    from sphinx.application import Sphinx

GROUND: Final = "cinchona"

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for files."""
    write_pages(Path(app.srcdir) / "reference" / "generated")
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
    app.connect("autodoc-skip-member", show_enum_members)
    return {"parallel_read_safe": True}


def keep_colons(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    lines: list[str],
) -> None:
    """Keep "One line for a human: what is wrong" whole; napoleon would take the words before the colon for a type."""
    del app, name, obj, options
    if what in {"attribute", "data", "property"}:
        lines.insert(0, "")


def show_enum_members(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    skip: object,
    options: object,
) -> bool | None:
    """Show members of enumerations whose name says all, so that they have no docstring."""
    del app, what, name, skip, options
    return False if isinstance(obj, enum.Enum) else None


def public_modules(room: str) -> list[str]:
    """Dotted names of the modules of ``room`` (``cinchona`` means the ground floor) that are not private."""
    folder = Path(cinchona.__file__).parent
    if room != GROUND:
        folder /= room.rpartition(".")[2]
    paths = sorted(folder.glob("*.py") if room == GROUND else folder.rglob("*.py"))
    names = [".".join([room, *path.relative_to(folder).with_suffix("").parts]) for path in paths]
    names = [name.removesuffix(".__init__") for name in names]
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


def write_pages(folder: Path) -> None:
    """Write all pages; a page is touched only when it changes, so that Sphinx rebuilds only what it must."""
    folder.mkdir(parents=True, exist_ok=True)
    pages: dict[str, str] = {}
    for room in (GROUND, *(f"cinchona.{name}" for name in sorted(cinchona.ROOMS))):
        modules = [name for name in public_modules(room) if name != room]
        pages[f"room-{room}"] = overview(room, modules)
        pages.update({name: module_page(name) for name in modules})
    for old in folder.glob("*.md"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def overview(room: str, modules: list[str]) -> str:
    """Page of a room: its docstring, its public names and a list of its modules."""
    names = getattr(importlib.import_module(room), "__all__", [])
    own = own_names(room)
    rows = [f"- {_role(room, name)}" for name in names if not name.startswith("__")]
    return "\n".join(
        [
            f"# `{room}`" + (" (ground floor)" if room == GROUND else ""),
            _automodule(room, f":members: {', '.join(own)}" if own else ""),
            *(["## Public names", *rows] if rows else []),
            "## Modules",
            *(_module_row(name) for name in modules),
            "",
        ]
    )


def module_page(name: str) -> str:
    """Page of one module with everything public in it.

    Only its room's page leads to it: hundreds of modules in the sidebar of every page would bury the rest.
    """
    return f"---\norphan: true\n---\n\n# `{name}`\n{_automodule(name, ':members:')}\n"


def canonical(room: str, name: str) -> str:
    """Full name under which a public name of a room is documented: where it is defined."""
    value = getattr(importlib.import_module(room), name)
    if inspect.ismodule(value):
        return value.__name__
    if (inspect.isclass(value) or inspect.isroutine(value)) and str(value.__module__).startswith(GROUND):
        return f"{value.__module__}.{value.__qualname__}"
    home = getattr(importlib.import_module(room), "_LAZY", {}).get(name, room)
    return f"{home if home.startswith(GROUND) else f'{room}.{home}'}.{name}"


def own_names(room: str) -> list[str]:
    """Public names that the package of a room defines itself instead of passing them on."""
    package = importlib.import_module(room)
    names = [name for name in getattr(package, "__all__", []) if not name.startswith("__")]
    return [name for name in names if name in vars(package) and canonical(room, name) == f"{room}.{name}"]


def _role(room: str, name: str) -> str:
    try:
        link = f"{{py:obj}}`{name} <{canonical(room, name)}>`"
    except (AttributeError, ImportError) as error:
        logger.warning("%s offers %s, which cannot be had: %s", room, name, error)
        return f"`{name}`"
    value = getattr(importlib.import_module(room), name)
    described = inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)
    return link + (_summary(value.__doc__) if described else "")


def _module_row(name: str) -> str:
    path = Path(cinchona.__file__).parent.joinpath(*name.split(".")[1:])
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return f"- {{doc}}`{name} <{name}>`{_summary(ast.get_docstring(ast.parse(source.read_text())))}"


def _summary(docstring: str | None) -> str:
    """First line of a docstring as Markdown, after a colon; roles become plain code."""
    first = (docstring or "").strip().partition("\n")[0]
    plain = re.sub(r":[\w:]+:`~?(?:[^`<]*<)?([^`<>]+)>?`", lambda found: f"`{found[1].rpartition('.')[2]}`", first)
    return f": {plain}" if plain else ""


def _automodule(name: str, option: str) -> str:
    options = f"   {option}\n   :show-inheritance:\n" if option else ""
    return f"\n```{{eval-rst}}\n.. automodule:: {name}\n{options}```\n"

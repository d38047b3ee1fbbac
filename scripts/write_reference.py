"""Write the generated parts of cli.md, settings.md and report-store.md in docs/reference.

Run it after a change of commands, options or settings; a test compares the pages with what it would write. The part of
a page between the two marks is replaced, the rest is written by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cinchona.cli.lazy import load_command
from cinchona.cli.main import COMMANDS
from cinchona.pharmacovigilance.schema import TABLES
from cinchona.pipelines.config import Settings
from cinchona.settings import settings_schema

BEGIN = "<!-- begin: written by scripts/write_reference.py -->"
END = "<!-- end -->"
SHARED = {"--config", "--set", "--json", "--quiet", "--verbose", "--log-format", "--help"}


def commands_text() -> str:
    """All commands with their arguments and own options, in Markdown."""
    parts = []
    for name, (module, _) in COMMANDS.items():
        command = load_command(module, name)
        below = getattr(command, "commands", None) or {}
        if below:
            parts += [_command_text(f"{name} {inner}", below[inner]) for inner in below]
        else:
            parts.append(_command_text(name, command))
    return "\n\n".join(parts)


def _command_text(path: str, command: Any) -> str:  # noqa: ANN401 - typer's command
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.opts[0] not in SHARED]
    usage = " ".join([f"cinchona {path}", *(_metavar(p) for p in arguments)])
    required = [f"{p.opts[0]} {_metavar(p)}" for p in options if p.required]
    lines = [
        f"### cinchona {path}",
        "",
        "```",
        " ".join([usage, *required, "[OPTIONS]"]),
        "```",
        "",
        _prose(command.help),
    ]
    if arguments or options:
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| `{_metavar(p)}` | {_prose(p.help or '')} |" for p in arguments]
        lines += [f"| `{p.opts[0]}{' ' + p.metavar if p.metavar else ''}` | {_option(p)} |" for p in options]
    return "\n".join(lines)


def _metavar(parameter: Any) -> str:  # noqa: ANN401 - typer's parameter
    name = str(parameter.metavar or parameter.name.upper())
    optional = parameter.param_type_name == "argument" and not parameter.required and not name.startswith("[")
    return f"[{name}]" if optional else name


def _option(option: Any) -> str:  # noqa: ANN401 - typer's option
    default = "" if option.default is None or option.required else f" Default: {option.default}."
    return _prose(f"{option.help or ''}{default}")


def settings_text() -> str:
    """All settings by section, in Markdown."""
    schema = settings_schema(Settings)
    parts = []
    for section, info in Settings.model_fields.items():
        model = info.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        rows = list(_rows(schema["$defs"][model.__name__], schema["$defs"]))
        table = ["| setting | takes | default | meaning |", "|---|---|---|---|", *rows]
        parts.append(f"## {section}\n\n{info.description}\n\n" + "\n".join(table))
    return "\n\n".join(parts)


def _rows(section: dict[str, Any], defs: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, item in section["properties"].items():
        default = json.dumps(item["default"]).replace("|", "\\|") if "default" in item else ""
        yield f"| `{above}{name}` | {_takes(item, defs)} | {f'`{default}`' if default else ''} | {_prose(item.get('description', ''))} |"
        inner = item.get("additionalProperties")
        if isinstance(inner, dict) and "$ref" in inner:
            yield from _rows(defs[inner["$ref"].rpartition("/")[2]], defs, f"{above}{name}.NAME.")


def _takes(item: dict[str, Any], defs: dict[str, Any]) -> str:
    if "$ref" in item:
        return _takes(defs[item["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in item:
        return " or ".join(_takes(choice, defs) for choice in item["anyOf"])
    if "enum" in item:
        return ", ".join(f"`{choice}`" for choice in item["enum"])
    if "const" in item:
        return f"`{item['const']}`"
    words = {"integer": "whole number", "string": "text", "boolean": "true or false", "array": "list", "object": "mapping",
             "null": "null"}  # fmt: skip
    limits = [
        f"{sign} {item[key]:,}" if isinstance(item[key], int) else f"{sign} {item[key]}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if key in item
    ]
    return " ".join([words.get(item.get("type", ""), item.get("type", "any")), ", ".join(limits)]).strip()


def store_text() -> str:
    """All tables of a report store with their columns, in Markdown."""
    parts = []
    for table in TABLES.values():
        rows = [f"| `{c.name}` | {_type(c.type)} | {_prose(c.doc)} |" for c in table.columns]
        parts.append(
            f"### {table.name}\n\n{table.doc}\n\n| column | type | meaning |\n|---|---|---|\n" + "\n".join(rows)
        )
    return "\n\n".join(parts)


def _type(arrow: Any) -> str:  # noqa: ANN401 - an Arrow type
    return "category" if str(arrow).startswith("dictionary") else str(arrow).removesuffix("[day]")


def _prose(text: str) -> str:
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def pages(root: Path) -> dict[Path, str]:
    """What each page should hold."""
    made = {"cli.md": commands_text(), "settings.md": settings_text(), "report-store.md": store_text()}
    found = {}
    for name, text in made.items():
        path = root / "docs" / "reference" / name
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        found[path] = f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
    return found


if __name__ == "__main__":
    for target, content in pages(Path(__file__).resolve().parent.parent).items():
        target.write_text(content, encoding="utf-8")
        sys.stdout.write(f"wrote {target.name}\n")

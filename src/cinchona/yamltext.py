"""YAML in and out for settings: plain data only, YAML 1.2 scalars, limits against hostile files.

PyYAML follows YAML 1.1, where ``no`` is false, ``1e-4`` a string and ``12:30`` the number 750. Here a scalar is what
the YAML 1.2 core schema says: ``true`` and ``false`` alone are booleans, and dates stay text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, Final

import yaml

MAX_BYTES: Final = 256 * 1024
"""Largest settings text that is read, in bytes."""
MAX_NODES: Final = 50_000
"""Most values that a settings text may hold once its aliases are expanded."""
MAX_DEPTH: Final = 50
"""Deepest nesting of a settings text."""

Lines = dict[tuple[str, ...], int]
"""Line, from 1, on which each key of a mapping stands, by its path."""

_TEXT: Final = "tag:yaml.org,2002:str"
_YAML_1_1: Final = yaml.resolver.Resolver()
_MERGE: Final = "tag:yaml.org,2002:merge"
_SCALARS: Final = (
    ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)$"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$"
                   r"|^\.(?:nan|NaN|NAN)$"),
        list("-+.0123456789"),
    ),
    (_MERGE, re.compile(r"^<<$"), ["<"]),
)  # fmt: skip


_TAGS: Final = frozenset(
    {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own name and form
    yaml_constructors = {  # noqa: RUF012 - as above; sets, dates and binaries are no settings
        tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag in _TAGS or tag is None
    }
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's own
        """Refuse deep nesting before it fills the stack."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH}", problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        """Take keys as text, and refuse one that stands twice: the last would win in silence."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key that is not plain text", problem_mark=key.start_mark)
            if key.tag == _MERGE:
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
            key.tag = _TEXT
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own name and form

    def ignore_aliases(self, data: object) -> bool:
        """Write equal values out in full: settings are read by people."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Quoted where another YAML 1.1 reader would see more than text, and where PyYAML would fold U+0085 into blanks.
    resolved = _YAML_1_1.resolve(yaml.ScalarNode, text, (True, False))
    style = None if text.isprintable() and resolved == _TEXT else '"'
    node: yaml.ScalarNode = dumper.represent_scalar(_TEXT, text, style=style)
    return node


_Dumper.add_representer(str, _represent_text)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)


def parse(text: str) -> tuple[Any, Lines]:
    """Parse one YAML document into plain data, with the line of each mapping key.

    Raises:
        yaml.YAMLError: if the text is malformed, repeats a key, holds a tag, refers to itself, or is larger than
            :data:`MAX_BYTES`, deeper than :data:`MAX_DEPTH` or, expanded, of more than :data:`MAX_NODES` values.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise yaml.YAMLError(f"the text is larger than {MAX_BYTES} bytes")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines: Lines = {}
        _measure(node, {}, ())
        _note_lines(node, (), lines)
        return loader.construct_document(node), lines
    except ValueError as error:  # PyYAML lets int() and its like speak for themselves
        raise yaml.YAMLError(str(error)) from error
    finally:
        loader.dispose()


def dump(value: object) -> str:
    """Write plain data as YAML that :func:`parse` reads back as the same data."""
    form = {"sort_keys": False, "allow_unicode": True, "default_flow_style": False, "width": 100}
    return str(yaml.dump(value, Dumper=_Dumper, **form))


def _measure(node: yaml.Node, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """Return how many values ``node`` stands for with its aliases expanded; each node is walked once."""
    if id(node) in sizes:
        return sizes[id(node)]
    if id(node) in above:
        raise yaml.MarkedYAMLError(problem="the text refers to itself", problem_mark=node.start_mark)
    size = 1 + sum(_measure(child, sizes, (*above, id(node))) for child in _children(node))
    if size > MAX_NODES:
        raise yaml.MarkedYAMLError(problem=f"more than {MAX_NODES} values", problem_mark=node.start_mark)
    sizes[id(node)] = size
    return size


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _note_lines(node: yaml.Node, path: tuple[str, ...], lines: Lines) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            lines[*path, key.value] = key.start_mark.line + 1
            _note_lines(value, (*path, key.value), lines)

"""Bounds on a YAML file: whoever writes one can keep the command busy for no more than seconds.

An alias stands for a whole part, so ten lines of aliases of aliases can stand for thousands of millions. A
part can hold itself, or lie a hundred thousand levels deep; a tag can ask for any object. Belongs here:
finding this, each with its place. Does not belong here: what keys mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

CHARACTERS = 4_000_000  # thousands of corrections; read in some 20 s
DEPTH = 50  # the deepest key of a mapping file stands at level 12
PARTS = 500_000  # keys, values and lists, each counted as often as an alias repeats it

KNOWN_TAGS = tuple(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge", "value")
)


class Bounded(yaml.SafeLoader):
    """Composes nodes, and stops at the first part that lies too deep."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEPTH:
            place = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEPTH} levels deep", place)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def fault_of(root: yaml.Node) -> tuple[int, str] | None:
    """The line of the first part that must not be constructed, and why; None if all is plain."""
    found = _Walk()
    found.size(root)
    return found.fault


@dataclass
class _Walk:
    """Sizes of nodes with all that their aliases stand for; each node is looked at once."""

    fault: tuple[int, str] | None = None
    sizes: dict[int, int] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    maker: yaml.SafeLoader = field(default_factory=lambda: yaml.SafeLoader(""))

    def size(self, node: yaml.Node) -> int:
        if id(node) in self.open:
            self._note(node, "this part holds itself, by an alias; write it out")
            return 0
        if id(node) not in self.sizes:
            self.open.add(id(node))
            self.sizes[id(node)] = self._size(node)
            self.open.discard(id(node))
        if self.sizes[id(node)] > PARTS:
            self._note(
                node,
                f"aliases make more than {PARTS:,} keys and values of this part; write out what is needed",
            )
        return self.sizes[id(node)]

    def _size(self, node: yaml.Node) -> int:
        if node.tag not in KNOWN_TAGS:
            self._note(node, f'tag "{_short(node.tag)}": expected plain values, without a tag')
        elif isinstance(node, yaml.ScalarNode) and not node.tag.endswith((":merge", ":value")):
            self._try(node)
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    self._note(key, "a list or keys and values in the place of a key; expected key: value")
                inner += [key, value]
        return 1 + sum(self.size(part) for part in inner)

    def _try(self, node: yaml.ScalarNode) -> None:
        try:
            self.maker.construct_object(node)
        except (ValueError, OverflowError, yaml.YAMLError):
            kind = node.tag.rpartition(":")[2]
            self._note(
                node,
                f"looks like a {'date' if kind == 'timestamp' else kind}, and is none; write a text in "
                "quotes",
            )

    def _note(self, node: yaml.Node, sentence: str) -> None:
        self.fault = self.fault or (node.start_mark.line + 1, sentence)


def _short(tag: str) -> str:
    shown = tag.removeprefix("tag:yaml.org,2002:")
    return shown if len(shown) <= 60 else shown[:60] + "…"

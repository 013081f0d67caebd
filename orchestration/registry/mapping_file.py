"""Reading a mapping file that may be like another: what the other says holds wherever this one is silent.

Belongs here: finding the other mapping (a hospital's of the same registry, or one that ships in
`ready_made/`) and laying one over the other, so that every key still knows its file and line. Does not belong
here: what the keys mean (`mapping.py`).

    like: redcap           keys, words under `codes` and entries of `hospitals` are taken over one by one
    exports:
      - like: records      takes the place of that export, its entities and their fields taken over one by one

A field's source, a list and a `where` are replaced whole; of `identifiers` and `ignored` both lists hold.
Exports of the other mapping that none here is like stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from orchestration.registry import catalogue
from orchestration.registry.entities import ENTITIES
from orchestration.registry.mapping import Codes, Mapping
from yaml_files.yaml_file import ConfigurationError, Location, dotted, model_of, nearest, place_of, read_node

READY_MADE = Path(__file__).parent / "ready_made"
OWN_KEYS = ("sender", "name")  # whose mapping it is, and what others call an export, are never taken over
MERGED = {"", "codes", "hospitals", "values", *Codes.model_fields, *ENTITIES}
SINGULAR = {"concepts": "concept", "antibodies": "antibody", "events": "event", "treatments": "treatment"}
WIDE_KINDS = {
    "observations": "concepts",
    "antibodies": "antibodies",
    "events": "events",
}  # whose names stand under `values`
ADDED = {"identifiers", "ignored"}


def read_mapping(path: Path, shown_as: str) -> Mapping:
    """hospitals/<sender>.yml, laid over what it is like; raise ConfigurationError with all faults."""
    faults: list[str] = []
    return model_of(_node(path, shown_as, faults), Mapping, faults)


def place_in_mapping(path: Path, shown_as: str, location: Location) -> str:
    """``file:line`` of a key of the mapping, in the file that states it."""
    return place_of(_node(path, shown_as, []), location)


def unknown_ids(path: Path, shown_as: str, mapping: Mapping) -> Iterator[str]:
    """A sentence for every test, antibody, event or treatment that the mapping names and the
    catalogue lacks.
    """
    named: list[tuple[str, Location, Any]] = [
        (kind, ("exports", i, entity, "values", name), name)
        for i, export in enumerate(mapping.exports)
        for entity, kind in WIDE_KINDS.items()
        for name in getattr(getattr(export, entity), "values", None) or {}
    ]
    named += [
        (kind, ("codes", kind, word), name)
        for kind in catalogue.NAMES
        for word, name in getattr(mapping.codes, kind).items()
        if name is not None
    ]
    for kind, location, name in named:
        doubt = catalogue.ambiguous(kind).get(catalogue.normal(name))
        if doubt is not None and not catalogue.is_id(kind, name):
            place = place_in_mapping(path, shown_as, location)
            yield f'{place}: {dotted(location)}: "{name}" {doubt.sentence}; write the id that is meant'
        elif catalogue.normal(name) not in catalogue.names(kind):
            place, ids = (
                place_in_mapping(path, shown_as, location),
                sorted(set(catalogue.names(kind).values())),
            )
            yield (
                f'{place}: {dotted(location)}: the catalogue has no {SINGULAR[kind]} "{name}"; name one of '
                f"{catalogue.NAMES[kind][0]}.csv, or add yours to concepts/{catalogue.NAMES[kind][0]}.csv "
                f"of the registry.{nearest(name, ids)}"
            )


def other_forms(path: Path, shown_as: str, mapping: Mapping) -> Iterator[str]:
    """A sentence for each wide column whose header names another form of the quantity than the mapping, with
    another factor.

    If a column of urea nitrogen in mg/dL is mapped as urea, its values are read as 0.47 times what they are.
    """
    for i, export in enumerate(mapping.exports):
        for name, source in ((export.observations.values if export.observations else None) or {}).items():
            unit = catalogue.unit(mapping.codes.units.get(source.unit or "", source.unit or ""))
            for column in source.columns if unit is not None else ():
                if (headed := _other_form(name, column, unit or "", mapping.language)) is not None:
                    location = ("exports", i, "observations", "values", name)
                    yield (
                        f"{place_in_mapping(path, shown_as, location)}: {dotted(location)}: column "
                        f'"{column}" is headed as {headed}, and {source.unit} of {headed} converts by '
                        f"another factor; write {headed}, or a unit that names the substance that is weighed"
                    )


def _other_form(name: str, column: str, unit: str, language: str | None) -> str | None:
    """The form of the same quantity that a header names, if its factor differs from that of ``name``."""
    forms = catalogue.forms()
    headers = (
        column,
        catalogue.before_bracket(column),
        (column.rsplit(maxsplit=1) or [""])[0],
    )  # without a unit
    headed = next(
        (c for h in headers if (c := catalogue.meaning("concepts", h, "", language)) is not None), name
    )
    if (
        headed == name
        or name not in catalogue.concepts()
        or forms.get(headed, headed) != forms.get(name, name)
    ):
        return None
    theirs = catalogue.rule(headed, unit)
    return headed if theirs is not None and theirs != catalogue.rule(name, unit) else None


def _node(path: Path, shown_as: str, faults: list[str], below: tuple[str, ...] = ()) -> yaml.Node:
    node = read_node(path, shown_as, faults)
    other = _value(node, "like")
    if not isinstance(other, yaml.ScalarNode) or other.tag.endswith(":null"):
        exports = _value(node, "exports")
        faults += [
            f"{place_of(node, ('exports', i, 'like'))}: exports[{i}].like: like under an export needs the "
            "mapping that it comes from; name it with like: above exports"
            for i, export in enumerate(exports.value if isinstance(exports, yaml.SequenceNode) else ())
            if _text(export, "like")
        ]
        return node
    if other.value in (*below, path.stem):
        circle = " -> ".join((*below, path.stem, other.value))
        raise ConfigurationError([f"{place_of(node, ('like',))}: like: goes in a circle: {circle}"])
    base = _node(*_file_of(other.value, path.parent, node), faults, (*below, path.stem))
    return _mapping_over(base, node)


def _file_of(name: str, hospitals: Path, node: yaml.Node) -> tuple[Path, str]:
    own, shipped = hospitals / f"{name}.yml", READY_MADE / f"{name}.yml"
    if own.is_file():
        return own, f"{hospitals.name}/{own.name}"
    if shipped.is_file():
        return shipped, f"ready_made/{shipped.name}"
    known = sorted({p.stem for folder in (hospitals, READY_MADE) for p in folder.glob("*.yml")})
    raise ConfigurationError(
        [
            f'{place_of(node, ("like",))}: like: no mapping "{name}"; known are '
            f"{', '.join(known)}.{nearest(name, known)}"
        ]
    )


def _mapping_over(base: yaml.Node, own: yaml.Node) -> yaml.Node:
    exports = _exports_over(_value(base, "exports"), _value(own, "exports"))
    merged = _over(_without(base, ("exports", *OWN_KEYS)), _without(own, ("exports",)))
    if exports is not None:
        key = _key(own, "exports") or _key(base, "exports")
        merged.value.append((key, exports))
    return merged


def _exports_over(base: yaml.Node | None, own: yaml.Node | None) -> yaml.Node | None:
    """The other mapping's exports, each replaced by those of ours that are like it; then those of ours that
    are like none.
    """
    if not isinstance(base, yaml.SequenceNode) or not isinstance(own, yaml.SequenceNode):
        return own or base
    names = [_text(export, "name") for export in base.value]
    liked = [_text(export, "like") for export in own.value]
    faults = [
        _unknown_export(export, like, names)
        for export, like in zip(own.value, liked)
        if like is not None and names.count(like) != 1
    ]
    if faults:
        raise ConfigurationError(faults)
    kept: list[yaml.Node] = []
    for export, name in zip(base.value, names):
        ours = [o for o, like in zip(own.value, liked) if like is not None and like == name]
        parent = _without(export, ("name", "like") if len(ours) > 1 else ("like",))
        kept += [_over(parent, o) for o in ours] or [_without(export, ("like",))]
    kept += [o for o, like in zip(own.value, liked) if like is None]
    return yaml.SequenceNode(own.tag, kept, own.start_mark, own.end_mark)


def _unknown_export(export: yaml.Node, like: str, names: list[str | None]) -> str:
    known = [n for n in names if n is not None]
    finding = "several exports are" if like in known else "no export is"
    return (
        f'{place_of(export, ("like",))}: like: {finding} called "{like}" there; its exports: '
        f"{', '.join(known)}." + nearest(like, known)
    )


def _over(base: yaml.Node, own: yaml.Node, key: str = "") -> yaml.Node:
    """``own`` laid over ``base``: key by key if both are mappings under a key of MERGED."""
    if key in ADDED and isinstance(base, yaml.SequenceNode) and isinstance(own, yaml.SequenceNode):
        return yaml.SequenceNode(own.tag, [*base.value, *own.value], own.start_mark, own.end_mark)
    if key not in MERGED or not isinstance(base, yaml.MappingNode) or not isinstance(own, yaml.MappingNode):
        return own
    mine = {k.value: (k, v) for k, v in own.value}
    pairs = [
        (mine[k.value][0], _over(v, mine[k.value][1], k.value)) if k.value in mine else (k, v)
        for k, v in base.value
    ]
    taken = {k.value for k, _ in base.value}
    pairs += [pair for k, pair in mine.items() if k not in taken]
    return yaml.MappingNode(own.tag, pairs, own.start_mark, own.end_mark)


def _key(node: yaml.Node, key: str) -> yaml.Node | None:
    return (
        next((k for k, _ in node.value if k.value == key), None)
        if isinstance(node, yaml.MappingNode)
        else None
    )


def _value(node: yaml.Node, key: str) -> yaml.Node | None:
    return (
        next((v for k, v in node.value if k.value == key), None)
        if isinstance(node, yaml.MappingNode)
        else None
    )


def _text(node: yaml.Node, key: str) -> str | None:
    value = _value(node, key)
    return value.value if isinstance(value, yaml.ScalarNode) and not value.tag.endswith(":null") else None


def _without(node: yaml.Node, keys: tuple[str, ...]) -> yaml.Node:
    if not isinstance(node, yaml.MappingNode):
        return node
    kept = [(k, v) for k, v in node.value if k.value not in keys]
    return yaml.MappingNode(node.tag, kept, node.start_mark, node.end_mark)

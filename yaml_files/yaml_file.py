"""Reads one YAML file into one pydantic model, and places every fault on its line.

Belongs here: lines, keys, nearest known names. Does not belong here: what the keys mean
(`orchestration/registry/`).
"""

from __future__ import annotations

import difflib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from yaml_files.bounds import CHARACTERS, Bounded, fault_of

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]

EXPECTED = {  # pydantic names shapes in a programmer's words; these are plain ones
    "model_type": "expected keys and values, key: value",
    "model_attributes_type": "expected keys and values, key: value",
    "dict_type": "expected keys and values, key: value",
    "list_type": "expected a list, [a, b] or lines that begin with -",
    "string_type": "expected a text; write a number or a date in quotes",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
}


class ConfigurationError(Exception):
    """A registry folder, or whatever ``what`` names, cannot be used. Holds every fault found, one sentence
    each.
    """

    def __init__(self, faults: list[str], what: str = "The registry") -> None:
        self.faults, self.what = faults, what
        super().__init__("\n".join(faults))


def read_model(path: Path, model: type[Model], shown_as: str | None = None) -> Model:
    """Read ``path`` as ``model``; raise ConfigurationError that lists all faults as ``file:line: key:
    finding``.
    """
    faults: list[str] = []
    return model_of(read_node(path, shown_as or path.name, faults), model, faults)


def read_node(path: Path, name: str, faults: list[str]) -> yaml.Node:
    """The nodes of a file, each with file and line, or ConfigurationError. Adds keys that appear twice to
    ``faults``.
    """
    text = _read_text(path, name)
    if len(text) > CHARACTERS:
        raise ConfigurationError(
            [f"{name}:1: {len(text):,} characters; expected at most {CHARACTERS:,}; divide the file"]
        )
    try:
        loader = Bounded(text)
    except yaml.YAMLError as error:  # a character that YAML does not know
        raise ConfigurationError([f"{name}:1: not valid YAML: {error}"]) from None
    loader.name = name
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        begun = (
            f", {error.context}, begun in line {error.context_mark.line + 1}"
            if error.context and error.context_mark
            else ""
        )
        raise ConfigurationError([f"{name}:{line}: not valid YAML: {error.problem}{begun}"]) from None
    except yaml.YAMLError as error:
        raise ConfigurationError([f"{name}:1: not valid YAML: {error}"]) from None
    finally:
        loader.dispose()
    if node is None:
        raise ConfigurationError([f"{name}:1: the file is empty; expected keys and values"])
    if (found := fault_of(node)) is not None:
        raise ConfigurationError([f"{name}:{found[0]}: not valid here: {found[1]}"])
    faults += _repeated_keys(node, name)
    return node


def model_of(node: yaml.Node, model: type[Model], faults: list[str]) -> Model:
    """``node`` as ``model``; raise ConfigurationError that lists its faults after those already found."""
    try:
        data = yaml.SafeLoader("").construct_document(node)
    except yaml.MarkedYAMLError as error:  # `<<:` with what holds no keys
        raise ConfigurationError(
            [*faults, f"{place_of(node, ())}: not valid YAML: {error.problem or error.context}"]
        ) from None
    try:
        result = model.model_validate(data)
    except ValidationError as error:
        quoting = not getattr(model, "holds_values", False)
        sentences = (s for e in error.errors() for s in _sentences(e, node, model, quoting))
        raise ConfigurationError(list(dict.fromkeys([*faults, *sentences]))) from None
    if faults:
        raise ConfigurationError(faults)
    return result


def line_of(path: Path, location: Location) -> int:
    """The line (from 1) on which the key at ``location`` stands, or of its nearest parent."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return _mark(node, location).line + 1


def place_of(node: yaml.Node, location: Location) -> str:
    """``file:line`` of the key at ``location``, or of its nearest parent."""
    mark = _mark(node, location)
    return f"{mark.name}:{mark.line + 1}"


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """``Did you mean "x"?`` when one of ``known`` is near, else an empty text."""
    near = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


def _read_text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError([f"{name}: there is no such file: {path}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            [f"{name}: not UTF-8 (byte {error.start}); save the file as UTF-8"]
        ) from None


def _repeated_keys(node: yaml.Node, name: str) -> list[str]:
    """Faults for keys that appear twice: YAML would let the later key silently overwrite the earlier one."""
    faults: list[str] = []
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                faults.append(
                    f'{name}:{line}: "{key.value}" is written twice (first on line {seen[key.value]}); '
                    "keep one"
                )
            seen.setdefault(key.value, line)
            faults += _repeated_keys(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            faults += _repeated_keys(item, name)
    return faults


def _sentences(error: ErrorDetails, node: yaml.Node, model: type[BaseModel], quoting: bool) -> list[str]:
    """One sentence for a fault; or one for each fault that a validator of the whole file has
    placed itself.
    """
    placed = getattr((error.get("ctx") or {}).get("error"), "placed", ())
    if not placed:
        return [_sentence(error, node, model, quoting)]
    at = [(_real_location((*error["loc"], *fault.location), node), fault.sentence) for fault in placed]
    return [f"{place_of(node, location)}: {dotted(location)}: {sentence}" for location, sentence in at]


def _sentence(error: ErrorDetails, node: yaml.Node, model: type[BaseModel], quoting: bool) -> str:
    location = _real_location(error["loc"], node)
    place = place_of(node, location)
    where = dotted(location)
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, error["loc"][:-1])
        key = str(error["loc"][-1])
        listed = f" Known keys: {', '.join(known)}." if known else ""
        return f'{place}: {where}: unknown key "{key}".{nearest(key, known)}{listed}'
    if error["type"] == "missing":
        return f"{place}: {where}: this key is required and missing"
    if error["type"] == "union_tag_invalid":
        key, found, tags = (error["ctx"][k] for k in ("discriminator", "tag", "expected_tags"))
        known = [t.strip(" '") for t in tags.split(",")]
        place, key = place_of(node, (*location, key.strip("'"))), key.strip("'")
        return (
            f"{place}: {where}.{key}: expected one of {', '.join(known)}; found "
            f'"{found}".{nearest(found, known)}'
        )
    message = EXPECTED.get(error["type"]) or error["msg"].removeprefix("Value error, ").replace(
        "Input should be", "expected"
    )
    found = error.get("input")
    shown = f" (found {found!r})" if quoting and isinstance(found, str | int | float | bool) else ""
    return f"{place}: {where}: {message}{shown}"


def _real_location(location: Location, node: yaml.Node) -> Location:
    """Drop the parts of a pydantic location that name union members rather than keys of the file."""
    kept: list[str | int] = []
    current: yaml.Node | None = node
    for part in location:
        child = _child(current, part) if current is not None else None
        if child is not None:
            kept.append(part)
            current = child
        elif part == location[-1] and isinstance(current, yaml.MappingNode):
            kept.append(part)  # a missing key has no node, but is named
    return tuple(kept)


def _child(node: yaml.Node | None, part: str | int) -> yaml.Node | None:
    found: yaml.Node | None = None
    if isinstance(node, yaml.MappingNode):
        found = next((value for key, value in node.value if key.value == str(part)), None)
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        found = node.value[part]
    return found


def _mark(node: yaml.Node | None, location: Location) -> yaml.Mark:
    mark = node.start_mark if node is not None else yaml.Mark("", 0, 0, 0, None, 0)
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                return mark
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
        else:
            return mark
    return mark


def dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text or "the file"


def _known_keys(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that the model at ``location`` knows, walking through lists, dicts and unions."""
    current: list[Any] = [model]
    for part in location:
        current = [inner for annotation in current for inner in _step(annotation, part)]
    keys: list[str] = []
    for annotation in current:
        for candidate in _members(annotation):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                keys += [f.alias or n for n, f in candidate.model_fields.items()]
    return list(dict.fromkeys(keys))


def _members(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return [m for a in typing.get_args(annotation) for m in _members(a)]
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    return [annotation]


def _step(annotation: Any, part: str | int) -> list[Any]:
    out: list[Any] = []
    for member in _members(annotation):
        origin = typing.get_origin(member)
        if isinstance(member, type) and issubclass(member, BaseModel):
            for name, field in member.model_fields.items():
                if part in (name, field.alias):
                    out.append(field.annotation)
            if part == member.__name__:
                out.append(member)
        elif origin is list and isinstance(part, int):
            out.append(typing.get_args(member)[0])
        elif origin is list and part == "list":  # pydantic names the member of a union; the file does not
            out.append(member)
        elif origin is dict and isinstance(part, str):
            out.append(typing.get_args(member)[1])
    return out

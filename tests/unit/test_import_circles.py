"""No module of `analytics` imports a module that imports it, be it late or for types alone."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def imports(package: str, folder: Path = REPOSITORY) -> dict[str, set[str]]:
    """The modules of the package, each with those that it imports anywhere in its text."""
    paths = {_name(path.relative_to(folder)): path for path in (folder / package).rglob("*.py")}
    found: dict[str, set[str]] = {}
    for name, path in paths.items():
        nodes = [
            n
            for n in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(n, ast.ImportFrom) and n.module
        ]
        named = {f"{n.module}.{alias.name}" for n in nodes for alias in n.names} | {n.module for n in nodes}
        found[name] = {m for m in named if m in paths and m != name and not name.startswith(f"{m}.")}
    return found


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """One circle of the graph as the modules on the way round, empty where there is none."""
    done: set[str] = set()

    def walk(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        for other in sorted(graph.get(module, ())):
            if found := walk(other, [*way, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := walk(module, []))), [])


def test_analytics_has_no_import_circle() -> None:
    graph = imports("analytics")
    assert len(graph) > 100
    assert circle(graph) == []


def test_a_circle_is_found_late_imports_included(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.py").write_text("from p.b import x\n")
    (tmp_path / "p" / "b.py").write_text("from p.c import x\n")
    (tmp_path / "p" / "c.py").write_text("def f():\n    from p import a\n    return a\n")
    assert circle(imports("p", tmp_path)) == ["p.a", "p.b", "p.c", "p.a"]

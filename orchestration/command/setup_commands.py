"""The commands for a new registry, a new hospital, and the shapes of declared files.

Does not belong here: what they do (`onboard.py`, `orchestration/onboarding/`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.command import console
from orchestration.command.application import DebugOption, RegistryOption

if TYPE_CHECKING:
    from pydantic import BaseModel


commands = typer.Typer(rich_markup_mode=None)


@commands.command(epilog="Example: myositis init my_registry")
def init(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The folder to lay out; files that are already in it are kept."),
    ],
    debug: DebugOption = False,
) -> None:
    """Lay out a new registry: registry.yml, empty folders, an example study; nothing is overwritten."""
    from orchestration.command.onboard import next_steps
    from orchestration.onboarding.layout import lay_out

    made, kept = lay_out(folder)
    for name in made:
        console.out.print(f"made  {folder / name}", markup=False)
    for name in kept:
        console.out.print(f"kept  {folder / name}", markup=False)
    console.out.print("\n" + next_steps(folder), markup=False)


@commands.command(epilog="Example: myositis onboard ruh samples/2024-06 --registry my_registry")
def onboard(
    hospital: Annotated[
        str,
        typer.Argument(
            help="The hospital's id, which also names its mapping file: small letters, digits and _."
        ),
    ],
    path: Annotated[Path, typer.Argument(help="A sample: a file, or a folder that looks like a delivery.")],
    csv: Annotated[
        bool, typer.Option("--csv", help="Print the profile as comma-separated values, and write nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a mapping that is there by a new draft.")
    ] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Profile a hospital's sample and draft its mapping, hospitals/HOSPITAL.yml; what is doubtful is left to
    decide.
    """
    from orchestration.command import onboard as command
    from orchestration.resources import registry_folder

    command.onboard(hospital, path, registry_folder(registry), csv, replace)


@commands.command(epilog="Example: myositis schema > mapping.schema.json")
def schema(
    kind: Annotated[
        str, typer.Argument(help="mapping, registry, study, corrections, waivers or paper.")
    ] = "mapping",
) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    from analytics.paper.published import PaperFile
    from analytics.study.file import Study
    from expectations.suite import WaiverFile
    from orchestration.registry.corrections import CorrectionFile
    from orchestration.registry.mapping import Mapping
    from orchestration.registry.registry_file import RegistryFile

    models: dict[str, type[BaseModel]] = {
        "mapping": Mapping,
        "registry": RegistryFile,
        "study": Study,
        "corrections": CorrectionFile,
        "waivers": WaiverFile,
        "paper": PaperFile,
    }
    if kind not in models:
        raise typer.BadParameter(f'expected one of {", ".join(models)}; found "{kind}"')
    print(json.dumps(models[kind].model_json_schema(), indent=2, ensure_ascii=False))

"""`myositis init`: the files and folders of a new registry.

Belongs here: their text. An existing file stays as it is.
"""

from __future__ import annotations

import json
from pathlib import Path

from yaml_files.yaml_file import ConfigurationError

REGISTRY = """\
# What holds for the whole registry. An unknown key is an error that names its line. An editor learns the
# keys from the output of: myositis schema registry
name: {name}
description: >-
  Who is in this registry, and why.
small_cell_threshold: 5        # what leaves the house masks counts below it (myositis report --public)
dates: month                   # patients' dates in what leaves the house: exact, shifted or month
visit_schedule:                # the visits that studies compare: days from day 0 of each patient
  - {{visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}}
  - {{visit: month_6, nominal_month: 6, nominal_day: 183, from_day: 138, to_day: 228}}
  - {{visit: month_12, nominal_month: 12, nominal_day: 365, from_day: 275, to_day: 455}}
observation_window_days: 14    # a result belongs to the nearest visit that is at most this far away
pseudonym_key: .keys/pseudonym.key   # made on first use; keep a copy that only you can read, never in git
keep_releases: 5
quiet_seconds: 10              # a delivery without a _SUCCESS file is complete when unchanged for this long
unattended:                    # what `myositis daemon` does by itself, and when
  time_zone: UTC               # Europe/Berlin, …: at night it tries once more what is outstanding
  night: "02:00"
"""
STUDY = """\
# An example. Take the comment signs off, write your groups and variables, and rename it: studies/<study>.yml.
#
# study: first
# title: A first study
# groups:
#   nxp2: {label: NXP2, where: {msa: NXP2}}
#   mda5: {label: MDA5, where: {msa: MDA5}}
# endpoints:
#   relapse: {label: Relapse, events: [relapse], competing: [death], horizon_months: 36}
# variables:
#   ck: {label: CK, unit: U/L}
#   cmas: {label: CMAS}
#   female: {label: "Sex, F", source: patient.sex, equals: female}
# tables:
#   - table_id: I
#     title: Patients at baseline
#     groups: [nxp2, mda5]
#     reference: nxp2
#     rows:
#       - {variable: ck, summary: median_iqr, test: mann_whitney}
#       - {variable: cmas, summary: mean_sd, test: welch_t}
#       - {variable: female, summary: count_percent, test: fisher}
"""
READMES = {
    "hospitals": "One mapping file per sender, `<sender>.yml`: what it sends, column by column. Draft one "
    "from a sample: `myositis onboard HOSPITAL PATH`.\n",
    "corrections": "Known errors of a sender, `<sender>.yml`: match, expect, action, value, reason, "
    "reported, status.\n",
    "concepts": "What the shipped catalogue lacks: tests, names, units, antibodies as CSV, shaped as the "
    "shipped seeds (docs/mapping.md).\n",
    "studies": "One study per file, `<study>.yml`; `example.yml.txt` shows one.\n",
    "landing": "Deliveries as they arrive: `landing/<sender>/<delivery>/` with the files in it; a file "
    "`_SUCCESS` says that all is there.\n",
}
GITIGNORE = (
    ".keys/\n.dagster/\nlanding/\nwarehouse/\nrelease/\nreports/\nqueries/\npublic/\nmanuscripts/\nprivate/\n"
)


def lay_out(folder: Path) -> tuple[list[str], list[str]]:
    """Write the files that do not exist yet; returns the names made and the names kept."""
    files = {
        "registry.yml": REGISTRY.format(name=json.dumps(folder.resolve().name, ensure_ascii=False)),
        ".gitignore": GITIGNORE,
        **{f"{name}/README.md": text for name, text in READMES.items()},
        "studies/example.yml.txt": STUDY,
    }
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError([f"{folder}: is a file; expected a folder that is new or empty"])
    made, kept = [], []
    for name, text in files.items():
        path = folder / name
        if path.exists():
            kept.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        made.append(name)
    return made, kept

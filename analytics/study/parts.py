"""What every part of a study file shares: strict models, ids, names of adjustments.

Belongs here: the base of the models of `file.py` and `sensitivity/keys.py`. Does not belong here: any key.
"""

from __future__ import annotations

from typing import Literal, get_args

Adjustment = Literal["none", "holm", "hochberg", "hommel", "BH", "BY", "bonferroni"]
PatientColumn = Literal[
    "age_at_onset_years",
    "disease_duration_months",
    "sex",
    "birth_year",
    "onset_group",
    "hospital_id",
    "msa",
    "population",
    "diagnosis",
    "treatment",
]
PATIENT_COLUMNS: tuple[str, ...] = get_args(PatientColumn)

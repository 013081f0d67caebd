"""What every part of a study file shares: strict models, ids, names of adjustments.

Belongs here: the base of the models of `study.py` and `sensitivity/keys.py`. Does not belong here: any key.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Adjustment = Literal["none", "holm", "hochberg", "hommel", "BH", "BY", "bonferroni"]
PATIENT_COLUMNS = (
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
)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

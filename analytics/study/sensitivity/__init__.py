"""What a careful reader asks beside a study's printed numbers: analyses of `sensitivity:`, and answers.

Belongs here: which module answers which kind, the usual question of each, and the two tables that come out.
Does not belong here: an analysis, how the report shows it (`analytics/printed/sensitivity_tables.py`).

| module | kinds |
|---|---|
| `../sensitivity_keys.py` | what a study file may ask |
| `compared.py` | multiplicity, compare_models, log_rank_variants, restricted_mean |
| `limits.py` | detection_limits |
| `groups.py` | confounding, adjusted_difference, norm_for_age |
| `follow_up.py` | lost_to_follow_up |
| `missing.py` | missing_values |
| `imputed.py` | multiple_imputation |

An answer never decides: it says what changes and what does not. Every number stands in
`results.sensitivity`, one row per analysis, label and variant, with its status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

QUESTIONS = {
    "multiplicity": "Which differences remain when all comparisons count?",
    "compare_models": "Does the answer depend on the model?",
    "log_rank_variants": "Are there enough events for the log-rank test's approximation?",
    "restricted_mean": "How much time without the event does a group gain?",
    "detection_limits": "What changes when a value below the detection limit is not a number?",
    "confounding": "Can the groups be told apart from what else differs between them?",
    "adjusted_difference": "What remains of the difference after adjustment?",
    "norm_for_age": "Who is below what healthy people of that age reach?",
    "lost_to_follow_up": "What if those who were lost had the event, or had it not?",
    "missing_values": "What is missing, in whom and when?",
    "multiple_imputation": "What if the missing values were known?",
}
HOMES = {
    "multiplicity": "compared",
    "compare_models": "compared",
    "log_rank_variants": "compared",
    "restricted_mean": "compared",
    "detection_limits": "limits",
    "confounding": "groups",
    "adjusted_difference": "groups",
    "norm_for_age": "groups",
    "lost_to_follow_up": "follow_up",
    "missing_values": "missing",
    "multiple_imputation": "imputed",
}


def answer(cohort: Any, results: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """sensitivity, sensitivity_question, and what the figures draw: norm_band and norm_patient."""
    import pandas as pd  # every command reads study files, but few compute

    from analytics.study.sensitivity.groups import BAND_COLUMNS, PATIENT_COLUMNS
    from analytics.study.sensitivity.rows import COLUMNS, QUESTION_COLUMNS

    questions, rows = [], []
    more: dict[str, list[pd.DataFrame]] = {"norm_band": [], "norm_patient": []}
    for position, asked in enumerate(cohort.study.sensitivity):
        found = _analysis(asked.kind)(asked, cohort, results)
        keys = {"analysis_id": asked.analysis_id, "kind": asked.kind}
        questions.append(
            keys
            | {
                "position": position,
                "question": asked.question or QUESTIONS[asked.kind],
                "answer": found.text,
                "cannot_say": found.cannot_say,
                "status": found.status,
                "note": found.note,
            }
        )
        rows += [r | keys | {"position": i} for i, r in enumerate(found.rows)]
        for name, frame in found.more.items():
            more[name].append(frame.assign(**keys))
    shapes = {"norm_band": BAND_COLUMNS, "norm_patient": PATIENT_COLUMNS}
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = [
        "estimate",
        "ci_low",
        "ci_high",
        "statistic",
        "df",
        "df_den",
        "p_value",
        "p_adjusted",
        "count",
        "n",
    ]
    frame[numbers] = frame[numbers].apply(pd.to_numeric)
    return {
        "sensitivity": frame,
        "sensitivity_question": pd.DataFrame(questions, columns=list(QUESTION_COLUMNS)),
        **{
            name: pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(shapes[name]))
            for name, parts in more.items()
        },
    }


def _analysis(kind: str) -> Callable[..., Any]:
    return getattr(import_module(f"{__name__}.{HOMES[kind]}"), kind)

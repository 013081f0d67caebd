"""The tables of schema `results`, each declared once: its name, what a row is, and why R's replay leaves it
out.

Belongs here: one ``ResultTable`` per table. Dagster's assets, the writing of a release and the replay's list
of what it does not compare are read from here. Does not belong here: the functions that make the rows
(``STEPS`` in `results.py`), how a table is printed (`analytics/printed/`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResultTable:
    """``description`` ends with the grain: "One row per …". A table that R computes again has no
    ``not_in_r``.
    """

    name: str
    description: str
    not_in_r: str = ""


COMPETING = "competing events need cmprsk, which this script does not ask for"
RESULT_TABLES = (
    ResultTable("study", "What a study asks. One row per study.", "what the study asks, in words"),
    ResultTable(
        "study_group",
        "Who is compared. One row per study and group.",
        "labels and sizes of groups: who belongs where is decided before R reads",
    ),
    ResultTable("study_variable", "Labels and units. One row per study and variable.", "labels and units"),
    ResultTable(
        "study_endpoint", "What ends the time. One row per study and endpoint.", "labels of endpoints"
    ),
    ResultTable("study_table", "The tables of a study. One row per study and table.", "titles"),
    ResultTable(
        "cohort_flow",
        "Who counts for each analysis and why not, as counts. One row per study, analysis, step and group.",
        "who counts and why not: decided before R reads, from the release's tables",
    ),
    ResultTable(
        "cohort_member",
        "Who is in each analysis and who is not, with the criterion that decided, and when. One row per "
        "study, analysis, kind and registered patient.",
        "single patients: decided before R reads, from the release's tables",
    ),
    ResultTable("baseline_summary", "One row per table, variable and group."),
    ResultTable("group_comparison", "One row per table, variable and pair of groups."),
    ResultTable("model", "What was fitted, how, and whether it can be used. One row per model."),
    ResultTable("mixed_model_term", "Type III tests. One row per model, term and test."),
    ResultTable(
        "mixed_model_parameter", "Fixed effects, variances, correlations. One row per model and parameter."
    ),
    ResultTable(
        "visit_contrast", "Differences between groups at each visit. One row per model, visit and pair."
    ),
    ResultTable("marginal_mean", "Estimated means. One row per model, group and visit."),
    ResultTable(
        "trajectory_patient",
        "Single courses, numbered without meaning. One row per response, course and visit.",
        "single values as measured: they are the rows of visits_<model>.csv",
    ),
    ResultTable("trajectory_mean", "Means and quartiles by visit. One row per response, group and visit."),
    ResultTable("survival_curve", "Kaplan-Meier. One row per endpoint, group and time."),
    ResultTable("survival_at_risk", "Numbers at risk. One row per endpoint, group and time asked for."),
    ResultTable("survival_median", "Median times. One row per endpoint and group."),
    ResultTable(
        "survival_by_stratum",
        "Kaplan-Meier within strata. One row per endpoint, stratum, group and time.",
        "curves within strata: the function of survival_curve, on fewer rows",
    ),
    ResultTable("log_rank", "Overall and pairwise tests. One row per endpoint, scope and pair."),
    ResultTable("cox_term", "Hazard ratios. One row per model and term."),
    ResultTable(
        "restricted_mean",
        "Mean time without the event up to a horizon. One row per endpoint and group, then pair.",
    ),
    ResultTable(
        "cumulative_incidence",
        "Incidence by cause where events compete. One row per model, group, cause and time.",
        COMPETING,
    ),
    ResultTable("gray_test", "Equal incidence in all groups. One row per model and cause.", COMPETING),
    ResultTable(
        "sensitivity",
        "What else the study could have said. One row per analysis, label and variant.",
        "analyses beside the printed ones; those of models are compared as rows of these models",
    ),
    ResultTable(
        "sensitivity_question",
        "The question of each analysis and its answer. One row per analysis.",
        "sentences about the other results",
    ),
    ResultTable(
        "norm_band",
        "What healthy people of an age score, with its source. One row per analysis and band.",
        "norms as the study file gives them",
    ),
    ResultTable(
        "norm_patient",
        "Scores at the age of the visit, numbered without meaning. One row per analysis, patient and visit.",
        "single values as measured, at the age of the visit",
    ),
    ResultTable(
        "finding",
        "What the numbers can and cannot say. One row per finding.",
        "sentences about the other results",
    ),
    ResultTable(
        "reproduction",
        "Printed values beside computed ones. One row per value that the publication printed, and one per "
        "statement of its text.",
        "the publication's printed values beside ours, which are compared where they stand",
    ),
)

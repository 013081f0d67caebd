"""The STROBE checklist of a cohort study, filled with what the run knows.

Belongs here: the items in short words, and which numbers of a study answer each. Does not belong here: any
estimate. What a run cannot know is left to the authors, and the checklist says so.

Source: von Elm E, Altman DG, Egger M, et al. The STROBE statement. PLoS Med 2007;4:e296. The items are told
in our words; the journal asks for the checklist in the statement's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analytics.printed.codebook_table import most_missing
from analytics.printed.method_words import methods
from analytics.printed.printed_table import Column, PrintedTable, Row
from analytics.printed.provenance_tables import FLOW_STEP_WORDS, analysis_label
from analytics.printed.summary import summary
from analytics.study.frames import StudyFrames, by_position, grouped
from analytics.words.disclosure import count_text, known
from analytics.words.wording import listed, opened

AUTHORS = "To be written by the authors."
CENSORED = (
    "A patient without the event is censored at the last contact, or at the end of the endpoint's months."
)
INSIDE_ONLY = "Stays inside: a reason for few patients could show one of them."


@dataclass(frozen=True)
class RunFacts:
    """What the run knows beside the study's results."""

    registry: str
    release: str
    synthetic: bool
    hospitals: tuple[str, ...]
    eligibility: Mapping[str, str]  # by the label of the group
    period: str  # empty where it is not known, or may not leave
    versions: Mapping[str, str]


def strobe_table(study: StudyFrames, facts: RunFacts, tables: Sequence[PrintedTable]) -> PrintedTable:
    """A row per item: number, what is asked, what the run can say."""
    rows = [
        Row({"item": item, "asked": asked, "said": said or AUTHORS}, group=section)
        for section, item, asked, said in _items(study, facts, tables)
    ]
    columns = (Column("item", "Item"), Column("asked", "What is asked"), Column("said", "In this study"))
    notes = (
        "After the STROBE statement for cohort studies (von Elm et al., PLoS Med 2007;4:e296), in short "
        "words.",
    )
    return PrintedTable(
        f"{study.study_id}_strobe", "STROBE checklist", columns, tuple(rows), notes, group_label="Section"
    )


def _items(
    study: StudyFrames, facts: RunFacts, tables: Sequence[PrintedTable]
) -> list[tuple[str, str, str, str]]:
    title = str(study.study.get("title") or study.study_id)
    how = dict(methods(study))
    return [
        (
            "Title and abstract",
            "1a",
            "The design in the title or abstract",
            f'The study is called "{title}".',
        ),
        ("Title and abstract", "1b", "A balanced summary", ""),
        ("Introduction", "2", "Background and rationale", ""),
        ("Introduction", "3", "Objectives", str(study.study.get("description") or "")),
        ("Methods", "4", "Design", _design(study, facts)),
        ("Methods", "5", "Setting: places, dates, follow-up", _setting(study, facts)),
        ("Methods", "6a", "Eligibility and selection", _eligibility(facts)),
        ("Methods", "6b", "Matching", "Groups were not matched."),
        ("Methods", "7", "Outcomes, exposures, confounders", _variables(study)),
        ("Methods", "8", "Sources of each variable", "The codebook names each hospital's columns."),
        ("Methods", "9", "Bias", _findings(study, "confounding")),
        ("Methods", "10", "Study size", "Every patient of the release who belongs to a group is counted."),
        ("Methods", "11", "Quantitative variables", how.get("Summaries", "")),
        ("Methods", "12a", "Statistical methods", _methods(how)),
        ("Methods", "12b", "Subgroups and interactions", _interactions(study)),
        ("Methods", "12c", "Missing data", how.get("Missing values", "")),
        ("Methods", "12d", "Loss to follow-up", CENSORED if study.endpoints else ""),
        ("Methods", "12e", "Sensitivity analyses", _questions(study)),
        ("Results", "13a", "Numbers at each stage", _flow(study)),
        ("Results", "13b", "Reasons for not taking part", _reasons(study)),
        ("Results", "13c", "Flow diagram", _named(tables, "_cohort_flow")),
        ("Results", "14a", "Characteristics", _named(tables, "_table_")),
        ("Results", "14b", "Missing data by variable", _missing(study)),
        ("Results", "14c", "Follow-up time", _follow_up(study)),
        ("Results", "15", "Outcome events", _events(study)),
        ("Results", "16a", "Estimates with precision", _named(tables, "_contrasts", "_log_rank", "_cox")),
        ("Results", "16b", "Boundaries of categories", ""),
        ("Results", "16c", "Absolute risk", _named(tables, "_survival")),
        ("Results", "17", "Other analyses", _other(study)),
        ("Discussion", "18", "Key results", " ".join(s for _, s in _key_results(study))),
        ("Discussion", "19", "Limitations", _findings(study)),
        ("Discussion", "20", "Interpretation", ""),
        ("Discussion", "21", "Generalisability", ""),
        ("Other", "22", "Funding", ""),
        ("Other", "", "Data and software", _software(facts)),
    ]


def _design(study: StudyFrames, facts: RunFacts) -> str:
    groups = listed(study.group_label(g) for g in study.groups)
    return f"Cohort study in the registry {facts.registry}. It compares {groups}."


def _setting(study: StudyFrames, facts: RunFacts) -> str:
    horizons = [
        f"{row.get('label') or endpoint} is followed for {row['horizon_months']:g} months"
        for endpoint, row in study.endpoints.items()
        if known(row.get("horizon_months"))
    ]
    parts = [
        f"Hospitals: {listed(facts.hospitals, len(facts.hospitals) or 1)}" if facts.hospitals else "",
        facts.period,
        *horizons,
    ]
    return " ".join(f"{part[:1].upper()}{part[1:]}." for part in parts if part)


def _eligibility(facts: RunFacts) -> str:
    return " ".join(f"{label}: {conditions}." for label, conditions in facts.eligibility.items())


def _variables(study: StudyFrames) -> str:
    endpoints = listed(study.endpoint_label(e) for e in study.endpoints) if study.endpoints else ""
    ends = f" Endpoints: {endpoints}." if endpoints else ""
    return f"{len(study.variables)} variables, each in the codebook.{ends}"


def _methods(how: Mapping[str, str]) -> str:
    return f"The methods say it under: {'; '.join(how)}." if how else ""


def _interactions(study: StudyFrames) -> str:
    found = [
        r for r in study.rows("mixed_model_term") if r.get("term") in ("group_by_time", "group_by_visit")
    ]
    labels = listed(dict.fromkeys(study.variable_label(r["response"]) for r in found))
    return f"Whether the groups' courses differ (group × time) is tested for {labels}." if found else ""


def _questions(study: StudyFrames) -> str:
    asked = [str(r["question"]).rstrip("?") for r in study.rows("sensitivity_question") if r.get("question")]
    return f"{len(asked)} questions beside the main ones: {'; '.join(asked)}." if asked else ""


def _flow(study: StudyFrames) -> str:
    sentences = []
    for (analysis,), rows in grouped(by_position(study.rows("cohort_flow")), "analysis"):
        for step in FLOW_STEP_WORDS:
            counted = [r for r in rows if r.get("step") == step and r.get("group_id") and r.get("n") != 0]
            totals = [r for r in rows if r.get("step") == step and not r.get("group_id")]
            said = [f"{study.group_label(r['group_id'])} {count_text(r.get('n'))}" for r in counted]
            said += [count_text(r.get("n")) for r in totals]
            if said:
                sentences.append(f"{analysis_label(study, analysis)}, {step}: {', '.join(said)}.")
    return " ".join(sentences)


def _reasons(study: StudyFrames) -> str:
    if study.is_public:
        return INSIDE_ONLY
    reasons = [
        f"{count_text(r.get('n'))} {r.get('reason')}"
        for r in study.rows("cohort_flow")
        if r.get("step") in ("not in a group", "not counted") and r.get("n")
    ]
    return f"{'; '.join(reasons)}." if reasons else "Nobody was left out."


def _named(tables: Sequence[PrintedTable], *endings: str) -> str:
    found = [t.title for t in tables if any(ending in t.name for ending in endings)]
    return f"{'; '.join(found)}." if found else ""


def _missing(study: StudyFrames) -> str:
    most = most_missing(study)
    if not study.rows("baseline_summary"):
        return ""
    return f"The codebook has the share of each variable. The largest: {'; '.join(most) or 'none'}."


def _follow_up(study: StudyFrames) -> str:
    parts = []
    for (endpoint, group), rows in grouped(study.rows("survival_at_risk"), "endpoint", "group_id"):
        last = max(rows, key=lambda r: r["time"])
        n = count_text(last.get("at_risk"))
        parts.append(
            f"{study.endpoint_label(endpoint)}, {study.group_label(group)}: {n} at risk at month "
            f"{last['time']:g}"
        )
    return f"{'; '.join(parts)}." if parts else ""


def _events(study: StudyFrames) -> str:
    parts = [
        f"{study.endpoint_label(r['endpoint'])}, {study.group_label(r['group_id'])}: "
        f"{count_text(r.get('events'))} of {count_text(r.get('n'))}"
        for r in study.rows("survival_median")
    ]
    return f"{'; '.join(parts)}." if parts else ""


def _other(study: StudyFrames) -> str:
    titles = list(dict.fromkeys(str(m.get("title") or opened(m["model_id"])) for m in study.rows("model")))
    return f"Models: {'; '.join(titles)}." if titles else ""


def _key_results(study: StudyFrames) -> list[tuple[str, str]]:
    return [] if study.is_public else summary(study)


def _findings(study: StudyFrames, topic: str = "") -> str:
    found = study.rows("finding", topic=topic) if topic else study.rows("finding")
    return " ".join(str(r["text"]) for r in found)


def _software(facts: RunFacts) -> str:
    synthetic = " Synthetic data: nobody in them exists." if facts.synthetic else ""
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return f"Release {facts.release} of the registry.{synthetic} Computed with {versions}."

"""What somebody chose on the page *Courses*, as a study with one mixed model.

Does not belong here: choosing groups and variables (`chosen.py`), the page (`courses.py`).
"""

from __future__ import annotations

from typing import Any, get_args

from analytics.study.analyses import MixedModel
from analytics.study.file import Study
from analytics.study.parts import Adjustment, Transform
from orchestration.pages.address import NotOffered, Query
from orchestration.pages.chosen import (
    BY_STUDY,
    OWN,
    Chosen,
    Option,
    grouping,
    is_same,
    study_of,
    study_with,
    variable_of,
)
from orchestration.pages.language import gettext
from orchestration.pages.offered import CODED, Offer
from orchestration.pages.words import worded

COURSE_KEYS = (
    "study", "model", "by", "group", "cut", "variable", "visit", "limits", "transform", "random", "serial",
    "adjust", "for", "grouped", "of", *(f"among_{column}" for column in CODED),
)  # fmt: skip


def course(query: Query, offer: Offer) -> Chosen:
    """A mixed model of one variable over visits."""
    study = study_of(query, offer)
    query = query.fresh("for", study.study if study else "", *(k for k in COURSE_KEYS if k != "study"))
    models = {model.model_id: model for model in study.mixed_models} if study else {}
    about = query.values.get("variable", ("",))[-1]
    of_it = [model.model_id for model in models.values() if about in ("", model.response)]
    base = models.get(query.one("model", [*models, OWN], next(iter(of_it), OWN)))
    named_model = base.model_id if base else OWN
    if query.states("model"):
        query = query.fresh("of", named_model, "variable", "visit", "limits", "transform", "random", "serial")
    usual: list[str] = base.groups if base else next((m.groups for m in models.values()), [])
    groups = grouping(query, offer, study, usual, named_model)
    options = [option.value for option in measured_options(offer, study)]
    if not options:
        raise NotOffered(
            gettext("This release has no measured values. Add a delivery, then myositis run."), 404
        )
    named = query.one("variable", options, base.response if base else options[0])
    name, variable = variable_of(named, query, offer, study)
    if variable.censored == "bounds":  # a normal model needs a number
        variable = variable.model_copy(update={"censored": "limit"})
    visits = query.several("visit", offer.visits, base.visits if base else list(offer.visits))
    if len(visits) < 2:
        raise NotOffered(gettext("A course needs two visits or more; choose another visit, or open Compare."))
    is_base = base is not None and base.response == named
    spec: dict[str, Any] = {
        "model_id": base.model_id if base else "on_the_spot",
        "title": base.title if base and is_base else f"{variable.label} over visits",
        "response": name,
        "groups": groups.chosen,
        "visits": visits,
        "transform": query.one("transform", get_args(Transform), base.transform if base else "none"),
        "covariates": [c for c in base.covariates] if base and is_base else [],
        "random": query.one("random", ("intercept", "intercept_slope"), base.random if base else "intercept"),
        "serial": query.one("serial", ("none", "ar1", "car1"), base.serial if base else "none"),
        "adjust": query.one("adjust", get_args(Adjustment), base.adjust if base else "holm"),
    }
    for kept in ("slope", "method", "contrasts", "test", "beside"):
        if base:
            spec[kept] = getattr(base, kept)
    if spec["serial"] != "none":
        spec["beside"] = [t for t in spec.get("beside", ["satterthwaite_f"]) if t != "kenward_roger_f"]
        if spec.get("test") == "kenward_roger_f":
            spec["test"] = "satterthwaite_f"
    others = {c: study.variables[c] for c in spec["covariates"]} if study else {}
    made = study_with(spec["title"], study, groups, {name: variable, **others}, mixed_models=[spec])
    model = made.mixed_models[0]
    is_stated = (
        base is not None
        and study is not None
        and groups.by == BY_STUDY
        and study.variables.get(named) == variable
        and is_same(base, model, *(f for f in MixedModel.model_fields if f != "title"))
    )
    return Chosen(made, groups, study.study if is_stated and study else None, model.model_id)


def measured_options(offer: Offer, study: Study | None) -> list[Option]:
    """Variables with a value at every visit."""
    own = {n: v for n, v in study.variables.items() if v.source in ("observation", "ratio")} if study else {}
    options = [
        Option(name, worded(variable.label), gettext("Variables of the study"))
        for name, variable in own.items()
    ]
    return options + [
        Option(f"concept:{c}", m.label, gettext("Measured values")) for c, m in offer.concepts.items()
    ]

"""Each sentence of "What the study could have said" and "What the numbers can say", derived again from the
release.

The derivations read the marts with pandas and use scipy, numpy or counting by hand; nothing of `analytics`
takes part. Where a sentence speaks of rows of results (p values of models, which R replays), it is derived
from these rows.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import product

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from orchestration.registry.folder import Registry

KEY = ["hospital_id", "patient_key"]


class Release:
    """Tables of the release, the study file as text, and who is in which group."""

    def __init__(self, registry: Registry) -> None:
        self.study = yaml.safe_load((registry.folder / "studies" / "nxp2.yml").read_text(encoding="utf-8"))
        self.connection = duckdb.connect(str(registry.folder / "release" / "current.duckdb"), read_only=True)
        self.label = {g: _english(spec["label"]) for g, spec in self.study["groups"].items()}
        self.asked = {a["analysis_id"]: a for a in self.study["sensitivity"]}

    def table(self, name: str) -> pd.DataFrame:
        return self.connection.sql(f"select * from {name}").df()

    @cached_property
    def members(self) -> pd.DataFrame:
        patients = self.table("release.dim_patient").merge(
            self.table("release.dim_antibody_status")[[*KEY, "msa"]], on=KEY
        )
        patients["group"] = None
        for group, spec in self.study["groups"].items():
            fits = np.logical_and.reduce([patients[c] == v for c, v in spec["where"].items()])
            patients.loc[fits, "group"] = group
        return patients[patients["group"].notna()].reset_index(drop=True)

    @cached_property
    def hospital(self) -> dict[str, str]:
        return dict(
            self.connection.sql("select hospital_id, hospital_name from release.dim_hospital").fetchall()
        )

    @cached_property
    def times(self) -> pd.DataFrame:
        rows = self.table("release.fct_time_to_event")
        return self.members.merge(rows[rows["endpoint"] == "relapse"], on=KEY)

    def observed(self, concept: str, visit: str) -> pd.DataFrame:
        rows = self.table("release.fct_observation")
        rows = rows[
            (rows["concept_id"] == concept) & (rows["scheduled_visit"] == visit) & rows["is_visit_value"]
        ]
        return self.members.merge(rows[[*KEY, "value_canonical", "comparator"]], on=KEY, how="left")

    def answer(self, analysis: str) -> str:
        questions = self.table("results.sensitivity_question")
        return str(questions.loc[questions["analysis_id"] == analysis, "answer"].iloc[0])

    def rows(self, analysis: str) -> pd.DataFrame:
        rows = self.table("results.sensitivity")
        return rows[rows["analysis_id"] == analysis]

    def findings(self, topic: str) -> list[str]:
        rows = self.table("results.finding")
        return rows.loc[rows["topic"] == topic, "text"].tolist()


@pytest.fixture(scope="module")
def release(shipped_run: Registry) -> Release:
    return Release(shipped_run)


def _english(label: str | dict[str, str]) -> str:
    return label if isinstance(label, str) else label["en"]


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def _sides(p: pd.Series) -> bool:
    known = p.dropna() < 0.05
    return bool(known.any() and not known.all())


def _numbers(text: str) -> list[float]:
    return [float(n.replace("−", "-")) for n in re.findall(r"[−-]?\d+(?:\.\d+)?", text)]


# what the study could have said


def test_all_comparisons(release: Release) -> None:
    p = release.table("results.group_comparison")["p_value"].dropna().to_numpy()
    bh = (stats.false_discovery_control(p) < 0.05).sum()
    assert release.answer("all_comparisons") == (
        f"{(p < 0.05).sum()} of {len(p)} comparisons have p below 0.05; {0.05 * len(p):.0f} would by chance alone if no groups"
        f" differed. After Benjamini–Hochberg over all of them {bh} remain; after Holm over all of them"
        f" {(_holm(p) < 0.05).sum()} remain."
    )


def test_age_or_hospital(release: Release) -> None:
    asked = release.asked["age_or_hospital"]
    said = []
    for factor, words in (("hospital_id", "Hospital"), ("onset_group", "Age group at onset")):
        parts = []
        for g in asked["groups"]:
            counts = release.members.loc[release.members["group"] == g, factor].value_counts().sort_index()
            named = [f"{n} {release.hospital.get(str(level), level)}" for level, n in counts.items()]
            parts.append(f"{release.label[g]} {_listed(named)}")
        said.append(f"{words}: {'; '.join(parts)}.")
    text = release.answer("age_or_hospital")
    assert text.startswith(" ".join(said))
    ages = [release.members.loc[release.members["group"] == g, "age_at_onset_years"] for g in asked["groups"]]
    assert _numbers(text.split("Age at onset (years): ")[1].replace("NXP2", ""))[:4] == pytest.approx(
        [v for a in ages for v in (a.min(), a.max())], abs=0.051
    )
    apart = max(a.min() for a in ages) > min(a.max() for a in ages)
    assert ("age at onset (years) in common: no adjustment" in text) == apart


def test_cmas_for_age(release: Release) -> None:
    asked = release.asked["cmas_for_age"]
    (norm,) = asked["norms"]
    lowest = norm["mean"] - 1.96 * norm["sd"]
    at = release.observed("cmas", "baseline").dropna(subset=["value_canonical"])
    at = at[at["group"].isin(asked["groups"])]
    age = at["age_at_onset_years"] + at["disease_duration_months"] / 12
    below = (age >= norm["from_age"]) & (at["value_canonical"] < lowest)
    said = [
        f"{release.label[g]} {below[at['group'] == g].sum()} of {(at['group'] == g).sum()}"
        for g in asked["groups"]
    ]
    in_band = int(((age >= norm["from_age"]) & (age < norm["below_age"])).sum())
    assert release.answer("cmas_for_age") == (
        f"Healthy people from 4 to under 5 years average 46.6 of 52; CMAS below {lowest:.1f} is below their norm. At baseline below"
        f" the norm for age: {_listed(said)}. {in_band} patient{' is' if in_band == 1 else 's are'} of that age and"
        f" {(age < norm['from_age']).sum()} younger, where no norm is known: against 52 they would look weaker than they are."
    )


def test_cmas_adjusted_for_age(release: Release) -> None:
    asked = release.asked["cmas_adjusted_for_age"]
    data = release.observed("cmas", "baseline").dropna(subset=["value_canonical", "age_at_onset_years"])
    data = data[data["group"].isin(asked["groups"])]
    others = [g for g in asked["groups"] if g != asked["reference"]]
    y = data["value_canonical"].to_numpy()
    is_other = np.column_stack([(data["group"] == g).to_numpy(float) for g in others])
    said = [str(len(data))]
    fits = []
    for x in (
        np.column_stack([np.ones(len(y)), is_other]),
        np.column_stack([np.ones(len(y)), is_other, data["age_at_onset_years"]]),
    ):
        beta, squares, *_ = np.linalg.lstsq(x, y, rcond=None)
        df = len(y) - x.shape[1]
        error = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * squares[0] / df)
        fits.append((beta, error * stats.t.ppf(0.975, df)))
    for i, g in enumerate(others, start=1):
        (plain, _), (adjusted, reach) = fits
        ends = f"({-adjusted[i] - reach[i]:.1f} to {-adjusted[i] + reach[i]:.1f})"
        said.append(
            f"{release.label[asked['reference']]} vs {release.label[g]} {-plain[i]:.1f} unadjusted, {-adjusted[i]:.1f} {ends}"
        )
    text = release.answer("cmas_adjusted_for_age").replace("−", "-")
    assert [part in text for part in said] == [True] * len(said)


@pytest.mark.parametrize("analysis", ["ck_models", "cmas_models", "relapse_models"])
def test_models_side_by_side(release: Release, analysis: str) -> None:
    """The p values and ratios are those of the models' own tables, which R replays."""
    models = release.asked[analysis]["models"]
    text = release.answer(analysis)
    ratios = release.table("results.cox_term").loc[lambda d: d["model_id"].isin(models)]
    terms = release.table("results.mixed_model_term").loc[lambda d: d["model_id"].isin(models)]
    found = {t: p["p_value"] for t, p in (ratios if len(ratios) else terms).groupby("term")}
    changed = [t for t, p in found.items() if _sides(p)]
    assert (f"The verdict at {0.05:g} depends" in text) == bool(changed)
    for t in changed:
        assert f"p {found[t].min():.3f} to {found[t].max():.3f}" in text
    for _, part in ratios.groupby("term"):
        low, high = part["ci_low"].min(), part["ci_high"].max()
        assert (
            f"{part['hazard_ratio'].min():.2f} to {part['hazard_ratio'].max():.2f} ({low:.2g} to {high:.2g})"
            in text
        )
    status = release.table("results.model").loc[lambda d: d["model_id"].isin(models), "status"]
    assert ("Read with care" in text) == bool((status != "ok").any())


def test_hidden_cytokines(release: Release) -> None:
    rows = release.rows("hidden_cytokines")
    below = above = 0
    for table in release.study["tables"]:
        for name in (r["variable"] for r in table["rows"] if r["summary"] != "count_percent"):
            spec = release.study["variables"][name]
            if spec.get("censored", "exclude") == "exclude":
                continue
            if spec.get("source") == "ratio":
                top, bottom = (release.observed(spec[k], "baseline") for k in ("numerator", "denominator"))
                inside = top["group"].isin(table["groups"])
                above += int((inside & bottom["comparator"].notna() & _measured(top)).sum())
                below += int((inside & _measured(bottom) & top["comparator"].notna()).sum())
            else:
                seen = release.observed(spec.get("of", name), "baseline")
                below += int((seen["group"].isin(table["groups"]) & seen["comparator"].notna()).sum())
    text = release.answer("hidden_cytokines")
    n = len(rows[["part", "subject"]].drop_duplicates())
    assert text.startswith(f"{n} rows of the tables hold values beyond a detection limit ({below} below one")
    assert (f"{above} above one" in text) == bool(above)
    tests = rows[rows["variant"].isin(["as_printed", "peto_prentice", "gehan"])]
    changed = [k for k, part in tests.groupby(["part", "label"]) if _sides(part["p_value"])]
    compared = len(tests[["part", "label"]].drop_duplicates())
    assert (
        (f"in {len(changed)} of {compared} comparisons" in text)
        if changed
        else (f"None of {compared} comparison" in text)
    )


def _measured(rows: pd.DataFrame) -> pd.Series:
    return rows["value_canonical"].notna() & rows["comparator"].isna()


def test_relapse_tests(release: Release) -> None:
    events = release.times.groupby("group")["is_event"].sum()
    few = [
        f"{release.label[g]} {events[g]} event{'' if events[g] == 1 else 's'}"
        for g in sorted(events.index)
        if events[g] < 5
    ]
    text = release.answer("relapse_tests")
    assert text.startswith(f"{events.sum()} events in {release.times['time_months'].notna().sum()} patients")
    assert not few or f"few of them: {_listed(few)}. " in text
    changed = [
        label
        for label, part in release.rows("relapse_tests").groupby("label", sort=False)
        if _sides(part["p_value"])
    ]
    same = "Every comparison stays on the same side of p = 0.05 whichever way it is tested."
    assert text.endswith(same if not changed else f"depends on the test for {_listed(changed)}.")


def test_relapse_free_time(release: Release) -> None:
    means = {g: _area(part, 36.0) for g, part in release.times.groupby("group")}
    values = [m for m, _ in means.values()]
    text = release.answer("relapse_free_time").replace("−", "-")
    assert text.startswith(
        f"Of the first 36 months the groups spend on average {min(values):.1f} to {max(values):.1f} free of the event."
    )
    groups = list(release.label)
    for i, a in enumerate(groups):
        for b in groups[i + 1 :]:
            difference, error = means[a][0] - means[b][0], np.hypot(means[a][1], means[b][1])
            low, high = difference - 1.959964 * error, difference + 1.959964 * error
            said = f"{release.label[a]} vs {release.label[b]} {difference:.1f} ({low:.1f} to {high:.1f})"
            assert (said in text) == bool(low > 0 or high < 0), said


def _area(part: pd.DataFrame, tau: float) -> tuple[float, float]:
    """The area under the curve up to tau by adding rectangles, and Greenwood's error."""
    at = sorted(part.loc[part["is_event"] & (part["time_months"] <= tau), "time_months"].unique())
    survival, area, before, steps = 1.0, 0.0, 0.0, []
    for t in at:
        n, d = (
            int((part["time_months"] >= t).sum()),
            int(((part["time_months"] == t) & part["is_event"]).sum()),
        )
        area, before = area + survival * (t - before), t
        survival *= 1 - d / n
        steps.append((area, n, d))
    area += survival * (tau - before)
    return area, float(np.sqrt(sum((area - a) ** 2 * d / (n * (n - d)) for a, n, d in steps if n > d)))


def test_lost(release: Release) -> None:
    asked, times = release.asked["lost"], release.times
    text = release.answer("lost")
    lost = [
        f"{(~part['outcome_known']).sum()} of {len(part)} {release.label[g]}"
        for g in release.label if (~(part := times[times["group"] == g])["outcome_known"]).any()
    ]  # fmt: skip
    assert text.startswith(f"Lost before 36 months: {_listed(lost)}.")
    arms = {}
    for g, part in times.groupby("group"):
        kept = part[part["outcome_known"]]
        arms[g] = (int(kept["is_event"].sum()), len(part), len(part) - len(kept))
    x, n, k = arms[asked["reference"]]
    for g in asked["groups"]:
        if g == asked["reference"]:
            continue
        y, m, j = arms[g]
        ways = list(product(range(k + 1), range(j + 1)))
        differences = [(x + a) / n - (y + b) / m for a, b in ways]
        below = sum(
            stats.fisher_exact([[x + a, n - x - a], [y + b, m - y - b]]).pvalue < 0.05 for a, b in ways
        )
        verdict = (
            "at or above 0.05 in every way" if not below else "below 0.05 in every way" if below == len(ways)
            else f"below 0.05 in {below} of {len(ways)} ways"
        )  # fmt: skip
        said = f"{release.label['nxp2_jdm']} vs {release.label[g]}: between {min(differences):.2f} and {max(differences):.2f}, with p {verdict}"
        assert said in text.replace("−", "-"), said
    for g in (g for g in asked["groups"] if g != asked["reference"]):
        counts = []
        for months in (
            30,
            36,
        ):  # the table counts who was seen for 30 months, the analysis who was followed for 36
            pair = []
            for h in (asked["reference"], g):
                part = times[times["group"] == h]
                counted = part["outcome_known"] | ((part["time_months"] >= months) & (months == 30))
                pair.append(f"{part.loc[counted, 'is_event'].sum()}/{counted.sum()}")
            counts.append(" vs ".join(pair))
        if counts[0] != counts[1]:
            assert f"is {counts[0]} in Table" in text and f"and {counts[1]} as observed here" in text


def test_missing(release: Release) -> None:
    text = release.answer("missing")
    models = {m["model_id"]: m for m in release.study["mixed_models"]}
    for model_id in ("table_iii_cmas", "table_iii_ck"):
        model = models[model_id]
        wide = pd.DataFrame(
            {
                v: release.observed(model["response"], v).set_index(KEY)["value_canonical"]
                for v in model["visits"]
            }
        )
        wide = wide[release.members.set_index(KEY)["group"].isin(model["groups"])]
        gone, complete = int(wide.isna().sum().sum()), int(wide.notna().all(axis=1).sum())
        said = f"{_english(model['title'])}: {gone} of {wide.size} values are missing, {complete} of {len(wide)} patients have every visit"
        assert (said if gone else f"{_english(model['title'])}: nothing is missing") in text
    for table in release.study["tables"]:
        gaps = (
            release.table("results.baseline_summary")
            .query(f"table_id == '{table['table_id']}' and n_missing > 0")["variable"]
            .nunique()
        )
        assert f"Table {table['table_id']}: {gaps} of {len(table['rows'])} variables lack a value" in text


def test_cmas_imputed(release: Release) -> None:
    asked, rows = release.asked["cmas_imputed"], release.rows("cmas_imputed")
    last = release.observed("cmas", asked["visits"][-1])
    last = last[last["group"].isin(asked["groups"])]
    seen = [
        last.loc[last["group"] == g, "value_canonical"].dropna() for g in (asked["reference"], "mda5_jdm")
    ]
    then = rows[rows["variant"] == "seen_then"].iloc[0]
    assert then["estimate"] == pytest.approx(seen[0].mean() - seen[1].mean())
    assert then["p_value"] == pytest.approx(stats.ttest_ind(*seen).pvalue)
    text = release.answer("cmas_imputed")
    tried = rows[~rows["note"].fillna("").str.startswith("Tipping")].dropna(subset=["estimate"])
    assert text.startswith(
        f"CMAS at month 24 is missing for {last['value_canonical'].isna().sum()} of {len(last)} patients. In the {len(tried)} ways"
    )
    assert _numbers(text.split("lies between ")[1])[:2] == pytest.approx(
        [tried["estimate"].min(), tried["estimate"].max()], abs=0.051
    )
    assert ("its verdict at 0.05 stays the same" in text) != _sides(tried["p_value"])


def test_every_analysis_of_the_study_has_a_derivation_here(release: Release) -> None:
    derived = {name.removeprefix("test_") for name in globals() if name.startswith("test_")} | {
        "ck_models",
        "cmas_models",
        "relapse_models",
    }
    assert set(release.asked) <= derived


# what the numbers can say


def test_confounding_is_found_where_groups_share_no_hospital(release: Release) -> None:
    at = release.members.groupby("group")["hospital_id"].agg(set)
    expected = sum(
        not at[t["reference"]] & at[g]
        for t in release.study["tables"]
        for g in t["groups"]
        if g != t["reference"]
    )
    assert len(release.findings("confounding")) == expected


def test_the_lost_few_events_and_sizes_are_counted(release: Release) -> None:
    sizes = release.members["group"].value_counts()
    lost = release.times[~release.times["outcome_known"]]
    said = {text.split(" were not followed")[0] for text in release.findings("follow-up")}
    assert said == {f"{release.label[g]}: {len(part)} of {sizes[g]}" for g, part in lost.groupby("group")}
    events = release.times.groupby("group")["is_event"].sum()
    found = {text.split(" patients.")[0] for text in release.findings("few events")}
    assert found == {
        f"{release.label[g]}: {n} event{'' if n == 1 else 's'} in {sizes[g]}" for g, n in events.items() if n < 5
    }  # fmt: skip
    small = [f"{label} {sizes[g]}" for g, label in release.label.items() if sizes[g] < 20]
    (size,) = release.findings("size")
    assert size.startswith(f"Groups below 20 patients: {', '.join(small)}.")


def test_multiplicity_is_counted(release: Release) -> None:
    rows, said = release.table("results.group_comparison"), []
    for table in release.study["tables"]:
        p = rows.loc[rows["table_id"] == table["table_id"], "p_value"].dropna().to_numpy()
        nominal, kept = int((p < 0.05).sum()), int((stats.false_discovery_control(p) < 0.05).sum())
        if nominal > kept:
            said.append(
                f"Table {table['table_id']}: {nominal} of {len(p)} p values are below 0.05, where about {0.05 * len(p):.1f} would be if"
                f" no group differed; {kept} remain"
            )
    found = release.findings("multiplicity")
    assert [a.startswith(b) for a, b in zip(found, said, strict=True)] == [True] * len(said)


def test_wide_spreads_are_counted(release: Release) -> None:
    expected = []
    for model in release.study["mixed_models"]:
        if model.get("transform", "none") != "none" or model["response"] == "il_10_ifn_gamma_ratio":
            continue
        cells = [
            release.observed(model["response"], v).query(f"group == '{g}'")["value_canonical"]
            for g in model["groups"]
            for v in model["visits"]
        ]
        wide = sum(c.std() > c.mean() for c in cells)
        expected += [f"{_english(model['title'])}: in {wide} of {len(cells)} groups' visits"] if wide else []
    found = [
        text.split(" the standard deviation")[0]
        for text in release.findings("scale")
        if not text.startswith("IL-10")
    ]
    assert found == expected


def test_models_limits_and_missing_values_are_counted(release: Release) -> None:
    models = release.table("results.model")
    assert len(release.findings("model")) == (models["status"] != "ok").sum()
    for text in release.findings("detection limits"):
        table, variable, n, of = re.match(r"Table (\w+), (.+): (\d+) of (\d+) values", text).groups()
        name = next(
            v for v, spec in release.study["variables"].items() if _english(spec["label"]) == variable
        )
        if release.study["variables"][name].get("source") == "ratio":
            continue
        groups = next(t["groups"] for t in release.study["tables"] if t["table_id"] == table)
        seen = release.observed(name, "baseline").loc[lambda d, groups=groups: d["group"].isin(groups)]
        hidden = seen["comparator"].notna()
        assert (int(n), int(of)) == (hidden.sum(), (hidden | seen["value_canonical"].notna()).sum())
    summary = release.table("results.baseline_summary").query("n_missing > 0")
    (missing,) = release.findings("missing values")
    assert missing.startswith(
        f"{len(summary[['table_id', 'variable']].drop_duplicates())} rows of the tables rest on fewer patients"
    )

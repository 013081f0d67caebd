"""Courses of CMAS by group, drawn from a release and checked against the results of its study.

marimo edit notebooks/cmas_courses.py
python notebooks/cmas_courses.py -- --release registry/release/current.duckdb --figure cmas_courses.svg
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Courses of CMAS")


@app.cell
def _():
    from pathlib import Path

    import duckdb
    import marimo as mo
    from matplotlib.figure import Figure
    from scipy import stats

    return Figure, Path, duckdb, mo, stats


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    # Courses of CMAS

    The Childhood Myositis Assessment Scale runs from 0 to 52; more is stronger. Each point is the mean of a group at a
    scheduled visit, with its 95 % confidence interval. Nothing here is masked: the figure is not for publication.
    """)
    return


@app.cell
def _(Path, duckdb, mo):
    release = Path(str(mo.cli_args().get("release") or "registry/release/current.duckdb"))
    if not release.is_file():
        raise SystemExit(
            f"{release}: there is no release; name one with --release, or make one with: make run"
        )
    connection = duckdb.connect(str(release), read_only=True)
    ((release_id, registry, synthetic),) = connection.execute(
        "select release_id, registry_name, synthetic from release.release_info"
    ).fetchall()
    mo.md(f"Release `{release_id}` of {registry}{', **synthetic patients**' if synthetic else ''}.")
    return connection, release_id, synthetic


@app.cell
def _(connection):
    # one row per child, visit and value; the groups are those of studies/nxp2.yml
    values = connection.execute(
        """
        select
            case
                when onset_group = 'juvenile' then lower(msa) || '_jdm'
                when msa = 'NXP2' then 'nxp2_adult_dm'
            end as group_id,
            scheduled_visit as visit, nominal_month, value_canonical as cmas
        from release.fct_observation
        join release.patient_baseline using (patient_id)
        join release.visit_schedule using (scheduled_visit)
        where concept_id = 'cmas' and is_visit_value and value_canonical is not null
        """
    ).df()
    return (values,)


@app.cell
def _(stats, values):
    means = (
        values.groupby(["group_id", "visit", "nominal_month"])["cmas"]
        .agg(["count", "mean", "std"])
        .reset_index()
    )
    half = stats.t.ppf(0.975, means["count"] - 1) * means["std"] / means["count"] ** 0.5
    means["low"], means["high"] = means["mean"] - half, means["mean"] + half
    means = means.sort_values(["group_id", "nominal_month"])
    return (means,)


@app.cell
def _(Figure, connection, means, mo, synthetic):
    # the colours of the report, in the order of the study
    COLOURS = ("#0072B2", "#C04F00", "#00795A", "#A8508A")
    groups = connection.execute(
        "select group_id, label from results.study_group order by position"
    ).fetchall()
    figure = Figure(figsize=(6.6, 4))
    axes = figure.subplots()
    for (group, label), colour in zip(groups, COLOURS, strict=True):
        own = means[means["group_id"] == group]
        if len(own):
            error = [own["mean"] - own["low"], own["high"] - own["mean"]]
            axes.errorbar(
                own["nominal_month"], own["mean"], error, color=colour, label=label, capsize=2, marker="o"
            )
    axes.set(
        xlabel="Months since baseline",
        ylabel="CMAS, mean and 95 % interval",
        xticks=means["nominal_month"].unique(),
    )
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(groups))
    figure.suptitle("Synthetic patients" if synthetic else "", fontsize="small")
    figure.tight_layout()
    if path := mo.cli_args().get("figure"):
        figure.savefig(str(path))
    figure  # noqa: B018  the notebook shows it
    return


@app.cell
def _(connection, means, mo, release_id):
    printed = connection.execute(
        "select group_id, visit, n, mean as printed, ci_low, ci_high from results.trajectory_mean where response = 'cmas'"
    ).df()
    both = printed.merge(means, on=["group_id", "visit"], how="outer", indicator=True)
    differ = both[
        (both["_merge"] != "both")
        | (both["n"] != both["count"])
        | ((both["printed"] - both["mean"]).abs() > 1e-9)
        | ((both["ci_low"] - both["low"]).abs() > 1e-9)
        | ((both["ci_high"] - both["high"]).abs() > 1e-9)
    ]
    if len(differ):
        raise SystemExit(f"{len(differ)} of {len(both)} means differ from results.trajectory_mean:\n{differ}")
    said = f"All {len(both)} means and their intervals agree with results.trajectory_mean of release {release_id}."
    print(said)
    mo.md(said)
    return


if __name__ == "__main__":
    app.run()

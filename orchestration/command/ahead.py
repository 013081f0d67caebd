"""What the two processes of `myositis run` prepare before it is needed: modules to import, functions to call.

The command knows the whole flow, so the list is kept here; `running/second_process.py` knows none of the
layers. A test checks that every name exists. Each list is in the order in which a run needs its names.
"""

from __future__ import annotations

# The second process prepares these until it is given a call: the gates' library, the statistics, the report's
# tables.
SECOND = (
    "duckdb",
    "pandas",
    "expectations.duckdb_in_gx:context",
    "expectations.counted",
    "orchestration.results.compute",
    "analytics.study.results",
    "analytics.baseline.table_one",
    "analytics.mixed_model",
    "analytics.mixed_model.kenward_roger",
    "analytics.mixed_model.parameters",
    "analytics.mixed_model.marginal_means",
    "analytics.repeated_measures",
    "analytics.survival",
    "analytics.cox",
    "analytics.regression.firth",
    "analytics.competing_risks",
    "analytics.recurrent",
    "analytics.study.sensitivity.compared",
    "analytics.study.sensitivity.limits",
    "analytics.study.sensitivity.groups",
    "analytics.study.sensitivity.follow_up",
    "analytics.study.sensitivity.missing",
    "analytics.study.sensitivity.imputed",
    "analytics.paper.reproduction",
    "analytics.printed.printed_table",
    "great_tables",
    "orchestration.report.replay",
    "orchestration.report.page",
)
# The first process prepares these while it waits for the second: first dbt, then the libraries that draw.
FIRST = (
    "orchestration.warehouse.assets",
    "dbt.cli.main",
    "dbt.task.build",
    "dbt.adapters.duckdb",
    "orchestration.warehouse.dbt:read_ahead",
    "orchestration.warehouse.dbt:set_up",
    "pandas",
    "analytics.printed.course_figure",
    "analytics.printed.survival_figure",
    "matplotlib.backends.backend_svg",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
)

"""What the process that answers questions imports before it is asked (`asked.py`).

Belongs here: imports. Nothing may start a thread: children are forked.
"""

import jinja2  # noqa: F401

import analytics.baseline.table_one
import analytics.censored.groups
import analytics.censored.summary
import analytics.competing_risks
import analytics.cox
import analytics.groups.k_groups
import analytics.groups.two_groups
import analytics.mixed_model
import analytics.regression.firth
import analytics.study.distribution
import analytics.study.frames
import analytics.study.noted_reads
import analytics.study.results
import analytics.study.sensitivity.groups
import analytics.study.sensitivity.rows
import analytics.survival.kaplan_meier
import analytics.survival.log_rank
import analytics.survival.rmst
import analytics.words.disclosure  # noqa: F401
import orchestration.results.on_the_spot  # noqa: F401

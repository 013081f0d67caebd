"""How long survival analyses take here, in R's survival and in lifelines, side by side.

    python benchmarks/survival.py                       # 100, 1,000, 10,000 and 100,000 rows
    python benchmarks/survival.py 100000 --repeats 3    # other sizes

The data: three groups, four more covariates, days as whole numbers (so with ties), half of the rows censored.

    cox             Efron's ties, 6 coefficients, with the concordance and its standard error as coxph has it
    cox, intervals  the same from an entry before each time, as data with time-varying covariates have
    log-rank        three groups
    curves          Kaplan-Meier with standard errors and log-log limits in each group

The time is that of the call, design included. R measures it between two `proc.time()` calls, so start-up and
reading of data do not count. The best of several runs counts. The last column, a log-likelihood or statistic,
shows that the programs computed the same. Rscript is used where it is installed.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analytics.cox import cox
from analytics.survival import kaplan_meier, log_rank

SIZES = (100, 1_000, 10_000, 100_000)
TASKS = ("cox", "cox, intervals", "log-rank", "curves")
TERMS = ["group", "age", "ck", "score", "sex"]
GROUPS = {"group": ["a", "b", "c"]}

R_PROGRAM = """
suppressMessages({library(jsonlite); library(survival)})
arguments <- commandArgs(TRUE)
d <- read.csv(arguments[1], stringsAsFactors = FALSE)
d$group <- factor(d$group, levels = c("a", "b", "c"))
tasks <- list(
  "cox" = function() coxph(Surv(time, event) ~ group + age + ck + score + sex, data = d)$loglik[2],
  "cox, intervals" = function()
    coxph(Surv(entry, time, event) ~ group + age + ck + score + sex, data = d)$loglik[2],
  "log-rank" = function() survdiff(Surv(time, event) ~ group, data = d)$chisq,
  "curves" = function() sum(survfit(Surv(time, event) ~ group, data = d, conf.type = "log-log")$surv))
clock <- function(task) {
  seconds <- Inf
  for (k in seq_len(as.integer(arguments[2]))) {
    start <- proc.time()[3]
    for (j in seq_len(as.integer(arguments[3]))) value <- task()
    seconds <- min(seconds, (proc.time()[3] - start) / as.integer(arguments[3]))
  }
  list(seconds = unname(seconds), value = value)
}
cat(toJSON(lapply(tasks, clock), digits = NA, auto_unbox = TRUE))
"""


@dataclass(frozen=True)
class Timing:
    """Seconds and result of one program; ``remark`` says why there are none."""

    program: str
    seconds: float = math.nan
    value: float = math.nan
    remark: str = ""


def main() -> None:
    arguments = _arguments()
    print(f"{'rows':>8}  {'task':<15} {'program':<10} {'seconds':>9}  {'x here':>7}  result")
    for n in arguments.sizes:
        data = simulate(n)
        in_r = time_r(data, arguments.repeats)
        for task in TASKS:
            here = time_one("here", HERE[task], data, arguments.repeats)
            other = time_one("lifelines", LIFELINES[task], data, arguments.repeats)
            for timing in (here, in_r[task], other):
                print(_line(n, task, timing, here.seconds), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES), help="numbers of rows")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the best counts")
    return parser.parse_args()


def _line(n: int, task: str, timing: Timing, here: float) -> str:
    if timing.remark:
        return f"{n:>8,}  {task:<15} {timing.program:<10} {timing.remark}"
    ratio = timing.seconds / here
    return (
        f"{n:>8,}  {task:<15} {timing.program:<10} {timing.seconds:>9.4f}  {ratio:>7.1f}  {timing.value:.8g}"
    )


def simulate(n: int, seed: int = 20260115) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], n)
    frame = pd.DataFrame(
        {
            "group": group,
            "age": np.round(rng.normal(45, 15, n)),
            "ck": np.round(rng.normal(5, 1, n), 3),
            "score": rng.normal(0, 1, n),
            "sex": rng.integers(0, 2, n),
        }
    )
    risk = 0.02 * (frame["age"] - 45) + 0.3 * frame["ck"] - 0.4 * frame["score"] + 0.5 * (group == "b")
    event_at, censored_at = rng.exponential(900 / np.exp(risk - 1.5)), rng.exponential(700, n)
    frame["time"] = np.ceil(np.minimum(event_at, censored_at))
    frame["event"] = (event_at <= censored_at).astype(int)
    frame["entry"] = np.floor(frame["time"] * rng.random(n) * 0.8)
    return frame


def _cox_here(data: pd.DataFrame, entry: str | None = None) -> float:
    fit = cox(data, "time", "event", TERMS, GROUPS, entry=entry)
    assert fit.concordance.std_error > 0
    return fit.loglik


HERE: dict[str, Callable[[pd.DataFrame], float]] = {
    "cox": _cox_here,
    "cox, intervals": lambda data: _cox_here(data, "entry"),
    "log-rank": lambda data: log_rank(data, "time", "event", "group").summary["statistic"][0],
    "curves": lambda data: kaplan_meier(data, "time", "event", "group").curve["survival"].sum(),
}


def _cox_lifelines(data: pd.DataFrame) -> float:
    from lifelines import CoxPHFitter

    formula = "C(group) + age + ck + score + sex"
    fit = CoxPHFitter().fit(data.drop(columns="entry"), "time", "event", formula=formula)
    assert fit.concordance_index_ > 0
    return fit.log_likelihood_


def _intervals_lifelines(data: pd.DataFrame) -> float:
    from lifelines import CoxTimeVaryingFitter

    rows = data.assign(id=np.arange(len(data)))
    names = {"id_col": "id", "event_col": "event", "start_col": "entry", "stop_col": "time"}
    fit = CoxTimeVaryingFitter().fit(rows, **names, formula="C(group) + age + ck + score + sex")
    return fit.log_likelihood_


def _log_rank_lifelines(data: pd.DataFrame) -> float:
    from lifelines.statistics import multivariate_logrank_test

    return multivariate_logrank_test(data["time"], data["group"], data["event"]).test_statistic


def _curves_lifelines(data: pd.DataFrame) -> float:
    from lifelines import KaplanMeierFitter

    total = 0.0
    for _, part in data.groupby("group"):
        fit = KaplanMeierFitter().fit(part["time"], part["event"])
        total += fit.survival_function_.iloc[1:, 0].sum()  # its first row is time 0
    return total


LIFELINES: dict[str, Callable[[pd.DataFrame], float]] = {
    "cox": _cox_lifelines,
    "cox, intervals": _intervals_lifelines,
    "log-rank": _log_rank_lifelines,
    "curves": _curves_lifelines,
}


def time_one(program: str, task: Callable[[pd.DataFrame], float], data: pd.DataFrame, repeats: int) -> Timing:
    seconds, value = math.inf, math.nan
    try:
        for _ in range(repeats):
            start = time.perf_counter()
            value = float(task(data))
            one = time.perf_counter() - start
            seconds = min(seconds, one)
            if one > 20.0:
                break
    except Exception as error:  # another program's failure is a result of the comparison
        return Timing(program, remark=f"failed: {type(error).__name__}: {str(error).splitlines()[0]}")
    return Timing(program, seconds, value)


def time_r(data: pd.DataFrame, repeats: int) -> dict[str, Timing]:
    if shutil.which("Rscript") is None:
        return {task: Timing("R", remark="Rscript is not installed") for task in TASKS}
    inner = max(1, 10_000 // len(data))  # R's clock ticks in milliseconds
    with tempfile.TemporaryDirectory() as folder:
        table, program = Path(folder) / "data.csv", Path(folder) / "fit.R"
        data.to_csv(table, index=False)
        program.write_text(R_PROGRAM, encoding="utf-8")
        command = ["Rscript", str(program), str(table), str(repeats), str(inner)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {
            task: Timing("R", remark=f"failed: {done.stderr.strip().splitlines()[-1:]}") for task in TASKS
        }
    answers = json.loads(done.stdout)
    return {task: Timing("R", answers[task]["seconds"], answers[task]["value"]) for task in TASKS}


if __name__ == "__main__":
    main()

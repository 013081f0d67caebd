"""How long a linear mixed model takes here, in R (lme, lmer) and in statsmodels, side by side.

    python benchmarks/mixed_model.py                     # 62, 312, 10,000 and 100,000 patients
    python benchmarks/mixed_model.py 62 312 --limit 60   # other sizes; seconds after which R is stopped

The data: two groups, five visits with 15 % missing, log-like response. Two models, by REML:

    slope + AR(1)   group * visit, random intercept and slope, AR(1) over the visit: the published model
    slope           the same without AR(1), which is all that lmer and statsmodels can fit

The time is that of the fit function alone, formula and design included. Here the function is
`fit_mixed_model`; in R it is `lme` or `lmer` between two `proc.time()` calls, so start-up and reading of data
do not count. If a run is short, the best of several runs counts. The log-likelihood shows that the programs
fitted the same model. Rscript is used where it is installed.
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

from analytics.mixed_model import fit_mixed_model

SIZES = (62, 312, 10_000, 100_000)
VISITS = [f"v{k}" for k in range(1, 6)]
PHI = 0.4

R_PROGRAM = """
suppressMessages({library(jsonlite); library(nlme); library(lme4)})
arguments <- commandArgs(TRUE)
d <- read.csv(arguments[1], stringsAsFactors = FALSE)
d$group <- factor(d$group, levels = c("a", "b")); d$visit <- factor(d$visit)
contrasts(d$group) <- contr.sum(2); contrasts(d$visit) <- contr.sum(5)
clock <- function(fit, repeats) {
  seconds <- Inf
  for (k in seq_len(repeats)) {
    start <- proc.time()[3]; model <- fit(); one <- proc.time()[3] - start
    seconds <- min(seconds, one)
    if (one > 1) break
  }
  list(seconds = unname(seconds), log_likelihood = as.numeric(logLik(model)))
}
either <- function(fit) tryCatch(fit("nlminb"), error = function(e) fit("optim")) # one may not converge
control <- function(opt) lmeControl(opt = opt, maxIter = 200, msMaxIter = 200, returnObject = TRUE)
fits <- list(
  lme_ar1 = function() either(function(opt) lme(y ~ group * visit, random = ~ years | patient, data = d,
    correlation = corAR1(form = ~ visit_index | patient), control = control(opt))),
  lme = function() either(function(opt) lme(y ~ group * visit, random = ~ years | patient, data = d,
    control = control(opt))),
  lmer = function() lmer(y ~ group * visit + (years | patient), data = d))
cat(toJSON(clock(fits[[arguments[2]]], as.integer(arguments[3])), digits = NA, auto_unbox = TRUE))
"""


@dataclass(frozen=True)
class Timing:
    """Seconds and log-likelihood of one program; ``remark`` says why there are none."""

    program: str
    model: str
    seconds: float = math.nan
    log_likelihood: float = math.nan
    remark: str = ""


def main() -> None:
    arguments = _arguments()
    print(f"{'patients':>9}  {'model':<14} {'program':<18} {'seconds':>9}  {'x here':>7}  log-likelihood")
    for n in arguments.sizes:
        data = simulate(n)
        for model in ("slope + AR(1)", "slope"):
            timings = [time_here(data, model, arguments.repeats)]
            timings += time_r(data, model, arguments.repeats, arguments.limit)
            if model == "slope" and not arguments.no_statsmodels:
                timings.append(time_statsmodels(data, arguments.statsmodels_up_to))
            for t in timings:
                print(_line(n, t, timings[0].seconds), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES), help="numbers of patients")
    parser.add_argument(
        "--repeats", type=int, default=5, help="runs of which the best counts, where a run is short"
    )
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which R is stopped")
    parser.add_argument("--no-statsmodels", action="store_true")
    parser.add_argument(
        "--statsmodels-up-to", type=int, default=10_000, help="largest size tried in statsmodels"
    )
    return parser.parse_args()


def _line(n: int, timing: Timing, here: float) -> str:
    if timing.remark:
        return f"{n:>9,}  {timing.model:<14} {timing.program:<18} {timing.remark}"
    ratio = timing.seconds / here
    return (
        f"{n:>9,}  {timing.model:<14} {timing.program:<18} {timing.seconds:>9.4f}  {ratio:>7.1f}  "
        f"{timing.log_likelihood:.6f}"
    )


def simulate(n: int, seed: int = 20260115) -> pd.DataFrame:
    """Patients of two groups at five visits, 15 % of visits missing, from the model that is then fitted."""
    rng = np.random.default_rng(seed)
    years = np.array([0.0, 0.25, 0.5, 1.0, 2.0])
    effects = rng.multivariate_normal([0, 0], [[0.8, 0.1], [0.1, 0.3]], n)
    lag = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    noise = rng.standard_normal((n, 5)) @ np.linalg.cholesky(0.5 * PHI**lag).T
    group = np.arange(n) % 2
    y = 4.0 - 0.6 * years + 0.3 * group[:, None] * years + effects[:, :1] + effects[:, 1:] * years + noise
    here = rng.random((n, 5)) > 0.15
    patient, visit = np.nonzero(here)
    return pd.DataFrame(
        {
            "patient": patient,
            "group": np.array(["a", "b"])[group[patient]],
            "visit": np.array(VISITS)[visit],
            "visit_index": visit + 1,
            "years": years[visit],
            "y": y[here],
        }
    )


def best_of(fit: Callable[[], object], repeats: int) -> tuple[float, object]:
    seconds, result = math.inf, None
    for _ in range(repeats):
        start = time.perf_counter()
        result = fit()
        one = time.perf_counter() - start
        seconds = min(seconds, one)
        if one > 1.0:
            break
    return seconds, result


def time_here(data: pd.DataFrame, model: str, repeats: int) -> Timing:
    serial = "ar1" if model == "slope + AR(1)" else "none"
    seconds, fit = best_of(
        lambda: fit_mixed_model(
            data,
            "y",
            "group * visit",
            slope="years",
            serial=serial,
            factors={"group": ["a", "b"], "visit": VISITS},
        ),
        repeats,
    )
    return Timing("here", model, seconds, fit.log_likelihood)


def time_r(data: pd.DataFrame, model: str, repeats: int, limit: float) -> list[Timing]:
    programs = ["lme_ar1"] if model == "slope + AR(1)" else ["lme", "lmer"]
    if shutil.which("Rscript") is None:
        return [Timing(f"R {p}", model, remark="Rscript is not installed") for p in programs]
    with tempfile.TemporaryDirectory() as folder:
        table, program = Path(folder) / "data.csv", Path(folder) / "fit.R"
        data.to_csv(table, index=False)
        program.write_text(R_PROGRAM, encoding="utf-8")
        return [_time_one_in_r(program, table, p, model, repeats, limit) for p in programs]


def _time_one_in_r(program: Path, table: Path, name: str, model: str, repeats: int, limit: float) -> Timing:
    command = ["Rscript", str(program), str(table), name, str(repeats)]
    label = f"R {name.removesuffix('_ar1')}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return Timing(label, model, remark=f"stopped after {limit:g} s")
    if done.returncode != 0:
        return Timing(label, model, remark=f"failed: {done.stderr.strip().splitlines()[-1:]}")
    answer = json.loads(done.stdout)
    return Timing(label, model, answer["seconds"], answer["log_likelihood"])


def time_statsmodels(data: pd.DataFrame, up_to: int) -> Timing:
    if data["patient"].nunique() > up_to:
        return Timing("statsmodels", "slope", remark=f"not tried above {up_to:,} patients")
    import warnings

    import statsmodels.formula.api as smf

    def fit() -> object:
        model = smf.mixedlm("y ~ C(group, Sum) * C(visit, Sum)", data, groups="patient", re_formula="~years")
        return model.fit(reml=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds, result = best_of(fit, 1)
    return Timing("statsmodels", "slope", seconds, result.llf)


if __name__ == "__main__":
    main()

#' Curves of relapse-free survival by group, drawn from a release and checked against the results of its study.
#'
#'     Rscript notebooks/relapse_curves.R [REGISTRY] [FIGURE.pdf]
#'
#' Base R and the package survival suffice: `myositis sql --format csv` hands over the rows. MYOSITIS names the
#' command where it is not on the path: MYOSITIS=.venv/bin/myositis. Nothing here is masked: the figure is not for
#' publication.

suppressPackageStartupMessages(library(survival))
given <- commandArgs(trailingOnly = TRUE)
registry <- if (length(given) >= 1) given[1] else "registry"
figure <- if (length(given) >= 2) given[2] else "relapse_curves.pdf"

#' ## From the release to data frames

ask <- function(query) {
  command <- Sys.getenv("MYOSITIS", "myositis")
  answer <- tempfile(fileext = ".csv")
  on.exit(unlink(answer))
  arguments <- c("sql", shQuote(query), "--output", shQuote(answer), "--registry", shQuote(registry))
  if (system2(command, arguments, stdout = FALSE) != 0) stop("the question was refused; see the sentence above")
  read.csv(answer, stringsAsFactors = FALSE, encoding = "UTF-8")
}

info <- ask("select release_id, synthetic from release.release_info")
groups <- ask("select group_id, label from results.study_group order by position")
times <- ask("
  select
    case
      when onset_group = 'juvenile' then lower(msa) || '_jdm'
      when msa = 'NXP2' then 'nxp2_adult_dm'
    end as group_id,
    time_months, is_event::int as event
  from release.fct_time_to_event
  join release.patient_baseline using (patient_id)
  where endpoint = 'relapse' and time_months is not null")
printed <- ask("
  select group_id, time, at_risk, events, censored, survival, ci_low, ci_high
  from results.survival_curve where endpoint = 'relapse' order by group_id, time")

#' ## Kaplan and Meier

times$group_id <- factor(times$group_id, levels = groups$group_id)
fit <- survfit(Surv(time_months, event) ~ group_id, data = times, conf.type = "log-log")

#' ## The figure

colours <- c("#0072B2", "#C04F00", "#00795A", "#A8508A")
pdf(figure, width = 6.6, height = 4.2)
par(mar = c(4, 4, 2, 1), las = 1)
plot(fit, col = colours, lwd = 2, mark.time = TRUE, yscale = 100, xmax = 36,
     xlab = "Months since baseline", ylab = "Without relapse, %",
     main = if (info$synthetic %in% c("true", TRUE)) "Synthetic patients" else "", font.main = 1)
legend("bottomleft", groups$group_id, col = colours, lwd = 2, bty = "n")
invisible(dev.off())

#' ## The same numbers as in the results

ours <- data.frame(
  group_id = rep(sub("group_id=", "", names(fit$strata)), fit$strata),
  time = fit$time, at_risk = fit$n.risk, events = fit$n.event, censored = fit$n.censor,
  survival = fit$surv, ci_low = fit$lower, ci_high = fit$upper)
ours <- ours[order(ours$group_id, ours$time), ]
printed <- printed[order(printed$group_id, printed$time), ]
if (nrow(ours) != nrow(printed)) stop(nrow(ours), " steps here, ", nrow(printed), " in results.survival_curve")
for (column in setdiff(names(ours), "group_id")) {
  same <- all.equal(ours[[column]], printed[[column]], tolerance = 1e-9)
  if (!isTRUE(same)) stop(column, " differs from results.survival_curve: ", same)
}
stopifnot(identical(ours$group_id, printed$group_id))
cat("All", nrow(ours), "steps of", nlevels(times$group_id), "curves agree with results.survival_curve of release",
    paste0(info$release_id, ".\n"))

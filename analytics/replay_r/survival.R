## ---- Time to an event ---------------------------------------------------------------------------------------

library(survival)

read_times <- function(file, groups) {
  data <- read_frame(file)
  data <- data[data$group_id %in% groups, ]
  data$group <- factor(data$group_id, levels = groups)
  data
}

# Kaplan-Meier by group with log(-log) limits, numbers at risk just before each time asked for, medians, tests.
survival_analysis <- function(endpoint, file, groups, at_risk_months, pairwise, adjust, weights, method, trend,
                              strata = character(0)) {
  data <- read_times(file, groups)
  data$stratum <- if (length(strata)) interaction(data[strata], drop = TRUE) else factor(rep(1, nrow(data)))
  for (group in groups) kaplan_meier(endpoint, data[data$group == group, ], group, at_risk_months)
  test <- if (method == "exact") exact_log_rank else time_to_event_tests[[weights]]
  overall <- if (method == "exact" && length(groups) > 2) survdiff_answer else test  # the exact test compares two
  put <- function(row, found, part)
    record("log_rank", row, statistic = found[1], df = found[2],
           p_value = if (length(found) > 2) found[3] else pchisq(found[1], found[2], lower.tail = FALSE),
           n = nrow(part), events = sum(part$event))
  data <- data[!is.na(data$stratum), ]
  put(paste(endpoint, "overall", "", "", sep = "|"), attempt(overall(data)), data)
  if (trend) put(paste(endpoint, "trend", "", "", sep = "|"), attempt(ordered_times_tests[["log_rank_trend"]](data)), data)
  if (!pairwise) return(invisible())
  rows <- character(0)
  for (pair in combn(groups, 2, simplify = FALSE)) {
    part <- droplevels(data[data$group %in% pair, ])
    row <- paste(endpoint, "pairwise", pair[1], pair[2], sep = "|")
    put(row, attempt(test(part)), part)
    if (is_stated("log_rank", row, "p_value")) rows <- c(rows, row)
  }
  p <- vapply(rows, function(row) found_by_r("log_rank", row, "p_value"), numeric(1))
  adjusted <- p.adjust(p, adjust)
  for (i in seq_along(rows)) record("log_rank", rows[i], p_adjusted = adjusted[[i]])
}
kaplan_meier <- function(endpoint, data, group, times) {
  if (!nrow(data)) return(invisible())
  fit <- survfit(Surv(time_months, event) ~ 1, data, conf.type = "log-log")
  at <- summary(fit, censored = TRUE)
  for (i in seq_along(at$time))
    record("survival_curve", paste(endpoint, group, i, sep = "|"), time = at$time[i], at_risk = at$n.risk[i],
           events = at$n.event[i], censored = at$n.censor[i], survival = at$surv[i], std_error = at$std.err[i],
           ci_low = at$lower[i], ci_high = at$upper[i], cumulative_hazard = fit$cumhaz[i],
           cumulative_hazard_std_error = fit$std.chaz[i])
  for (time in times) {
    asked <- summary(fit, times = time, extend = TRUE)
    so_far <- at$time <= time
    record("survival_at_risk", paste(endpoint, group, sprintf("%.15g", time), sep = "|"), at_risk = asked$n.risk,
           events = sum(at$n.event[so_far]), censored = sum(at$n.censor[so_far]), survival = asked$surv,
           ci_low = asked$lower, ci_high = asked$upper)
  }
  half <- quantile(fit, 0.5)
  record("survival_median", paste(endpoint, group, sep = "|"), n = nrow(data), events = sum(data$event),
         median = half$quantile[[1]], ci_low = half$lower[[1]], ci_high = half$upper[[1]])
}

# Chi-square and degrees of freedom.
survdiff_answer <- function(data) {
  stratified <- nlevels(droplevels(data$stratum)) > 1
  found <- if (stratified) survdiff(Surv(time_months, event) ~ group + strata(stratum), data)
    else survdiff(Surv(time_months, event) ~ group, data)
  c(found$chisq, sum(rowSums(as.matrix(found$exp)) > 0) - 1)
}
# survdiff weighs all events alike. Weights by the number at risk (Tarone and Ware) or by Peto's and Peto's survival
# are in no package that Debian carries in this form: the same sums with a weight at each event time.
weighted_answer <- function(data, weigh) {
  parts <- lapply(split(data, data$stratum, drop = TRUE), weighted_sums, weigh = weigh)
  excess <- Reduce(`+`, lapply(parts, function(p) p$excess))
  variance <- Reduce(`+`, lapply(parts, function(p) p$variance))
  kept <- which(Reduce(`+`, lapply(parts, function(p) p$expected)) > 0)[-1]
  c(drop(excess[kept] %*% solve(variance[kept, kept], excess[kept])), length(kept))
}
weighted_sums <- function(data, weigh) {
  k <- nlevels(data$group)
  if (!any(data$event == 1)) return(list(excess = numeric(k), variance = matrix(0, k, k), expected = numeric(k)))
  data$time_months <- aeqSurv(Surv(data$time_months, data$event))[, 1]
  groups <- levels(data$group)
  times <- sort(unique(data$time_months[data$event == 1]))
  n <- sapply(times, function(t) sum(data$time_months >= t))
  d <- sapply(times, function(t) sum(data$time_months == t & data$event == 1))
  n_g <- sapply(groups, function(g) sapply(times, function(t) sum(data$time_months >= t & data$group == g)))
  failing <- data[data$event == 1, ]
  d_g <- sapply(groups, function(g) sapply(times, function(t) sum(failing$time_months == t & failing$group == g)))
  n_g <- matrix(n_g, length(times))
  d_g <- matrix(d_g, length(times))
  w <- weigh(n, d)
  spread <- w^2 * ifelse(n > 1, d * (n - d) / (n - 1), 0)
  excess <- colSums(w * (d_g - d * n_g / n))
  variance <- diag(colSums(spread * n_g / n), length(groups)) - t(n_g / n) %*% (spread * n_g / n)
  list(excess = excess, variance = variance, expected = colSums(d * n_g / n))
}
# The share still free of the event just before each event time.
free_before <- function(n, d) c(1, cumprod(1 - d / n))[seq_along(n)]
# One step from each group to the next (Tarone 1975), with the variance of the log-rank test.
trend_answer <- function(data) {
  found <- survdiff(Surv(time_months, event) ~ group, data)
  step <- match(sub("^group=", "", names(found$n)), levels(data$group))
  c(sum(step * (found$obs - found$exp))^2 / drop(step %*% found$var %*% step), 1)
}
# The permutation distribution of two groups; tied events share the mean of their scores. coin's statistic is
# standardised, its square has one degree of freedom.
exact_log_rank <- function(data) {
  found <- coin::logrank_test(Surv(time_months, event) ~ group, data, distribution = "exact",
                              ties.method = "average-scores")
  c(coin::statistic(found)^2, 1, coin::pvalue(found))
}

# Cox's model, iterated until nothing changes, and the test of proportional hazards of each variable, not each column.
cox_model <- function(id, file, groups, terms, strata, ties) {
  data <- read_times(file, groups)
  data <- data[complete.cases(data[c(terms, strata)]), ]
  record("model", id, n = nrow(data), n_patients = nrow(data), n_events = sum(data$event))
  right <- c(terms, sprintf("strata(%s)", strata))
  model <- as.formula(paste("Surv(time_months, event) ~", paste(right, collapse = " + ")))
  to_the_end <- coxph.control(eps = 1e-14, iter.max = 100, toler.chol = 1e-15)
  fit <- attempt(coxph(model, data, ties = ties, control = to_the_end))
  if (is.null(fit)) return(invisible())
  ph <- if (ties == "exact") NULL else attempt(cox.zph(fit, transform = "km", terms = TRUE)$table)
  error <- sqrt(diag(fit$var))
  z <- qnorm(0.975)
  for (i in seq_along(coef(fit))) {
    name <- names(coef(fit))[i]
    b <- coef(fit)[[i]]
    se <- if (is.na(b)) NA else error[i]
    variable <- if (startsWith(name, "group") && "group" %in% terms && !(name %in% terms)) "group" else name
    record("cox_term", paste(id, name, sep = "|"), coefficient = b, std_error = se, hazard_ratio = exp(b),
           ci_low = exp(b - z * se), ci_high = exp(b + z * se), statistic = b / se,
           p_value = pchisq((b / se)^2, 1, lower.tail = FALSE),
           ph_p_value = if (variable %in% rownames(ph)) ph[variable, "p"] else NA)
  }
}

## ---- Restricted means, recurrent events -----------------------------------------------------------------------

# The area under each group's curve up to a month, and differences between pairs of groups.
restricted_means <- function(endpoint, file, groups, months, adjust) {
  data <- read_times(file, groups)
  of_group <- list()
  put <- function(row, estimate, error, n, events, p = NA) {
    ends <- estimate + c(-1, 1) * qnorm(0.975) * error
    record("restricted_mean", row, estimate = estimate, std_error = error, ci_low = ends[1], ci_high = ends[2],
           statistic = estimate / error, p_value = p, n = n, events = events)
  }
  for (group in groups) {
    part <- data[data$group == group, ]
    if (!nrow(part)) next
    found <- summary(survfit(Surv(time_months, event) ~ 1, part), rmean = months)$table
    of_group[[group]] <- c(found[["rmean"]], found[["se(rmean)"]], nrow(part), sum(part$event))
    do.call(put, c(list(paste(endpoint, "group", group, "", sep = "|")), as.list(of_group[[group]])))
  }
  rows <- character(0)
  for (pair in combn(names(of_group), 2, simplify = FALSE)) {
    a <- of_group[[pair[1]]]
    b <- of_group[[pair[2]]]
    error <- sqrt(a[2]^2 + b[2]^2)
    row <- paste(endpoint, "pairwise", pair[1], pair[2], sep = "|")
    put(row, a[1] - b[1], error, a[3] + b[3], a[4] + b[4], 2 * pnorm(-abs(a[1] - b[1]) / error))
    if (is_stated("restricted_mean", row, "p_value")) rows <- c(rows, row)
  }
  p <- vapply(rows, function(row) found_by_r("restricted_mean", row, "p_value"), numeric(1))
  adjusted <- p.adjust(p, adjust)
  for (i in seq_along(rows)) record("restricted_mean", rows[i], p_adjusted = adjusted[[i]])
}
# Every event of a patient, errors robust by patient: Andersen and Gill, or Prentice, Williams and Peterson, who give
# each number of events so far a stratum. An interval begins at baseline or at the event before, so that its length is
# the time since then.
recurrent_model <- function(id, file, groups, terms, method, max_events) {
  data <- read_frame(file)
  data <- data[data$group_id %in% groups, ]
  data$group <- factor(data$group_id, levels = groups)
  data <- data[complete.cases(data[terms]), ]
  data <- data[order(data$patient, data$start), ]
  patients <- length(unique(data$patient))
  data$number <- ave(data$event, data$patient, FUN = function(event) cumsum(event) - event) + 1
  if (method != "andersen_gill" && !is.na(max_events)) data <- data[data$number <= max_events, ]
  times <- if (method == "pwp_gap") "Surv(stop - start, event)" else "Surv(start, stop, event)"
  right <- c(terms, if (method != "andersen_gill") "strata(number)")
  record("model", id, n = nrow(data), n_patients = patients, n_events = sum(data$event))
  to_the_end <- coxph.control(eps = 1e-14, iter.max = 100, toler.chol = 1e-15)
  fit <- attempt(coxph(as.formula(paste(times, "~", paste(right, collapse = " + "))), data, cluster = patient,
                       control = to_the_end))
  if (is.null(fit)) return(invisible())
  ph <- attempt(cox.zph(fit, transform = "km", terms = TRUE)$table)
  z <- qnorm(0.975)
  error <- sqrt(diag(fit$var))
  for (i in seq_along(coef(fit))) {
    name <- names(coef(fit))[i]
    variable <- if (startsWith(name, "group") && "group" %in% terms && !(name %in% terms)) "group" else name
    b <- coef(fit)[[i]]
    record("cox_term", paste(id, name, sep = "|"), coefficient = b, std_error = error[i],
           hazard_ratio = exp(b), ci_low = exp(b - z * error[i]), ci_high = exp(b + z * error[i]),
           statistic = b / error[i], p_value = pchisq((b / error[i])^2, 1, lower.tail = FALSE),
           ph_p_value = if (variable %in% rownames(ph)) ph[variable, "p"] else NA)
  }
}

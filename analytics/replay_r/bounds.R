## ---- Values beyond a detection limit, as bounds ---------------------------------------------------------------

library(survival)

# A row of a baseline table whose variable has two columns, "<variable> lower" and "<variable> upper": equal where the
# value was measured, one empty where a limit hides it, both where nothing is known.
describe_and_test_bounds <- function(table, variable, tests = character(0)) {
  for (group in table$groups) summarise_bounds(table, variable, group)
  for (group in names(tests)) compare_bounds(table, variable, tests[[group]], group)
}
bounds <- function(table, variable, group) {
  chosen <- table$data$group_id == group
  end <- function(name) as.numeric(table$data[[paste(variable, name)]][chosen])
  lower <- end("lower")
  upper <- end("upper")
  known <- !(is.na(lower) & is.na(upper))
  list(lower = ifelse(is.na(lower), 0, lower)[known], upper = ifelse(is.na(upper), Inf, upper)[known],
       n_missing = sum(!known))
}
# Each quartile lies between that of the lower and that of the upper bounds; known where both are the same.
summarise_bounds <- function(table, variable, group) {
  x <- bounds(table, variable, group)
  row <- paste(table$id, variable, group, sep = "|")
  record("baseline_summary", row, n = length(x$lower), n_missing = x$n_missing, mean = NA, sd = NA)
  known <- function(p) {
    low <- type_7(x$lower, p)
    if (length(x$lower) && low == type_7(x$upper, p)) low else NA
  }
  record("baseline_summary", row, q1 = known(0.25), median = known(0.5), q3 = known(0.75))
}
type_7 <- function(x, p) {  # quantile's type 7, of values that may be infinite
  x <- sort(x)
  at <- 1 + p * (length(x) - 1)
  from <- floor(at)
  if (at == from || x[from] == x[from + 1]) x[from] else x[from] + (at - from) * (x[from + 1] - x[from])
}
compare_bounds <- function(table, variable, test, group) {
  a <- bounds(table, variable, table$reference)
  b <- bounds(table, variable, group)
  row <- paste(table$id, variable, table$reference, group, sep = "|")
  record("group_comparison", row, n_a = length(a$lower), n_b = length(b$lower),
         n = length(a$lower) + length(b$lower), n_missing = a$n_missing + b$n_missing)
  if (!length(a$lower) || !length(b$lower)) return(invisible())
  both <- data.frame(lower = c(a$lower, b$lower), upper = c(a$upper, b$upper),
                     group = factor(rep(c("a", "b"), c(length(a$lower), length(b$lower))), levels = c("b", "a")))
  do.call(record, c(list("group_comparison", row), bounded_tests[[test]](both), ratio_and_probability(both)))
  table$tested <- c(table$tested, row)
}
# How many others are surely smaller, less how many are surely greater (Gehan 1965). A bound at a measured value lies
# beyond it; two values measured alike are tied.
gehan_scores <- function(x) {
  exact <- x$lower == x$upper
  surely_below <- function(low, high) {
    beyond <- outer(low, high, ">") | (outer(low, high, "==") & outer(exact, exact, function(i, j) !(i & j)))
    diag(beyond) <- FALSE
    rowSums(beyond)
  }
  surely_below(x$lower, x$upper) - surely_below(-x$upper, -x$lower)
}
# The log-rank test of the values turned round, weighted by their estimated distribution; ranks keep all ties.
peto_prentice_answer <- function(x) {
  exact <- x$lower == x$upper
  below <- any(!exact & x$lower == 0)
  at <- if (below) -ifelse(exact, x$lower, x$upper) else x$lower
  found <- attempt(survdiff(Surv(match(at, sort(unique(at))), exact) ~ group, x, rho = 1))
  list(statistic = found$chisq, df = 1, p_value = pchisq(found$chisq, 1, lower.tail = FALSE))
}
gehan_answer <- function(x) {
  scores <- gehan_scores(x)
  n <- sum(x$group == "a")
  size <- length(scores)
  z <- sum(scores[x$group == "a"]) / sqrt(n * (size - n) / (size * (size - 1)) * sum(scores^2))
  list(statistic = z, df = NA, p_value = 2 * pnorm(-abs(z)))
}
exact_gehan_answer <- function(x) {
  scores <- gehan_scores(x)
  found <- attempt(coin::independence_test(scores ~ factor(x$group), distribution = "exact"))
  list(statistic = sum(scores[x$group == "a"]), df = NA, p_value = if (is.null(found)) NULL else coin::pvalue(found))
}
# The ratio of geometric means from a log-normal regression, and between which probabilities that the first group's
# value is the greater the limits leave the truth.
ratio_and_probability <- function(x) {
  times <- Surv(ifelse(x$lower == 0, NA, x$lower), ifelse(is.infinite(x$upper), NA, x$upper), type = "interval2")
  fit <- attempt(survreg(times ~ group, x, dist = "lognormal", control = list(rel.tolerance = 1e-14, maxiter = 200)))
  b <- if (is.null(fit)) NULL else coef(fit)[["groupa"]]
  reach <- if (is.null(fit)) NULL else qnorm(0.975) * sqrt(vcov(fit)["groupa", "groupa"])
  a <- x[x$group == "a", ]
  b_rows <- x[x$group == "b", ]
  pairs <- nrow(a) * nrow(b_rows)
  bound <- function(high, low) outer(high, low, function(i, j) !(i & j))
  beyond <- function(of, than) outer(of$lower, than$upper, ">") |
    (outer(of$lower, than$upper, "==") & bound(of$lower == of$upper, than$lower == than$upper))
  greater <- sum(beyond(a, b_rows))
  smaller <- sum(beyond(b_rows, a))
  tied <- sum(outer(a$lower, b_rows$lower, "==") & outer(a$lower == a$upper, b_rows$lower == b_rows$upper))
  measured <- x$lower[x$lower == x$upper]
  list(ties = sum(duplicated(measured) | duplicated(measured, fromLast = TRUE)), effect = exp(b),
       ci_low = exp(b - reach), ci_high = exp(b + reach),
       second_ci_low = (greater + tied / 2) / pairs, second_ci_high = (pairs - smaller - tied / 2) / pairs)
}

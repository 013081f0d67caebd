## ---- Baseline tables ----------------------------------------------------------------------------------------

# A table of the study: one row per patient, 1 and 0 for a yes/no, its groups and the one they are compared with.
baseline_table <- function(id, file, groups, reference) {
  table <- new.env()
  table$id <- id
  table$data <- read_frame(file)
  table$groups <- groups
  table$reference <- reference
  table$tested <- character(0)
  table$overall <- character(0)
  table
}
# One row of it: how the variable is summarised, and the test against each group (named by it).
describe_and_test <- function(table, variable, summary, tests = character(0)) {
  for (group in table$groups) summarise(table, variable, summary, group)
  for (group in names(tests)) compare(table, variable, tests[[group]], group)
}
values <- function(table, variable, group) as.numeric(table$data[[variable]][table$data$group_id == group])

summarise <- function(table, variable, summary, group) {
  all <- values(table, variable, group)
  x <- all[!is.na(all)]
  row <- paste(table$id, variable, group, sep = "|")
  record("baseline_summary", row, n = length(x), n_missing = sum(is.na(all)))
  if (summary == "count_percent") {
    record("baseline_summary", row, count = sum(x == 1), percent = 100 * sum(x == 1) / length(x))
  } else {
    quartiles <- quantile(x, c(0.25, 0.5, 0.75), type = 7, names = FALSE)
    record("baseline_summary", row, mean = mean(x), sd = sd(x), q1 = quartiles[1], median = quartiles[2],
           q3 = quartiles[3])
  }
}
compare <- function(table, variable, test, group) {
  all_a <- values(table, variable, table$reference)
  all_b <- values(table, variable, group)
  a <- all_a[!is.na(all_a)]
  b <- all_b[!is.na(all_b)]
  row <- paste(table$id, variable, table$reference, group, sep = "|")
  record("group_comparison", row, n_a = length(a), n_b = length(b), n = length(a) + length(b),
         n_missing = sum(is.na(all_a)) + sum(is.na(all_b)))
  if (!length(a) || !length(b)) return(invisible())
  do.call(record, c(list("group_comparison", row), two_group_tests[[test]](a, b)))
  table$tested <- c(table$tested, row)
}
# p values adjusted over the whole table: R's own p values, of the comparisons for which ours states one. The tests of
# all groups are adjusted among themselves.
adjust <- function(table, method) {
  for (family in list(table$tested, table$overall)) {
    has_p <- vapply(family, function(row) is_stated("group_comparison", row, "p_value"), logical(1))
    rows <- family[has_p]
    p <- vapply(rows, function(row) found_by_r("group_comparison", row, "p_value"), numeric(1))
    adjusted <- p.adjust(p, method)
    for (i in seq_along(rows)) record("group_comparison", rows[i], p_adjusted = adjusted[[i]])
  }
}

# Means. The effect is the difference of means; the second one Hedges' g, by the exact J (Hedges 1981), its interval
# from the noncentral t distribution.
t_answer <- function(a, b, equal) {
  found <- attempt(t.test(a, b, var.equal = equal))
  g <- attempt(hedges_g(a, b))
  list(statistic = found$statistic, df = found$parameter, p_value = found$p.value, effect = mean(a) - mean(b),
       ci_low = found$conf.int[1], ci_high = found$conf.int[2],
       second_effect = g[1], second_ci_low = g[2], second_ci_high = g[3])
}
hedges_g <- function(a, b) {
  n <- length(a)
  m <- length(b)
  df <- n + m - 2
  d <- (mean(a) - mean(b)) / sqrt(((n - 1) * var(a) + (m - 1) * var(b)) / df)
  scale <- sqrt(1 / n + 1 / m)
  t <- d / scale
  reach <- 3 + abs(t)
  low <- root(function(ncp) pt(t, df, ncp, lower.tail = FALSE) - 0.025, t - reach, t + reach, "upX")
  high <- root(function(ncp) pt(t, df, ncp) - 0.025, t - reach, t + reach, "downX")
  j <- exp(lgamma(df / 2) - lgamma((df - 1) / 2)) / sqrt(df / 2)
  j * c(d, low * scale, high * scale)
}

# Ranks. wilcox.test's own estimate of the shift solves the normal approximation; the effect here is the median of all
# pairwise differences (Hodges and Lehmann). The ends of its interval are jumps of a step function, hence tol.root.
# The second effect is the rank-biserial correlation, its interval by Newcombe's method 5 (2006, Stat Med 25:559).
ranks_answer <- function(a, b, found) {
  correlation <- attempt(rank_biserial(a, b))
  pooled <- c(a, b)
  list(statistic = found$statistic, p_value = found$p.value, effect = median(outer(a, b, "-")),
       ci_low = found$conf.int[1], ci_high = found$conf.int[2],
       second_effect = correlation[1], second_ci_low = correlation[2], second_ci_high = correlation[3],
       ties = shared(pooled))
}
normal_ranks <- function(a, b, correct) {
  found <- attempt(wilcox.test(a, b, exact = FALSE, correct = correct, conf.int = TRUE, tol.root = 1e-12))
  ranks_answer(a, b, if (is.null(found)) attempt(wilcox.test(a, b, exact = FALSE, correct = correct)) else found)
}
# wilcox.test is exact only without ties; with ties the permutation distribution of the midranks is counted here
# (Streitberg and Roehmel's shift algorithm), and the interval keeps the order statistics of the case without ties.
exact_ranks <- function(a, b) {
  if (!anyDuplicated(c(a, b))) return(ranks_answer(a, b, attempt(wilcox.test(a, b, exact = TRUE, conf.int = TRUE))))
  differences <- sort(outer(a, b, "-"))
  k <- max(qwilcox(0.025, length(a), length(b)), 1)
  found <- list(statistic = sum(outer(a, b, ">") + outer(a, b, "==") / 2), p.value = permutation_p(a, b),
                conf.int = c(differences[k], differences[length(differences) + 1 - k]))
  ranks_answer(a, b, found)
}
permutation_p <- function(a, b) {
  scores <- 2 * rank(c(a, b))
  m <- length(a)
  ways <- matrix(0, m + 1, sum(scores) + 1)  # ways[k + 1, s + 1]: choices of k scores whose sum is s
  ways[1, 1] <- 1
  for (score in scores) for (k in m:1) {
    kept <- seq_len(ncol(ways) - score)
    ways[k + 1, kept + score] <- ways[k + 1, kept + score] + ways[k, kept]
  }
  sums <- seq_len(ncol(ways)) - 1
  expected <- m * sum(scores) / length(scores)
  as_far <- abs(sums - expected) >= abs(sum(scores[seq_len(m)]) - expected) - 1e-9
  sum(ways[m + 1, as_far]) / sum(ways[m + 1, ])
}
rank_biserial <- function(a, b) {
  n <- length(a)
  m <- length(b)
  theta <- sum(outer(a, b, ">") + outer(a, b, "==") / 2) / (n * m)
  excess <- function(t) (theta - t)^2 -
    qnorm(0.975)^2 * t * (1 - t) * (1 + ((n + m) / 2 - 1) * ((1 - t) / (2 - t) + t / (1 + t))) / (n * m)
  edge <- 1e-12  # where all pairs agree, the equation holds at that end too; the other root is the one wanted
  low <- if (theta > 0) root(excess, 0, min(theta, 1 - edge)) else 0
  high <- if (theta < 1) root(excess, max(theta, edge), 1) else 1
  2 * c(theta, low, high) - 1
}

# Counts. The effect is the conditional maximum likelihood odds ratio with its exact interval, as fisher.test's; the
# second one the risk difference with Newcombe's interval from the two Wilson intervals, which prop.test gives.
counts_answer <- function(a, b, found, mid = FALSE) {
  table <- two_by_two(a, b)
  ratio <- attempt(odds_ratio(table, mid))
  risk <- attempt(risk_difference(table))
  list(statistic = found$statistic, df = found$parameter, p_value = found$p.value,
       effect = ratio[1], ci_low = ratio[2], ci_high = ratio[3],
       second_effect = risk[1], second_ci_low = risk[2], second_ci_high = risk[3])
}
two_by_two <- function(a, b) rbind(c(sum(a == 1), sum(a != 1)), c(sum(b == 1), sum(b != 1)))
fisher_answer <- function(a, b) {
  found <- attempt(fisher.test(two_by_two(a, b)))
  counts_answer(a, b, list(p.value = found$p.value))
}
mid_p_answer <- function(a, b) {
  table <- two_by_two(a, b)
  chance <- dhyper(table[1, 1], sum(table[, 1]), sum(table[, 2]), sum(table[1, ]))
  p <- attempt(fisher.test(table)$p.value - chance / 2)
  counts_answer(a, b, list(p.value = p), mid = TRUE)
}
chi_square_answer <- function(a, b, correct)
  counts_answer(a, b, attempt(chisq.test(two_by_two(a, b), correct = correct)))
# fisher.test solves for the odds ratio and its ends with uniroot's default tolerance, 1.2e-4 of the ratio or of its
# reciprocal. These are its equations, solved to rounding error; where fisher.test's own answer is further away than
# that tolerance, fisher.test's is compared instead, and shows as a difference.
odds_ratio <- function(table, mid) {
  x <- table[1, 1]
  m <- sum(table[, 1])
  n <- sum(table[, 2])
  k <- sum(table[1, ])
  support <- max(0, k - n):min(k, m)
  weight <- lchoose(m, support) + lchoose(n, k - support)
  chances <- function(log_ratio) {
    logs <- weight + support * log_ratio
    exp(logs - max(logs)) / sum(exp(logs - max(logs)))
  }
  half <- if (mid) 0.5 else 1
  above <- function(t) sum(chances(t) * ifelse(support == x, half, support > x))
  below <- function(t) sum(chances(t) * ifelse(support == x, half, support < x))
  at <- function(f) exp(root(f, -1, 1, "yes"))
  tight <- c(
    if (x == min(support)) 0 else if (x == max(support)) Inf else at(function(t) sum(chances(t) * support) - x),
    if (x == min(support)) 0 else at(function(t) above(t) - 0.025),
    if (x == max(support)) Inf else at(function(t) below(t) - 0.025))
  if (mid) return(tight)
  found <- fisher.test(table)
  loose <- c(found$estimate, found$conf.int)
  near <- function(p, q) p == q | abs(p - q) < 2.5e-4 | abs(1 / p - 1 / q) < 2.5e-4
  ifelse(near(tight, loose), tight, loose)
}
risk_difference <- function(table) {
  n <- rowSums(table)
  p <- table[, 1] / n
  wilson <- lapply(1:2, function(i) prop.test(table[i, 1], n[i], correct = FALSE)$conf.int)
  d <- p[1] - p[2]
  c(d, d - sqrt((p[1] - wilson[[1]][1])^2 + (wilson[[2]][2] - p[2])^2),
    d + sqrt((wilson[[1]][2] - p[1])^2 + (p[2] - wilson[[2]][1])^2))
}

# Spread: the distances from the group's centre, compared as means with equal variances are; F is the square of t.
spread_answer <- function(a, b, centre) {
  from_a <- abs(a - centre(a))
  from_b <- abs(b - centre(b))
  found <- attempt(t.test(from_a, from_b, var.equal = TRUE))
  list(statistic = found$statistic^2, df = 1, df_den = found$parameter, p_value = found$p.value,
       effect = mean(from_a) - mean(from_b), ci_low = found$conf.int[1], ci_high = found$conf.int[2])
}
# Whole distributions: D, exact up to 4 million pairs of values, with ties too (R 4.2 or later).
smirnov_answer <- function(a, b) {
  found <- attempt(ks.test(a, b, exact = length(a) * length(b) <= 4e6))
  list(statistic = found$statistic, p_value = found$p.value, effect = found$statistic, ties = shared(c(a, b)))
}
shared <- function(x) sum(duplicated(x) | duplicated(x, fromLast = TRUE))

# All groups of a table together: a row without a pair. A group without a value is left out.
test_overall <- function(table, variable, test) {
  all <- as.numeric(table$data[[variable]])
  known <- !is.na(all) & table$data$group_id %in% table$groups
  x <- all[known]
  group <- factor(table$data$group_id[known], levels = intersect(table$groups, table$data$group_id[known]))
  row <- paste(table$id, variable, "", "", sep = "|")
  record("group_comparison", row, n = length(x), n_missing = sum(is.na(all[table$data$group_id %in% table$groups])))
  if (nlevels(group) < 2) return(invisible())
  do.call(record, c(list("group_comparison", row), many_group_tests[[test]](x, group)))
  table$overall <- c(table$overall, row)
}
# Where a noncentral distribution gives the observed statistic this probability; 0 where none does.
noncentrality <- function(below, probability, start) {
  if (below(0) <= probability) return(0)
  root(function(nc) below(nc) - probability, 0, max(1, start), "downX")
}
# Eta squared, its interval from the noncentral F (Smithson 2001).
eta_squared <- function(f, df, df_den) {
  end <- function(probability) {
    nc <- noncentrality(function(nc) pf(f, df, df_den, nc), probability, f * df)
    nc / (nc + df + df_den + 1)
  }
  c(f * df / (f * df + df_den), end(0.975), end(0.025))
}
f_answer <- function(x, group, equal) {
  found <- attempt(oneway.test(x ~ group, var.equal = equal))
  list(statistic = found$statistic[[1]], df = found$parameter[[1]], df_den = found$parameter[[2]],
       p_value = found$p.value)
}
anova_answer <- function(x, group, equal) {
  found <- f_answer(x, group, equal)
  eta <- attempt(eta_squared(found$statistic, found$df, found$df_den))
  c(found, list(effect = eta[1], ci_low = eta[2], ci_high = eta[3]))
}
spreads_answer <- function(x, group, centre) f_answer(abs(x - ave(x, group, FUN = centre)), group, equal = TRUE)
kruskal_answer <- function(x, group) {
  found <- attempt(kruskal.test(x, group))
  list(statistic = found$statistic, df = found$parameter, p_value = found$p.value,
       effect = found$statistic / (length(x) - 1), ties = shared(x))
}
# Cramer's V, its interval from the noncentral chi-square (Smithson 2003).
association <- function(x, group) {
  counts <- table(x, group)
  statistic <- chisq.test(counts, correct = FALSE)$statistic[[1]]
  df <- prod(dim(counts) - 1)
  scale <- sum(counts) * (min(dim(counts)) - 1)
  end <- function(probability) {
    nc <- noncentrality(function(nc) pchisq(statistic, df, nc), probability, statistic)
    if (nc > 0) min(1, sqrt((nc + df) / scale)) else 0
  }
  c(sqrt(statistic / scale), end(0.975), end(0.025))
}
fishers_answer <- function(x, group)
  associated(x, group, attempt(fisher.test(table(x, group), workspace = 2e7)))
chi_squares_answer <- function(x, group)
  associated(x, group, attempt(chisq.test(table(x, group), correct = FALSE)))
associated <- function(x, group, found) {
  v <- attempt(association(x, group))
  list(statistic = found$statistic, df = found$parameter, p_value = found$p.value, effect = v[1], ci_low = v[2],
       ci_high = v[3])
}

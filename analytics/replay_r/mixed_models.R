## ---- Mixed models -------------------------------------------------------------------------------------------

library(nlme)
suppressPackageStartupMessages(library(car))
library(emmeans)

# lme stops when its own criterion is met. With these controls its log-likelihood is within about 1e-9 of the
# maximum, so that estimates are within the root of that, some 1e-5 of their standard errors, and further off near a
# boundary. Hence the tolerances in ours.csv: 1e-6 for a log-likelihood, 1e-4 for what lme states, 1e-3 for covariance
# parameters and for what is differentiated at them.
tight <- lmeControl(maxIter = 500, msMaxIter = 500, msMaxEval = 2000, niterEM = 50, tolerance = 1e-10, msTol = 1e-12,
                    opt = "nlminb", returnObject = TRUE)

# The means by group and visit that the figures draw: all groups, every known value, on its own scale.
courses <- function(response, file, visits) {
  data <- read_frame(file)
  for (visit in visits) for (group in unique(data$group_id)) {
    x <- data$value[data$visit == visit & data$group_id == group]
    x <- x[!is.na(x)]
    quartiles <- quantile(x, c(0.25, 0.5, 0.75), type = 7, names = FALSE)
    ci <- if (length(x) > 1) mean(x) + c(-1, 1) * qt(0.975, length(x) - 1) * sd(x) / sqrt(length(x)) else c(NA, NA)
    record("trajectory_mean", paste(response, group, visit, sep = "|"), n = length(x), mean = mean(x), sd = sd(x),
           ci_low = ci[1], ci_high = ci[2], q1 = quartiles[1], median = quartiles[2], q3 = quartiles[3])
  }
}

# Fixed effects group * time (and covariates), random effects by patient, residuals correlated within the patient.
mixed_model <- function(id, file, groups, visits, scale, covariates, random, correlation, method, coding, test,
                        adjust) {
  all <- read_frame(file)
  all <- all[all$group_id %in% groups, ]
  all$value <- scale(as.numeric(all$value))
  all$group <- factor(all$group_id, levels = groups)
  all$time <- factor(all$visit, levels = visits)
  contrasts(all$group) <- coding
  contrasts(all$time) <- coding
  data <- all[complete.cases(all[c("value", "group", "time", covariates)]), ]
  data <- data[order(data$patient, data$visit_index), ]
  fixed <- as.formula(paste("value ~", paste(c("group * time", covariates), collapse = " + ")))
  record("model", id, n = nrow(data), n_patients = length(unique(data$patient)), n_missing = nrow(all) - nrow(data))
  fit <- attempt(do.call(lme, list(fixed = fixed, data = data, random = list(patient = random),
                                   correlation = correlation, method = method, control = tight)))
  if (is.null(fit)) return(invisible())
  record("model", id, log_likelihood = logLik(fit), aic = AIC(fit), bic = BIC(fit))
  wald <- attempt(Anova(fit, type = 3))
  for (term in rownames(wald))
    record("mixed_model_term", paste(id, term_name(term), "wald_chi_square", sep = "|"),
           n = nrow(data), statistic = wald[term, "Chisq"], df_num = wald[term, "Df"],
           p_value = wald[term, "Pr(>Chisq)"])
  fixed_effects(id, fit)
  # Everything from here on needs the curvature of the likelihood at its maximum, which a singular fit does not have.
  at <- attempt(curvature(fit, data, random, correlation))
  if (is.null(at) || any(diag(at$parameters) <= 0)) return(invisible())
  fixed_effects(id, fit, at)
  covariance_parameters(id, at)
  # Every covariate at its mean, one of two values (0 and 1) too: cov.keep. Warnings of "contrasts dropped" are about
  # the grid, whose rows have the coding of the fit.
  means <- function(by) suppressWarnings(suppressMessages(
    emmeans(fit, by, data = data, mode = "asymptotic", sigmaAdjust = FALSE, cov.keep = character(0))))
  f_tests(id, fit, at, means, covariates)
  marginal_means(id, means(~ group * time), at)
  visit_contrasts(id, means(~ group | time), at, adjust)
  if (test == "kenward_roger_f") kenward_roger_tests(id, fixed, random, data, means, covariates)
}
term_name <- function(term) switch(term, "(Intercept)" = "intercept", "group:time" = "group_by_time", term)

fixed_effects <- function(id, fit, at = NULL) {
  error <- sqrt(diag(fit$varFix))
  for (name in names(fixef(fit))) {
    row <- paste(id, name, sep = "|")
    estimate <- fixef(fit)[[name]]
    record("mixed_model_parameter", row, n = fit$dims$N, estimate = estimate, std_error = error[[name]])
    if (!is.null(at)) {
      df <- satterthwaite(at, as.numeric(names(fixef(fit)) == name))
      reach <- qt(0.975, df) * error[[name]]
      record("mixed_model_parameter", row, ci_low = estimate - reach, ci_high = estimate + reach,
             p_value = 2 * pt(-abs(estimate / error[[name]]), df))
    }
  }
}
marginal_means <- function(id, means, at) {
  table <- as.data.frame(means)
  for (i in seq_len(nrow(table))) {
    df <- satterthwaite(at, means@linfct[i, ])
    reach <- qt(0.975, df) * table$SE[i]
    record("marginal_mean", paste(id, table$time[i], table$group[i], sep = "|"), n = at$n, estimate = table$emmean[i],
           std_error = table$SE[i], df = df, ci_low = table$emmean[i] - reach, ci_high = table$emmean[i] + reach)
  }
}
visit_contrasts <- function(id, means, at, adjust) {
  groups <- means@levels$group
  pairs <- combn(length(groups), 2)
  weights <- apply(pairs, 2, function(pair) (seq_along(groups) == pair[1]) - (seq_along(groups) == pair[2]))
  differences <- contrast(means, setNames(as.data.frame(weights), paste0("pair", seq_len(ncol(pairs)))))
  table <- as.data.frame(differences)
  df <- apply(differences@linfct, 1, function(l) satterthwaite(at, l))
  p <- 2 * pt(-abs(table$estimate / table$SE), df)
  adjusted <- p.adjust(p, adjust)
  for (i in seq_len(nrow(table))) {
    pair <- pairs[, as.integer(sub("pair", "", table$contrast[i]))]
    reach <- qt(0.975, df[i]) * table$SE[i]
    record("visit_contrast", paste(id, table$time[i], groups[pair[1]], groups[pair[2]], sep = "|"),
           n = at$n, estimate = table$estimate[i], std_error = table$SE[i], df = df[i],
           statistic = table$estimate[i] / table$SE[i], ci_low = table$estimate[i] - reach,
           ci_high = table$estimate[i] + reach, p_value = p[i], p_adjusted = adjusted[i])
  }
}
# Marginal type III hypotheses, whatever the coding: differences of marginal means from the first level; of the
# intercept, the mean over all cells with covariates at zero.
hypotheses <- function(means, covariates, coefficients) {
  from_first <- function(by, ...) contrast(means(by), ...)@linfct
  zero <- means(~ 1)@linfct
  zero[, colnames(zero) %in% covariates] <- 0
  rows <- list(intercept = zero, group = from_first(~ group, "trt.vs.ctrl1"),
               time = from_first(~ time, "trt.vs.ctrl1"),
               group_by_time = from_first(~ group * time, interaction = "trt.vs.ctrl1"))
  for (name in covariates) rows[[name]] <- t(as.numeric(coefficients == name))
  rows
}
f_tests <- function(id, fit, at, means, covariates) {
  rows <- hypotheses(means, covariates, names(fixef(fit)))
  for (term in names(rows)) {
    found <- satterthwaite_f(at, rows[[term]], fixef(fit))
    record("mixed_model_term", paste(id, term, "satterthwaite_f", sep = "|"), n = at$n, statistic = found[1],
           df_num = found[2], df_den = found[3], p_value = pf(found[1], found[2], found[3], lower.tail = FALSE))
  }
}

# Satterthwaite's degrees of freedom. R's packages have them for lmer (lmerTest), which fits no serial correlation,
# and not for lme. These lines write down the (restricted) likelihood of the covariance parameters theta at lme's
# estimates and differentiate it numerically: H the Hessian of -2 log-likelihood, A = 2 H^-1 the covariance of theta,
# C the covariance of the fixed effects; df = 2 (l'Cl)^2 / (g'Ag) with g the gradient of l'Cl by theta (Giesbrecht and
# Burns 1985), and for several rows Fai and Cornelius (1996), as lmerTest. theta: log standard deviations, atanh of
# the correlation of intercept and slope, log sigma, and atanh(phi) of AR(1) or logit(phi) of CAR(1).
curvature <- function(fit, data, random, correlation) {
  x <- model.matrix(formula(fit), data)
  z <- model.matrix(random, data)
  rows <- split(seq_len(nrow(data)), data$patient)
  serial <- if (is.null(correlation)) "none" else class(correlation)[1]
  distance <- if (serial == "corCAR1") data$months else data$visit_index
  d <- unclass(getVarCov(fit))
  theta <- log(sqrt(diag(d)))
  if (ncol(z) == 2) theta <- c(theta, atanh(d[1, 2] / sqrt(d[1, 1] * d[2, 2])))
  theta <- c(theta, log(fit$sigma))
  if (serial != "none") {
    phi <- coef(fit$modelStruct$corStruct, unconstrained = FALSE)[[1]]
    theta <- c(theta, if (serial == "corAR1") atanh(phi) else qlogis(phi))
  }
  natural <- function(theta) {
    k <- ncol(z)
    sd <- exp(theta[seq_len(k)])
    rho <- if (k == 2) tanh(theta[3]) else 0
    rest <- theta[-seq_len(if (k == 2) 3 else 1)]
    phi <- if (serial == "none") 0 else if (serial == "corAR1") tanh(rest[2]) else plogis(rest[2])
    list(d = outer(sd, sd) * (diag(1 - rho, k) + rho), sd = sd, rho = rho, sigma = exp(rest[1]), phi = phi)
  }
  evaluate <- function(theta) {
    at <- natural(theta)
    information <- matrix(0, ncol(x), ncol(x)); score <- numeric(ncol(x)); squares <- 0; log_det <- 0
    for (i in rows) {
      apart <- abs(outer(distance[i], distance[i], "-"))
      r <- if (serial == "none") diag(length(i)) else at$phi^apart
      v <- z[i, , drop = FALSE] %*% at$d %*% t(z[i, , drop = FALSE]) + at$sigma^2 * r
      half <- chol(v)
      w <- backsolve(half, cbind(x[i, , drop = FALSE], data$value[i]), transpose = TRUE)
      information <- information + crossprod(w[, -ncol(w), drop = FALSE])
      score <- score + crossprod(w[, -ncol(w), drop = FALSE], w[, ncol(w)])
      squares <- squares + sum(w[, ncol(w)]^2)
      log_det <- log_det + 2 * sum(log(diag(half)))
    }
    c_beta <- chol2inv(chol(information))
    deviance <- log_det + squares - sum(score * (c_beta %*% score))
    if (fit$method == "REML") deviance <- deviance + as.numeric(determinant(information)$modulus)
    list(deviance = deviance, c_beta = c_beta)
  }
  list(n = nrow(data), theta = theta, natural = natural(theta), serial = serial, slope = colnames(z)[2],
       parameters = 2 * solve(second_derivatives(function(t) evaluate(t)$deviance, theta)),
       c_beta = evaluate(theta)$c_beta, slopes = first_derivatives(function(t) evaluate(t)$c_beta, theta))
}
# Central differences at two steps, extrapolated (Richardson).
first_derivatives <- function(f, at) lapply(seq_along(at), function(i) {
  by <- function(h) (f(at + h * (seq_along(at) == i)) - f(at - h * (seq_along(at) == i))) / (2 * h)
  (4 * by(5e-4) - by(1e-3)) / 3
})
second_derivatives <- function(f, at) {
  by <- function(h) {
    unit <- function(i) h * (seq_along(at) == i)
    four <- function(a, b) f(at + a + b) - f(at + a - b) - f(at - a + b) + f(at - a - b)
    outer(seq_along(at), seq_along(at),
          Vectorize(function(i, j) if (i < j) NA else four(unit(i), unit(j)) / (4 * h^2)))
  }
  h <- (4 * by(2e-3) - by(4e-3)) / 3
  h[upper.tri(h)] <- t(h)[upper.tri(h)]
  h
}
satterthwaite <- function(at, l) {
  g <- vapply(at$slopes, function(slope) drop(l %*% slope %*% l), numeric(1))
  2 * drop(l %*% at$c_beta %*% l)^2 / drop(g %*% at$parameters %*% g)
}
satterthwaite_f <- function(at, rows, beta) {
  e <- eigen(rows %*% at$c_beta %*% t(rows), symmetric = TRUE)
  used <- e$values > 1e-10 * max(e$values)
  apart <- t(e$vectors[, used, drop = FALSE]) %*% rows
  df <- apply(apart, 1, function(l) satterthwaite(at, l))
  q <- sum(used)
  f <- sum(drop(apart %*% beta)^2 / e$values[used]) / q
  if (q == 1) return(c(f, 1, df))
  if (any(df <= 2)) return(c(f, q, 2))
  expected <- sum(df / (df - 2))
  c(f, q, if (diff(range(df)) < 1e-8) mean(df) else 2 * expected / (expected - q))
}
# Standard deviations and correlations, with intervals on the scales of theta, as nlme's intervals().
covariance_parameters <- function(id, at) {
  error <- sqrt(diag(at$parameters))
  z <- qnorm(0.975)
  put <- function(name, estimate, std_error, low, high)
    record("mixed_model_parameter", paste(id, name, sep = "|"), n = at$n, estimate = estimate,
           std_error = std_error, ci_low = low, ci_high = high)
  on_log <- function(name, i) {
    estimate <- exp(at$theta[[i]])
    put(name, estimate, estimate * error[i], estimate * exp(-z * error[i]), estimate * exp(z * error[i]))
  }
  on_atanh <- function(name, i) {
    estimate <- tanh(at$theta[[i]])
    put(name, estimate, (1 - estimate^2) * error[i], tanh(at$theta[[i]] - z * error[i]),
        tanh(at$theta[[i]] + z * error[i]))
  }
  on_log("sd (Intercept)", 1)
  k <- 1
  if (!is.na(at$slope)) {
    on_log(paste("sd", at$slope), 2)
    on_atanh(paste("cor (Intercept),", at$slope), 3)
    k <- 3
  }
  on_log("sigma", k + 1)
  if (at$serial == "corAR1") on_atanh("phi", k + 2)
  if (at$serial == "corCAR1") {
    estimate <- plogis(at$theta[[k + 2]])
    put("phi", estimate, estimate * (1 - estimate) * error[k + 2], plogis(at$theta[[k + 2]] - z * error[k + 2]),
        plogis(at$theta[[k + 2]] + z * error[k + 2]))
  }
}
# Kenward and Roger's F tests are pbkrtest's, for lmer: models without serial correlation, by REML.
kenward_roger_tests <- function(id, fixed, random, data, means, covariates) {
  effects <- sub("~", "", paste(deparse(random), collapse = ""), fixed = TRUE)
  coding <- lapply(data[c("group", "time")], contrasts)  # lmer drops those that the factors carry
  model <- as.formula(paste(paste(deparse(fixed), collapse = ""), "+ (", effects, "| patient)"))
  to_the_end <- lme4::lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12))
  fit <- attempt(suppressMessages(lme4::lmer(model, data, contrasts = coding, control = to_the_end)))
  rows <- hypotheses(means, covariates, names(lme4::fixef(fit)))
  for (term in names(rows)) {
    found <- attempt(pbkrtest::KRmodcomp(fit, rows[[term]])$test["Ftest", ])
    record("mixed_model_term", paste(id, term, "kenward_roger_f", sep = "|"), n = nrow(data),
           statistic = found$stat, df_num = found$ndf, df_den = found$ddf, p_value = found$p.value)
  }
}

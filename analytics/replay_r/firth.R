## ---- Cox's model with Firth's penalty -----------------------------------------------------------------------

# R's packages for it (coxphf, logistf) are not among Debian's. These lines maximise l(b) + log det I(b) / 2, l the
# partial likelihood with Breslow's ties and I its information (Firth 1993); intervals and tests are those of the
# penalised profile likelihood (Heinze and Schemper 2001). Value and information are checked against coxph held at b.
firth_model <- function(id, file, groups, terms, strata) {
  data <- read_times(file, groups)
  data <- data[complete.cases(data[c(terms, strata)]), ]
  record("model", id, n = nrow(data), n_patients = nrow(data), n_events = sum(data$event))
  attempt(firth_terms(id, data, terms, strata))
}
firth_terms <- function(id, data, terms, strata) {
  x <- model.matrix(as.formula(paste("~", paste(terms, collapse = " + "))), data)[, -1, drop = FALSE]
  unit <- apply(x, 2, sd)
  x <- scale(x, scale = unit)
  surv <- aeqSurv(Surv(data$time_months, data$event))
  stratum <- if (length(strata)) as.integer(interaction(data[strata], drop = TRUE)) else rep(1, nrow(data))
  likelihood <- penalised(x, surv[, 1], surv[, 2] == 1, stratum)
  maximum <- maximise(likelihood, numeric(ncol(x)), rep(TRUE, ncol(x)))
  check_against_coxph(maximum$par, likelihood, x, surv, stratum)
  b <- maximum$par
  error <- sqrt(diag(solve(likelihood(b)$information)))
  for (j in seq_along(b)) {
    near <- b  # the next value is near the last one: go on from there
    held <- function(value) {
      found <- maximise(likelihood, replace(near, j, value), seq_along(b) != j, polish = 0)
      near <<- found$par
      found$value
    }
    excess <- function(value) 2 * (maximum$value - held(value)) - qchisq(0.95, 1)
    end <- function(side) {
      far <- 2
      while (excess(b[j] + side * far * error[j]) < 0 && far < 64) far <- far + 1
      root(excess, b[j], b[j] + side * far * error[j])
    }
    statistic <- 2 * (maximum$value - held(0))
    record("cox_term", paste(id, colnames(x)[j], sep = "|"), coefficient = b[j] / unit[j],
           std_error = error[j] / unit[j], hazard_ratio = exp(b[j] / unit[j]),
           ci_low = exp(end(-1) / unit[j]), ci_high = exp(end(1) / unit[j]),
           statistic = statistic, p_value = pchisq(statistic, 1, lower.tail = FALSE))
  }
}
# A function of b that gives the penalised value, its gradient and the information. At an event time, with weights of
# those at risk, m their mean and q = (x - m)' I^-1 (x - m): the penalty's gradient is half the sum of E[(x - m) q].
penalised <- function(x, time, event, stratum) {
  moments <- unique(data.frame(time = time[event], stratum = stratum[event]))
  sets <- lapply(seq_len(nrow(moments)), function(k) {
    inside <- stratum == moments$stratum[k]
    list(at_risk = which(inside & time >= moments$time[k]), failing = which(inside & event & time == moments$time[k]))
  })
  function(b) {
    value <- 0
    score <- numeric(length(b))
    information <- matrix(0, length(b), length(b))
    centred <- list()
    for (k in seq_along(sets)) {
      set <- sets[[k]]
      d <- length(set$failing)
      xs <- x[set$at_risk, , drop = FALSE]
      eta <- drop(xs %*% b)
      top <- max(eta)
      total <- sum(exp(eta - top))
      w <- exp(eta - top) / total
      centre <- colSums(w * xs)
      c_k <- xs - rep(centre, each = nrow(xs))
      value <- value + sum(x[set$failing, , drop = FALSE] %*% b) - d * (top + log(total))
      score <- score + colSums(x[set$failing, , drop = FALSE]) - d * centre
      information <- information + d * crossprod(c_k, w * c_k)
      centred[[k]] <- list(x = c_k, w = d * w)
    }
    inverse <- solve(information)
    penalty <- Reduce(`+`, lapply(centred, function(s) colSums(s$w * rowSums((s$x %*% inverse) * s$x) * s$x)))
    list(value = value + as.numeric(determinant(information)$modulus) / 2, plain = value,
         gradient = score + penalty / 2, information = information)
  }
}
# Over the free coefficients. Newton's steps at the end take the gradient to rounding error; the value does not need
# them, for it is flat there.
maximise <- function(likelihood, start, free, polish = 3) {
  if (!any(free)) return(list(par = start, value = likelihood(start)$value))
  full <- function(part) replace(start, free, part)
  part <- nlminb(start[free], function(p) -likelihood(full(p))$value, function(p) -likelihood(full(p))$gradient[free],
                 control = list(rel.tol = 1e-14, x.tol = 1e-12, iter.max = 500))$par
  for (step in seq_len(polish)) {
    curve <- sapply(seq_along(part), function(i) {
      h <- 1e-5 * (seq_along(part) == i)
      (likelihood(full(part - h))$gradient[free] - likelihood(full(part + h))$gradient[free]) / 2e-5
    })
    move <- attempt(solve(curve, likelihood(full(part))$gradient[free]))
    if (is.null(move) || max(abs(move)) > 0.01) break
    part <- part + move
  }
  list(par = full(part), value = likelihood(full(part))$value)
}
check_against_coxph <- function(b, likelihood, x, surv, stratum) {
  held <- suppressWarnings(
    coxph(surv ~ x + strata(stratum), ties = "breslow", init = b, control = coxph.control(iter.max = 0)))
  at <- likelihood(b)
  stopifnot(abs(at$plain - held$loglik[2]) < 1e-8 * abs(held$loglik[2]),
            max(abs(solve(at$information) - held$var)) < 1e-6 * max(abs(held$var)))
}

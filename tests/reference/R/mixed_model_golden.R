# Golden numbers for tests/unit/test_mixed_model_*.py beyond the reference cases: intervals of variance parameters, residuals,
# predicted effects, treatment contrasts, Tukey contrasts, likelihood ratios.
# Run in the repository:  OMP_NUM_THREADS=1 Rscript tests/reference/R/mixed_model_golden.R > tests/unit/golden/mixed_model.json
# R 4.2.2, nlme 3.1-162, lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2, car 3.1-1, emmeans 1.8.4.
suppressMessages({library(jsonlite); library(nlme); library(lmerTest); library(car); library(emmeans)})
options(contrasts = c("contr.treatment", "contr.poly"))
read_case <- function(case) read.csv(file.path("tests/reference/cases", case, "data.csv"), stringsAsFactors = FALSE)
tight <- lmeControl(maxIter = 500, msMaxIter = 500, niterEM = 50, tolerance = 1e-10, msTol = 1e-13, opt = "nlminb")
tight_lmer <- lmerControl(optimizer = "nloptwrap",
  optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, xtol_rel = 1e-12, ftol_rel = 1e-14, maxeval = 5000))

# nlme's intervals(), with the Hessian by Richardson extrapolation: nlme's own forward differences are good to a few per cent
exact_intervals <- function(fit, id, visit = NULL, slope = NULL) {
  X <- model.matrix(formula(fit), fit$data); y <- getResponse(fit); groups <- split(seq_along(y), as.character(id))
  minus_loglik <- function(v) { # log sd, (log sd, 2 atanh correlation), (2 atanh phi), log sigma
    D <- if (is.null(slope)) matrix(exp(2 * v[1])) else { s <- exp(v[1:2]); r <- tanh(v[3] / 2); matrix(c(s[1]^2, r * prod(s), r * prod(s), s[2]^2), 2) }
    phi <- if (is.null(visit)) 0 else tanh(v[length(v) - 1] / 2); s2 <- exp(2 * v[length(v)])
    A <- 0; b <- 0; q <- 0; ld <- 0
    for (i in groups) {
      Z <- cbind(rep(1, length(i)), slope[i])
      R <- if (is.null(visit)) diag(length(i)) else phi^abs(outer(visit[i], visit[i], "-"))
      V <- Z %*% D %*% t(Z) + s2 * R; W <- solve(V)
      A <- A + t(X[i, ]) %*% W %*% X[i, ]; b <- b + t(X[i, ]) %*% W %*% y[i]; q <- q + sum(y[i] * (W %*% y[i]))
      ld <- ld + as.numeric(determinant(V)$modulus)
    }
    (ld + as.numeric(determinant(A)$modulus) + q - sum(b * solve(A, b))) / 2
  }
  sds <- as.numeric(VarCorr(fit)[, "StdDev"]); v <- log(sds[1])
  if (!is.null(slope)) v <- c(v, log(sds[2]), 2 * atanh(cov2cor(getVarCov(fit))[2, 1]))
  if (!is.null(visit)) v <- c(v, 2 * atanh(coef(fit$modelStruct$corStruct, unconstrained = FALSE)))
  v <- unname(c(v, log(fit$sigma))); half <- qnorm(.975) * sqrt(diag(solve(numDeriv::hessian(minus_loglik, v))))
  ends <- cbind(v - half, v, v + half); k <- length(v)
  out <- list(`sd (Intercept)` = exp(ends[1, ]), sigma = exp(ends[k, ]))
  if (!is.null(slope)) { out$`sd Days` <- exp(ends[2, ]); out$`cor (Intercept), Days` <- tanh(ends[3, ] / 2) }
  if (!is.null(visit)) out$phi <- tanh(ends[k - 1, ] / 2)
  out
}

ortho <- read_case("lmm_ri_ar1_orthodont_missing")
ortho$Sex <- factor(ortho$Sex, levels = c("Male", "Female"))
ortho$age_f <- factor(ortho$age_f, levels = c("8", "10", "12", "14"))
# in the order of the rows: nlme's normalized residuals pair the rows of different patients otherwise
ortho$Subject <- factor(ortho$Subject, levels = unique(ortho$Subject))
contrasts(ortho$Sex) <- contr.sum(2); contrasts(ortho$age_f) <- contr.sum(4)
serial <- lme(distance ~ Sex * age_f, random = ~ 1 | Subject, correlation = corAR1(form = ~ visit | Subject), data = ortho,
  control = tight)
out <- list(orthodont_ar1 = list(intervals = exact_intervals(serial, ortho$Subject, ortho$visit), random_effects = ranef(serial)[levels(ortho$Subject), 1],
  residual = unname(as.vector(residuals(serial))), pearson = unname(as.vector(residuals(serial, type = "pearson"))),
  normalized = unname(as.vector(residuals(serial, type = "normalized"))),
  residual_marginal = unname(as.vector(residuals(serial, level = 0)))))

sleep <- read_case("lmm_ris_quad_sleepstudy")
slope <- lme(Reaction ~ Days + Days2, random = ~ Days | Subject, data = sleep, control = tight)
out$sleep_slope <- exact_intervals(slope, sleep$Subject, NULL, sleep$Days)

pbc <- read_case("lmm_ris_pbcseq_5visits")
pbc$trt <- factor(pbc$trt, levels = c("placebo", "D-penicillamine"))
pbc$time <- factor(pbc$time, levels = paste0("v", 1:5))
treatment <- lmer(logbili ~ trt * time + (1 + years | id), data = pbc, control = tight_lmer)
ca <- car::Anova(treatment, type = 3); lt <- anova(treatment, ddf = "Satterthwaite"); kr <- anova(treatment, ddf = "Kenward-Roger")
em <- emmeans(treatment, ~ time | trt, lmer.df = "satterthwaite")
tk <- as.data.frame(summary(contrast(em, "pairwise", adjust = "tukey")))
ek <- as.data.frame(summary(emmeans(treatment, ~ trt | time, lmer.df = "kenward-roger")))
out$pbc_treatment <- list(coef_names = names(fixef(treatment)), fixef = unname(fixef(treatment)),
  chisq = setNames(as.list(ca[, 1]), rownames(ca)),
  satterthwaite = setNames(lapply(seq_len(nrow(lt)), function(i) list(F = lt[i, 5], ddf = lt[i, 4])), rownames(lt)),
  kenward_roger = setNames(lapply(seq_len(nrow(kr)), function(i) list(F = kr[i, 5], ddf = kr[i, 4])), rownames(kr)),
  tukey = list(contrast = as.character(tk$contrast), trt = as.character(tk$trt), estimate = tk$estimate, se = tk$SE,
    df = tk$df, p = tk$p.value),
  means_kenward_roger = list(trt = as.character(ek$trt), time = as.character(ek$time), mean = ek$emmean, se = ek$SE,
    df = ek$df, lower = ek$lower.CL, upper = ek$upper.CL))

ml <- function(f) lmer(f, data = pbc, REML = FALSE, control = tight_lmer)
lr <- anova(ml(logbili ~ trt + time + (1 + years | id)), ml(logbili ~ trt * time + (1 + years | id)))
out$pbc_likelihood_ratio <- list(chisq = lr$Chisq[2], df = lr$Df[2], p = lr[["Pr(>Chisq)"]][2], AIC = lr$AIC)

mixed <- lmer(logbili ~ trt + log(albumin) + poly(years, 2):trt + (1 | id), data = pbc, control = tight_lmer)
out$pbc_formula <- list(coef_names = names(fixef(mixed)), fixef = unname(fixef(mixed)), se = unname(sqrt(diag(as.matrix(vcov(mixed))))))

# design columns: names, and their products with 1, 2, ... n, of formulas in both codings
design_data <- data.frame(a = rep(c("a1", "a2"), 12), b = rep(c("b1", "b2", "b3"), each = 8), x = (1:24 * 7) %% 11 + 1,
  t = (1:24 - 1) %% 4, stringsAsFactors = FALSE)
formulas <- c("a * b", "b + a:b", "a:b", "x:a", "a + x:a", "0 + a + b", "a * (x + I(x^2))", "log(x) + poly(t, 3)", "(a + b + x)^2 - a:x",
  "a / b", "b %in% a", "factor(t) * a", "poly(x, 2, raw = TRUE):a", "I(x - 1) + I(2 * x / (t + 1))", "x + t:x:a", "a + b - 1", "x^2")
out$designs <- lapply(formulas, function(f) {
  made <- lapply(c(sum = "contr.sum", treatment = "contr.treatment"), function(coding) {
    options(contrasts = c(coding, "contr.poly")); m <- model.matrix(as.formula(paste("~", f)), design_data)
    list(names = colnames(m), products = drop(unname(t(m) %*% seq_len(24)))) })
  c(list(formula = f), made) })
out$design_data <- as.list(design_data)
cat(toJSON(out, auto_unbox = TRUE, digits = NA, pretty = TRUE, na = "null"), "\n")

# Stratified log-rank tests of survival 3.5-3 (R 4.2.2) on survival's data set veteran: made by this script.
suppressMessages(library(survival)); options(digits = 15)
v <- survival::veteran
for (s in c("prior", "trt")) {
  f <- survdiff(as.formula(sprintf("Surv(time, status) ~ celltype + strata(%s)", s)), v)
  cat(s, f$chisq, length(f$n) - 1, pchisq(f$chisq, 3, lower.tail = FALSE), rowSums(f$obs), rowSums(f$exp), "\n")
}
f <- survdiff(Surv(time, status) ~ trt + strata(prior, celltype), v); cat("both", f$chisq, pchisq(f$chisq, 1, lower.tail=FALSE), "\n")
fit <- survfit(Surv(time, status) ~ 1, v[v$prior == 10 & v$celltype == "large", ], conf.type = "log-log")
cat(fit$time, "\n", fit$surv, "\n", fit$n.risk, "\n")

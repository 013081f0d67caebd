# more_cases.R : Rscript R/more_cases.R more_cases     writes case.json and data.csv of every case in more_cases/
# then            OMP_NUM_THREADS=1 Rscript R/refgen.R more_cases/*     (without brglm2, leave it out of refgen.R's list)
# Cases beyond the 40: small samples, ties, zero cells, larger tables, text groups with missing values, other
# distributions and kinds of censoring, other outcomes of pooled models. R 4.2.2; data of R's own packages.
library(jsonlite); suppressMessages({library(survival); library(MASS); library(mice)})
root <- commandArgs(TRUE)[1]
mk <- function(id, fam, d, ...) {
  dir <- file.path(root, id); dir.create(dir, showWarnings = FALSE, recursive = TRUE)
  write.csv(d, file.path(dir, "data.csv"), row.names = FALSE, na = "")
  write(toJSON(c(list(id_case = id, family = fam), list(...)), auto_unbox = TRUE, digits = NA), file.path(dir, "case.json"))
}
set.seed(11)
lung$sexf <- ifelse(lung$sex == 1, "male", "female")
two <- function(id, d, v, g, l) mk(id, "two_sample", d[, c(v, g)], value = v, group = g, levels = l)
two("two_lung_meal", lung, "meal.cal", "sexf", c("male", "female"))
two("two_number_groups", lung, "age", "sex", list(1, 2))
two("two_cars_carb", transform(mtcars, a = ifelse(am == 1, "man", "auto")), "carb", "a", c("man", "auto"))
seven <- c("a", "a", "a", "b", "b", "b", "b")
two("two_tiny", data.frame(x = c(1.2, 3.4, 2.2, 8.1, 9.3, 7.7, 6.6), g = seven), "x", "g", c("a", "b"))
two("two_tiny_ties", data.frame(x = c(1, 2, 2, 3, 3, 3, 4), g = seven), "x", "g", c("a", "b"))
two("two_unbalanced", data.frame(x = c(rnorm(15, -3), rexp(40)), g = rep(c("p", "q"), c(15, 40))), "x", "g", c("p", "q"))
two("two_small_numbers", data.frame(x = c(rnorm(25) * 1e-6, rnorm(20, .3) * 1e-6), g = rep(c("p", "q"), c(25, 20))), "x", "g", c("q", "p"))
k <- function(id, d, v, g, l) mk(id, "k_sample", d[, c(v, g)], value = v, group = g, levels = l)
k("k_airquality", transform(airquality, m = paste0("m", Month)), "Ozone", "m", paste0("m", 5:9))
k("k_cylinders", mtcars, "mpg", "cyl", list(4, 6, 8))
k("k_two_groups", lung, "age", "sexf", c("male", "female"))
tb <- function(id, d, r, c, rl, cl) mk(id, "table", d[, c(r, c)], row = r, col = c, row_levels = rl, col_levels = cl)
tb("table_lung_ecog", lung, "sexf", "ph.ecog", c("male", "female"), list(0, 1, 2, 3))
tb("table_cars", mtcars, "cyl", "gear", list(4, 6, 8), list(3, 4, 5))
co <- transform(subset(colon, etype == 1), rx = as.character(rx))
tb("table_colon_rx_differ", co, "rx", "differ", c("Obs", "Lev", "Lev+5FU"), list(1, 2, 3))
tb("table_colon_2x2", co, "rx", "obstruct", c("Obs", "Lev"), list(1, 0))
mm <- function(id, m) { d <- as.data.frame(m); names(d) <- paste0("c", seq_len(ncol(m))); mk(id, "table", d, columns = names(d)) }
mm("table_zero_corner", matrix(c(3, 0, 7, 9), 2)); mm("table_zero_diagonal", matrix(c(0, 5, 9, 0), 2))
mm("table_equal", matrix(c(4, 4, 4, 4), 2)); mm("table_thousands", matrix(c(1000, 1100, 900, 950), 2))
mm("table_3x3", matrix(1:9, 3)); mm("table_2x4_zero", matrix(c(0, 3, 1, 2, 5, 0, 2, 2), 2))
mm("table_4x5", matrix(rpois(20, 4), 4))
fb <- data.frame(table = "X", item = paste0("i", 1:30), comparison = "a vs b", n1 = sample(5:60, 30, TRUE), n2 = sample(5:60, 30, TRUE))
fb$a <- rbinom(30, fb$n1, .3); fb$b <- rbinom(30, fb$n2, .5)
fb$a[1] <- 0; fb$b[2] <- 0; fb$a[3] <- fb$n1[3]; fb$b[4] <- fb$n2[4]; fb$a[5] <- 0; fb$b[5] <- 1
mk("fisher_batch_drawn", "fisher_batch", fb)
mk("p_adjust_families", "p_adjust", data.frame(family = rep(c("u", "v", "w"), c(1, 2, 20)),
   p = c(.04, .01, .03, sample(c(runif(10)^3, .001, .001, 1, 0, .5, .5, .02, .02, .02, .7)))))
mk("p_adjust_two", "p_adjust", data.frame(p = c(.2, .01)))
t1 <- function(id, d, g, l, co, ca) mk(id, "table_one", d[, c(g, co, ca)], group = g, levels = l, continuous = co, categorical = ca)
t1("table_one_cars", transform(mtcars, cyl = paste0("c", cyl), vsx = ifelse(vs == 1, "yes", "no")), "cyl", c("c4", "c6", "c8"),
   c("mpg", "disp", "hp", "wt", "qsec"), c("vsx", "am", "gear", "carb"))
t1("table_one_births", transform(birthwt, r = paste0("r", race)), "r", c("r1", "r2", "r3"), c("age", "lwt", "bwt"),
   c("smoke", "ht", "ui", "ptl", "ftv"))
ce <- function(id, d, f, dist) mk(id, "censored_regression", d, formula = f, dist = dist)
tob <- data.frame(durable = c(0, 0.7, 0, 0, 1.1, 3, 0, 0, 10.4, 0, 0, 0, 3.5, 0, 0, 3.7, 0, 0, 0, 3.5),
  age = c(57.7, 50.9, 48.5, 50.3, 40.9, 50.4, 59.7, 57.6, 45.9, 48.1, 38, 36, 47, 50, 44, 41, 51, 48, 42, 46),
  quant = c(236, 283, 207, 278, 246, 276, 210, 214, 279, 205, 245, 253, 221, 270, 231, 275, 240, 269, 288, 226))
tob$ev <- as.integer(tob$durable > 0)
ce("censored_left_gaussian", tob, "Surv(durable,ev,type='left')~age+quant", "gaussian")
ce("censored_right_loglogistic", lung[, c("time", "status", "age", "sex", "ph.ecog")], "Surv(time,status==2)~log(age)+sex*ph.ecog", "loglogistic")
cp <- pbc[1:312, c("trt", "sex", "stage", "copper")]; cp <- cp[!is.na(cp$copper), ]
cp$trt <- ifelse(cp$trt == 1, "D-penicillamine", "placebo"); cp$sex <- as.character(cp$sex)
cp$lower <- ifelse(cp$copper < 40, NA, cp$copper); cp$upper <- ifelse(cp$copper < 40, 40, cp$copper)
i <- which(cp$copper > 250); cp$lower[i] <- 250; cp$upper[i] <- NA
i <- sample(nrow(cp), 40); cp$lower[i] <- pmax(cp$copper[i] - 20, 5); cp$upper[i] <- cp$copper[i] + 30
cp$trt[3:6] <- NA; cp$lower[10] <- NA; cp$upper[10] <- NA
ce("censored_three_ways", cp, "Surv(lower,upper,type='interval2')~trt*sex+stage", "lognormal")
ce("censored_three_ways_gaussian", cp, "Surv(lower,upper,type='interval2')~trt+sex+I(stage^2)", "gaussian")
ce("censored_strata", cp, "Surv(lower,upper,type='interval2')~trt+factor(stage)+strata(sex)", "lognormal")
ce("censored_exponential", cp, "Surv(lower,upper,type='interval2')~trt", "exponential")
mi <- function(id, d, f, model) mk(id, "mi_pool", d, formula = f, model = model)
nh <- complete(mice(nhanes2, m = 7, maxit = 3, seed = 3, printFlag = FALSE), "long"); names(nh)[2] <- "row"
mi("mi_interaction", nh, "log(chl)~bmi*hyp", "lm"); mi("mi_factor", nh, "chl~factor(age)+I(bmi^2)+bmi", "lm")
mi("mi_logistic", nh, "I(hyp=='yes')~bmi+chl", "glm")
aq <- complete(mice(airquality, m = 10, maxit = 3, seed = 4, printFlag = FALSE), "long"); names(aq)[2] <- "row"
mi("mi_ten", aq, "Ozone~factor(Month)+Wind", "lm")

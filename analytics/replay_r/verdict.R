## ---- What agrees --------------------------------------------------------------------------------------------

same <- (is.na(ours$ours) & is.na(ours$r)) | (!is.na(ours$ours) & !is.na(ours$r) & ours$ours == ours$r)
gap <- ifelse(same, 0, (ours$r - ours$ours) / ours$scale)
ours$relative_difference <- ifelse(ours$agreement == "not_above", pmax(gap, 0), abs(gap))
ours$agrees <- ours$computed & !is.na(ours$relative_difference) & ours$relative_difference <= ours$tolerance
shown <- c("result", "row", "quantity", "ours", "r", "relative_difference", "agreement", "tolerance", "agrees")
write.csv(ours[shown], "comparison.csv", row.names = FALSE, na = "", fileEncoding = "UTF-8")

in_order <- function(x) factor(x, levels = unique(x))
print_tolerance <- function(t) ifelse(t == 0, "exactly", paste("to", sprintf("%.0e", t)))
cat("\nOurs against R, number by number (all of them in comparison.csv):\n")
for (part in split(ours, list(ours$tolerance, in_order(ours$result)), drop = TRUE))
  cat(sprintf("  %-22s %5d of %5d agree %-8s largest difference %.1e\n", part$result[1], sum(part$agrees), nrow(part),
              print_tolerance(part$tolerance[1]), max(0, part$relative_difference, na.rm = TRUE)))

wrong <- ours[!ours$agrees, ]
if (nrow(wrong)) {
  cat("\nDifferences:\n")
  digits <- function(x) vapply(x, function(v) format(v, digits = 12), character(1))
  cat(sprintf("  %s %s, %s: ours %s, R %s\n", wrong$result, wrong$row, wrong$quantity, digits(wrong$ours),
              ifelse(wrong$computed, digits(wrong$r), "did not compute it")), sep = "")
}
short <- ours[ours$quantity == "log_likelihood" & ours$computed & !is.na(gap) & gap < -1e-3, ]
if (nrow(short)) {
  cat("\nlme stops below the maximum that we found, so that what follows from its fit differs:\n")
  cat(sprintf("  %s: log-likelihood %.6f, ours %.6f\n", short$row, short$r, short$ours), sep = "")
}
if (nrow(not_replayed)) {
  cat("\nNot replayed (each in not_replayed.csv):\n")
  for (part in split(not_replayed, in_order(not_replayed$reason)))
    cat(strwrap(paste0(paste(unique(part$result), collapse = ", "), ": ", part$reason[1]), 116, 2, 4), sep = "\n")
}
used <- c("nlme", "car", "emmeans", "survival", "lme4", "pbkrtest", "coin")
used <- used[used %in% loadedNamespaces()]
cat("\n", R.version.string, "", sep = "")
for (package in used) cat(",", package, as.character(packageVersion(package)))
tolerances <- paste(sprintf("%.0e", sort(unique(ours$tolerance[ours$tolerance > 0]))), collapse = ", ")
cat(sprintf("\n%d of %d numbers agree within their tolerances (counts exactly, others to %s); %d differ.\n",
            sum(ours$agrees), nrow(ours), tolerances, nrow(wrong)))
if (nrow(wrong)) quit(save = "no", status = 1)

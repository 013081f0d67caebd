## ---- Reading, and keeping account of what was compared ------------------------------------------------------

frame_file <- function(name) {
  if (!file.exists(name))
    stop("no file ", name, " here. Run `Rscript replay.R` in the folder that holds its frames; ",
         "a registry that masks small counts keeps them", call. = FALSE)
  name
}

# Frames are UTF-8, comma separated, with a header line. Ids of groups and visits are text, whatever they look like.
read_frame <- function(name) {
  read.csv(frame_file(name), na.strings = "", check.names = FALSE, encoding = "UTF-8",
           colClasses = text_columns(name))
}
text_columns <- function(name) {
  header <- scan(name, what = "", sep = ",", nlines = 1, quiet = TRUE)
  text <- intersect(c("group_id", "visit", "hospital_id", "sex", "onset_group"), header)
  setNames(rep("character", length(text)), text)
}

# One row per number of ours: which result, which of its rows, which quantity, the number (empty: ours says that there
# is none), and how R must find it: within tolerance x scale of it (near), or not above it (not_above).
ours <- read.csv(frame_file("ours.csv"), na.strings = "", encoding = "UTF-8", colClasses = c(
  result = "character", row = "character", quantity = "character", ours = "numeric",
  agreement = "character", tolerance = "numeric", scale = "numeric"))
not_replayed <- read.csv(frame_file("not_replayed.csv"), na.strings = "", encoding = "UTF-8",
                         colClasses = "character")
ours$r <- NA_real_
ours$computed <- FALSE
name_of <- function(result, row, quantity)
  iconv(paste(result, row, quantity, sep = "\t"), "UTF-8", "ASCII", sub = "byte")
place <- new.env()
for (i in seq_len(nrow(ours))) assign(name_of(ours$result[i], ours$row[i], ours$quantity[i]), i, envir = place)

# record("baseline_summary", "I|cmas|nxp2_jdm", mean = 31.3, sd = 11.8): R's numbers for one row. A quantity that ours
# does not state is passed over, so that a function below may record all that it knows.
record <- function(result, row, ...) {
  values <- list(...)
  for (quantity in names(values)) {
    at <- place[[name_of(result, row, quantity)]]
    if (is.null(at)) next
    value <- values[[quantity]]
    ours$r[at] <<- if (length(value) == 1) as.numeric(value) else NA_real_
    ours$computed[at] <<- TRUE
  }
}
# Whether ours states a number for a quantity, and the number that R found for it.
is_stated <- function(result, row, quantity) {
  at <- place[[name_of(result, row, quantity)]]
  !is.null(at) && !is.na(ours$ours[at])
}
found_by_r <- function(result, row, quantity) ours$r[place[[name_of(result, row, quantity)]]]
# R's answer, or NULL where R stops with an error: what was to be compared then counts as a difference.
attempt <- function(expression) tryCatch(suppressWarnings(expression), error = function(e) NULL)

# Root of a function between two ends, as exactly as doubles allow.
root <- function(f, low, high, extend = "no")
  uniroot(f, c(low, high), tol = 1e-14, maxiter = 5000, extendInt = extend)$root

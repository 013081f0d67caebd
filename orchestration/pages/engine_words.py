"""The texts that the pages show and others write: what `words.py` recognises and the catalogue translates.

Belongs here: sentences and codes of results, criteria, reasons and comparisons, as messages with values.
Words that the engine keeps in dictionaries, and texts that stand in seeds, are read from there. Does not
belong here: names of concepts, antibodies, events and treatments, whose Chinese names the seeds list.

A sentence is a message as in `gettext`: ``%(name)s`` takes any text, ``%(name)d`` a number of any form. A
sentence that the engine says and nobody lists here stays English on a page in Chinese.
"""

from __future__ import annotations

from collections.abc import Iterator

from analytics.words import wording
from orchestration.registry.catalogue import seed

IN_DICTIONARIES = (
    wording.STATUS_WORDS, wording.TEST_WORDS, wording.EFFECT_WORDS, wording.ADJUSTMENT_WORDS,
    wording.TERM_WORDS, wording.PARAMETER_KINDS,
)  # fmt: skip
IN_SEEDS = (
    ("definitions", "definition_name"),
    ("definitions", "rule"),
    ("definition_categories", "category"),
)


def texts() -> Iterator[str]:
    """Every text to translate."""
    for dictionary in IN_DICTIONARIES:
        yield from filter(None, dictionary.values())
    for table, column in IN_SEEDS:
        yield from (row[column] for row in seed(table))
    yield from SENTENCES


SENTENCES = (
    # codes
    "baseline", "month %(number)d", "male", "female", "juvenile", "adult", "positive", "borderline",
    "negative", "no specific antibody", "followed", "met", "not met", "cannot tell", "present", "absent",
    "unknown", "possible", "probable", "definite", "recorded", "identity", "unitless", "score", "titer",
    "grade", "result", "line blot", "dot blot", "immunoprecipitation", "unstated", "cba", "clia", "iif hep2",
    "elisa", "elisa %(which)s", "grade in words", "cut off as sent", "range as sent", "age at onset",
    "visit date", "disease duration months", "fct time to event", "bohan peter 1975", "eular acr 2017",
    "mas 2016", "ild", "arrhythmia", "rapidly progressive ild", "enzymes", "rash", "weakness", "emg",
    "biopsy", "heliotrope", "gottron sign", "gottron's sign", "upper limbs", "lower limbs", "neck flexors",
    "legs proximal", "endomysial", "perimysial", "perifascicular", "rimmed vacuoles", "age 18 to 39",
    "age 40 or more", "jo1", "ars", "any weakness", "finger flexors", "no response", "emg myopathic",
    "blood count", "blood gas", "body fluid", "cardiac marker", "chemistry", "coagulation", "complement",
    "csf", "cytokine", "drug level", "hormone", "immunoglobulin", "infection", "inflammation", "iron",
    "lipid", "liver", "lung function", "lymphocyte subset", "muscle enzyme", "renal", "urine", "ventilation",
    "vital", "vitamin", "anthropometry", "autoimmunity", "background", "complication", "sign", "malignancy",
    "relapse", "death", "other", "years", "months", "days", "week", "month", "quarter", "year", "log",
    "sqrt", "none",
    # who is in an analysis
    "msa %(antibody)s", "onset_group %(group)s", "sex %(sex)s", "diagnosis %(which)s",
    "with %(n)d of %(all)d variables at %(visit)s", "with %(n)d of %(all)d values",
    "without a value at any of the visits", "without a value at each of the visits",
    "without a value of %(variable)s at %(visit)s", "in a group that this analysis does not compare",
    "within the horizon", "a competing event came first", "not followed from %(origin)s",
    "events while followed: %(n)d", "end of the endpoint's horizon", "end of the data", "lost", "died",
    "transferred", "an event on an unknown day", "last seen", "no myositis-specific antibody",
    "antibodies conflict", "in none of the groups", "in several groups",
    # printed tables
    "Table %(number)s", "Table %(number)s. %(title)s", "%(one)s vs %(other)s", "%(variable)s, n (%%)",
    "%(what)s (%(unit)s)", "Variable", "Comparison", "All groups", "Trend over the groups", "test",
    "effect is a", "effect (CI)", "second effect (CI)", "adj. p", "status", "ratio", "difference", "Term",
    "Statistic", "Model", "Difference (95% CI)", "Estimate (95% CI)", "Hazard ratio (95% CI)",
    "Ratio (95% CI)", "Parameter", "Kind", "Events", "Median, months (95% CI)", "p, proportional hazards",
    "Cause", "Cumulative incidence at the end (95% CI)", "Restricted mean, months (95% CI)",
    "%(estimate)d (%(low)d to %(high)d)", "%(estimate)d (%(low)d to not reached)", "Onset < %(age)d years",
    "Onset ≥ %(age)d years", "Onset %(low)d – < %(high)d years", "%(low)d to %(high)d", "not reached",
    "no test", "to", "mixed models, type III tests (%(test)s)", "Mixed models, type III tests",
    "Differences between groups at each visit", "%(pair)s: differences at each visit",
    "Means that the models estimate (95% CI)", "Parameters of the mixed models",
    "Events and median time: %(endpoint)s", "Log-rank tests: %(endpoint)s", "Cox models: %(endpoint)s",
    "Models of competing and recurrent events: %(endpoint)s", "Cumulative incidence: %(endpoint)s",
    "Restricted means: %(endpoint)s", "%(cause)s: Gray's test χ² %(statistic)d, df %(df)d, p %(p)s",
    "Mean ± SD, median (first quartile, third quartile) or n (%). Where values are missing, n is the "
    "number known.",
    "Tests and their effects: %(tests)s.",
    "Effects compare the first group with the second, with 95% confidence intervals. A difference is "
    "first minus second, and 0 means none; a ratio is first over second, and 1 means none.",
    "All groups: one test of all of them together. Its effect is a share of 1 and has no direction; "
    "its p values are adjusted among themselves.",
    "Adjusted p: %(how)s.", "Estimated marginal means of the model, first group minus second.",
    "In group \"%(group)s\" fewer than half had the event: the median is not reached.",
    "Too few events: %(n)d events for %(parameters)d parameters, fewer than %(each)d each: the "
    "intervals say how little is known.",
    "%(n)d events for %(parameters)d parameters, fewer than %(each)d each: the intervals say how "
    "little is known.",
    "Nobody had a competing event: this is Cox's model",
    "p is below 0.05 and the interval holds %(value)d: test and interval follow different rules and "
    "can disagree this near the limit",
    "Partial eta squared %(estimate)d (%(low)d to %(high)d)",
    "%(n)d patients without a value at every visit are left out", "%(n)d patients", "%(n)d patient",
    "%(n)d values", "%(n)d events", "%(n)d event",
    # methods
    "linear mixed model", "random intercept and slope (months)", "random intercept", "AR1 over visits",
    "sum contrasts", "treatment contrasts", "repeated-measures ANOVA", "type III", "complete cases",
    "greenhouse-geisser", "efron ties", "breslow ties", "exact ties", "Firth-penalised Cox",
    "robust by %(n)d clusters", "Mann-Whitney", "normal approximation with continuity correction",
    "Welch's t test", "Student's t test", "Fisher's exact test",
    # what people want to know of the numbers
    "%(table)s: every %(group)s patient is from %(hospital)s and every %(other)s patient from "
    "%(place)s. A difference between these groups is also a difference between hospitals "
    "(laboratories, habits, referral), and the data cannot tell the two apart.",
    "%(n)d of %(all)d rows of the cohort are a person who also counts at another hospital (linked by "
    "an identifier that both send). The analyses take them for different people; one_row_per_person: "
    "true in the study file counts each once.",
    "%(group)s: %(n)d of %(all)d were not followed for the %(horizon)d months of endpoint %(endpoint)s "
    "(%(seen)s). They count in the curve up to then, and as missing where a table counts the "
    "endpoint%(rule)s. If they were more likely to have the event than those who stayed, the curve "
    "shows it too seldom; if less likely, too often.",
    "%(group)s: %(n)d of %(all)d were not followed for the %(horizon)d months of endpoint %(endpoint)s "
    "(%(seen)s). They count in the curve up to then, and as missing where a table counts the endpoint. "
    "If they were more likely to have the event than those who stayed, the curve shows it too seldom; "
    "if less likely, too often.",
    " (unless seen without the event for %(months)d months)", "last seen after %(low)d to %(high)d months",
    "last seen after %(months)d months", "their time never began",
    "%(group)s: %(n)d event in %(all)d patients. A hazard ratio against this group rests on so little "
    "that ordinary Cox regression overstates what is known; read Firth's penalised estimate with its "
    "profile interval.",
    "%(group)s: %(n)d events in %(all)d patients. A hazard ratio against this group rests on so little "
    "that ordinary Cox regression overstates what is known; read Firth's penalised estimate with its "
    "profile interval.",
    "%(table)s, %(variable)s: %(n)d of %(all)d values lie beyond a detection limit. They stay bounds: "
    "quartiles and test take them as what is known of them.",
    "%(table)s, %(variable)s: %(n)d of %(all)d values lie beyond a detection limit and enter the table "
    "as the limit, because the study file says so. A mean or quartile at the limit is no measurement.",
    "%(table)s, %(variable)s: %(n)d of %(all)d values lie beyond a detection limit and enter the table "
    "as half the limit, because the study file says so. A mean or quartile at the limit is no "
    "measurement.",
    "%(table)s: %(n)d of %(all)d p values are below 0.05, where about %(chance)d would be if no group "
    "differed; %(kept)d remain below it after adjustment (%(how)s). %(control)s That the other "
    "%(rest)d do not remain shows neither that they are chance nor that they are not.",
    "%(table)s: %(n)d of %(all)d p values are below 0.05, where about %(chance)d would be if no group "
    "differed; %(kept)d remains below it after adjustment (%(how)s). %(control)s That the other "
    "%(rest)d do not remain shows neither that they are chance nor that they are not.",
    "The adjustment keeps the expected share of false findings among those that remain at 5% at most.",
    "The adjustment keeps the chance of even one false finding among those that remain at 5% at most.",
    "Groups below %(n)d patients: %(groups)s. An absence of a difference here is not evidence of "
    "equality; read the intervals.",
    "%(model)s: in %(n)d of %(all)d groups' visits the standard deviation exceeds the mean, which a "
    "normal model of values that cannot be negative does not expect; a model of the logarithm is the "
    "safer reading.",
    "%(n)d rows of the tables rest on fewer patients than the column headers say; each row's n stands "
    "beside it. A table leaves a patient without a value out: that is right if, within a group, they "
    "are like the others, which the data cannot show.",
    "%(what)s asks for %(column)s \"%(value)s\", which no patient of this release has, so it counts "
    "nobody. Values of %(name)s in this release: %(values)s.",
    "%(variable)s over visits", "%(endpoint)s within %(months)d months", "Relapse within the horizon",
    "under %(high)d", "%(low)d or older",
    # what changed between two releases
    "%(n)d %(what)s added", "%(n)d %(what)s removed", "%(n)d %(what)s corrected", "%(n)d %(what)s regrouped",
    "%(n)d %(what)s added by %(deliveries)s", "%(n)d %(what)s removed by %(deliveries)s",
    "%(n)d %(what)s corrected by %(deliveries)s", "%(n)d %(what)s corrected (record %(record)s)",
    "%(n)d %(what)s corrected (records %(record)s)", "%(n)d patients of %(hospital)s added%(trace)s",
    "%(n)d patient of %(hospital)s added%(trace)s", "%(n)d patients of %(hospital)s removed%(trace)s",
    "%(n)d patient of %(hospital)s removed%(trace)s", "%(n)d patients of %(hospital)s regrouped%(trace)s",
    "%(n)d patients of %(hospital)s moved from %(from)s to %(into)s%(trace)s",
    "%(n)d %(what)s added, of %(patients)d patients%(trace)s",
    "%(n)d %(what)s removed, of %(patients)d patients%(trace)s",
    "%(n)d %(what)s corrected, of %(patients)d patients%(trace)s",
    "%(n)d %(what)s changed, of %(patients)d patients%(trace)s",
    "%(n)d patient of %(hospital)s regrouped%(trace)s",
    "%(n)d patient of %(hospital)s moved from %(from)s to %(into)s%(trace)s",
    "%(n)d %(what)s added, of %(patients)d patient%(trace)s",
    "%(n)d %(what)s removed, of %(patients)d patient%(trace)s",
    "%(n)d %(what)s corrected, of %(patients)d patient%(trace)s",
    "%(n)d %(what)s changed, of %(patients)d patient%(trace)s", ", read differently from the same cells",
    " (record %(record)s)", " (records %(record)s)", " %(deliveries)s (record %(record)s)",
    " %(deliveries)s (records %(record)s)", "read differently from the same cells", "from the same cells",
    "by %(delivery)s", "by the new content of %(delivery)s", "because %(delivery)s was withdrawn",
    "because %(delivery)s is read by another mapping", "added", "removed", "changed", "corrected",
    "replaced", "withdrawn", "refused", "read by another mapping", "in force", "patients", "patient",
    "values", "value", "visits", "visit", "antibody results", "antibody result", "treatments", "treatment",
    "signs or events", "sign or event", "follow-up", "follow-ups",
    "follow-up to the horizon", "%(concept)s values", "%(concept)s value",
    "it is made from the study's other results", "the study file %(file)s asks for it now",
    "the study file %(file)s no longer asks for it",
    "the study file %(file)s states another way to compute it",
    "the study file %(file)s states other conditions of the groups", "none of its inputs differs: %(what)s",
    "none of its inputs differs between the two releases: the cause cannot be decided", "library", "program",
    "study", "study file", "small-cell threshold", "dates that leave the house", "visit schedule",
    "catalogue of concepts", "catalogue of events", "definitions", "hospitals",
    "%(file)s changed: %(parts)s", "%(file)s changed", "%(file)s added", "%(file)s removed",
    "%(n)d row changed", "%(n)d rows changed", "the models or the shipped catalogue changed",
    "the code of statistics or gates changed", "no group", "n", "p", "median", "mean", "adjusted p",
    "hazard ratio",
    # the public site
    "To the content", "release", "synthetic data", "This release holds no study.", "All studies", "Pages",
    "About", "Methods", "Who is in it", "The groups at baseline", "Courses over time", "Time to event",
    "Save as CSV", "The numbers as a table", "Groups and their sizes", "Without the event, %", "At risk",
    "Synthetic data. Nobody on this page exists; no number here says anything about a real patient, "
    "hospital or treatment.",
    "For publication: numbers of patients are rounded to 5, small ones masked, and what would give one "
    "back is left out.",
    "What is rounded, and what is left out", "Numbers of patients",
    "They are rounded to the nearest 5. One below %(smallest)d prints as <%(smallest)d. No whole "
    "stands beside all of its parts, so nothing follows by subtraction.",
    "Percentages and intervals", "They are made from the rounded numbers.", "P values",
    "They print by class: <0.001, <0.01, <0.05, ≥0.05. That of counts prints only where every count "
    "that the rounded ones stand for gives the same class.",
    "Small groups",
    "A group with a masked number of patients or events has no statistic and no curve, and is compared "
    "with none.",
    "Left out",
    "Single patients, reasons for exclusions, parameters of models, analyses beside the main ones, "
    "sentences about results, values printed elsewhere beside ours, and the quality of deliveries. "
    "They stand in the report inside the house.",
    "The tables of a study stand beside its pages as CSV in tables/, the figures as SVG, PNG and PDF "
    "in figures/. They hold the same rounded numbers.",
    "The numbers of this study are those of release",
    "A group has changed by fewer than five patients since, and two reports side by side would show "
    "what these patients have.",
    "not shown", "by month %(month)d", "Who counts for each analysis, and why not",
    "Who counts for each analysis", "Analysis", "Step", "In a group", "Counted",
    "Course of %(variable)s by group", "Share without the event: %(endpoint)s",
    "Numbers of patients are rounded to 5, and percentages are of rounded numbers; what rests on a "
    "small number is not shown.",
    "Means and medians are rounded to the digits of their spread. Intervals are made from the printed "
    "numbers.",
    "Bold lines: means with 95% confidence intervals. Numbers are rounded, and intervals made from the "
    "rounded ones. Single patients and visits of few patients are not shown. Last panel: the groups "
    "side by side, set apart for reading.",
    "Steps: life table made from rounded numbers of patients, of events and at risk. Groups of few "
    "events are not drawn, and a curve ends where few are left.",
    "Mean ± standard deviation, median (first and third quartile) or number (percent of those known), "
    "as the study file declares for each variable; halves are rounded away from zero.",
    "Comparisons of groups", "Summaries", "Survival curves", "Log-rank tests", "Restricted means",
    "Incidence of competing events", "Missing values", "Statuses", "Analyses beside the printed ones",
    "effect: %(effect)s with its 95%% interval",
    "Adjusted p values: %(how)s, over the comparisons of a table", "Terms are tested by %(test)s",
    "P values of differences at visits are adjusted after %(how)s", "Formula: %(formula)s",
    "Every analysis leaves out patients without the values that it needs. Nothing is imputed unless a "
    "method says so.",
    "Mean (95% CI), and below it median (quartiles).",
    # a choice on a page
    "The answer took more than %(seconds)d seconds and was stopped. Ask for fewer groups or visits, or "
    "state it as a study of the registry: a run has no such bound.",
    "The answer needs more than %(memory)d GB of memory. Ask for fewer groups or visits, or state it "
    "as a study of the registry: a run has no such bound.",
    "The process that computed the answer ended without one (exit code %(code)s). Ask again; if that "
    "happens again, tell whoever looks after this registry.",
    "%(variable)s, within %(days)d days", "Hazard ratios (Cox)", "Hazard ratios (Firth)", "singular",
    "%(what)s are perfectly dependent: their covariance is singular", "restricted mean",
    "area under the Kaplan-Meier curve", "BF, all", "Fisher mid-p", "Fisher, all", "Gehan exact",
    "Levene, all", "MW exact", "MW, no cc", "trend", "χ², all", "F, containment",
    "The answer could not be computed (%(why)s). Choose something else; if this should be possible, "
    "tell whoever looks after this registry.",
)  # fmt: skip

"""The people: who they are, when they came, what was seen, besides the searched values.

Belongs here: identities that cannot be real, dates, visits, signs, complications, antibody tests, treatments
and contacts, each drawn from its own seed so that a change of one leaves the others as they are; counts of
signs and complications are the published ones. Does not belong here: laboratory values and relapse days
(``solution.py``), file formats (``zjch.py``, ``zjfah.py``).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from tests.synthetic import published
from tests.synthetic.baseline import text
from tests.synthetic.published import read_rows
from tests.synthetic.relapse import SHOWS_DAYS
from tests.synthetic.solution import CONSTRAINTS, FollowUp, Solution, factor, groups, variables
from tests.synthetic.trajectories import NORMAL_CK

SEED = 20260
DAYS_PER_MONTH = 30.4375
ENROLMENT = {"zjch": (date(2018, 3, 5), date(2022, 3, 10)), "zjfah": (date(2016, 6, 1), date(2021, 3, 1))}
SIGN_MONTHS = (0, 3, 6, 12, 24)
SKIN_SIGNS = ("gottron_papules", "heliotrope_rash", "other_skin_rash")


@dataclass(frozen=True)
class Visit:
    """One contact with the hospital; ``month`` is None where it belongs to no visit of the schedule.

    ``signs`` is None where nobody asked for them.
    """

    day: int
    month: int | None
    kind: str  # inpatient, outpatient
    values: dict[str, str]
    signs: frozenset[str] | None


@dataclass(frozen=True)
class AntibodyTest:
    day: int
    antibody: str
    assay: str  # line_blot, elisa, immunofluorescence
    grade: str  # negative, weak, 1+, 2+, 3+, or a number
    cut_off: str


@dataclass(frozen=True)
class Treatment:
    drug: str
    start_day: int
    end_day: int | None
    dose: str
    unit: str
    route: str


@dataclass(frozen=True)
class Person:
    group: str
    number: int
    hospital: str
    hospital_number: str
    name: str
    identity_number: str
    telephone: str
    address: str
    is_female: bool
    birth_date: date
    onset_date: date
    baseline: date
    follow_up: FollowUp
    age_at_onset: str
    disease_duration: str
    complications: tuple[tuple[str, int, str], ...]  # variable, day, detail
    relapse_days: tuple[int, ...]
    visits: tuple[Visit, ...]
    antibodies: tuple[AntibodyTest, ...]
    treatments: tuple[Treatment, ...]
    contacts: tuple[tuple[int, str], ...]  # day, how

    def on(self, day: int) -> date:
        return self.baseline + timedelta(days=day)


def build(solution: Solution) -> list[Person]:
    """Every patient of the cohort, in the order of groups and numbers."""
    counts = {
        (s.group, s.variable): int(s.numbers[0].value)
        for s in published.summaries()
        if s.kind == published.COUNT_PERCENT
    }
    people = []
    serial = {"zjch": 0, "zjfah": 0}
    for group, row in groups().items():
        size = int(row["size"])
        present = _who_has(group, size, counts, solution)
        for number in range(1, size + 1):
            serial[row["hospital"]] += 1
            has = frozenset(name for name, members in present.items() if number in members)
            people.append(
                _person(
                    solution, group, number, row["hospital"], row["antibody"], serial[row["hospital"]], has
                )
            )
    return people


def _random(*topic: object) -> random.Random:
    return random.Random("/".join(map(str, (SEED, *topic))))


def _who_has(
    group: str, size: int, counts: dict[tuple[str, str], int], solution: Solution
) -> dict[str, set[int]]:
    """Members of a group with each sign or complication; macrophage activation goes to the highest
    ferritins.
    """
    present = {}
    for (of, variable), count in counts.items():
        if of != group or variable == "relapse":
            continue
        members = list(range(1, size + 1))
        _random(group, "who", variable).shuffle(members)
        if variable == "macrophage_activation_syndrome":
            members.sort(key=lambda n: -(solution.number((group, n, 0, "ferritin")) or 0.0))
        present[variable] = set(members[:count])
    return present


# ---------------------------------------------------------------- one person


def _person(
    solution: Solution,
    group: str,
    number: int,
    hospital: str,
    antibody: str,
    serial: int,
    has: frozenset[str],
) -> Person:
    seen = solution.follow_up[group, number]
    baseline = _baseline_date(group, number, hospital)
    age, duration = (solution.values[group, number, 0, name] for name in ("age_at_onset", "disease_duration"))
    onset = baseline - timedelta(days=round(float(duration) * DAYS_PER_MONTH))
    birth = onset - timedelta(days=round(float(age) * 12 * DAYS_PER_MONTH))
    adult = hospital == "zjfah"
    return Person(
        group=group,
        number=number,
        hospital=hospital,
        hospital_number=f"A{70000 + 37 * serial}" if adult else f"00{412000 + 53 * serial}",
        name=f"合成成人{serial:03d}" if adult else f"合成患儿{serial:03d}",
        identity_number=f"000000{birth:%Y%m%d}{900 + serial if adult else 100 + serial:03d}X",
        telephone=f"000{2 if adult else 1}{serial:07d}",
        address=f"虚构省虚构市合成路{serial}号",
        is_female="female" in has,
        birth_date=birth,
        onset_date=onset,
        baseline=baseline,
        follow_up=seen,
        age_at_onset=age,
        disease_duration=duration,
        complications=_complications(group, number, has),
        relapse_days=_relapse_days(group, number, seen),
        visits=_visits(solution, group, number, seen, has),
        antibodies=_antibody_tests(group, number, antibody, seen),
        treatments=_treatments(group, number, seen),
        contacts=_contacts(group, number, seen),
    )


def _baseline_date(group: str, number: int, hospital: str) -> date:
    first, last = ENROLMENT[hospital]
    draw = _random(group, number, "baseline")
    day = first + timedelta(days=draw.randrange((last - first).days))
    if any(row["note"].startswith("a tie") for row in _special_visits(group, number)):
        # From April, six calendar months are 183 days: the tie is one under either way of counting.
        day = day.replace(month=4, day=min(day.day, 28))
    return day


def _special_visits(group: str, number: int) -> list[dict[str, str]]:
    return [
        row
        for row in read_rows(CONSTRAINTS / "extra_visits.csv")
        if row["group"] == group and int(row["patient"]) == number
    ]


def _complications(group: str, number: int, has: frozenset[str]) -> tuple[tuple[str, int, str], ...]:
    draw = _random(group, number, "complications")
    details = {
        "other_complications": ("肺部感染", "高血压", "肝功能异常", "电解质紊乱"),
        "malignancy": ("ovarian", "lung", "nasopharyngeal"),
    }
    found = []
    for row in read_rows(CONSTRAINTS / "signs.csv"):
        day, pick = draw.randrange(0, 21), draw.random()
        if row["kind"] == "complication" and row["variable"] in has:
            of = details.get(row["variable"], ("",))
            found.append((row["variable"], day, of[int(pick * len(of))]))
    return tuple(found)


def _relapse_days(group: str, number: int, seen: FollowUp) -> tuple[int, ...]:
    """The first relapse, and for some a second, which no time-to-first-relapse analysis may count."""
    if seen.relapse_day is None:
        return ()
    draw = _random(group, number, "relapse")
    second = seen.relapse_day + draw.randrange(150, 300)
    return (
        (seen.relapse_day, second)
        if draw.random() < 0.25 and second < seen.last_seen_day
        else (seen.relapse_day,)
    )


# ---------------------------------------------------------------- visits


def _visits(
    solution: Solution, group: str, number: int, seen: FollowUp, has: frozenset[str]
) -> tuple[Visit, ...]:
    by_month: dict[int, dict[str, str]] = {}
    kinds = {name: row["kind"] for name, row in variables().items()}
    for (of, patient, month, variable), written in solution.values.items():
        if (of, patient) == (group, number) and kinds[variable] != "patient":
            by_month.setdefault(month, {})[variable] = written
    special = {int(row["month"]): row for row in _special_visits(group, number)}
    visits = []
    for month in sorted(by_month):
        day = (
            int(special[month]["day"])
            if month in special
            else _visit_day(group, number, month, seen, by_month)
        )
        values = by_month[month] | _unpublished_values(solution, group, number, month)
        visits.append(
            Visit(
                day,
                month,
                "inpatient" if month == 0 else "outpatient",
                values,
                _signs_at(group, number, month, has),
            )
        )
    visits += _off_schedule(group, number, seen, by_month, special)
    visits = [
        visit
        for visit in visits
        if visit.day not in _relapse_days(group, number, seen) or visit.month is not None
    ]
    visits += _relapse_visits(group, number, seen, visits, has)
    return tuple(sorted(visits, key=lambda visit: visit.day))


def _visit_day(
    group: str, number: int, month: int, seen: FollowUp, by_month: dict[int, dict[str, str]]
) -> int:
    """Near the nominal day. Where a relapse shows, the child comes with it; no relapse comes nearer than the
    visit.
    """
    row = next(row for row in read_rows(CONSTRAINTS / "visits.csv") if int(row["month"]) == month)
    jitter, nominal = int(row["jitter_days"]), int(row["nominal_day"])
    day = nominal + _random(group, number, "visit", month).randrange(-jitter, jitter + 1)
    for relapse in _relapse_days(group, number, seen):
        away = abs(relapse - nominal)
        if month and nominal < relapse <= nominal + jitter and _is_flare(month, by_month):
            return relapse
        if month and away <= abs(day - nominal):
            day = nominal - (away - 1 if relapse > nominal else 0) if away else nominal - 1
    return min(day, seen.last_seen_day) if seen.is_lost else day


def _is_flare(month: int, by_month: dict[int, dict[str, str]]) -> bool:
    """CK is more than half as high again as at the visit before."""
    before = max(m for m in by_month if m < month)
    now, then = by_month[month].get("ck"), by_month[before].get("ck")
    return now is not None and then is not None and float(now) > 1.5 * float(then)


def _relapse_visits(
    group: str, number: int, seen: FollowUp, visits: list[Visit], has: frozenset[str]
) -> list[Visit]:
    """A visit on the day of each relapse, unless a scheduled one falls on it, at which the relapse shows.

    Muscle strength: CK and CMAS; skin: rash; systemic: all three.
    """
    found = []
    for day in _relapse_days(group, number, seen):
        draw = _random(group, number, "relapse visit", day)
        if any(visit.day == day for visit in visits):
            continue
        scheduled = sorted((v for v in visits if v.month is not None), key=lambda v: v.day)
        before = [v for v in scheduled if v.day < day]
        after = [v for v in scheduled if day < v.day <= day + SHOWS_DAYS]
        in_muscle, in_skin = (
            seen.relapse_kind in kinds for kinds in (("muscle", "systemic"), ("rash", "systemic"))
        )
        values = {"ck": _ck_at_relapse(draw, group, before, after, in_muscle)}
        if group != "nxp2_adult_dm":
            values["cmas"] = _cmas_at_relapse(draw, before, after, in_muscle)
        skin = frozenset(name for name in SKIN_SIGNS if name in has) or frozenset({"heliotrope_rash"})
        found.append(
            Visit(
                day,
                None,
                "inpatient" if in_muscle else "outpatient",
                values,
                skin if in_skin else frozenset(),
            )
        )
    return found


def _ck_at_relapse(
    draw: random.Random, group: str, before: list[Visit], after: list[Visit], in_muscle: bool
) -> str:
    def of(visits: list[Visit], at: int) -> float:
        known = [float(v.values["ck"].lstrip("<")) * factor(group, "ck") for v in visits if "ck" in v.values]
        return known[at] if known else 100.0

    last = of(before, -1)
    if not in_muscle:
        return text(
            "ck",
            group,
            last * draw.uniform(0.9, 1.1) if last < NORMAL_CK else draw.uniform(0.6, 0.9) * NORMAL_CK,
        )
    least = max(2.0 * last, of(after, 0) if after else 0.0, 2.0 * NORMAL_CK)
    return text("ck", group, least * draw.uniform(1.05, 2.2))


def _cmas_at_relapse(draw: random.Random, before: list[Visit], after: list[Visit], in_muscle: bool) -> str:
    last = next((int(v.values["cmas"]) for v in reversed(before) if "cmas" in v.values), 45)
    if not in_muscle:
        return str(min(max(last + draw.randrange(-1, 2), 3), 52))
    later = next((int(v.values["cmas"]) for v in after if "cmas" in v.values), 52)
    return str(max(min(last - draw.randrange(6, 12), later), 5))


def _signs_at(group: str, number: int, month: int, has: frozenset[str]) -> frozenset[str]:
    """Signs present at a visit: all at the first, each fading with time, none that was not there before.

    A relapse of the skin brings its signs back (``_relapse_visits``).
    """
    signs = sorted(row["variable"] for row in read_rows(CONSTRAINTS / "signs.csv") if row["kind"] == "sign")
    kept = set()
    for name in signs:
        until = 0 if name not in has else _random(group, number, "sign", name).choice(SIGN_MONTHS[1:])
        if name in has and (month == 0 or month < until):
            kept.add(name)
    return frozenset(kept)


def _unpublished_values(solution: Solution, group: str, number: int, month: int) -> dict[str, str]:
    """Laboratory values at follow-up that no published number rests on: baseline, drifting to normal."""
    if month == 0:
        return {}
    draw = _random(group, number, "drift", month)
    found = {}
    for variable, normal, spread, decimals in (
        ("wbc", 7.1, 1.6, 2),
        ("haemoglobin", 126, 9, 0),
        ("platelets", 275, 45, 0),
        ("alt", 24, 8, 0),
        ("ast", 30, 8, 0),
        ("ldh", 240, 40, 0),
    ):
        start = solution.values.get((group, number, 0, variable))
        if start is not None and draw.random() < 0.9:
            share = 0.55 ** (month / 3)
            value = float(start) * share + max(draw.gauss(normal, spread), 0.3 * normal) * (1 - share)
            found[variable] = f"{value:.{decimals}f}"
    return found


def _off_schedule(
    group: str,
    number: int,
    seen: FollowUp,
    by_month: dict[int, dict[str, str]],
    special: dict[int, dict[str, str]],
) -> list[Visit]:
    """Visits outside every window, and those that lose a window to a nearer one."""
    draw = _random(group, number, "off schedule")
    visits = []
    for chance, low, high in ((0.22, 248, 268), (0.2, 485, 530), (0.5, 1100, 1170)):
        day, luck = draw.randrange(low, high), draw.random()
        nearest = by_month.get(24) or by_month.get(12) or by_month[0]
        if luck < chance and day <= seen.last_seen_day:
            visits.append(Visit(day, None, "outpatient", _perturbed(draw, nearest), None))
    for month, row in special.items():
        visits.append(
            Visit(int(row["competing_day"]), None, "outpatient", _perturbed(draw, by_month[month]), None)
        )
    return visits


def _perturbed(draw: random.Random, values: dict[str, str]) -> dict[str, str]:
    """Other values of the followed variables, far enough that taking the wrong visit changes what is
    printed.
    """
    found = {}
    for variable in ("cmas", "ck", "il_10", "ifn_gamma"):
        text = values.get(variable)
        if text is None or text.startswith("<"):
            continue
        decimals = len(text.partition(".")[2])
        if variable == "cmas":
            found[variable] = str(max(int(text) - draw.randrange(5, 9), 3))
        else:
            found[variable] = f"{float(text) * draw.uniform(1.5, 2.2):.{decimals}f}"
    return found


# ---------------------------------------------------------------- antibodies, treatments, contacts


def _antibody_tests(group: str, number: int, own: str, seen: FollowUp) -> tuple[AntibodyTest, ...]:
    draw = _random(group, number, "antibodies")
    assay = draw.choices(("line_blot", "elisa"), (0.8, 0.2))[0]

    def positive(how: str) -> tuple[str, str]:
        if how == "elisa":
            return f"{draw.uniform(42, 190):.1f}", "20"
        return draw.choice(("1+", "2+", "2+", "3+", "3+")), ""

    day = draw.randrange(0, 8)
    tests = []
    if draw.random() < 0.15:  # a screening elsewhere, days before, that missed it
        tests.append(AntibodyTest(-draw.randrange(5, 20), own, "immunofluorescence", "negative", ""))
    tests.append(AntibodyTest(day, own, assay, *positive(assay)))
    for other in ("NXP2", "MDA5", "TIF1G", "MI2", "JO1", "SRP", "SAE"):
        if other != own and draw.random() < 0.75:
            tests.append(AntibodyTest(day, other, "line_blot", "negative", ""))
    ro52 = draw.choices(("negative", "weak", "2+", "3+"), (0.6, 0.1, 0.18, 0.12))[0]
    tests.append(AntibodyTest(day, "RO52", "line_blot", ro52, ""))
    if draw.random() < 0.35:
        again = draw.randrange(150, 420)
        if again <= seen.last_seen_day:
            how = draw.choice(("line_blot", "elisa"))
            tests.append(AntibodyTest(again, own, how, *positive(how)))
    return tuple(tests)


def _treatments(group: str, number: int, seen: FollowUp) -> tuple[Treatment, ...]:
    draw = _random(group, number, "treatments")
    adult = group == "nxp2_adult_dm"
    end = min(draw.randrange(420, 900), seen.last_seen_day)
    found = [
        Treatment(
            "glucocorticoid",
            draw.randrange(0, 5),
            end,
            "40" if adult else f"{draw.choice((1, 1.5, 2)):g}",
            "mg" if adult else "mg/kg",
            "oral",
        )
    ]
    options = (
        ("methotrexate", 0.7, "10" if adult else "15", "mg" if adult else "mg/m2", "oral"),
        ("ivig", 0.45, "2", "g/kg", "intravenous"),
        ("hydroxychloroquine", 0.4, "5", "mg/kg", "oral"),
        ("cyclosporine", 0.3, "3", "mg/kg", "oral"),
        ("mycophenolate", 0.2, "600", "mg/m2", "oral"),
        ("tofacitinib", 0.12, "5", "mg", "oral"),
    )
    for drug, chance, dose, unit, route in options:
        start, length, luck = draw.randrange(2, 60), draw.randrange(90, 700), draw.random()
        if luck < chance:
            stop = start + (2 if drug == "ivig" else length)
            found.append(
                Treatment(drug, start, stop if stop <= seen.last_seen_day else None, dose, unit, route)
            )
    return tuple(found)


def _contacts(group: str, number: int, seen: FollowUp) -> tuple[tuple[int, str], ...]:
    """Follow-up contacts; the last is the last time anybody heard of the patient."""
    draw = _random(group, number, "contacts")
    days = [day + draw.randrange(-20, 21) for day in (180, 365, 730)]
    found = [(day, draw.choice(("clinic", "telephone"))) for day in days if day < seen.last_seen_day - 10]
    found.append((seen.last_seen_day, "lost" if seen.is_lost else draw.choice(("clinic", "telephone"))))
    return tuple(found)

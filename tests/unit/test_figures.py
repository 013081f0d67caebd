"""What figures draw, how they say it in words, and that they are the same every time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from analytics.printed.figures import COLOURS, FORMATS, drawable, group_styles, inline_svg
from analytics.printed.study_figures import study_figures
from analytics.printed.survival_figure import survival_figure
from analytics.study.frames import StudyFrames
from orchestration.report.page import read_release
from tests.unit.report_fixture import make_release

SVG = "{http://www.w3.org/2000/svg}"


@lru_cache
def study() -> StudyFrames:
    with TemporaryDirectory() as folder:
        return read_release(make_release(Path(folder) / "r.duckdb")).studies[0]


@lru_cache
def figures() -> dict[str, object]:
    return {f.name: f for f in study_figures(study())}


@lru_cache
def svg(name: str) -> str:
    return figures()[name].render("svg").decode()


def texts(source: str) -> list[tuple[str, float, float]]:
    """(text, x, y) of every text of an SVG."""
    found = []
    for element in ET.fromstring(source).iter(f"{SVG}text"):
        place = element.get("x"), element.get("y")
        if None in place:
            place = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", "")).groups()
        found.append(("".join(element.itertext()).strip(), float(place[0]), float(place[1])))
    return found


def test_there_is_a_course_for_every_response_and_a_curve_for_every_endpoint() -> None:
    assert list(figures()) == [
        "nxp2_cmas_course",
        "nxp2_ck_course",
        "nxp2_il_10_ifn_gamma_ratio_course",
        "nxp2_relapse_curve",
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_figure_renders_to_the_same_bytes_every_time(kind: str) -> None:
    first, second = (
        next(f for f in study_figures(study()) if f.name == "nxp2_relapse_curve").render(kind)
        for _ in range(2)
    )
    assert first == second
    assert first.startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[kind])
    assert b"CreationDate" not in first and b"dc:date" not in first


def test_numbers_at_risk_stand_below_the_tick_of_their_time() -> None:
    found = texts(svg("nxp2_relapse_curve"))
    header = next(y for text, _, y in found if text == "Number at risk")
    below = next(y for text, _, y in found if text == "36" and y < header)
    ticks = {text: x for text, x, y in found if abs(y - below) < 1}
    expected = {row["time"]: row["at_risk"] for row in study().rows("survival_at_risk", group_id="nxp2_jdm")}
    line = next(y for text, _, y in found if text == "NXP2⁺ JDM" and y > header)
    printed = sorted((x, int(text)) for text, x, y in found if text.isdigit() and abs(y - line) < 1)
    assert [n for _, n in printed] == [expected[t] for t in sorted(expected)] == [18, 17, 13, 11, 9, 7, 6]
    for (x, _), time in zip(printed, sorted(expected), strict=True):
        assert x == pytest.approx(ticks[f"{time:g}"], abs=0.5)


def test_wide_positive_ranges_get_a_log_axis_and_medians_others_a_linear_axis_and_means() -> None:
    ck, cmas = figures()["nxp2_ck_course"], figures()["nxp2_cmas_course"]
    assert [a.get_yscale() for a in ck.figure.axes if a.get_visible()] == ["log"] * 5
    assert [a.get_yscale() for a in cmas.figure.axes] == ["linear"] * 4
    assert "medians with quartiles, on a logarithmic axis" in ck.caption and "log scale" in svg(
        "nxp2_ck_course"
    )
    assert "means with 95% confidence intervals" in cmas.caption


def test_every_patient_is_one_thin_line_in_the_panel_of_its_group() -> None:
    panels = figures()["nxp2_cmas_course"].figure.axes
    rows = study().rows("trajectory_patient", response="cmas")
    for panel, group in zip(panels, ("nxp2_jdm", "mda5_jdm", "tif1g_jdm"), strict=False):
        courses = [r["line"] for r in rows if r["group_id"] == group]
        longer = [line for line in set(courses) if courses.count(line) > 1]
        assert len(panel.collections[0].get_segments()) == len(longer)
    assert [p.get_title(loc="left") for p in panels] == ["NXP2⁺ JDM", "MDA5⁺ JDM", "TIF1γ⁺ JDM", "Means"]


def test_groups_differ_in_colour_line_and_marker_and_colours_read_on_white() -> None:
    styles = list(group_styles(study()).values())
    for part in ("colour", "line", "marker"):
        assert len({str(getattr(s, part)) for s in styles}) == len(styles)
    assert all(contrast_on_white(colour) >= 4.5 for colour in COLOURS)


def contrast_on_white(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


@pytest.mark.parametrize(
    ("label", "drawn"),
    [("NXP2⁺ JDM", "NXP2⁺ JDM"), ("TIF1γ", "TIF1γ"), ("抗NXP2⁺", "nxp2_jdm"), ("χ²", "χ²")],
)
def test_a_label_is_drawn_when_the_font_has_it_and_else_gives_way_to_its_id(label: str, drawn: str) -> None:
    assert drawable(label, fallback="nxp2_jdm") == drawn


def test_a_group_without_events_has_a_level_curve() -> None:
    axes = figures()["nxp2_relapse_curve"].figure.axes[0]
    level = next(line for line in axes.get_lines() if line.get_label() == "NXP2⁺ adult DM")
    assert set(level.get_ydata()) == {100.0}


def test_the_intervals_of_many_curves_stand_in_panels_of_their_own() -> None:
    axes = figures()["nxp2_relapse_curve"].figure.axes
    bands = [len(a.collections) for a in axes]
    assert bands == [0, 1, 1, 1, 1], "the curves without bands, then a panel with one band for each group"
    assert [a.get_title(loc="left") for a in axes[1:]] == [s.label for s in group_styles(study()).values()]


def test_the_intervals_of_two_curves_stand_where_the_curves_are() -> None:
    frames = {n: f for n, f in study().frames.items()}
    curve = frames["survival_curve"]
    frames["survival_curve"] = curve[curve["group_id"].isin(["nxp2_jdm", "mda5_jdm"])]
    (axes,) = survival_figure(StudyFrames("nxp2", frames), "relapse").figure.axes
    assert len(axes.collections) == 2


@pytest.mark.parametrize("narrow", [False, True], ids=["7 inches", "3.35 inches"])
def test_a_figure_keeps_the_size_of_its_letters_in_a_column(narrow: bool) -> None:
    for figure in figures().values():
        drawn = ET.fromstring(figure.render("svg", narrow=narrow))
        assert float(drawn.get("width").removesuffix("pt")) == pytest.approx(72 * (3.35 if narrow else 7.0))
        sizes = re.findall(r"font(?:-size)?: [^;\"]*?([\d.]+)px", ET.tostring(drawn, encoding="unicode"))
        assert sizes and min(map(float, sizes)) >= 6.5


def test_a_pdf_holds_letters_and_no_outlines() -> None:
    pdf = figures()["nxp2_relapse_curve"].render("pdf")
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf


def test_synthetic_data_say_so_in_the_figure_itself() -> None:
    assert all("synthetic data" in svg(name) for name in figures())


def test_figures_in_one_page_are_described_and_share_no_id() -> None:
    pages = [inline_svg(svg(n), n, figures()[n].title, figures()[n].description) for n in figures()]
    ids = [i for page in pages for i in re.findall(r'\bid="([^"]+)"', page)]
    assert len(ids) == len(set(ids))
    for page in pages:
        known = set(re.findall(r'\bid="([^"]+)"', page))
        used = re.findall(r"url\(#([^)]+)\)|xlink:href=\"#([^\"]+)\"", page)
        assert {a or b for a, b in used} <= known
        assert page.startswith("<svg") and 'role="img"' in page and "<metadata" not in page
        assert set(re.search(r'aria-labelledby="([^"]+)"', page).groups()) <= known
    assert "Mean CMAS (points) by group and visit. NXP2⁺ JDM: " in pages[0]

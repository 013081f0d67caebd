"""Which figures the results of a study allow.

Belongs here: the list of them. Does not belong here: what one figure draws (`course_figure.py`,
`survival_figure.py`), styles and files (`figures.py`).
"""

from __future__ import annotations

from analytics.printed.course_figure import trajectory_figure
from analytics.printed.figures import StudyFigure
from analytics.printed.survival_figure import survival_figure
from analytics.study.frames import StudyFrames


def study_figures(study: StudyFrames) -> list[StudyFigure]:
    """Every figure that the study's results allow: a course per response, a curve per endpoint."""
    made = [trajectory_figure(study, response) for response in study.distinct("trajectory_mean", "response")]
    made += [survival_figure(study, endpoint) for endpoint in study.distinct("survival_curve", "endpoint")]
    return [figure for figure in made if figure is not None]

"""dbt's own unit tests of the models: a small visible table in, the expected rows out."""

from __future__ import annotations

from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from orchestration.warehouse import dbt


def test_every_unit_test_of_the_models_passes(shipped_run: Registry) -> None:
    point_at(shipped_run)
    results = dbt.test(shipped_run, "test_type:unit")
    assert {r.unique_id.split(".")[-1] for r in results} == {
        "nearest_visit_wins_its_window_and_a_tie_goes_to_the_earlier",
        "units_convert_by_a_named_rule_and_a_limit_is_no_value",
        "a_grade_decides_then_the_cut_off_sent_then_the_assays_own",
        "two_specific_antibodies_are_a_conflict_and_an_unread_test_leaves_the_status_open",
        "a_ratio_of_a_censored_part_is_a_bound",
        "time_ends_with_the_event_the_last_contact_or_the_horizon",
        "time_begins_at_the_origin_and_the_patient_counts_from_the_baseline",
        "a_criterion_is_true_false_or_open_by_what_is_known",
        "bohan_and_peter_count_muscle_criteria_with_and_without_the_rash",
        "the_2017_score_has_the_published_cut_offs_and_bounds_where_inputs_are_missing",
        "activation_of_macrophages_is_judged_by_results_of_one_time",
        "involvement_relapse_baseline_and_course_are_met_not_met_or_open",
        "an_ordinary_value_lies_below_no_limit_so_an_average_is_the_share_below",
        "the_baseline_row_holds_the_baseline_visit_or_else_the_first",
        "the_time_at_risk_is_cut_at_each_year_and_ends_once",
        "a_treatment_runs_at_a_visit_from_its_start_to_its_stop_and_a_partial_date_leaves_it_open",
    }
    assert [(r.unique_id, r.message) for r in results if not r.passed] == []


def test_every_test_of_the_catalogue_passes(shipped_run: Registry) -> None:
    point_at(shipped_run)
    results = dbt.test(shipped_run, "path:seeds")
    assert len(results) > 100
    assert [r.unique_id for r in results if not r.passed] == []

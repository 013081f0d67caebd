"""One table: the smallest delivery that breaks each rule, what its sentence tells to do, what is then held.

Belongs here: the cases. Does not belong here: running them (`test_remedies.py`). Each case is a hospital of
its own. All rows are invented (synthetic).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PATIENTS = "id,sex\n1,f\n"
LABS = "id,day,test,value,unit\n"
GOOD = [f"1,2024-02-0{n},LDH,{n},U/L" for n in (1, 2, 3)]  # so that one broken line is not most of a file
LAB_EXPORT = {
    "observations": {
        "patient_id": "id",
        "observed_on": "day",
        "concept": "test",
        "value": "value",
        "unit": "unit",
    }
}
BODY_EXPORT = {
    "antibodies": {
        "patient_id": "id",
        "tested_on": "day",
        "antibody": "ab",
        "result": "res",
        "assay": "assay",
    }
}
EVENT_EXPORT = {"events": {"patient_id": "id", "event_date": "day", "event": "event", "status": "status"}}
DRUG_EXPORT = {"treatments": {"patient_id": "id", "treatment": "drug", "start_date": "day", "dose": "dose"}}


@dataclass(frozen=True)
class Edit:
    """What a person does: keys of the mapping, keys of an export (by file), more exports, files."""

    keys: dict[str, Any] = field(default_factory=dict)
    exports: dict[str, dict[str, Any]] = field(default_factory=dict)
    added: tuple[dict[str, Any], ...] = ()
    files: dict[str, str | bytes] = field(default_factory=dict)
    additions: dict[str, str] = field(default_factory=dict)  # to the catalogue, by file of concepts/


@dataclass(frozen=True)
class Case:
    """One row that breaks a rule. Without an edit it stays so, and does not count."""

    rule: str
    says: str  # part of the sentence
    exports: dict[str, dict[str, Any]]
    files: dict[str, str | bytes]
    edit: Edit | None
    after: tuple[str, ...] = ()  # facts in the marts once the edit is made
    keys: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    leaves: tuple[str, ...] = ()  # rules by which the row is still told of
    beside: tuple[str, ...] = ()  # other rules that the same rows break

    @property
    def sender(self) -> str:
        return f"{self.rule}{self.name}"


def _case(
    file: str, usual: dict[str, Any], header: str, rule: str, lines: str, says: str, edit: Edit | str | None, *after: str,
    export: dict[str, Any] | None = None, patients: str | None = None, **rest: Any,
) -> Case:  # fmt: skip
    """A case of one file beside the patients; an ``edit`` that is a text replaces the file's lines."""
    made = Edit(files={file: f"{header}{edit}\n"}) if isinstance(edit, str) else edit
    files: dict[str, str | bytes] = {file: f"{header}{lines}\n"}
    if patients is not None:
        files["patients.csv"] = patients
    return Case(rule, says, {file: {**usual, **(export or {})}}, files, made, after, **rest)


def lab(rule: str, lines: str, says: str, edit: Edit | str | None, *after: str, **rest: Any) -> Case:
    return _case("labs.csv", LAB_EXPORT, LABS, rule, lines, says, edit, *after, **rest)


def body(rule: str, lines: str, says: str, edit: Edit | str | None, *after: str, **rest: Any) -> Case:
    return _case("bodies.csv", BODY_EXPORT, "id,day,ab,res,assay\n", rule, lines, says, edit, *after, **rest)


def event(rule: str, lines: str, says: str, edit: Edit | str | None, *after: str, **rest: Any) -> Case:
    return _case("events.csv", EVENT_EXPORT, "id,day,event,status\n", rule, lines, says, edit, *after, **rest)


def drug(rule: str, lines: str, says: str, edit: Edit | str | None, *after: str, **rest: Any) -> Case:
    return _case("drugs.csv", DRUG_EXPORT, "id,drug,day,dose\n", rule, lines, says, edit, *after, **rest)


def patient(
    rule: str, column: str, text: str, says: str, edit: Edit | str | None, *after: str, **rest: Any
) -> Case:
    """A case of the patients alone: one more column, which feeds one field."""
    field_name = rest.pop("field", column)
    usual = {"patients": {"patient_id": "id", "sex": "sex", field_name: column}}
    made = Edit(files={"patients.csv": f"id,sex,{column}\n1,f,{edit}\n"}) if isinstance(edit, str) else edit
    files: dict[str, str | bytes] = {"patients.csv": f"id,sex,{column}\n1,f,{text}\n"}
    return Case(rule, says, {"patients.csv": usual}, files, made, after, **rest)


def lines(rule: str, broken: str, says: str, fixed: str, *after: str, **rest: Any) -> Case:
    """A case of a line that cannot be split or read, among good ones."""
    good = "\n".join(GOOD)
    held = ("ldh 1 2024-02-01", "ldh 2 2024-02-02", "ldh 3 2024-02-03")
    return lab(rule, f"{good}\n{broken}", says, f"{good}\n{fixed}", *after, *held, **rest)


def ndjson(rule: str, broken: str, says: str, fixed: str) -> Case:
    usual = {
        "observations": {
            "patient_id": "id",
            "observed_on": "day",
            "concept": "test",
            "value": "v.x",
            "unit": "unit",
        }
    }
    usual |= {"ignored": ["*"]}
    good = '{"id": "1", "day": "2024-02-01", "test": "LDH", "v": {"x": 1}, "unit": "U/L"}'
    after = ("ck 100 2024-01-01", "ldh 1 2024-02-01")
    made = Edit(files={"labs.ndjson": f"{good}\n{fixed}\n"})
    return Case(rule, says, {"labs.ndjson": usual}, {"labs.ndjson": f"{good}\n{broken}\n"}, made, after)


def codes(kind: str, word: str, meaning: object) -> Edit:
    return Edit(keys={"codes": {kind: {word: meaning}}})


CK = "ck 100 2024-01-01"
VISITS = {"visits": {"patient_id": "id", "visit_id": "visit", "visit_date": "day", "visit_end_date": "end"}}
NETWORK = {"patients": {"patient_id": "id", "sex": "sex", "hospital_id": "site"}}
NAMED_LAB = '{"id": "1", "day": "2024-01-01", "test": "CK", "v": {"x": 100}, "unit": "U/L"}'
TOO_LONG = ", ".join(["1"] * 65)

CASES = (
    # who, and when
    lab("patient_id_missing", ",2024-01-01,CK,100,U/L", "found no patient id; expected a patient id in every row; ask the hospital for the patient's id", "1,2024-01-01,CK,100,U/L", CK),
    lab("patient_unknown", "9,2024-01-01,CK,100,U/L", "found a patient id that no row of the patients table has; expected a patient who is also in this hospital's patients table; ask for the patient's row", Edit(files={"patients.csv": PATIENTS + "9,m\n"}), CK, "patient female", "patient male"),
    Case(
        "visit_unknown", "found a visit id that no row of the visits table has; expected a visit that is also in this hospital's visits table; ask for the visit's row",
        {"visits.csv": VISITS, "labs.csv": {"observations": {"visit_id": "visit", "concept": "test", "value": "value", "unit": "unit"}}},
        {"visits.csv": "id,visit,day,end\n1,a,2024-01-02,\n", "labs.csv": "visit,test,value,unit\nb,CK,100,U/L\n"},
        Edit(files={"visits.csv": "id,visit,day,end\n1,a,2024-01-02,\n1,b,2024-01-01,\n"}), ("ck 100 day 0", "visit 2024-01-01", "visit 2024-01-02"),
    ),
    Case("hospital_missing", "found no hospital; expected the hospital that a network's row is from; ask the network", {"patients.csv": NETWORK}, {"patients.csv": "id,sex,site\n1,f,\n2,f,a\n"}, Edit(files={"patients.csv": "id,sex,site\n1,f,b\n2,f,a\n"}), ("patient female", "patient female")),
    lab("date_missing", "1,,CK,100,U/L", "found no date; expected a date or an offset that places the record in time; ask the hospital for the date", "1,2024-01-01,CK,100,U/L", CK),
    lab("date_unreadable", "1,01.01.2024,CK,100,U/L", "; declare %d.%m.%Y, which reads it, under dates of the column", Edit(exports={"labs.csv": {"dates": ["%d.%m.%Y"]}}), CK),
    lab("date_unreadable", "1,31.02.2024,CK,100,U/L", "declared for the column; correct the date, or list the text under missing", "1,2024-01-01,CK,100,U/L", CK, name="_no_day"),
    patient("date_unreadable", "birth_date", "not known to us", "declared for the column; correct the date, or list the text under missing", Edit(keys={"missing": ["not known to us"]}), "patient female", name="_mark"),
    lab("date_ambiguous", "1,03/04/2024,CK,100,U/L", "declare one format under dates of the column", Edit(exports={"labs.csv": {"dates": ["%d/%m/%Y"]}}), "ck 100 2024-04-03", export={"dates": ["%d/%m/%Y", "%m/%d/%Y"]}),
    lab("date_read_by_order", "1,25/02/2021,CK,100,U/L\n1,03/04/2021,CK,110,U/L\n1,20/03/2021,CK,120,U/L\n1,30/04/2021,CK,140,U/L", "none: only the reading that was taken", None, "ck 100 2021-02-25", "ck 110 2021-03-04", "ck 120 2021-03-20", "ck 140 2021-04-30", export={"dates": ["%d/%m/%Y", "%m/%d/%Y"]}),
    patient("date_not_whole", "origin_date", "2024-01", "ask the hospital for the day", "2024-01-05", "patient female", keys={"dates": ["%Y-%m", "%Y-%m-%d"]}),
    patient("date_is_a_mark", "birth_date", "1900-01-01", "list the text under missing of the column", Edit(exports={"patients.csv": {"patients": {"patient_id": "id", "sex": "sex", "birth_date": {"column": "birth_date", "missing": ["1900-01-01"]}}}}), "patient female"),
    lab("date_of_another_calendar", "1,2567-01-01,CK,100,U/L", "ask the hospital for the date of the Gregorian calendar", "1,2024-01-01,CK,100,U/L", CK),
    lab("date_after_today", "1,2026-01-01,CK,100,U/L", "correct the date", "1,2024-01-01,CK,100,U/L", CK),
    patient("date_beyond_life", "birth_date", "1801-03-04", "correct the date", "1981-03-04", "patient female 1981"),
    lab("date_before_birth", "1,2014-01-01,CK,100,U/L", "correct this date or the date of birth", "1,2024-01-01,CK,100,U/L", "patient female 2020", CK, patients="id,sex,born\n1,f,2020-01-01\n", name=""),
    Case("birth_after_other_dates", "correct the date of birth or the other dates", {"patients.csv": {"patients": {"patient_id": "id", "sex": "sex", "birth_date": "born", "onset_date": "onset"}}}, {"patients.csv": "id,sex,born,onset\n1,f,2019-06-02,2019-05-01\n"}, Edit(files={"patients.csv": "id,sex,born,onset\n1,f,2009-06-02,2019-05-01\n"}), ("patient female 2009 9.9",), beside=("date_before_birth",)),
    Case("end_before_start", "correct the start or the end", {"visits.csv": VISITS}, {"visits.csv": "id,visit,day,end\n1,a,2024-01-02,2023-01-02\n"}, Edit(files={"visits.csv": "id,visit,day,end\n1,a,2024-01-02,2024-01-03\n"}), ("visit 2024-01-02",)),
    Case(
        "relapse_before_onset", "correct the relapse or the onset, or withdraw the question: myositis queries",
        {"patients.csv": {"patients": {"patient_id": "id", "sex": "sex", "onset_date": "onset"}}, "events.csv": EVENT_EXPORT},
        {"patients.csv": "id,sex,onset\n1,f,2020-01-01\n", "events.csv": "id,day,event,status\n1,2019-01-01,relapse,yes\n"},
        Edit(files={"events.csv": "id,day,event,status\n1,2021-01-01,relapse,yes\n"}), ("relapse present 2021-01-01",),
    ),
    lab("offset_unreadable", "1,soon,CK,100,U/L", "correct the offset, or list the text under missing", "1,5,CK,100,U/L", "ck 100 day 5", export={"observations": {"patient_id": "id", "observed_offset": {"column": "day", "offset_unit": "days"}, "concept": "test", "value": "value", "unit": "unit"}}),
    # results
    lab("value_missing", "1,2024-01-01,CK,n.d.,U/L", "none: the hospital marks the result as not known", None, keys={"missing": ["n.d."]}),
    lab("not_one_value", "1,2024-01-01,CK,2:320,U/L", "ask the hospital for the number; or write under codes.results what the text means", "1,2024-01-01,CK,100,U/L", CK),
    Case(
        "codes_disagree", "write under codes.concepts or codes.events what each code means, or null for a code that is not to count",
        {"labs.csv": {"observations": {"patient_id": "id", "observed_on": "day", "concept": "test", "other_names": "also", "value": "value", "unit": "unit"}}},
        {"labs.csv": "id,day,test,also,value,unit\n1,2024-01-01,CK,LDH,100,U/L\n"}, codes("concepts", "LDH", None), (CK,),
    ),
    lab("not_a_number", "1,2024-01-01,CK,1OO,U/L", "correct the value, or list the text under missing when it is a mark; a letter O, I or l stands among its digits", "1,2024-01-01,CK,100,U/L", CK),
    lab("not_a_number", "1,2024-01-01,CK,many,U/L", "correct the value, or list the text under missing when it is a mark", Edit(keys={"missing": ["many"]}), name="_mark", leaves=("value_missing",)),
    lab("number_ambiguous", '1,2024-01-01,CK,"1,234",U/L', "whether `decimal` is a point or a comma", Edit(keys={"decimal": "."}), "ck 1234 2024-01-01"),
    lab("result_unknown_word", "1,2024-01-01,SARS-CoV-2 RNA,odd,", "add the text under codes.results", codes("results", "SARS-CoV-2 RNA", {"odd": "positive"}), "sars_cov_2_rna positive 2024-01-01"),
    lab("physically_impossible", "1,2024-01-01,CMAS,99,", "correct the value", "1,2024-01-01,CMAS,49,", "cmas 49 2024-01-01"),
    lab("concept_unknown", "1,2024-01-01,Unheard of,100,U/L", "under codes.concepts with the concept's id or null", codes("concepts", "Unheard of", "ck"), CK),
    lab("concept_ambiguous", "1,2024-01-01,PGA,3,", "write under codes.concepts the id that is meant", codes("concepts", "PGA", "physician_global_activity"), "physician_global_activity 2024-01-01"),
    lab("concept_not_wanted", "1,2024-01-01,Mood,3,", "none: the mapping lists the test as not wanted", None, keys={"codes": {"concepts": {"Mood": None}}}),
    _case("labs.csv", {"observations": {"patient_id": "id", "observed_on": "day", "concept": "test", "value": "value", "unit": "unit", "comparator": "sign"}}, "id,day,test,value,unit,sign\n", "comparator_unreadable", "1,2024-01-01,CK,100,U/L,circa", "correct the comparator, or add its code under codes.comparators", codes("comparators", "circa", "="), CK),
    lab("unit_unknown", "1,2024-01-01,CK,100,bushels", "add the spelling under codes.units with the unit", codes("units", "bushels", "U/L"), CK),
    lab("unit_without_rule", "1,2024-01-01,CK,100,mmHg", "correct the unit, or add a rule with its source to concepts/unit_conversions.csv of the registry (units as UCUM writes them)", "1,2024-01-01,CK,100,U/L", CK),
    lab("unit_without_rule", "1,2024-01-01,CK,50,mmHg", "correct the unit, or add a rule with its source to concepts/unit_conversions.csv of the registry (units as UCUM writes them)", Edit(additions={"unit_conversions.csv": "concept_id,unit_from,unit_to,factor,offset,rule_id\nck,mm[Hg],U/L,2,0,mmhg_to_u_per_l\n"}), CK, name="_rule"),
    _case("labs.csv", {"observations": {"patient_id": "id", "observed_on": "day", "concept": "test", "value": "value", "unit": "unit", "unit_2": "again"}}, "id,day,test,value,unit,again\n", "units_disagree", "1,2024-01-01,CRP,5,mg/L,mg/dL", "ask the hospital which of the two units holds", "1,2024-01-01,CRP,5,mg/L,mg/L", "crp 5 2024-01-01"),
    _case("labs.csv", {"observations": {"patient_id": "id", "observed_on": "day", "concept": "test", "value": "value", "unit": "unit", "reference_high": "high"}}, "id,day,test,value,unit,high\n", "limit_unreadable", "1,2024-01-01,CK,100,U/L,normal", "correct the limit; until then", "1,2024-01-01,CK,100,U/L,180", CK),
    # antibodies
    body("antibody_unknown", "1,2024-01-01,anti-unobtainium,++,line blot", "add the name under codes.antibodies with the antibody's id", codes("antibodies", "anti-unobtainium", "mda5"), "mda5 positive 2024-01-01"),
    body("antibody_ambiguous", "1,2024-01-01,p140,++,line blot", "write under codes.antibodies the id that is meant", codes("antibodies", "p140", "mda5"), "mda5 positive 2024-01-01"),
    body("antibody_not_wanted", "1,2024-01-01,MDA5,++,line blot", "none: the mapping lists the antibody", None, keys={"codes": {"antibodies": {"MDA5": None}}}),
    body("antibody_result_unreadable", "1,2024-01-01,MDA5,perhaps,line blot", "add its text under codes.results", codes("results", "*", {"perhaps": "negative"}), "mda5 negative 2024-01-01"),
    body("grade_ambiguous", "1,2024-01-01,MDA5,(+),", "write under codes.results what the text means", codes("results", "*", {"(+)": "1+"}), "mda5 positive 2024-01-01"),
    body("assay_unknown", "1,2024-01-01,MDA5,++,crystal ball", "add the name under codes.assays with the assay's id", codes("assays", "crystal ball", "line_blot"), "mda5 positive 2024-01-01"),
    body("antibody_scale_unknown", "1,2024-01-01,NXP2,3,EUROLINE\n1,2024-01-01,MDA5,0,EUROLINE", "write `scale: class` or `scale: intensity` under antibodies of the mapping", Edit(exports={"bodies.csv": {"antibodies": BODY_EXPORT["antibodies"] | {"scale": "class"}}}), "mda5 negative 2024-01-01", "nxp2 positive 2024-01-01"),
    _case("bodies.csv", {"antibodies": BODY_EXPORT["antibodies"] | {"cut_off": "cut"}}, "id,day,ab,res,assay,cut\n", "cut_off_unreadable", "1,2024-01-01,MDA5,++,line blot,usual", "correct the cut-off; until then", "1,2024-01-01,MDA5,++,line blot,10", "mda5 positive 2024-01-01"),
    # events and treatments
    event("event_unknown", "1,2024-01-01,unheard of,yes", "add the name under codes.events with the event's id", codes("events", "unheard of", "dysphagia"), "dysphagia present 2024-01-01"),
    event("event_ambiguous", "1,2024-01-01,EMG,yes", "write under codes.events the id that is meant", codes("events", "EMG", "emg_myopathic"), "emg_myopathic present 2024-01-01"),
    event("event_not_wanted", "1,2024-01-01,dysphagia,yes", "none: the mapping lists the event", None, keys={"codes": {"events": {"dysphagia": None}}}),
    event("status_unknown_word", "1,2024-01-01,dysphagia,maybe so", "add the word under codes.event_status (present, absent or unknown)", codes("event_status", "maybe so", "unknown"), "dysphagia unknown 2024-01-01"),
    event("status_ambiguous", "1,2024-01-01,dysphagia,x", "write under codes.event_status what the word means", codes("event_status", "x", "present"), "dysphagia present 2024-01-01"),
    drug("treatment_unknown", "1,unheard of,2024-01-01,", "add the name under codes.treatments with the treatment's id", codes("treatments", "unheard of", "methotrexate"), "methotrexate 2024-01-01"),
    drug("treatment_ambiguous", "1,Steroid pulse,2024-01-01,", "write under codes.treatments the id that is meant", codes("treatments", "Steroid pulse", "methylprednisolone"), "methylprednisolone 2024-01-01"),
    drug("treatment_not_wanted", "1,MTX,2024-01-01,", "none: the mapping lists the treatment", None, keys={"codes": {"treatments": {"MTX": None}}}),
    drug("dose_impossible", "1,MTX,2024-01-01,-5", "correct the dose", "1,MTX,2024-01-01,5", "methotrexate 2024-01-01 5"),
    # patients
    Case("sex_unknown_word", "add the word under codes.sex as female, male or unknown", {}, {"patients.csv": "id,sex\n1,X!\n"}, codes("sex", "X!", "female"), ("patient female",)),
    Case("sex_ambiguous", "write under codes.sex what the word means: female, male or unknown; or state the `language` of the words", {}, {"patients.csv": "id,sex\n1,M\n"}, codes("sex", "M", "female"), ("patient female",)),
    Case("sex_ambiguous", "write under codes.sex what the word means: female, male or unknown; or state the `language` of the words", {}, {"patients.csv": "id,sex\n1,M\n2,H\n"}, Edit(keys={"language": "es"}), ("patient female", "patient male"), name="_language"),
    patient("age_impossible", "age_at_onset", "400", "correct the age", "40", "patient female 40.0"),
    patient("duration_impossible", "disease_duration", "-5", "correct the duration", "5", "patient female"),
    patient("number_is_a_limit", "age_at_onset", ">89", "none: the text says more or less than a number", None, "patient female"),
    # rows that are set aside
    lab("row_not_wanted", "1,2024-01-01,CK,100,U/L\n1,2024-01-01,CK,7,other", "none: the mapping lists such rows as ignored", None, CK, export={"where": {"unit": "U/L"}}, keys={"extra": {"file": "labs.csv", "where": {"unit": "other"}, "ignored": ["*"]}}),
    lab("row_not_expected", "1,2024-01-01,CK,100,U/L\n1,2024-01-01,CK,7,other", "write an export whose where takes such rows; give it ignored: ['*'] when they are not wanted", Edit(added=({"file": "labs.csv", "where": {"unit": "other"}, "ignored": ["*"]},)), CK, export={"where": {"unit": "U/L"}}, leaves=("row_not_wanted",)),
    lab("repeated_header", "1,2024-01-01,CK,100,U/L\nid,day,test,value,unit", "none: the header is printed again", None, CK),
    lab("footer", "1,2024-01-01,CK,100,U/L\nTotal: 1,,,,", "none: the line below the table holds no patient", None, CK),
    lab("dropped_by_correction", "1,2024-01-01,CK,100,U/L", "none: the named record in corrections/ drops the row", None),
    lab("rejected_by_correction", "1,2024-01-01,CK,100,U/L", "none: the named record in corrections/ says that it is wrong", None),
    _case("events.csv", {"events": {"patient_id": "id", "event_date": "day", "event": "event", "detail": "note"}, "person_numbers": "reject"}, "id,day,event,note\n", "person_number", "1,2024-01-01,dysphagia,call 13912345678", "write person_numbers: blank_out to lose the number alone", Edit(exports={"events.csv": {"person_numbers": "blank_out"}}), "dysphagia present 2024-01-01"),
    # lines that cannot be read
    lines("wrong_field_count", "1,2024-01-01,CK,1,00,U/L", "correct the line: usually a stray delimiter", "1,2024-01-01,CK,100,U/L", CK),
    lines("unclosed_quote", '1,2024-01-01,"CK,100,U/L', "correct the line, or write quote: ''", "1,2024-01-01,CK,100,U/L", CK),
    lines("text_after_quote", '1,2024-01-01,"C"K,100,U/L', "correct the line, or write quote: ''", "1,2024-01-01,CK,100,U/L", CK),
    lines("replacement_character", "1,2024-01-01,C\ufffd,100,U/L", "ask for the line again", "1,2024-01-01,CK,100,U/L", CK),
    lines("double_encoded", "1,2024-01-01,Ã©chelle,100,U/L", "ask for the export as UTF-8", "1,2024-01-01,CK,100,U/L", CK),
    lines("utf7_text", "1,2024-01-01,CK +AD4- 1,100,U/L", "ask for the export as UTF-8", "1,2024-01-01,CK,100,U/L", CK),
    Case("undecodable_bytes", "state the file's encoding, or ask for the line again", {"labs.csv": LAB_EXPORT | {"encoding": "utf-8"}}, {"labs.csv": (LABS + "\n".join(GOOD * 4) + "\n1,2024-01-01,CK,100,U/L").encode() + b"\xff\n"}, Edit(files={"labs.csv": LABS + "\n".join(GOOD) + "\n1,2024-01-01,CK,100,U/L\n"}), (CK, "ldh 1 2024-02-01", "ldh 2 2024-02-02", "ldh 3 2024-02-03")),
    ndjson("invalid_json", '{"id": "1", ', "ask for the line again", NAMED_LAB),
    ndjson("not_an_object", '["1"]', "ask for the line again", NAMED_LAB),
    ndjson("ambiguous_path", NAMED_LAB.replace("{", '{"v.x": 5, ', 1), "with one value at the path", NAMED_LAB),
    ndjson("array_too_long", NAMED_LAB.replace("{", f'{{"more": [{TOO_LONG}], ', 1), "ask for an export with one line per element", NAMED_LAB),
)  # fmt: skip
CORRECTIONS = {
    "dropped_by_correction": {"action": "drop"},
    "rejected_by_correction": {"action": "reject"},
}

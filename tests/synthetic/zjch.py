"""The children's hospital's exports: a workbook with Chinese headers and a GB18030 file of long laboratory
rows.

Belongs here: sheets, headers, codes and date formats of this hospital, and how its rows fall into two
deliveries. Does not belong here: any value that is not formatting.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import openpyxl
from openpyxl.styles import Font

from tests.synthetic.cohort import AntibodyTest, Person, Visit
from tests.synthetic.published import read_rows
from tests.synthetic.solution import CONSTRAINTS

HOSPITAL = "zjch"
DELIVERIES = {"2023-06-30": date(2023, 6, 15), "2025-06-30": date(2025, 6, 15)}  # folder: last day it covers
WORKBOOK, LABORATORY = "皮肌炎登记_合成数据.xlsx", "检验结果_合成数据.csv"
NOTE = "合成数据"
REDELIVERED = 12  # rows of the first delivery that come again, identical, with the second

SHEETS = {
    "患者信息": (
        "住院号",
        "姓名",
        "身份证号",
        "性别",
        "出生日期",
        "联系电话",
        "家庭住址",
        "起病日期",
        "首诊日期",
        "起病年龄(岁)",
        "病程(月)",
        "备注",
    ),
    "就诊记录": (
        "住院号",
        "姓名",
        "就诊日期",
        "就诊类型",
        "CMAS评分",
        "吞咽困难",
        "口腔溃疡",
        "皮肤钙质沉着",
        "Gottron丘疹",
        "向阳疹",
        "其他部位皮疹",
        "备注",
    ),
    "抗体": ("住院号", "送检日期", "抗体名称", "检测方法", "结果", "临界值", "备注"),
    "事件": ("住院号", "事件日期", "事件类型", "描述", "备注"),
    "随访": ("住院号", "随访日期", "随访方式", "状态", "备注"),
    "治疗": ("住院号", "药物名称", "开始日期", "结束日期", "剂量", "剂量单位", "给药途径", "备注"),
}
LABORATORY_HEADER = (
    "报告单号",
    "住院号",
    "姓名",
    "采样日期",
    "项目名称",
    "结果",
    "单位",
    "参考范围",
    "异常标志",
)
SIGNS = (
    "dysphagia",
    "mouth_ulcer",
    "calcinosis_cutis",
    "gottron_papules",
    "heliotrope_rash",
    "other_skin_rash",
)
KINDS = {"inpatient": "住院", "outpatient": "门诊"}
ASSAYS = {"line_blot": "线性免疫印迹法", "elisa": "ELISA", "immunofluorescence": "间接免疫荧光法"}
GRADES = {
    "negative": ("阴性", "阴性(-)", "Negative"),
    "weak": ("弱阳性(±)",),
    "1+": ("阳性(+)", "+"),
    "2+": ("阳性(++)", "++"),
    "3+": ("强阳性(+++)", "+++"),
}
CONTACTS = {"clinic": ("门诊", "在访"), "telephone": ("电话", "在访"), "lost": ("门诊", "失访")}
DRUGS = {
    "glucocorticoid": "糖皮质激素",
    "methotrexate": "甲氨蝶呤",
    "ivig": "静脉注射免疫球蛋白",
    "hydroxychloroquine": "羟氯喹",
    "cyclosporine": "环孢素",
    "mycophenolate": "吗替麦考酚酯",
    "tofacitinib": "托法替布",
}
RELAPSES = {"muscle": "肌力下降", "systemic": "肌力下降伴皮疹", "rash": "皮疹"}
ROUTES = {"oral": "口服", "intravenous": "静脉滴注"}
EXPLANATION = (
    "本文件为合成数据：由程序生成，不含任何真实患者信息。",
    "SYNTHETIC DATA: made by a program; no row is about a real person. The summaries follow a published study.",
    "姓名、身份证号、联系电话、家庭住址均为虚构，用于验证其在入库时被删除。",
)

Row = tuple[object, ...]
Dated = tuple[date, Row]  # the day a row came to exist, and the row


def write(people: list[Person], landing: Path) -> None:
    """Write both deliveries below ``landing``/zjch."""
    people = [person for person in people if person.hospital == HOSPITAL]
    sheets = {name: list(rows) for name, rows in _all_rows(people).items()}
    laboratory = list(_laboratory_rows(people))
    since = date.min
    for name, until in DELIVERIES.items():
        folder = landing / HOSPITAL / name
        folder.mkdir(parents=True, exist_ok=True)
        again = since > date.min
        chosen = {
            sheet: _due(rows, since, until, again) for sheet, rows in sheets.items() if sheet != "患者信息"
        }
        tests = _due(laboratory, since, until, again)
        known = {row[0] for rows in chosen.values() for row in rows} | {row[1] for row in tests}
        patients = [row for day, row in sheets["患者信息"] if day <= until and row[0] in known]
        _write_workbook(folder / WORKBOOK, {"患者信息": patients} | chosen, until)
        _write_csv(folder / LABORATORY, tests)
        since = until


def _due(rows: list[Dated], since: date, until: date, again: bool) -> list[Row]:
    """Rows that came to exist after ``since``; a later delivery repeats a few of the earlier ones."""
    new = [row for day, row in rows if since < day <= until]
    old = [row for day, row in rows if day <= since]
    return (old[-REDELIVERED:] if again else []) + new


# ---------------------------------------------------------------- rows


def _all_rows(people: list[Person]) -> dict[str, Iterable[Dated]]:
    makers = {
        "患者信息": _patient_rows,
        "就诊记录": _visit_rows,
        "抗体": _antibody_rows,
        "事件": _event_rows,
        "随访": _contact_rows,
        "治疗": _treatment_rows,
    }
    return {sheet: [row for person in people for row in make(person)] for sheet, make in makers.items()}


def _patient_rows(person: Person) -> Iterable[Dated]:
    yield (
        person.baseline,
        (
            person.hospital_number,
            person.name,
            person.identity_number,
            "女" if person.is_female else "男",
            person.birth_date,
            person.telephone,
            person.address,
            person.onset_date,
            person.baseline,
            float(person.age_at_onset),
            float(person.disease_duration),
            NOTE,
        ),
    )


def _visit_rows(person: Person) -> Iterable[Dated]:
    for visit in person.visits:
        cmas = visit.values.get("cmas")
        signs = [_sign(visit, name) for name in SIGNS]
        yield (
            person.on(visit.day),
            (
                person.hospital_number,
                person.name,
                person.on(visit.day),
                KINDS[visit.kind],
                None if cmas is None else int(cmas),
                *signs,
                NOTE,
            ),
        )


def _sign(visit: Visit, name: str) -> str | None:
    if visit.signs is None:
        return None
    return "有" if name in visit.signs else "无"


def _antibody_rows(person: Person) -> Iterable[Dated]:
    names = _antibody_names()
    draw = random.Random(f"zjch antibody names/{person.number}/{person.group}")
    for test in person.antibodies:
        result = draw.choice(GRADES[test.grade]) if test.grade in GRADES else test.grade
        yield (
            person.on(test.day),
            (
                person.hospital_number,
                person.on(test.day),
                draw.choice(names[test.antibody]),
                ASSAYS[test.assay],
                result,
                _cut_off(test),
                NOTE,
            ),
        )


def _cut_off(test: AntibodyTest) -> str | None:
    return test.cut_off or None


def _antibody_names() -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for row in read_rows(CONSTRAINTS / "antibody_names.csv"):
        if row["hospital"] == HOSPITAL:
            names.setdefault(row["antibody"], []).append(row["name"])
    return names


def _event_rows(person: Person) -> Iterable[Dated]:
    words = {row["variable"]: row["zjch_name"] for row in read_rows(CONSTRAINTS / "signs.csv")}
    for variable, day, detail in person.complications:
        yield person.on(day), (person.hospital_number, person.on(day), words[variable], detail or None, NOTE)
    for count, day in enumerate(person.relapse_days, start=1):
        yield (
            person.on(day),
            (
                person.hospital_number,
                person.on(day),
                words["relapse"],
                f"第{count}次复发：{RELAPSES[person.follow_up.relapse_kind]}",
                NOTE,
            ),
        )


def _contact_rows(person: Person) -> Iterable[Dated]:
    for day, how in person.contacts:
        yield person.on(day), (person.hospital_number, person.on(day), *CONTACTS[how], NOTE)


def _treatment_rows(person: Person) -> Iterable[Dated]:
    for treatment in person.treatments:
        end = None if treatment.end_day is None else person.on(treatment.end_day)
        yield (
            end or person.on(treatment.start_day),
            (
                person.hospital_number,
                DRUGS[treatment.drug],
                person.on(treatment.start_day),
                end,
                float(treatment.dose),
                treatment.unit,
                ROUTES[treatment.route],
                NOTE,
            ),
        )


def _laboratory_rows(people: list[Person]) -> Iterable[Dated]:
    tests = [row for row in read_rows(CONSTRAINTS / "names.csv")]
    report = 0
    for person in people:
        for visit in person.visits:
            report += 1
            for row in tests:
                text = visit.values.get(row["variable"])
                if text is not None:
                    yield (
                        person.on(visit.day),
                        (
                            f"BG{report:06d}",
                            person.hospital_number,
                            person.name,
                            f"{person.on(visit.day):%Y/%m/%d}",
                            row["zjch_name"],
                            text,
                            row["zjch_unit"],
                            row["zjch_reference"],
                            _flag(float(text), row["zjch_reference"]),
                        ),
                    )


def _flag(value: float, reference: str) -> str:
    low, high = map(float, reference.split("-"))
    return "↓" if value < low else "↑" if value > high else ""


# ---------------------------------------------------------------- files


def _write_workbook(path: Path, sheets: dict[str, list[Row]], stamp: date) -> None:
    book = openpyxl.Workbook()
    first = book.active
    first.title = "说明"
    for line in EXPLANATION:
        first.append([line])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append(SHEETS[name])
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for row in rows:
            sheet.append(row)
    when = datetime(stamp.year, stamp.month, stamp.day, 8)
    book.properties.created = book.properties.modified = when
    book.properties.title = "SYNTHETIC DATA 合成数据"
    book.properties.creator = "tests.synthetic"
    _save(book, path, when)


def _save(book: openpyxl.Workbook, path: Path, when: datetime) -> None:
    """Save with every time stamp fixed, so that the same rows give the same bytes."""
    import zipfile

    buffer = io.BytesIO()
    book.save(buffer)
    with zipfile.ZipFile(buffer) as made, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for info in made.infolist():
            data = made.read(info.filename)
            if info.filename == "docProps/core.xml":
                data = _fixed_modified(data, when)
            entry = zipfile.ZipInfo(info.filename, date_time=when.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, data)


def _fixed_modified(core: bytes, when: datetime) -> bytes:
    """openpyxl stamps ``modified`` with the clock when it saves."""
    import re

    stamp = f"{when:%Y-%m-%dT%H:%M:%SZ}".encode()
    return re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, core)


def _write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="gb18030", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\r\n")
        writer.writerow(LABORATORY_HEADER)
        writer.writerows(rows)

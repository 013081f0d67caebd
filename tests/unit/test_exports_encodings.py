"""Encodings: small files as hospitals send them, each read in the encoding it was written in, or refused."""

from __future__ import annotations

import pytest

from orchestration.exports import ExportFault
from orchestration.exports.damage import damage_in
from orchestration.exports.encodings import encoding_of

HEADERS = {
    "chinese header": "住院号,姓名,性别,检验项目,结果,单位,参考范围,检验日期\n1,张三,女,铁蛋白,20,ng/mL,,\n",
    "chinese names only": "id,name\n1,王伟\n2,龚雪莹\n3,李娜\n4,濮阳敏\n5,张芳\n",
    "one chinese word": "id,CK,备注\n1,20,正常\n",
    "traditional": "病歷號,檢驗項目,結果,單位\n1,鐵蛋白,20,ng/mL\n",
    "two traditional words": "病歷號,結果\n1,20\n",
    "japanese": "患者ID,検査項目,結果,単位\n1,フェリチン,20,ng/mL\n",
    "half-width katakana": "ID,ﾅﾏｴ,ｹﾝｻﾋﾞ\n1,ﾔﾏﾀﾞ ﾀﾛｳ,20200102\n",
    "french": "patient,prénom,résultat,unité\n1,Hélène,5,µmol/L\n",
    "german": "Nr,Größe,Müdigkeit\n1,174,ja\n",
    "spanish": "id,diagnóstico,año\n1,dermatomiositis,2019\n2,niño,2018\n",
    "a unit": "id,creatinine,unit\n1,80,µmol/L\n",
    "a degree": "id,temperature\n1,37.2 °C\n",
    "plus or minus": "id,value\n1,5±2\n",
}
WRITTEN = [
    ("chinese header", "gb18030"), ("chinese names only", "gb18030"), ("one chinese word", "gb18030"),
    ("traditional", "cp950"), ("two traditional words", "cp950"),
    ("japanese", "cp932"), ("half-width katakana", "cp932"),
    ("french", "cp1252"), ("german", "cp1252"), ("spanish", "cp1252"), ("a unit", "cp1252"),
    ("a degree", "cp1252"), ("plus or minus", "cp1252"),
]  # fmt: skip


@pytest.fixture
def detected(tmp_path):
    def detecting(content: bytes, stated: str | None = None) -> str:
        path = tmp_path / "export.csv"
        path.write_bytes(content)
        return encoding_of(path, stated).name

    return detecting


@pytest.mark.parametrize(("text", "encoding"), WRITTEN)
def test_encoding_is_found_from_a_few_words(detected, text, encoding):
    assert detected(HEADERS[text].encode(encoding)) == encoding


@pytest.mark.parametrize("text", HEADERS)
def test_utf8_is_utf8_whatever_the_script(detected, text):
    assert detected(HEADERS[text].encode()) == "utf-8"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["chinese header", "french"])
def test_utf16_without_a_mark_is_found(detected, text, encoding):
    assert detected(HEADERS[text].encode(encoding)) == encoding


def test_plain_ascii_is_utf8(detected):
    assert detected(b"id,CK\n1,2\n") == "utf-8"


def test_what_comes_late_in_a_file_counts(detected):
    lines = "0041,CK,120\n" * 500_000
    assert detected(("id,项目,结果\n" + lines + "0042,醛缩酶,5\n").encode("gb18030")) == "gb18030"


@pytest.mark.parametrize("name", ["gbk", "GB2312", "cp936"])
def test_a_narrow_name_is_read_by_the_superset_that_systems_write_under_it(detected, name):
    assert detected("姓名\n㐂\n".encode("gb18030"), name) == "gb18030"


def test_a_tie_is_refused_and_the_candidates_are_named(detected):
    with pytest.raises(ExportFault, match=r"gb18030 \(0\.50\).*state `encoding`|State `encoding`"):
        detected("id,v\n1,5±2\n".encode("gb18030"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("µmol/L", None),
        ("Âµmol/L", "double_encoded"),
        ("HÃ©lÃ¨ne", "double_encoded"),
        ("è‚Œ", "double_encoded"),
        ("5 â‰¥ 3", "double_encoded"),
        ("São Tomé, Ângela, Ärzte, É«", None),
        ("鍗曚綅", "double_encoded"),
        ("鎬у埆", "double_encoded"),
        ("肌酸激酶 检验结果", None),
        ("クレアチンキナーゼ", None),
        ("锟斤拷", "replacement_character"),
        ("a\ufffdb", "replacement_character"),
        ("CK +AD4- 1000", "utf7_text"),
        ("+ZeVnHw-", "utf7_text"),
        ("+ZeVnHw", None),
        ("ANA+SSA-positive", None),
        ("anti-Jo-1 +++-", None),
        ("1+1-", None),
    ],
)
def test_damage_is_what_undone_gives_text_that_people_write(text, rule):
    assert (damage_in(text) or (None,))[0] == rule

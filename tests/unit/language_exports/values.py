"""Made-up values for the exports of `headers.py`, as a hospital of each country would write them."""

from __future__ import annotations

ROWS = 24
SEXES = {"de": "mw", "fr": "MF", "es": "HM", "it": "MF", "pt": "MF", "nl": "MV", "pl": "KM", "tr": "KE"}
SEXES |= {"ja": "男女", "ko": "남여", "en": "MF"}
YES_NO = {
    "de": ("ja", "nein"),
    "fr": ("oui", "non"),
    "es": ("sí", "no"),
    "it": ("sì", "no"),
    "pt": ("sim", "não"),
    "nl": ("ja", "nee"),
    "pl": ("tak", "nie"),
    "tr": ("evet", "hayır"),
    "ja": ("有", "無"),
    "ko": ("예", "아니오"),
}
GRADES = {
    "de": ("negativ", "positiv"),
    "fr": ("négatif", "positif"),
    "es": ("negativo", "positivo"),
    "it": ("negativo", "positivo"),
    "pt": ("negativo", "positivo"),
    "nl": ("negatief", "positief"),
    "pl": ("ujemny", "dodatni"),
    "tr": ("negatif", "pozitif"),
    "ja": ("陰性", "陽性"),
    "ko": ("음성", "양성"),
}
NAMES = ("Aabcd", "Efghi", "Jklmn", "Opqrs", "Tuvwx", "Yzabc", "Defgh", "Ijklm")  # nobody's
TESTS = ("CRP", "ALT", "AST", "LDH")
DATES = {"ja": "{y}/{m:02}/{d:02}", "ko": "{y}-{m:02}-{d:02}", "nl": "{d:02}-{m:02}-{y}"}


def cells(holds: str, language: str) -> list[str]:
    """The values of one column."""
    dated = DATES.get(
        language, "{d:02}.{m:02}.{y}" if language in ("de", "pl", "tr") else "{d:02}/{m:02}/{y}"
    )
    made = {
        "id": lambda i: str(10_000 + i),
        "family_name": lambda i: NAMES[i % 8] + "o" * (i // 8),
        "first_name": lambda i: NAMES[(i + 3) % 8] + "a" * (i // 8),
        "full_name": lambda i: f"{NAMES[i % 8]} {NAMES[i // 8]}",
        "kana_name": lambda i: "アイウエオカキ"[i % 7] + "サシスセソ"[i % 5] + "タチツ"[i % 3],
        "phone": lambda i: f"010-{1000 + i}-{2000 + i}",
        "birth_date": lambda i: dated.format(y=1950 + i, m=1 + i % 12, d=13 + i % 15),
        "date": lambda i: dated.format(y=2023, m=1 + i % 12, d=13 + i % 15),
        "sex": lambda i: SEXES[language][i % 2],
        "number": lambda i: str(100 + 7 * i),
        "grade": lambda i: GRADES[language][i % 2],
        "yes_no": lambda i: YES_NO[language][i % 2],
        "prose": lambda i: f"lorem ipsum {i} dolor sit amet",
        "tests": lambda i: TESTS[i % 4],
        "units": lambda i: ("mg/L", "U/L", "U/L", "U/L")[i % 4],
        "ranges": lambda i: ("0-5", "10-40", "10-35", "120-250")[i % 4],
        "ward": lambda i: ("A1", "B2", "C3")[i % 3],
    }[holds]
    return [made(i) for i in range(ROWS)]

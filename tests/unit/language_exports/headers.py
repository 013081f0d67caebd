"""Synthetic exports in ten languages: headers as hospital systems print them, and what each column is.

Belongs here: the headers, the kind of values below them, and the right decision. The values are made up; no
patient stands behind them. HELD_OUT was written before the words of these languages were added to the
catalogue, and has not been changed since to fit them. SEEN was written afterwards, with the words at hand.

The headers are those of wide tables (a row per visit) and of long ones (a row per result), as laboratory and
hospital systems of these countries print them: full names, abbreviations, units in brackets, capitals.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """``holds`` names the values (`values.py`); ``is_`` is the decision, as `entity.field`, or
    `entity.values.id`.
    """

    header: str
    holds: str
    is_: str


@dataclass(frozen=True)
class Export:
    language: str
    name: str
    columns: tuple[Column, ...]


def export(language: str, name: str, *columns: tuple[str, str, str]) -> Export:
    return Export(language, name, tuple(Column(*column) for column in columns))


V, A, E = "observations.values.", "antibodies.values.", "events.values."

HELD_OUT = (
    export(
        "de",
        "Verlaufsdaten",
        ("Patienten-Nummer", "id", "patient_id"),
        ("Familienname", "family_name", "identifiers"),
        ("Vorname", "first_name", "identifiers"),
        ("Geb.datum", "birth_date", "patients.birth_date"),
        ("Geschlecht", "sex", "patients.sex"),
        ("Datum der Visite", "date", "visits.visit_date"),
        ("CK gesamt (U/l)", "number", V + "ck"),
        ("Kreatinin i.S. (µmol/l)", "number", V + "creatinine"),
        ("BSG 1h (mm/h)", "number", V + "esr"),
        ("Anti-Mi-2-Ak", "grade", A + "mi2"),
        ("Schluckstörung", "yes_no", E + "dysphagia"),
        ("Freitext", "prose", "ignored"),
    ),
    export(
        "fr",
        "suivi",
        ("N° dossier", "id", "patient_id"),
        ("Nom de naissance", "family_name", "identifiers"),
        ("Prénom", "first_name", "identifiers"),
        ("Date de naissance", "birth_date", "patients.birth_date"),
        ("Sexe", "sex", "patients.sex"),
        ("Date de consultation", "date", "visits.visit_date"),
        ("CPK (UI/L)", "number", V + "ck"),
        ("ASAT (UI/L)", "number", V + "ast"),
        ("Hémoglobine (g/dL)", "number", V + "haemoglobin"),
        ("Ac anti-MDA5", "grade", A + "mda5"),
        ("Dysphagie", "yes_no", E + "dysphagia"),
        ("Commentaires", "prose", "ignored"),
    ),
    export(
        "es",
        "seguimiento",
        ("Nº historia clínica", "id", "patient_id"),
        ("Primer apellido", "family_name", "identifiers"),
        ("Nombre", "first_name", "identifiers"),
        ("F. nacimiento", "birth_date", "patients.birth_date"),
        ("Sexo", "sex", "patients.sex"),
        ("Fecha de visita", "date", "visits.visit_date"),
        ("Creatincinasa (U/L)", "number", V + "ck"),
        ("Leucocitos (10^9/L)", "number", V + "wbc"),
        ("VSG (mm/h)", "number", V + "esr"),
        ("Anti-Jo1", "grade", A + "jo1"),
        ("Artritis", "yes_no", E + "arthritis"),
        ("Observaciones", "prose", "ignored"),
    ),
    export(
        "it",
        "visite",
        ("Codice paziente", "id", "patient_id"),
        ("Cognome", "family_name", "identifiers"),
        ("Nome", "first_name", "identifiers"),
        ("Data di nascita", "birth_date", "patients.birth_date"),
        ("Sesso", "sex", "patients.sex"),
        ("Data visita", "date", "visits.visit_date"),
        ("Creatinchinasi (U/L)", "number", V + "ck"),
        ("Emoglobina (g/dL)", "number", V + "haemoglobin"),
        ("VES (mm/h)", "number", V + "esr"),
        ("Anticorpi anti-Ro52", "grade", A + "ro52"),
        ("Disfagia", "yes_no", E + "dysphagia"),
        ("Note", "prose", "ignored"),
    ),
    export(
        "pt",
        "evolucao",
        ("Prontuário", "id", "patient_id"),
        ("Sobrenome", "family_name", "identifiers"),
        ("Nome da mãe", "first_name", "identifiers"),
        ("Data de nascimento", "birth_date", "patients.birth_date"),
        ("Sexo", "sex", "patients.sex"),
        ("Data da consulta", "date", "visits.visit_date"),
        ("CPK (U/L)", "number", V + "ck"),
        ("TGO (U/L)", "number", V + "ast"),
        ("Plaquetas (10^3/µL)", "number", V + "platelets"),
        ("Anti-SRP", "grade", A + "srp"),
        ("Calcinose", "yes_no", E + "calcinosis_cutis"),
        ("Observações", "prose", "ignored"),
    ),
    export(
        "nl",
        "controles",
        ("Patiëntnummer", "id", "patient_id"),
        ("Achternaam", "family_name", "identifiers"),
        ("Voornaam", "first_name", "identifiers"),
        ("Geboortedatum", "birth_date", "patients.birth_date"),
        ("Geslacht", "sex", "patients.sex"),
        ("Bezoekdatum", "date", "visits.visit_date"),
        ("CK (U/l)", "number", V + "ck"),
        ("Bezinking (mm/uur)", "number", V + "esr"),
        ("Leukocyten (10^9/l)", "number", V + "wbc"),
        ("Anti-TIF1-gamma antistoffen", "grade", A + "tif1g"),
        ("Slikstoornis", "yes_no", E + "dysphagia"),
        ("Opmerkingen", "prose", "ignored"),
    ),
    export(
        "pl",
        "wizyty",
        ("Nr pacjenta", "id", "patient_id"),
        ("Nazwisko", "family_name", "identifiers"),
        ("Imię", "first_name", "identifiers"),
        ("Data urodzenia", "birth_date", "patients.birth_date"),
        ("Płeć", "sex", "patients.sex"),
        ("Data wizyty", "date", "visits.visit_date"),
        ("Kinaza kreatynowa (U/l)", "number", V + "ck"),
        ("OB (mm/h)", "number", V + "esr"),
        ("Hemoglobina (g/dl)", "number", V + "haemoglobin"),
        ("Przeciwciała anty-Jo-1", "grade", A + "jo1"),
        ("Dysfagia", "yes_no", E + "dysphagia"),
        ("Uwagi", "prose", "ignored"),
    ),
    export(
        "tr",
        "kontrol",
        ("Hasta No", "id", "patient_id"),
        ("Soyadı", "family_name", "identifiers"),
        ("Adı", "first_name", "identifiers"),
        ("Doğum Tarihi", "birth_date", "patients.birth_date"),
        ("Cinsiyet", "sex", "patients.sex"),
        ("Muayene Tarihi", "date", "visits.visit_date"),
        ("Kreatin Kinaz (U/L)", "number", V + "ck"),
        ("Sedimantasyon (mm/saat)", "number", V + "esr"),
        ("Hemoglobin (g/dL)", "number", V + "haemoglobin"),
        ("Anti-MDA5 antikoru", "grade", A + "mda5"),
        ("Yutma güçlüğü", "yes_no", E + "dysphagia"),
        ("Açıklama", "prose", "ignored"),
    ),
    export(
        "ja",
        "経過表",
        ("患者番号", "id", "patient_id"),
        ("氏名", "full_name", "identifiers"),
        ("フリガナ", "kana_name", "identifiers"),
        ("生年月日", "birth_date", "patients.birth_date"),
        ("性別", "sex", "patients.sex"),
        ("受診日", "date", "visits.visit_date"),
        ("CK(U/L)", "number", V + "ck"),
        ("赤沈1時間値(mm/h)", "number", V + "esr"),
        ("フェリチン(ng/mL)", "number", V + "ferritin"),
        ("抗MDA5抗体", "grade", A + "mda5"),
        ("嚥下障害", "yes_no", E + "dysphagia"),
        ("備考", "prose", "ignored"),
    ),
    export(
        "ko",
        "경과",
        ("환자번호", "id", "patient_id"),
        ("환자명", "full_name", "identifiers"),
        ("연락처", "phone", "identifiers"),
        ("생년월일", "birth_date", "patients.birth_date"),
        ("성별", "sex", "patients.sex"),
        ("방문일", "date", "visits.visit_date"),
        ("CK (U/L)", "number", V + "ck"),
        ("적혈구침강속도 (mm/hr)", "number", V + "esr"),
        ("페리틴 (ng/mL)", "number", V + "ferritin"),
        ("항MDA5항체", "grade", A + "mda5"),
        ("연하곤란", "yes_no", E + "dysphagia"),
        ("비고", "prose", "ignored"),
    ),
    export(
        "de",
        "Laborwerte",
        ("PatNr", "id", "patient_id"),
        ("Abnahmezeitpunkt", "date", "observations.observed_on"),
        ("Parameter", "tests", "observations.concept"),
        ("Ergebniswert", "number", "observations.value"),
        ("Maßeinheit", "units", "observations.unit"),
        ("Referenzwerte", "ranges", "observations.reference_range"),
    ),
    export(
        "fr",
        "biologie",
        ("IPP", "id", "patient_id"),
        ("Date de prélèvement", "date", "observations.observed_on"),
        ("Analyse", "tests", "observations.concept"),
        ("Résultat", "number", "observations.value"),
        ("Unité", "units", "observations.unit"),
        ("Valeurs de référence", "ranges", "observations.reference_range"),
    ),
    export(
        "es",
        "laboratorio",
        ("NHC", "id", "patient_id"),
        ("Fecha de extracción", "date", "observations.observed_on"),
        ("Prueba", "tests", "observations.concept"),
        ("Resultado", "number", "observations.value"),
        ("Unidades", "units", "observations.unit"),
        ("Intervalo de referencia", "ranges", "observations.reference_range"),
    ),
    export(
        "pl",
        "wyniki",
        ("ID pacjenta", "id", "patient_id"),
        ("Data pobrania", "date", "observations.observed_on"),
        ("Badanie", "tests", "observations.concept"),
        ("Wynik", "number", "observations.value"),
        ("Jednostka", "units", "observations.unit"),
        ("Zakres referencyjny", "ranges", "observations.reference_range"),
    ),
    export(
        "tr",
        "tahliller",
        ("Protokol No", "id", "patient_id"),
        ("Numune Alma Tarihi", "date", "observations.observed_on"),
        ("Tetkik Adı", "tests", "observations.concept"),
        ("Sonuç", "number", "observations.value"),
        ("Birim", "units", "observations.unit"),
        ("Referans Aralığı", "ranges", "observations.reference_range"),
    ),
    export(
        "ja",
        "検査結果",
        ("患者ID", "id", "patient_id"),
        ("採取日時", "date", "observations.observed_on"),
        ("検査項目名", "tests", "observations.concept"),
        ("結果値", "number", "observations.value"),
        ("単位", "units", "observations.unit"),
        ("基準値", "ranges", "observations.reference_range"),
    ),
    export(
        "ko",
        "검사결과",
        ("등록번호", "id", "patient_id"),
        ("채혈일", "date", "observations.observed_on"),
        ("검사명", "tests", "observations.concept"),
        ("결과", "number", "observations.value"),
        ("단위", "units", "observations.unit"),
        ("참고치", "ranges", "observations.reference_range"),
    ),
)

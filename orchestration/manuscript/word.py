"""The manuscript as one Word document: in a layout of ours, or in a journal's or hospital's own template.

Belongs here: titles, footnotes, figures, sections, placeholders of a template. Does not belong here: one
table (`word_table.py`), what is said (`contents.py`).

A template is a Word document with placeholders. Texts such as ``{{ title }}`` are filled in where they stand.
A placeholder of tables or figures stands alone in its paragraph, and they take its place in the template's
own styles.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.printed.printed_table import PrintedTable, footnotes
from orchestration.manuscript.same_bytes import same_bytes
from orchestration.manuscript.word_table import run, table_element

if TYPE_CHECKING:
    from docx.document import Document

A4_TWIPS, MARGIN_TWIPS = (11906, 16838), 1134
NOTE_HALF_POINTS = 15
MARK = "⟦{}⟧"


class TemplateError(ValueError):
    """A template cannot be filled."""


@dataclass(frozen=True)
class Picture:
    """A figure as a document holds it."""

    name: str
    title: str
    caption: str
    description: str
    png: bytes


@dataclass(frozen=True)
class Writing:
    """All that a document may be asked for. ``tables`` and ``pictures`` are keyed by their placeholders."""

    texts: Mapping[str, str]  # placeholders that stand in a line: title, registry, release, note
    methods: Sequence[tuple[str, str]]
    tables: Mapping[str, PrintedTable]
    pictures: Mapping[str, Picture]
    lists: Mapping[str, PrintedTable]  # checklist and codebook

    @property
    def blocks(self) -> dict[str, Callable[[_Place], list[Any]]]:
        """What makes the elements that take the place of each placeholder."""
        tables, pictures = self.tables, self.pictures
        return {
            "methods": lambda place: [e for topic in self.methods for e in _topic(place, *topic)],
            "tables": _maker(_tables, list(tables.values())),
            "figures": _maker(_pictures, list(pictures.values())),
            **{key: _maker(_tables, [t]) for key, t in {**tables, **self.lists}.items()},
            **{key: _maker(_pictures, [p]) for key, p in pictures.items()},
        }


@dataclass(frozen=True)
class _Place:
    """Where elements will stand: the properties of the section, and whether it may be left for another."""

    document: Document
    section: Any  # w:sectPr
    may_turn: bool

    @property
    def is_portrait(self) -> bool:
        width, height, _ = self._sides
        return width < height

    def width(self, is_turned: bool = False) -> int:
        """Of the text, in twips; of a turned page, whose text is one column."""
        from docx.oxml.ns import qn

        width, height, margins = self._sides
        if is_turned:
            return height - margins
        columns = self.section.find(qn("w:cols"))
        n = 1 if columns is None else int(columns.get(qn("w:num")) or 1)
        space = 720 if columns is None else int(columns.get(qn("w:space")) or 720)
        return (width - margins - (n - 1) * space) // n

    @property
    def _sides(self) -> tuple[int, int, int]:
        """Width and height of the page, and its left and right margins together."""
        from docx.oxml.ns import qn

        size, edges = self.section.find(qn("w:pgSz")), self.section.find(qn("w:pgMar"))
        width, height = A4_TWIPS if size is None else (int(size.get(qn("w:w"))), int(size.get(qn("w:h"))))
        margins = (
            2 * MARGIN_TWIPS
            if edges is None
            else int(edges.get(qn("w:left"))) + int(edges.get(qn("w:right")))
        )
        return width, height, margins


def _maker(make: Callable[[_Place, Any], list[Any]], given: Any) -> Callable[[_Place], list[Any]]:
    return lambda place: make(place, given)


def document_of(writing: Writing) -> bytes:
    """The whole manuscript in our own layout: wide tables stand on landscape pages."""
    document = _empty(writing.texts)
    place = _Place(document, document.element.body.sectPr, may_turn=True)
    document.add_paragraph(writing.texts["title"], style="Title")
    document.add_paragraph(writing.texts["note"])
    for heading in ("Methods", "Tables", "Figures"):
        document.add_heading(heading, 1)
        _append(document, writing.blocks[heading.lower()](place))
    return _saved(document)


def document_of_table(texts: Mapping[str, str], table: PrintedTable) -> bytes:
    """A document of this table alone."""
    document = _empty(texts)
    if table.is_wide:
        from docx.enum.section import WD_ORIENT

        section = document.sections[0]
        section.orientation = WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = section.page_height, section.page_width
    _append(document, _tables(_Place(document, document.element.body.sectPr, may_turn=False), [table]))
    return _saved(document)


def filled(template: Path, writing: Writing) -> bytes:
    """The template with its placeholders filled. Raises TemplateError with all faults that it finds."""
    from docxtpl import DocxTemplate
    from jinja2 import StrictUndefined
    from jinja2 import TemplateError as JinjaError
    from jinja2.sandbox import SandboxedEnvironment

    blocks = writing.blocks
    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=True)
    try:
        form = DocxTemplate(template)
        asked = form.get_undeclared_template_variables(environment)
        _refuse(template, asked, writing)
        form.render({**writing.texts, **{key: MARK.format(key) for key in blocks}}, environment)
        document = form.docx
    except TemplateError:
        raise
    except JinjaError as error:
        raise TemplateError(
            f"{template.name}: {error}; write each placeholder as {{{{ title }}}}, all of it in one font "
            "and style"
        ) from error
    except Exception as error:  # whatever zip and XML readers raise of a file that is none
        raise TemplateError(
            f"{template.name}: cannot be read as a Word document (.docx): {type(error).__name__}; save it "
            "from Word or LibreOffice as .docx"
        ) from error
    faults = [f for key, make in blocks.items() if key in asked for f in _put(document, key, make)]
    if faults:
        raise TemplateError(f"{template.name}: {'; '.join(faults)}")
    return _saved(document)


def _refuse(template: Path, asked: set[str], writing: Writing) -> None:
    known = [*writing.texts, *writing.blocks]
    faults = []
    for name in sorted(asked - set(known)):
        near = difflib.get_close_matches(name, known, 1)
        faults.append(
            f"no placeholder {{{{ {name} }}}}" + (f"; did you mean {{{{ {near[0]} }}}}?" if near else ".")
        )
    if not asked & {"tables", *writing.tables}:
        faults.append("it has no placeholder of a table: write {{ tables }} in a paragraph of its own.")
    if faults:
        raise TemplateError(f"{template.name}: {' '.join(faults)} It may name {', '.join(known)}.")


def _put(document: Document, key: str, make: Callable[[_Place], list[Any]]) -> Iterator[str]:
    """Put elements where the mark of a placeholder stands."""
    from docx.oxml.ns import qn

    body, mark, found = document.element.body, MARK.format(key), False
    for paragraph in list(body.iter(qn("w:p"))):
        text = "".join(t.text or "" for t in paragraph.iter(qn("w:t"))).strip()
        if mark not in text:
            continue
        found = True
        if text != mark:
            yield f"{{{{ {key} }}}} must stand alone in its paragraph"
            return
        is_in_cell = paragraph.getparent() is not body
        for element in make(_Place(document, _section_at(body, paragraph), may_turn=not is_in_cell)):
            paragraph.addprevious(element)
        if is_in_cell or paragraph.find(f".//{qn('w:sectPr')}") is not None:
            for letters in list(paragraph.iter(qn("w:r"))):  # a cell or a section ends with its paragraph
                letters.getparent().remove(letters)
        else:
            body.remove(paragraph)
    if not found:
        yield f"{{{{ {key} }}}} must stand in the text, not in a header, a footer or a text box"


def _section_at(body: Any, paragraph: Any) -> Any:
    """The properties of a section stand in the paragraph that ends it; those of the last, at the end."""
    from docx.oxml.ns import qn

    top = paragraph
    while top.getparent() is not body:
        top = top.getparent()
    later = (element.find(f"{qn('w:pPr')}/{qn('w:sectPr')}") for element in [top, *top.itersiblings()])
    return next((section for section in later if section is not None), body.sectPr)


def _tables(place: _Place, tables: Sequence[PrintedTable]) -> list[Any]:
    """The tables with titles and footnotes. Wide ones stand on landscape pages, a run of them in one
    section.
    """
    elements: list[Any] = []
    is_turned = False
    for table in tables:
        turns = table.is_wide and place.may_turn and place.is_portrait
        if turns != is_turned:
            elements.append(_section_end(place, is_turned))
            is_turned = turns
        elements += _table(place, table, place.width(is_turned))
    return [*elements, _section_end(place, is_turned)] if is_turned else elements


def _table(place: _Place, table: PrintedTable, twips: int) -> list[Any]:
    """Title above, footnotes below."""
    from docx.shared import Pt

    title = _paragraph(place, "Caption")
    title.add_run(table.title).bold = True
    title.paragraph_format.keep_with_next = True
    notes = []
    for i, (mark, text) in enumerate(footnotes(table)):
        note = _paragraph(place, "Normal")
        note.paragraph_format.space_before, note.paragraph_format.space_after = Pt(0 if i else 3), Pt(0)
        raised = run(mark + " ", raised=True, size=NOTE_HALF_POINTS) if mark else ""
        for part in _runs(raised + run(text, size=NOTE_HALF_POINTS)):
            note._p.append(part)
        notes.append(note._p)
    return [title._p, table_element(table, twips), *notes, _paragraph(place, "Normal")._p]


def _section_end(place: _Place, is_turned: bool) -> Any:
    """An empty paragraph that ends a section with the margins, headers and footers of the place."""
    from copy import deepcopy

    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls, qn

    end = parse_xml(
        f"<w:p {nsdecls('w')}><w:pPr>"
        '<w:spacing w:before="0" w:after="0" w:line="20" w:lineRule="exact"/></w:pPr></w:p>'
    )
    section = deepcopy(place.section)
    for former in section.findall(qn("w:type")):
        section.remove(former)
    if is_turned:
        for columns in section.findall(qn("w:cols")):
            section.remove(columns)
        size = section.find(qn("w:pgSz"))
        width, height = size.get(qn("w:w")), size.get(qn("w:h"))
        size.set(qn("w:w"), height)
        size.set(qn("w:h"), width)
        size.set(qn("w:orient"), "landscape")
    end.pPr.append(section)
    return end


def _topic(place: _Place, topic: str, text: str) -> list[Any]:
    paragraph = _paragraph(place, "Normal")
    paragraph.add_run(f"{topic}. ").bold = True
    paragraph.add_run(text)
    return [paragraph._p]


def _pictures(place: _Place, pictures: Sequence[Picture]) -> list[Any]:
    from docx.shared import Twips

    elements = []
    for picture in pictures:
        holder = _paragraph(place, "Normal")
        holder.paragraph_format.keep_with_next = True
        drawn = holder.add_run().add_picture(io.BytesIO(picture.png), width=Twips(place.width()))
        drawn._inline.docPr.set("descr", picture.description)
        drawn._inline.docPr.set("title", picture.title)
        words = _paragraph(place, "Caption")
        words.add_run(f"{picture.title}. ").bold = True
        words.add_run(picture.caption)
        elements += [holder._p, words._p]
    return elements


def _paragraph(place: _Place, style: str) -> Any:
    """A paragraph that is not in the document yet. If the template lacks the style: the default style."""
    paragraph = place.document.add_paragraph()
    if any(s.name == style for s in place.document.styles):
        paragraph.style = style
    paragraph._p.getparent().remove(paragraph._p)
    return paragraph


def _runs(xml: str) -> list[Any]:
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    return list(parse_xml(f"<w:p {nsdecls('w')}>{xml}</w:p>"))


def _append(document: Document, elements: Sequence[Any]) -> None:
    """Before the properties of the last section, which end a document."""
    for element in elements:
        document.element.body.sectPr.addprevious(element)


def _empty(texts: Mapping[str, str]) -> Document:
    from docx import Document as new_document
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor, Twips

    document = new_document()
    section = document.sections[0]
    section.page_width, section.page_height = (Twips(side) for side in A4_TWIPS)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Twips(
        MARGIN_TWIPS
    )
    for name, size in (("Normal", 10.5), ("Caption", 10), ("Title", 18), ("Heading 1", 14)):
        style = document.styles[name]
        style.font.name, style.font.size = "Times New Roman", Pt(size)
        style.font.color.rgb, style.font.bold = RGBColor(0, 0, 0), name == "Heading 1"
        style.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "SimSun")
        for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            style.element.rPr.rFonts.attrib.pop(qn(f"w:{theme}"), None)
    for line in document.styles["Title"].element.iter(qn("w:pBdr")):
        line.getparent().remove(line)
    footer = section.footer.paragraphs[0]
    footer.text = f"{texts['registry']} · release {texts['release']} · {texts['note']}"
    footer.runs[0].font.size = Pt(7.5)
    return document


def _saved(document: Document) -> bytes:
    properties = document.core_properties
    properties.comments, properties.last_modified_by, properties.revision = "", "", 1
    out = io.BytesIO()
    document.save(out)
    return same_bytes(out.getvalue())

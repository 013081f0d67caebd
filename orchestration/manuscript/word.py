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
    from docx.oxml.xmlchemy import BaseOxmlElement

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
    def blocks(self) -> dict[str, Callable[[Document], list[Any]]]:
        """What makes the elements that take the place of each placeholder."""
        tables, pictures = self.tables, self.pictures
        return {
            "methods": lambda d: [e for topic in self.methods for e in _topic(d, *topic)],
            "tables": lambda d: [e for t in tables.values() for e in table_with_title(d, t)],
            "figures": lambda d: [e for p in pictures.values() for e in _picture(d, p)],
            **{key: _maker(table_with_title, t) for key, t in {**tables, **self.lists}.items()},
            **{key: _maker(_picture, p) for key, p in pictures.items()},
        }


def _maker(make: Callable[[Document, Any], list[Any]], one: Any) -> Callable[[Document], list[Any]]:
    return lambda document: make(document, one)


def document_of(writing: Writing) -> bytes:
    """The whole manuscript in our own layout: wide tables stand on landscape pages."""
    document = _empty(writing.texts)
    body = document.element.body
    document.add_paragraph(writing.texts["title"], style="Title")
    document.add_paragraph(writing.texts["note"])
    document.add_heading("Methods", 1)
    _append(body, writing.blocks["methods"](document))
    document.add_heading("Tables", 1)
    if _append_tables(document, list(writing.tables.values())):
        _append(body, [_section_end(document, is_landscape=True)])
    document.add_heading("Figures", 1)
    _append(body, writing.blocks["figures"](document))
    return _saved(document)


def document_of_tables(texts: Mapping[str, str], tables: Sequence[PrintedTable]) -> bytes:
    """A document of these tables alone."""
    document = _empty(texts)
    if _append_tables(document, tables):
        _turn(document)
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
            f"{template.name}: {error}; a placeholder is written as {{{{ title }}}}, in letters of one look"
        ) from error
    except Exception as error:  # whatever zip and XML readers raise of a file that is none
        raise TemplateError(
            f"{template.name}: cannot be read as a Word document (.docx): {type(error).__name__}; save it from Word"
            " or LibreOffice as .docx"
        ) from error
    faults = [fault for key in asked if key in blocks for fault in _put(document, key, blocks[key])]
    if faults:
        raise TemplateError(f"{template.name}: {'; '.join(faults)}")
    return _saved(document)


def _refuse(template: Path, asked: set[str], writing: Writing) -> None:
    known = [*writing.texts, *writing.blocks]
    faults = []
    for name in sorted(asked - set(known)):
        near = difflib.get_close_matches(name, known, 1)
        faults.append(
            f"no placeholder {{{{ {name} }}}}" + (f"; did you mean {{{{ {near[0]} }}}}?" if near else "")
        )
    if not asked & {"tables", *writing.tables}:
        faults.append("it has no placeholder of a table: write {{ tables }} in a paragraph of its own")
    if faults:
        raise TemplateError(f"{template.name}: {'. '.join(faults)} It may name {', '.join(known)}.")


def _put(document: Document, key: str, make: Callable[[Document], list[Any]]) -> Iterator[str]:
    """Put elements where the mark of a placeholder stands."""
    from docx.oxml.ns import qn

    mark, found = MARK.format(key), False
    for paragraph in list(document.element.body.iter(qn("w:p"))):
        text = "".join(t.text or "" for t in paragraph.iter(qn("w:t"))).strip()
        if mark not in text:
            continue
        found = True
        if text != mark:
            yield f"{{{{ {key} }}}} must stand alone in its paragraph"
            return
        for element in make(document):
            paragraph.addprevious(element)
        if paragraph.getparent().tag == qn("w:tc"):  # a cell ends with a paragraph
            for letters in list(paragraph.iter(qn("w:r"))):
                letters.getparent().remove(letters)
        else:
            paragraph.getparent().remove(paragraph)
    if not found:
        yield f"{{{{ {key} }}}} must stand in the text, not in a header, a footer or a text box"


def table_with_title(document: Document, table: PrintedTable, twips: int = 0) -> list[Any]:
    """Title above, footnotes below; as wide as the text of the document."""
    from docx.shared import Pt

    title = _paragraph(document, "", "Caption")
    title.add_run(table.title).bold = True
    title.paragraph_format.keep_with_next = True
    notes = []
    for i, (mark, text) in enumerate(footnotes(table)):
        note = _paragraph(document, "", "Normal")
        note.paragraph_format.space_before, note.paragraph_format.space_after = Pt(0 if i else 3), Pt(0)
        raised = run(mark + " ", raised=True, size=NOTE_HALF_POINTS) if mark else ""
        for part in _runs(raised + run(text, size=NOTE_HALF_POINTS)):
            note._p.append(part)
        notes.append(note._p)
    gap = _paragraph(document, "", "Normal")._p
    return [title._p, table_element(table, twips or _text_width(document)), *notes, gap]


def _append_tables(document: Document, tables: Sequence[PrintedTable]) -> bool:
    """Runs of wide tables stand in a section of their own, which a paragraph at its end closes. Returns
    whether the last section is landscape and still open.
    """
    body = document.element.body
    width, height = (side - 2 * MARGIN_TWIPS for side in A4_TWIPS)
    is_landscape = False
    for table in tables:
        if table.is_wide != is_landscape:
            if len(body) > 1:  # more than the properties of the last section
                _append(body, [_section_end(document, is_landscape)])
            is_landscape = table.is_wide
        _append(body, table_with_title(document, table, height if is_landscape else width))
    return is_landscape


def _turn(document: Document) -> None:
    """Make the last section landscape."""
    from docx.enum.section import WD_ORIENT

    section = document.sections[-1]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = section.page_height, section.page_width


def _section_end(document: Document, is_landscape: bool) -> BaseOxmlElement:
    """An empty paragraph that ends a section; the section has the document's footer."""
    from copy import deepcopy

    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls, qn

    width, height = A4_TWIPS[::-1] if is_landscape else A4_TWIPS
    turned = ' w:orient="landscape"' if is_landscape else ""
    edges = " ".join(f'w:{side}="{MARGIN_TWIPS}"' for side in ("top", "right", "bottom", "left"))
    end = parse_xml(
        f"<w:p {nsdecls('w')}><w:pPr><w:spacing w:before='0' w:after='0' w:line='20' w:lineRule='exact'/><w:sectPr>"
        f'<w:type w:val="nextPage"/><w:pgSz w:w="{width}" w:h="{height}"{turned}/>'
        f'<w:pgMar {edges} w:header="560" w:footer="560" w:gutter="0"/></w:sectPr></w:pPr></w:p>'
    )
    for i, footer in enumerate(document.element.body.sectPr.findall(qn("w:footerReference"))):
        end.find(qn("w:pPr")).find(qn("w:sectPr")).insert(i, deepcopy(footer))
    return end


def _topic(document: Document, topic: str, text: str) -> list[Any]:
    paragraph = _paragraph(document, "", "Normal")
    paragraph.add_run(f"{topic}. ").bold = True
    paragraph.add_run(text)
    return [paragraph._p]


def _picture(document: Document, picture: Picture) -> list[Any]:
    from docx.shared import Twips

    holder = _paragraph(document, "", "Normal")
    holder.paragraph_format.keep_with_next = True
    drawn = holder.add_run().add_picture(io.BytesIO(picture.png), width=Twips(_text_width(document)))
    drawn._inline.docPr.set("descr", picture.description)
    drawn._inline.docPr.set("title", picture.title)
    words = _paragraph(document, "", "Caption")
    words.add_run(f"{picture.title}. ").bold = True
    words.add_run(picture.caption)
    return [holder._p, words._p]


def _paragraph(document: Document, text: str, style: str) -> Any:
    """A paragraph that stands nowhere yet; a style that a template lacks is left to its own."""
    paragraph = document.add_paragraph(text)
    if any(s.name == style for s in document.styles):
        paragraph.style = style
    paragraph._p.getparent().remove(paragraph._p)
    return paragraph


def _runs(xml: str) -> list[Any]:
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    return list(parse_xml(f"<w:p {nsdecls('w')}>{xml}</w:p>"))


def _text_width(document: Document) -> int:
    """Between the margins of the document's last section, in twips."""
    section = document.sections[-1]
    width, left, right = section.page_width, section.left_margin, section.right_margin
    if width is None or left is None or right is None:
        return A4_TWIPS[0] - 2 * MARGIN_TWIPS
    return int((width - left - right) / 635)


def _append(body: Any, elements: Sequence[Any]) -> None:
    """Before the properties of the last section, which end a document."""
    for element in elements:
        body.sectPr.addprevious(element)


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

"""Free texts: what a person typed stays in the warehouse, unless the hospital's mapping releases it.

Belongs here: which columns of marts are free texts, who releases them, and the SQL that copies a mart without
the others. Does not belong here: making a release (`candidate.py`), the key `release` of a mapping
(`registry/entities.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.registry.folder import Registry
from orchestration.registry.mapping import Mapping

WITHHELD = "_withheld"  # ends the name of the column that tells of a text which stays behind


@dataclass(frozen=True)
class FreeText:
    """A column of a mart, and the field of a mapping that feeds it. ``understood`` is what a release says
    in place of the text.
    """

    mart: str
    column: str
    entity: str
    field: str
    understood: str

    def senders(self, registry: Registry) -> list[str]:
        """Senders that release it: each export of theirs that feeds the field says so."""
        return [
            s
            for s, mapping in sorted(registry.mappings.items())
            if (said := self._said(mapping)) and all(said)
        ]

    def _said(self, mapping: Mapping) -> list[bool]:
        entities = (getattr(export, self.entity) for export in mapping.exports)
        sources = (getattr(entity, self.field) for entity in entities if entity is not None)
        return [source.release for source in sources if source is not None]


FREE_TEXTS = (
    FreeText("fct_visit", "visit_label", "visits", "visit_label", "scheduled_visit"),
    FreeText("fct_event", "detail", "events", "detail", "event_id"),
    FreeText("fct_treatment", "dose_text", "treatments", "dose", "dose"),
    FreeText("fct_antibody_result", "cut_off", "antibodies", "cut_off", "result"),
    FreeText("fct_follow_up", "reason", "follow_up", "reason", "status"),
)


def copy_sql(registry: Registry, mart: str) -> str:
    """SELECT of a mart as it enters a release. A text that stays behind is null there, and the column
    `<column>_withheld` says that there is one.
    """
    rows = f"select columns(c -> c <> 'build_number') from marts.{mart}"
    for text in (t for t in FREE_TEXTS if t.mart == mart):
        names = ", ".join(f"'{sender}'" for sender in text.senders(registry)) or "null"
        is_released = f"coalesce(sender_id in ({names}), false)"
        rows = (
            f"select * replace (case when {is_released} then {text.column} end as {text.column}),"
            f" {text.column} is not null and not {is_released} as {text.column}{WITHHELD} from ({rows})"
        )
    return f"select * from ({rows}) order by all"


def released_by(registry: Registry) -> dict[str, list[str]]:
    """The senders that release each free text: a change of it makes a new release."""
    return {f"{t.mart}.{t.column}": t.senders(registry) for t in FREE_TEXTS}

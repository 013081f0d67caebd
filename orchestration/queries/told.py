"""The sentences that `myositis queries` says of what it wrote and read."""

from __future__ import annotations

from orchestration.queries.answers import Taken
from orchestration.queries.asking import Written
from orchestration.queries.closing import Closed
from orchestration.queries.finding import MOST_OF_A_KIND


def told_of_list(written: Written | None) -> str:
    if written is None:
        return "nothing to ask: every row of the deliveries in force was understood, or is answered"
    kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(written.counts.items()))
    text = f"{written.path}: {_counted(sum(written.counts.values()), 'question')} ({kinds})"
    if written.left_out:
        left = ", ".join(f"{kind} {n}" for kind, n in sorted(written.left_out.items()))
        text += (
            "\n"
            f"not asked, because more than {MOST_OF_A_KIND} are alike, and the mapping may be at fault: "
            f"{left}"
        )
    return (
        text + "\n"
        "The list holds patients' values: send it to nobody but the hospital. Read the answers with "
        "--read FILE."
    )


def told_of_answers(taken: Taken) -> str:
    parts = [f"{_counted(taken.written, 'record')} written to corrections/{taken.path.name}"]
    parts += [
        f"{n} {words}"
        for n, words in (
            (taken.already_there, "there already"),
            (taken.sent_again, "to be sent again by the hospital"),
            (taken.unanswered, "not answered yet"),
        )
        if n
    ]
    return ", ".join(parts) + ("; bring them into force with: myositis run" if taken.written else "")


def told_of_closed(done: Closed) -> str:
    """What was closed, and what is left for a person, one record a line."""
    if not done.closed and not done.left:
        return f"every record of corrections/{done.sender}.yml holds; there is nothing to close"
    verb = "closed" if done.is_written else "would be closed (--dry-run: nothing is written)"
    lines = [f"corrections/{done.sender}.yml: {_counted(len(done.closed), 'record')} {verb}"]
    lines += [f"  {c.record}: {c.status}: {c.why}" for c in done.closed]
    lines += [f"  {c.record}: left as it is: {c.why}" for c in done.left]
    return "\n".join(lines) + ("\nGo on with: myositis run" if done.closed and done.is_written else "")


def _counted(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"

"""How answers about reach are printed."""

from __future__ import annotations

from yama_session.cli._table import Colour, coloured, printable, wrapped
from yama_session.reach import Answer, Verdict
from yama_session.scope import DomainInfo, by_programs, supported

#: Where what is said of a word begins.
INDENT = 12

_COLOURS = {
    Verdict.YES: Colour.GOOD,
    Verdict.NO: Colour.BAD,
    Verdict.UNKNOWN: Colour.DOUBTFUL,
}


def answer_plain(answer: Answer) -> dict[str, object]:
    """Return an answer for JSON."""
    return {
        "answer": answer.verdict.value,
        "rule": answer.rule,
        "reason": answer.reason,
        "change": answer.change or None,
        "asked": answer.asked,
    }


def answer_lines(what: str, answer: Answer) -> list[str]:
    """Return an answer for people."""
    word = coloured(answer.verdict.value, _COLOURS[answer.verdict])
    lines = wrapped(f"{what + ':':<12}{word}: {printable(answer.reason)}", INDENT)
    if answer.change:
        lines += wrapped(f"{'':<12}what would change it: {printable(answer.change)}", INDENT)
    return lines


def domain_plain(domain: DomainInfo | None) -> dict[str, object] | None:
    """Return a domain for JSON."""
    if domain is None:
        return None
    return {
        "id": str(domain.id),
        "scope": domain.scope.word,
        "view": domain.view.word,
        "depth": domain.depth,
        "override": domain.override,
    }


def domain_text(domain: DomainInfo | None) -> str:
    """Return a domain for people."""
    if domain is None:
        if by_programs():
            return "domain not shown by bpf"
        return "in no domain" if supported() else "in no domain that this kernel shows"
    override = ", override" if domain.override else ""
    return (
        f"domain {domain.id} (scope {domain.scope.word}, view {domain.view.word}, "
        f"depth {domain.depth}{override})"
    )

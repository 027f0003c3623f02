"""What all pages of the organiser's desk have in common: the frame, and how a form that cannot be taken comes again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from datauab.competition import Competition
from datauab.web.club import Club
from datauab.web.context import about
from datauab.web.desk_forms import UnclearForm, filled
from datauab.web.problems import Problem
from datauab.web.render import page
from datauab.web.session import Viewer

PARTS = (
    ("overview", "", "Overview"),
    ("attempts", "/attempts", "Attempts"),
    ("autograde", "/autograde", "Autograde"),
    ("members", "/members", "Members"),
    ("boards", "/boards", "Times and boards"),
    ("announcements", "/announcements", "Announcements"),
    ("rescoring", "/rescoring", "Rescoring"),
    ("similar", "/similar", "Similar"),
    ("checks", "/checks", "Checks"),
    ("audit", "/audit", "Audit log"),
    ("bundle", "/bundle", "Bundles"),
)
"""The pages of the desk: short name, what follows ``manage`` in the address, title."""

SAID = {
    "retried": "The attempt waits in the queue again.",
    "retried-all": "The attempts that the platform failed wait in the queue again.",
    "extended": "The extension holds from now on, and the student sees it beside the quota.",
    "taken-back": "The extension is taken back: what everybody has holds again.",
    "ruled": "Decided. It holds from now on and weighs more than competition.toml.",
    "undone": "The ruling is undone: competition.toml holds again.",
    "announced": "The announcement stands on the competition's page and in the notebook client.",
    "withdrawn": "The announcement is withdrawn; the audit log keeps it.",
    "asked": "The grader was asked. The answer appears here by itself.",
    "asked-class": "The grader was asked. How far it has come appears here by itself.",
    "stopped-class": "The run is stopped: what was graded stays, what ran is put back.",
    "ended-class": "The run had ended already.",
    "applied": "The grader recomputes the scores, all of them or none. The result appears here by itself.",
}
"""What a page says after an act, by the word in its address."""


def show(
    request: Request,
    club: Club,
    viewer: Viewer,
    competition: Competition,
    *,
    part: str,
    values: Mapping[str, Any],
    problem: Problem | None = None,
) -> Response:
    """Render one page of the desk; with `problem` above its forms, filled in as they were sent."""
    title = next(title for name, _, title in PARTS if name == part)
    frame = {
        **about(club, competition),
        "part": part,
        "part_title": title,
        "parts_of_desk": PARTS,
        "desk": f"{club.prefix}competitions/{competition.name}/manage",
        "said": SAID.get(request.query_params.get("said", "")) if problem is None else None,
        "problem": str(problem) if problem else None,
        "filled": filled(viewer) if problem else {},
        "twice": problem.twice if isinstance(problem, UnclearForm) else "",
        "names": {},
    }
    template = "manage.html" if part == "overview" else f"desk_{values.get('template') or part}.html"
    return page(request, template, viewer, {**frame, **values}, status=problem.status if problem else 200)


def done(club: Club, name: str, rest: str, said: str) -> Response:
    """Lead on to a page of the desk, which says what was done."""
    path, _, anchor = rest.partition("#")
    mark = "&" if "?" in path else "?"
    address = f"{club.prefix}competitions/{name}/manage{path}{mark}said={said}"
    return RedirectResponse(address + (f"#{anchor}" if anchor else ""), status_code=303)

"""The API behind nbgrader's exchange: releases, submissions and feedback, by the hub's identity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from datauab.archive import read_archive
from datauab.errors import InvalidSubmission
from datauab.ledger import Attempt
from datauab.web.answers import described
from datauab.web.api import REFUSALS, InClub, Member
from datauab.web.club import Club
from datauab.web.intake import Arrival, take_in
from datauab.web.models import ReceiptAnswer, ReleaseAnswer, SubmissionAnswer
from datauab.web.own_attempts import visible_attempt
from datauab.web.problems import Problem
from datauab.web.session import Viewer, instructor
from datauab.web.streams import read_body
from datauab.web.visibility import VisibleScore, visible_scores

TIMESTAMP = "%Y-%m-%d %H:%M:%S.%f UTC"
RELEASE_MB = 256
"""Largest release or feedback that an instructor may publish, in MiB: both may hold images."""

router = APIRouter(prefix="/exchange", tags=["exchange"], responses=REFUSALS)

Teacher = Annotated[Viewer, Depends(instructor)]
ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}


def zip_answer(data: bytes, filename: str) -> Response:
    """Answer with an archive that a browser saves and never shows."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", filename)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type="application/zip", headers=headers)


@router.get("/assignments")
def list_releases(club: InClub, viewer: Member) -> list[ReleaseAnswer]:
    """List the released assignments."""
    return [
        ReleaseAnswer(
            name=one.assignment,
            course=club.settings.course,
            sha256=one.sha256,
            size=one.size,
            released_at=one.released_at,
        )
        for one in club.ledger.releases()
    ]


@router.get("/assignments/{name}/archive", response_class=Response, responses=ZIP)
def fetch_release(name: str, club: InClub, viewer: Member) -> Response:
    """Give the zip of a released assignment."""
    if name not in {one.assignment for one in club.ledger.releases()}:
        words = "is not released; an instructor releases it in Formgrader"
        raise Problem(404, "NotFound", f"assignment {name[:60]!r} {words}")
    return zip_answer(club.ledger.release_archive(name), f"{name}.zip")


@router.put("/assignments/{name}", status_code=200)
async def publish_release(name: str, request: Request, club: InClub, viewer: Teacher) -> ReleaseAnswer:
    """Release an assignment, in place of an earlier release; instructors only."""
    if club.catalogue.get(name) is None:
        raise Problem(404, "NotFound", f"source/{name[:60]} has no valid competition.toml; write it, then release")
    body = await read_body(request, RELEASE_MB)
    if f"{name}.ipynb" not in await run_in_threadpool(read_archive, body):
        raise InvalidSubmission(f"the release lacks {name}.ipynb at its root; generate the assignment, then release it")
    one = await run_in_threadpool(club.ledger.publish_release, name, body, viewer.name)
    return ReleaseAnswer(
        name=one.assignment,
        course=club.settings.course,
        sha256=one.sha256,
        size=one.size,
        released_at=one.released_at,
    )


@router.delete("/assignments/{name}", status_code=204)
def withdraw_release(name: str, club: InClub, viewer: Teacher) -> None:
    """Take a released assignment back; submissions and the board stay. Instructors only."""
    club.ledger.withdraw_release(name, viewer.name)


@router.post("/assignments/{name}/submissions", status_code=201)
async def submit(
    name: str,
    request: Request,
    club: InClub,
    viewer: Member,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> ReceiptAnswer:
    """Hand in a zip of the assignment's files; the answer comes when it is on disk and queued."""
    competition = await run_in_threadpool(club.competition, name, instructor=viewer.instructor)
    body = await read_body(request, club.settings.upload_mb)
    arrival = Arrival("notebook", body, f"{name}.zip")
    attempt = await run_in_threadpool(
        take_in, club, viewer, competition, arrival, origin="exchange", key=idempotency_key
    )
    return ReceiptAnswer(
        id=attempt.id,
        received_at=attempt.received_at,
        sha256=attempt.sha256,
        receipt=club.receipt(attempt),
        timestamp=attempt.received_at.strftime(TIMESTAMP),
    )


@router.get("/submissions")
def list_submissions(
    club: InClub,
    viewer: Member,
    assignment: str | None = None,
    everyone: Annotated[bool, Query(alias="all")] = False,
) -> list[SubmissionAnswer]:
    """List one's own submissions, or with ``all=1`` everyone's (instructors), newest first."""
    if everyone and not viewer.instructor:
        raise Problem(403, "Forbidden", "only instructors see everyone's submissions; leave out all=1 for your own")
    found = club.ledger.attempts(competition=assignment, member=None if everyone else viewer.name)
    handed_in = [one for one in found if one.kind == "notebook" and one.origin != "baseline"]
    digests = club.ledger.feedback_hashes([one.id for one in handed_in if one.has_feedback])
    seen = _scores(club, viewer, handed_in)
    return [_submission(club, one, digests.get(one.id), seen[one.id]) for one in handed_in]


@router.get("/submissions/{number}/archive", response_class=Response, responses=ZIP)
def fetch_submission(number: int, club: InClub, viewer: Member) -> Response:
    """Give what was handed in: one's own, or anybody's for instructors."""
    attempt = visible_attempt(club, viewer, number)
    return zip_answer(club.ledger.blob(attempt), f"{attempt.competition}-{attempt.id}.zip")


@router.get("/submissions/{number}/feedback", response_class=Response, responses=ZIP)
def fetch_feedback(number: int, club: InClub, viewer: Member) -> Response:
    """Give the feedback on a submission: one's own, or anybody's for instructors."""
    return feedback_answer(club, visible_attempt(club, viewer, number))


def feedback_answer(club: Club, attempt: Attempt) -> Response:
    """Answer with the feedback on `attempt`, or 404 where there is none yet."""
    archive = club.ledger.feedback_archive(attempt.id)
    if archive is None:
        raise Problem(404, "NotFound", f"attempt {attempt.id} has no feedback yet; look again when it is graded")
    return zip_answer(archive, f"{attempt.competition}-{attempt.id}-feedback.zip")


@router.put("/submissions/{number}/feedback", status_code=204)
async def publish_feedback(number: int, request: Request, club: InClub, viewer: Teacher) -> None:
    """Publish the feedback on a submission; instructors only."""
    attempt = await run_in_threadpool(visible_attempt, club, viewer, number)
    body = await read_body(request, RELEASE_MB)
    await run_in_threadpool(read_archive, body)
    await run_in_threadpool(club.ledger.publish_feedback, attempt.id, body)


def _scores(club: Club, viewer: Viewer, attempts: Sequence[Attempt]) -> dict[int, VisibleScore]:
    """What the viewer may see of each; nothing where the competition's description is gone."""
    seen = {one.id: VisibleScore() for one in attempts}
    for name in {one.competition for one in attempts}:
        try:
            competition = described(club, next(one for one in attempts if one.competition == name))
        except Problem:
            continue
        seen |= visible_scores(club, competition, [one for one in attempts if one.competition == name], viewer)
    return seen


def _submission(club: Club, one: Attempt, feedback_sha256: str | None, seen: VisibleScore) -> SubmissionAnswer:
    waits = one.state == "queued"
    return SubmissionAnswer(
        id=one.id,
        assignment=one.competition,
        student=one.member,
        timestamp=one.received_at.strftime(TIMESTAMP),
        received_at=one.received_at,
        state=one.state,
        reason=one.reason,
        has_feedback=one.has_feedback,
        feedback_sha256=feedback_sha256,
        sha256=one.sha256,
        kind=one.kind,
        points=seen.points,
        max_points=seen.max_points,
        public=seen.public,
        queue_position=club.ledger.queue_position(one.id) if waits else None,
    )

"""The API of attempts: hand in, list, show, delete; and the announcements of a competition."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from datauab.competition import Competition
from datauab.errors import InvalidSubmission
from datauab.ledger import Attempt
from datauab.receipts import public_key
from datauab.web.answers import attempt_answers, described, whole_answer
from datauab.web.api import REFUSALS, Anybody, InClub, Member
from datauab.web.club import Club
from datauab.web.gate import Entering
from datauab.web.intake import entering, sort_out, take_in
from datauab.web.models import AnnouncementAnswer, AttemptAnswer, ReceiptKeyAnswer
from datauab.web.own_attempts import LARGEST_NUMBER, LIST_LIMIT, delete_attempt, own_attempts, visible_attempt
from datauab.web.session import FORM_OVERHEAD, Viewer
from datauab.web.streams import read_body, read_form

LONGEST_WAIT = 30.0
"""Seconds that a request may wait for the ending of an attempt."""

router = APIRouter(tags=["attempts"], responses=REFUSALS)

Wait = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT, description="seconds to wait for the attempt's ending before the answer comes")
]
_FILE = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "required": ["file"], "properties": {"file": _FILE}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "predictions (.npy, .csv, .parquet, .pkl, or a .zip of one), or the assignment's notebook",
        "content": {"application/octet-stream": {"schema": _FILE}, "multipart/form-data": {"schema": _FORM}},
    }
}


@router.post("/competitions/{name}/attempts", status_code=201, openapi_extra=BODY)
async def hand_in(
    name: str,
    request: Request,
    club: InClub,
    viewer: Member,
    *,
    filename: Annotated[str, Query(max_length=400, description="the file's name, which tells its format")] = "",
    wait: Wait = 0.0,
    idempotency_key: Annotated[
        str | None, Header(max_length=200, description="the same key gives the same attempt, however often it is sent")
    ] = None,
) -> AttemptAnswer:
    """Hand in a file: it is on disk and queued when the answer comes; with ``wait``, scored or failed."""
    sent, data = await _read(request, club, viewer)

    def store() -> tuple[Competition, Attempt, Entering]:
        with club.ledger.together():
            competition = club.competition(name, instructor=viewer.instructor)
            who = entering(club, competition, viewer)
        arrival = sort_out(competition, filename or sent, data)
        attempt = take_in(club, viewer, competition, arrival, origin="api", key=idempotency_key, who=who)
        return competition, attempt, who

    competition, attempt, who = await run_in_threadpool(store)
    return await _when_ended(club, competition, attempt, viewer, wait=wait, who=who)


@router.get("/competitions/{name}/attempts")
def list_own_attempts(
    name: str,
    club: InClub,
    viewer: Member,
    before: Annotated[
        int | None, Query(ge=1, le=LARGEST_NUMBER, description="only attempts with smaller numbers: the next page")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=LIST_LIMIT)] = LIST_LIMIT,
) -> list[AttemptAnswer]:
    """List the attempts of the caller and the caller's team, newest first."""
    competition = club.competition(name, instructor=viewer.instructor)
    page = own_attempts(club, competition, viewer, before=before, limit=limit)
    return attempt_answers(club, competition, page.attempts, viewer)


@router.get("/competitions/{name}/announcements")
def list_announcements(name: str, club: InClub, viewer: Anybody) -> list[AnnouncementAnswer]:
    """List what the organisers tell everybody who takes part, newest first."""
    club.competition(name, instructor=bool(viewer and viewer.instructor))
    return [AnnouncementAnswer(id=one.id, text=one.text, at=one.at) for one in club.ledger.announcements(name)]


@router.get("/attempts/{number}")
async def show_attempt(number: int, club: InClub, viewer: Member, wait: Wait = 0.0) -> AttemptAnswer:
    """Show one attempt: one's own or of one's team, or anybody's for instructors."""

    def find() -> tuple[Competition, Attempt]:
        attempt = visible_attempt(club, viewer, number)
        return described(club, attempt), attempt

    competition, attempt = await run_in_threadpool(find)
    return await _when_ended(club, competition, attempt, viewer, wait=wait)


@router.delete("/attempts/{number}")
def delete(number: int, club: InClub, viewer: Member) -> AttemptAnswer:
    """Delete one's own attempt: it leaves every board and counts no more, its number and quota stay used."""
    attempt = delete_attempt(club, viewer, number)
    return whole_answer(club, described(club, attempt), attempt, viewer)


@router.get("/receipts/key")
async def receipts_key(club: InClub) -> ReceiptKeyAnswer:
    """Give the public key with which anybody can verify this club's receipts."""
    return ReceiptKeyAnswer(key=public_key(club.key))


async def _read(request: Request, club: Club, viewer: Viewer) -> tuple[str, bytes]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data" and viewer.form is None:
        return "", await read_body(request, club.settings.upload_mb)
    form = viewer.form or await read_form(request, club.settings.upload_mb, FORM_OVERHEAD)
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidSubmission("no file arrived: expected a form with a file named `file`, or the file as body")
        return file.filename or "", await file.read()
    finally:
        await form.close()


async def _when_ended(
    club: Club,
    competition: Competition,
    attempt: Attempt,
    viewer: Viewer,
    *,
    wait: float,
    who: Entering | None = None,
) -> AttemptAnswer:
    waits = attempt.state in ("queued", "running")
    again = waits and await club.endings.ended(attempt.id, wait)

    def answer() -> AttemptAnswer:
        with club.ledger.together():
            newest = club.ledger.attempt(attempt.id) if again else attempt
            return whole_answer(club, competition, newest, viewer, who)

    return await run_in_threadpool(answer)

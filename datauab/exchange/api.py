"""Client of the web service's exchange API: who calls is known by the hub's token alone."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from datauab.errors import ClubError, InvalidSubmission, LimitReached, PhaseClosed
from datauab.exchange.records import Receipt, Release, Submission

MAX_DOWNLOAD = 512 * 2**20
"""Largest archive accepted from the server, in bytes."""

PAUSES = (0.3, 1.0, 2.5)
"""Seconds between tries; a JupyterLab page waits for the sum of them before it hears that nobody answers."""

PATIENCE = 20.0
"""Seconds after which a request that brought no answer is not tried again."""

_STUDENTS_ERRORS: dict[str, type[ClubError]] = {
    kind.__name__: kind for kind in (InvalidSubmission, PhaseClosed, LimitReached)
}

_Model = TypeVar("_Model", bound=BaseModel)


class Unreachable(ClubError):
    """The web service did not answer, though it was asked several times."""


class _NoAnswer(Exception):
    """One request brought no answer from the service; `sent` tells whether it may have been carried out."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class WebExchange:
    """The exchange as the web service offers it to the owner of a hub token.

    Parameters
    ----------
    address : str
        Address of the web service with its prefix, such as ``http://hub/services/club/``.
    token : str
        The hub's token of this server.
    pauses : sequence of float
        Seconds to wait before each further try of a request that brought no answer.
    """

    def __init__(self, address: str, token: str, *, pauses: Sequence[float] = PAUSES) -> None:
        self.where = address.rstrip("/") + "/"
        self._pauses = tuple(pauses)
        # A proxy of the machine's environment must not be asked for addresses on the machine itself.
        local = urlsplit(self.where).hostname in {"localhost", "127.0.0.1", "::1"}
        self._client = httpx.Client(
            base_url=self.where + "api/v1/exchange/",
            headers={"Authorization": f"token {token}", "Accept": "application/json, application/zip"},
            timeout=httpx.Timeout(30.0, connect=5.0),
            trust_env=not local,
        )

    def releases(self) -> list[Release]:
        """List the released assignments."""
        return _parse_list(Release, self._retry("GET", "assignments"))

    def release_archive(self, assignment: str) -> bytes:
        """Download the zip of one released assignment."""
        return self._retry("GET", f"assignments/{quote(assignment, safe='')}/archive")

    def publish_release(self, assignment: str, archive: bytes) -> None:
        """Release `archive` as `assignment`; instructors only."""
        self._retry("PUT", f"assignments/{quote(assignment, safe='')}", content=archive)

    def withdraw_release(self, assignment: str) -> None:
        """Take a released assignment back; instructors only."""
        self._retry("DELETE", f"assignments/{quote(assignment, safe='')}")

    def submissions(self, assignment: str | None = None, *, everyone: bool = False) -> list[Submission]:
        """List one's own submissions, or everyone's (instructors only), oldest first."""
        query = {"assignment": assignment} if assignment else {}
        if everyone:
            query["all"] = "1"
        found = _parse_list(Submission, self._retry("GET", "submissions", params=query))
        return sorted(found, key=lambda item: (item.received_at, item.id))

    def submission_archive(self, submission: int) -> bytes:
        """Download what was handed in; one's own, or anybody's for instructors."""
        return self._retry("GET", f"submissions/{submission}/archive")

    def feedback_archive(self, submission: int) -> bytes:
        """Download the zip of the feedback; one's own, or anybody's for instructors."""
        return self._retry("GET", f"submissions/{submission}/feedback")

    def publish_feedback(self, submission: int, archive: bytes) -> None:
        """Publish the feedback to one submission; instructors only."""
        self._retry("PUT", f"submissions/{submission}/feedback", content=archive)

    def submit(self, assignment: str, archive: bytes) -> Receipt:
        """Hand in `archive` so that it becomes exactly one attempt, also where an answer is lost on the way.

        Every try carries the same ``Idempotency-Key``; and before a further try the own submissions are read, so
        that an attempt whose answer was lost is found instead of made twice.

        Raises
        ------
        ClubError
            Where the server refuses (with its reason), where nobody answers, or where what arrived is not what was
            sent.
        """
        digest = hashlib.sha256(archive).hexdigest()
        known = {item.id for item in self.submissions(assignment)}
        headers = {"Idempotency-Key": f"{digest}-{time.time_ns()}"}
        path = f"assignments/{quote(assignment, safe='')}/submissions"
        perhaps_taken = False
        for pause in self._tries():
            try:
                receipt = _parse(Receipt, self._once("POST", path, content=archive, headers=headers))
                return _same_content(receipt, digest)
            except _NoAnswer as lost:
                perhaps_taken |= lost.sent
                if pause is None and not perhaps_taken:
                    raise self._unreachable(lost) from None
                time.sleep(pause or 0.0)
                try:
                    arrived = self._arrived(assignment, known, digest)
                except _NoAnswer:
                    arrived = None
                if arrived:
                    return arrived
        raise Unreachable(
            f"The club's service at {self.where} took the submission but its answer was lost, and it does not answer "
            "now. Look at your submissions in a minute: where this one is not among them, hand it in again."
        )

    def _arrived(self, assignment: str, known: set[int], digest: str) -> Receipt | None:
        body = self._once("GET", "submissions", params={"assignment": assignment})
        new = [item for item in _parse_list(Submission, body) if item.id not in known and item.sha256 == digest]
        return Receipt(**max(new, key=lambda item: item.id).model_dump()) if new else None

    def _retry(self, method: str, path: str, **request: Any) -> bytes:
        # Only for requests that may be carried out twice without harm.
        for pause in self._tries():
            try:
                return self._once(method, path, **request)
            except _NoAnswer as error:
                if pause is None:
                    raise self._unreachable(error) from None
                time.sleep(pause)
        raise AssertionError("the last try either answers or raises")

    def _tries(self) -> Iterator[float | None]:
        """Give, for each try, the seconds to wait if it brings no answer; None for the last."""
        last = time.monotonic() + PATIENCE
        for pause in self._pauses:
            if time.monotonic() > last:
                break
            yield pause
        yield None

    def _once(self, method: str, path: str, **request: Any) -> bytes:
        if "content" in request:
            request["headers"] = {"Content-Type": "application/zip", **request.get("headers", {})}
        try:
            with self._client.stream(method, path, **request) as response:
                body = _read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _NoAnswer(str(error) or type(error).__name__, sent=False) from None
        except httpx.TransportError as error:
            raise _NoAnswer(str(error) or type(error).__name__, sent=True) from None
        except httpx.InvalidURL as error:
            raise ClubError(f"DATAUAB_WEB_URL: expected the address of the web service, found {self.where}") from error
        if response.status_code >= 500:
            said = _words(body).get("message", "")
            raise _NoAnswer(f"HTTP {response.status_code}{said and ': '}{said}", sent=True)
        if response.status_code not in range(200, 300):
            raise _refusal(response.status_code, body, self.where)
        return body

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"The club's service at {self.where} does not answer as it should ({error}). "
            "Try again in a minute; if it stays so, tell your instructor. Nothing was lost."
        )


def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_DOWNLOAD:
            raise ClubError(f"{response.url}: expected at most {MAX_DOWNLOAD} bytes, found more; tell your instructor")
    return bytes(body)


def _refusal(status: int, body: bytes, where: str) -> ClubError:
    if status == 401 or status in range(300, 400):
        return ClubError(
            f"The club's service at {where} did not accept this server's token (HTTP {status}). "
            "Stop your server on the hub's control panel, start it again and retry."
        )
    answer = _words(body)
    kind = _STUDENTS_ERRORS.get(answer.get("error", ""), ClubError)
    if answer.get("message"):
        return kind(answer["message"])
    meaning = {
        403: "your account may not do this",
        404: "there is nothing of that name, or it is not yours",
        413: "what was sent is larger than the club accepts",
        423: "no phase of the competition is open",
        429: "your limit is reached",
    }.get(status, "the service could not carry it out; try again, and if it stays so tell your instructor")
    return kind(f"The club's service at {where} refused (HTTP {status}): {meaning}.")


def _words(body: bytes) -> dict[str, str]:
    try:
        return {key: str(value) for key, value in TypeAdapter(dict[str, Any]).validate_json(body).items()}
    except ValidationError:
        return {}


def _same_content(receipt: Receipt, digest: str) -> Receipt:
    if receipt.sha256 != digest:
        raise ClubError(
            f"Submission {receipt.id} arrived damaged: expected SHA-256 {digest}, found {receipt.sha256}. Hand it in "
            "again; the newest submission counts."
        )
    return receipt


def _parse(model: type[_Model], body: bytes) -> _Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _misunderstood(error) from None


def _parse_list(model: type[_Model], body: bytes) -> list[_Model]:
    try:
        return TypeAdapter(list[model]).validate_json(body)  # type: ignore[valid-type]
    except ValidationError as error:
        raise _misunderstood(error) from None


def _misunderstood(error: ValidationError) -> ClubError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the answer"
    return ClubError(
        f"The club's service answered something that this server does not understand: {where}: {first['msg']} "
        f"(found {str(first['input'])[:80]!r}). Restart your server to get the current version; if it stays so, tell "
        "your instructor."
    )

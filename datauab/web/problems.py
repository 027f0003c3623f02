"""Refusals: one form for programs (JSON), one for people (a page)."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from datauab.errors import ClubError, InvalidSubmission, LedgerError, LimitReached, PhaseClosed
from datauab.receipts import InvalidReceipt
from datauab.web.auth import AuthenticationUnavailable
from datauab.web.gate import RulesNotAccepted, TeamTooLarge, TooLarge

log = logging.getLogger(__name__)

HEADINGS = {
    400: "This cannot be accepted",
    403: "This is not for you",
    404: "There is nothing here",
    405: "This cannot be done here",
    409: "This contradicts what is there",
    413: "Too large",
    422: "This was not understood",
    423: "Closed",
    429: "Limit reached",
    500: "Something broke on our side",
    503: "Please try again in a moment",
}

_STATUS: tuple[tuple[type[ClubError], int, str], ...] = (
    (TooLarge, 413, "InvalidSubmission"),
    (RulesNotAccepted, 403, "RulesNotAccepted"),
    (TeamTooLarge, 409, "TeamTooLarge"),
    (InvalidSubmission, 400, "InvalidSubmission"),
    (PhaseClosed, 423, "PhaseClosed"),
    (LimitReached, 429, "LimitReached"),
    (InvalidReceipt, 400, "InvalidReceipt"),
)


class Problem(Exception):
    """A refusal that is no fault of a submission: unknown, not allowed, not signed in.

    Parameters
    ----------
    status : int
        HTTP status.
    kind : str
        Short name for programs.
    message : str
        What, expected, found and the next step, for people.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class SignInNeeded(Problem):
    """The page is for signed-in members; a browser is sent to the sign-in instead of an error."""

    def __init__(self) -> None:
        super().__init__(403, "Forbidden", "sign in first: a program sends `Authorization: token <its hub token>`")


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` leave in one of the two forms, never as a traceback."""

    async def handle(request: Request, error: Exception) -> Response:
        return _answer(request, *_describe(error), error)

    for kind in (Problem, ClubError, AuthenticationUnavailable, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, handle)


def _describe(error: Exception) -> tuple[int, str, str]:
    known = next(((status, name) for kind, status, name in _STATUS if isinstance(error, kind)), None)
    if known is not None:
        return *known, str(error)
    match error:
        case Problem():
            answer = error.status, error.kind, str(error)
        case HTTPException():
            answer = error.status_code, "HTTPError", _plain(error)
        case RequestValidationError():
            found = error.errors()[0]
            answer = 422, "InvalidRequest", f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"
        case LedgerError():
            # Its message is for operators: it names files of the server.
            log.error("the ledger failed: %s", error)
            words = "the club's records cannot be used right now, and nothing was recorded; try again in a minute"
            answer = 503, "LedgerError", f"{words}, or tell an instructor"
        case AuthenticationUnavailable():
            log.warning("the hub did not answer: %s", error)
            words = "the hub does not answer, so nobody can be signed in; try again in a minute"
            answer = 503, "HubUnavailable", words
        case _:
            log.error("unexpected error", exc_info=error)
            words = "the club could not do this and wrote down why; try again, or tell an instructor"
            answer = 500, "InternalError", words
    return answer


def _plain(error: HTTPException) -> str:
    if error.status_code == 404:
        return "nothing has this address; see the list of competitions"
    return str(error.detail)


def _answer(request: Request, status: int, kind: str, message: str, error: Exception) -> Response:
    from datauab.web.render import error_page, login_redirect

    prefix = request.app.state.club.prefix
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    rules = _rules_address(request, prefix) if isinstance(error, RulesNotAccepted) else None
    if request.url.path.startswith(f"{prefix}api/"):
        if rules:
            headers["Link"] = f'<{rules}>; rel="terms-of-service"'
            message = f"{message}: {rules}"
        return JSONResponse({"error": kind, "message": message}, status_code=status, headers=headers)
    if isinstance(error, SignInNeeded) and request.method in ("GET", "HEAD"):
        return login_redirect(request)
    sentence = message[:1].upper() + message[1:]
    sentence += "" if sentence.endswith((".", "!", "?")) else "."
    onward = (rules, "Read the rules") if rules else None
    heading = HEADINGS.get(status, "This did not work")
    return error_page(request, status, heading, sentence, headers=headers, onward=onward)


def _rules_address(request: Request, prefix: str) -> str | None:
    # a refused submission names its competition in its own address
    name = request.path_params.get("name")
    return f"{prefix}competitions/{name}/rules" if name else None

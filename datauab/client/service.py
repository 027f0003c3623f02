"""The club's web service as programs of members reach it: its API, by the hub's token."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from datauab.errors import ClubError, InvalidSubmission, LimitReached, PhaseClosed
from datauab.settings import hub_client_settings

if TYPE_CHECKING:
    import httpx

PAUSES = (0.5, 2.0, 5.0)
"""Seconds before a request whose answer did not come is sent again."""

_REFUSALS: Mapping[str, type[ClubError]] = {
    "InvalidSubmission": InvalidSubmission,
    "LimitReached": LimitReached,
    "PhaseClosed": PhaseClosed,
}
_BUSY = (502, 503, 504)


class Service:
    """One conversation with the club's API; a context manager.

    Parameters
    ----------
    url : str
        Address of the web service, with its prefix.
    token : str
        A token of the hub that may use the service; empty for a visitor, who reads boards only.
    what : str
        Begins every message of an error.
    """

    def __init__(self, url: str, token: str, what: str) -> None:
        import httpx

        self.where = url.rstrip("/") + "/"
        self.what = what
        # A proxy of the machine's environment must not be asked for addresses on the machine itself.
        local = urlsplit(self.where).hostname in {"localhost", "127.0.0.1", "::1"}
        self._client = httpx.Client(
            base_url=self.where + "api/v1/",
            headers={"Accept": "application/json", **({"Authorization": f"token {token}"} if token else {})},
            trust_env=not local,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, *, wait: float = 0.0, tries: int = 2) -> Any:
        """Read what the API tells at `path`, which may take `wait` seconds; the parts of `path` need no quoting.

        Raises
        ------
        ClubError
            Where the club refuses, with its words, or does not answer.
        """
        return self._ask("GET", path, tries, wait, params={"wait": wait} if wait else {})

    def post(self, path: str, content: bytes, headers: Mapping[str, str], *, wait: float = 0.0, filename: str) -> Any:
        """Send the file `content`; with an ``Idempotency-Key`` among the headers it may be sent several times.

        Raises
        ------
        InvalidSubmission, PhaseClosed, LimitReached, ClubError
            As the club refuses it, with its words.
        """
        query = {"filename": filename, "wait": wait}
        return self._ask("POST", path, len(PAUSES) + 1, wait, content=content, headers=dict(headers), params=query)

    def _ask(self, method: str, path: str, tries: int, wait: float, **request: Any) -> Any:
        import httpx

        address = quote(path, safe="/")
        lost: object = None
        for number in range(tries):
            if number:
                time.sleep(PAUSES[number - 1])
            try:
                timeout = httpx.Timeout(30.0 + wait, connect=10.0)
                answer = self._client.request(method, address, timeout=timeout, **request)
            except httpx.HTTPError as error:
                lost = error
                continue
            if answer.status_code in _BUSY and number < tries - 1:
                continue
            return self._read(answer)
        raise ClubError(
            f"{self.what}: the club does not answer ({lost}); try again in a minute; "
            "what had arrived is in your list of attempts"
        )

    def _read(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            try:
                return answer.json()
            except ValueError:
                raise ClubError(f"{self.what}: {_unexpected(answer.text)}") from None
        try:
            problem = json.loads(answer.text)
            kind, message = str(problem.get("error")), str(problem["message"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ClubError(f"{self.what}: {_unexpected(answer.text)}") from None
        raise _REFUSALS.get(kind, ClubError)(f"{self.what}: {message}")


def _unexpected(text: str) -> str:
    return f"the club answered something else than expected: {text[:200]!r}; try again in a minute"


def open_service(what: str, missing: str, url: str = "", token: str = "") -> Service:
    """The service that the hub told this process about, or the one at `url`.

    Parameters
    ----------
    what : str
        What it is asked for, for messages.
    missing : str
        What there is not where no service is known.

    Raises
    ------
    ClubError
        Where no service is known, as while being graded.
    """
    hub = hub_client_settings()
    if not (url or hub.web_url):
        raise ClubError(
            f"{missing}: expected a notebook on the club's hub, found none (a graded run has no network); "
            "open the competition's page instead"
        )
    return Service(url or hub.web_url, token or hub.token, what)

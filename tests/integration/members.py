"""Members who talk to the web service with a token of the hub, as programs do."""

from __future__ import annotations

import contextlib
import re
import time
import uuid

import httpx
from deployment import Deployment

PASSWORD = "a good long password"


class Member:
    """Somebody who talks to the web service with a token of the hub."""

    def __init__(self, club: Deployment, name: str) -> None:
        self.name = name
        self.club = club
        with httpx.Client(base_url=club.address, follow_redirects=True, timeout=60, trust_env=False) as browser:
            link = club.invite_link().removeprefix(club.address)
            hidden = dict(re.findall(r'type="hidden"\s+name="(\w+)"\s+value="([^"]*)"', browser.get(link).text))
            form = {**hidden, "username": name, "password": PASSWORD, "repeated": PASSWORD}
            joined = browser.post(link.split("?")[0], data=form)
            assert joined.is_success, f"{name} could not join: {joined.status_code} {joined.text}\n{club.hub_log()}"
            browser.get("/hub/token")
            xsrf = next(
                cookie.value for cookie in browser.cookies.jar if cookie.name == "_xsrf" and "/hub" in cookie.path
            )
            answer = browser.post(
                f"/hub/api/users/{name}/tokens", json={"note": "test"}, headers={"X-XSRFToken": str(xsrf)}
            )
            answer.raise_for_status()
            self.token = answer.json()["token"]

    def submit(self, archive: bytes, patience: float = 120) -> int:
        """Hand in until it is acknowledged, as the exchange does: same key, so that a lost answer costs nothing."""
        headers = {"Authorization": f"token {self.token}", "Idempotency-Key": uuid.uuid4().hex}
        url = f"{self.club.address}/services/club/api/v1/exchange/assignments/bitcoin/submissions"
        end = time.monotonic() + patience
        last = ""
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                answer = httpx.post(url, content=archive, headers=headers, timeout=20, trust_env=False)
                if answer.status_code in (200, 201):
                    return int(answer.json()["id"])
                last = f"{answer.status_code} {answer.text[:300]}"
                # A page instead of JSON is the hub's: the web service has no route while the hub comes back.
                assert answer.status_code >= 500 or "json" not in answer.headers.get("Content-Type", ""), last
            time.sleep(0.3)
        raise AssertionError(f"{self.name}: not acknowledged within {patience} s; last answer: {last}")

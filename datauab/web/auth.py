"""Who is asking: JupyterHub's own OAuth for browsers, its tokens for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from datauab.settings import Settings

CACHE_SECONDS = 60
"""How long the hub's answer about a token is believed; a removed instructor loses the view within this time."""


@dataclass(frozen=True)
class Identity:
    """A member whom the hub vouches for."""

    name: str
    instructor: bool = False


class AuthenticationUnavailable(Exception):
    """The hub could not be asked; nobody is let in until it answers."""


@dataclass(frozen=True)
class SignIn:
    """The start of a sign-in: where the browser goes, and the state that must come back with it."""

    url: str
    state: str


class Authenticator(Protocol):
    """What the web service asks of whoever knows the members."""

    cookie_name: str
    hub_prefix: str

    async def identify(self, token: str, session_id: str = "") -> Identity | None:
        """Name the member to whom `token` belongs, or None where it is unknown or not meant for this service.

        Raises
        ------
        AuthenticationUnavailable
            Where the hub does not answer.
        """
        ...

    def begin(self, next_url: str) -> SignIn:
        """Begin a sign-in that ends at `next_url`, a path of this service."""
        ...

    async def finish(self, code: str, state: str) -> tuple[str, str] | None:
        """Exchange the hub's `code` for ``(token, next_url)``; None where `state` is unknown, old or used."""
        ...


class HubAuthenticator:
    """`Authenticator` over ``jupyterhub.services.auth.HubOAuth``, configured by the environment the hub gives.

    Parameters
    ----------
    settings : Settings
        Names the course, whose group ``formgrade-<course>`` makes an instructor, and the service's prefix.
    """

    def __init__(self, settings: Settings) -> None:
        from jupyterhub.services.auth import HubOAuth

        self._hub: Any = HubOAuth(base_url=settings.web_prefix, cache_max_age=CACHE_SECONDS)
        self._group = f"formgrade-{settings.course}"
        self.cookie_name: str = self._hub.cookie_name
        self.hub_prefix: str = self._hub.hub_prefix

    async def identify(self, token: str, session_id: str = "") -> Identity | None:
        """Ask the hub; members without the scope ``access:services!service=club`` are nobody here.

        A token in its grace after revocation is believed for at most `CACHE_SECONDS`.
        """
        from tornado.web import HTTPError

        try:
            model = await self._hub.user_for_token(token, session_id=session_id, sync=False)
        except HTTPError as error:
            raise AuthenticationUnavailable(str(error)) from error
        if not model or model.get("kind", "user") != "user":
            return None
        if not self._hub.check_scopes(self._hub.access_scopes, model):
            return None
        return Identity(name=str(model["name"]), instructor=self._group in model.get("groups", ()))

    def begin(self, next_url: str) -> SignIn:
        """Begin with a fresh state and a PKCE challenge (RFC 7636)."""
        verifier, challenge, method = self._hub.generate_pkce_code_challenge()
        state = self._hub.generate_state(next_url, code_verifier=verifier)
        query = {"state": state, "code_challenge": challenge, "code_challenge_method": method}
        return SignIn(url=f"{self._hub.login_url}&{urlencode(query)}", state=state)

    async def finish(self, code: str, state: str) -> tuple[str, str] | None:
        """Exchange the code; a state serves once."""
        from tornado.web import HTTPError

        verifier = self._hub.get_code_verifier(state)
        if not verifier:
            return None
        next_url = str(self._hub.get_next_url(state))
        self._hub.clear_oauth_state(state)
        try:
            token = await self._hub.token_for_code(code, code_verifier=verifier, sync=False)
        except HTTPError as error:
            raise AuthenticationUnavailable(str(error)) from error
        return str(token), next_url

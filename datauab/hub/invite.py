"""The default sign-in: instructors by one-time password, students by an invite link.

``settings.authenticator`` names any other class or entry point of JupyterHub instead (``generic-oauth`` of
oauthenticator, say); its own options then go into ``jupyterhub_config.py``, and ``settings.instructors`` says whose
names are instructors.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from typing import Any
from urllib.parse import quote

from jupyterhub.auth import Authenticator
from tornado import web
from traitlets import Instance, default

from datauab.errors import ClubError
from datauab.hub.accounts import Accounts
from datauab.hub.names import PATTERN, normalise
from datauab.hub.throttle import Throttle
from datauab.settings import Settings


class InviteAuthenticator(Authenticator):
    """JupyterHub's authenticator over `datauab.hub.accounts`; its pages are in `datauab.hub.pages`."""

    deployment = Instance(Settings, help="settings of the deployment").tag(config=True)
    accounts = Instance(Accounts)
    throttle = Instance(Throttle, args=())

    @default("accounts")
    def _open_accounts(self) -> Accounts:
        return Accounts(self.deployment)

    @default("allow_all")
    def _everyone_with_an_account(self) -> bool:
        return True

    @default("auth_refresh_age")
    def _notice_resets_soon(self) -> int:
        return 10

    @default("username_pattern")
    def _only_our_names(self) -> str:
        return f"^{PATTERN.pattern}$"

    def get_handlers(self, app: Any) -> list[tuple[str, type[Any]]]:
        """Add the pages where people join and change their password."""
        from datauab.hub.pages import JoinHandler, PasswordHandler

        return [*super().get_handlers(app), ("/join", JoinHandler), ("/password", PasswordHandler)]

    async def authenticate(self, handler: Any, data: dict[str, str] | None = None) -> dict[str, Any] | None:
        """Check name and password.

        Returns
        -------
        dict or None
            ``name`` and ``role``; None for a wrong name or password. A right one-time password signs nobody in: it
            sends the browser to the page where a new one is chosen.

        Raises
        ------
        tornado.web.HTTPError
            429 while name or address has to wait after wrong passwords.
        """
        data = data or {}
        account = await self.check(handler, data.get("username", ""), data.get("password", ""))
        if account is None:
            return None
        if account.must_change:
            handler.set_secure_cookie(
                FIRST_SIGN_IN,
                f"{account.name}:{account.fingerprint}",
                expires_days=None,
                path=handler.hub.base_url,
                httponly=True,
                samesite="Lax",
                secure=handler.request.protocol == "https",
            )
            next_url = handler.get_argument("next", "")
            handler.redirect(f"{handler.hub.base_url}password" + (f"?next={quote(next_url)}" if next_url else ""))
            raise web.Finish  # the answer is complete, and it is neither a sign-in nor a wrong password
        return {"name": account.name, "role": account.role}

    async def check(self, handler: Any, name: str, password: str) -> Any:
        """Give the `Account` of name and password, or None; slows guesses down (429)."""
        try:
            counted = normalise(name)
        except ClubError:
            counted = ""
        address = str(handler.request.remote_ip)
        wait = self.throttle.attempt(counted, address)
        if wait > 0:
            raise web.HTTPError(429, f"Too many wrong passwords. Try again in {math.ceil(wait)} seconds.")
        account = await asyncio.to_thread(self.accounts.verify, name, password)
        if account is not None:
            self.throttle.success(counted, address)
        return account

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        """End sessions of accounts that are gone or were given a new one-time password."""
        account = self.accounts.find(user.name)
        return account is not None and not account.must_change


#: Cookie that ties a browser to the one-time password it has just used; signed by JupyterHub, useless after the change.
FIRST_SIGN_IN = "club-first-sign-in"


def one_time_password() -> str:
    """Make a password of 80 random bits in groups that are easy to copy by hand."""
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    text = "".join(secrets.choice(letters) for _ in range(16))
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))


def create_instructor(settings: Settings, name: str) -> str | None:
    """Make an instructor's account.

    Returns
    -------
    str or None
        The one-time password, which is stored nowhere; None where the account exists.

    Raises
    ------
    ClubError
        Where the name is no account name, or belongs to a student.
    """
    accounts, password = Accounts(settings), one_time_password()
    if accounts.create(name, password, "instructor", must_change=True) is not None:
        return password
    found = accounts.find(normalise(name))
    if found is not None and found.role != "instructor":
        raise ClubError(f"{name!r} is a student's account: expected a free name; choose another one for the instructor")
    return None


def reset_password(settings: Settings, name: str) -> str:
    """Give an account a new one-time password; sessions of the old one end within ten seconds.

    Raises
    ------
    ClubError
        Where there is no such account.
    """
    accounts, password = Accounts(settings), one_time_password()
    account = accounts.find(normalise(name))
    if account is None or not accounts.set_password(account, password, must_change=True):
        raise ClubError(f"no account {name!r}; accounts are made by the invite link or `./club instructor add NAME`")
    return password


def invite_link(settings: Settings, address: str) -> str:
    """Give the link by which students join; the same for the whole class until it is revoked.

    Parameters
    ----------
    settings : Settings
        The deployment.
    address : str
        What a browser opens, such as ``https://club.example.org``, without a last slash.
    """
    return f"{address.rstrip('/')}/hub/join?code={Accounts(settings).invite_code()}"


def revoke_invites(settings: Settings) -> None:
    """Make every invite link given out so far worthless; the next `invite_link` is a new one."""
    Accounts(settings).revoke_invites()

"""Pages that the hub shows for the default sign-in."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyterhub import orm
from jupyterhub.handlers.base import BaseHandler
from tornado import web
from tornado.httputil import url_concat

from datauab.errors import ClubError
from datauab.hub.accounts import Account, Accounts
from datauab.hub.invite import FIRST_SIGN_IN

FIRST_SIGN_IN_MINUTES = 30


class _AccountHandler(BaseHandler):
    @property
    def accounts(self) -> Accounts:
        accounts: Accounts = self.authenticator.accounts
        return accounts

    def new_password(self) -> str:
        """Read the new password of the form, typed twice."""
        password = self.get_body_argument("password", "", strip=False)
        if password != self.get_body_argument("repeated", "", strip=False):
            raise ClubError("the two passwords differ; type the same one twice")
        return str(password)

    async def show(self, template: str, status: int = 200, **values: Any) -> None:
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(await self.render_template(template, next=self.get_argument("next", ""), **values))

    async def sign_in(self, name: str, password: str) -> None:
        """Sign in by the ordinary way, and go where the person wanted to go."""
        user = await self.login_user({"username": name, "password": password})
        if user is None:
            raise web.HTTPError(403, "The account cannot sign in. Ask the instructor.")
        self._jupyterhub_user = user
        self.redirect(self.get_next_url(user))


class JoinHandler(_AccountHandler):
    """Where a student comes by the invite link and chooses name and password."""

    async def get(self) -> None:
        """Show the form, or say what is wrong with the link."""
        await self._form(*self._refusal())

    async def post(self) -> None:
        """Make the account and sign in."""
        status, refusal = self._refusal()
        name = self.get_body_argument("username", "")
        if refusal:
            await self._form(status, refusal)
            return
        try:
            password = self.new_password()
            account = await asyncio.to_thread(self.accounts.create, name, password, "student")
        except ClubError as error:
            await self._form(400, error=str(error), username=name)
            return
        if account is None:
            await self._form(409, error=f"the name {name.strip()!r} is taken; choose another one", username=name)
            return
        self.log.info("Joined by invite: %s", account.name)
        await self.sign_in(account.name, password)

    def _refusal(self) -> tuple[int, str]:
        if not self.authenticator.deployment.signups:
            return 403, "Joining is closed at the moment. Ask the instructor."
        code = self.get_argument("code", "")
        if not code:
            return 403, "To join, open the invite link that the instructor gave you."
        if not self.accounts.is_invited(code):
            return 403, "This invite link is wrong or no longer valid. Ask the instructor for the current one."
        return 200, ""

    async def _form(self, status: int = 200, refusal: str = "", error: str = "", username: str = "") -> None:
        code = self.get_argument("code", "")
        await self.show("join.html", status, refusal=refusal, error=error, username=username[:64], code=code)


class PasswordHandler(_AccountHandler):
    """Where a password is changed: at the first sign-in with a one-time password, or later with the old one."""

    async def get(self) -> None:
        """Show the form."""
        account, first = await self._whose()
        await self.show("password.html", account=account, first=first, error="")

    async def post(self) -> None:
        """Change the password, and end every other session of the account."""
        account, first = await self._whose()
        try:
            password = self.new_password()
            if not first:
                await self._check_old(account)
            if not await asyncio.to_thread(self.accounts.set_password, account, password):
                raise ClubError("the password was changed elsewhere in the meantime; sign in again")
        except ClubError as error:
            await self.show("password.html", 400, account=account, first=first, error=str(error))
            return
        self.clear_cookie(FIRST_SIGN_IN, path=self.hub.base_url)
        self._end_sessions(account.name)
        self.log.info("Password changed: %s", account.name)
        await self.sign_in(account.name, password)

    async def _whose(self) -> tuple[Account, bool]:
        """Give the account and whether this is its first sign-in; else the sign-in page."""
        ticket = self.get_secure_cookie(FIRST_SIGN_IN, max_age_days=FIRST_SIGN_IN_MINUTES / 1440)
        name, _, fingerprint = (ticket or b"").decode().partition(":")
        account = self.accounts.find(name) if name else None
        if account is not None and account.must_change and account.fingerprint == fingerprint:
            return account, True
        user = self.current_user
        account = self.accounts.find(user.name) if user else None
        if account is None:
            self.redirect(url_concat(self.settings["login_url"], {"next": self.request.uri}))
            raise web.Finish
        return account, False

    async def _check_old(self, account: Account) -> None:
        old = self.get_body_argument("old", "", strip=False)
        if await self.authenticator.check(self, account.name, old) is None:
            raise ClubError("the old password is wrong")

    def _end_sessions(self, name: str) -> None:
        user = self.find_user(name)
        if user is None:
            return
        user.orm_user.cookie_id = orm.new_token()
        for token in list(user.orm_user.api_tokens):
            # Tokens of browser sessions at services and servers; a running server keeps its own, of client jupyterhub.
            if token.client_id != "jupyterhub":
                self.db.delete(token)
        self.db.commit()

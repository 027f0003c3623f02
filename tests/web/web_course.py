"""What the tests of the web service are made of: a competition, members, a clock, archives."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

from datauab.ledger import Attempt, Ledger
from datauab.web.auth import AuthenticationUnavailable, Identity, SignIn

TOML = """
title = "Predict the price of bitcoin"
summary = "Daily network data, one price."
authors = ["Ada Puig"]
date = 2026-09-01
tags = ["regression"]
cover = "cover.png"
dataset = "bitcoin"
public_share = 0.5

[predictions]
kind = "real"

[metric]
name = "r2"
direction = "maximize"
secondary = ["rmse"]

[[phases]]
name = "main"
opens = 2026-09-01T00:00:00Z
closes = 2026-12-01T00:00:00Z

[quotas]
daily_scored = 3
daily_attempts = 5

[points]
begin = 0.0
full = 0.9
"""

NOW = datetime(2026, 10, 14, 10, 0, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)


class Clock:
    """The server's clock, set by the test."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Members:
    """An `Authenticator` that knows its members by their tokens; the real hub is tested in tests/integration."""

    cookie_name = "service-club"
    hub_prefix = "/hub/"

    def __init__(self) -> None:
        self.known = {
            "tok-teacher": Identity("teacher", instructor=True),
            "tok-ada": Identity("ada"),
            "tok-bob": Identity("bob"),
        }
        self.states: dict[str, str] = {}
        self.down = False

    async def identify(self, token: str, session_id: str = "") -> Identity | None:
        if self.down:
            raise AuthenticationUnavailable("connection refused")
        return self.known.get(token)

    def begin(self, next_url: str) -> SignIn:
        state = f"state-{len(self.states)}"
        self.states[state] = next_url
        return SignIn(f"/hub/api/oauth2/authorize?client_id=service-club&state={state}", state)

    async def finish(self, code: str, state: str) -> tuple[str, str] | None:
        wanted = self.states.pop(state, None)
        return None if wanted is None else (code, wanted)


def notebook(text: str = "predictions = 1") -> bytes:
    cell = {"cell_type": "code", "id": "c1", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}).encode()


def archive(files: dict[str, bytes] | None = None) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, content in (files or {"bitcoin.ipynb": notebook()}).items():
            file.writestr(name, content)
    return target.getvalue()


def add_attempt(ledger: Ledger, member: str, **more: object) -> Attempt:
    values = {"received_at": NOW - timedelta(days=2), "blob": archive(), "origin": "exchange", **more}
    return ledger.add_attempt(competition="bitcoin", member=member, **values)  # type: ignore[arg-type]

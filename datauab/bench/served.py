"""``python -m datauab.bench.served ROOT PORT``: the web service of a measured deployment.

It is the application that the hub starts, but it believes tokens of the form ``bench-<member>``: what the hub says of a
token is remembered for a minute anyway, and a measurement makes members by the thousand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from datauab.ledger import Ledger
from datauab.settings import load_settings
from datauab.web.app import create_app
from datauab.web.auth import Identity, SignIn
from datauab.web.service import GRACE_SECONDS, Server

TOKEN = "bench-"  # noqa: S105 - a form, no secret: this service answers on loopback while a measurement lasts


class BenchAuthenticator:
    """`datauab.web.auth.Authenticator` that believes ``bench-<member>``."""

    cookie_name = "service-club"
    hub_prefix = "/hub/"

    async def identify(self, token: str, session_id: str = "") -> Identity | None:
        """Name the member in the token."""
        return Identity(token.removeprefix(TOKEN)) if token.startswith(TOKEN) else None

    def begin(self, next_url: str) -> SignIn:
        """Nobody signs in here with a browser."""
        return SignIn("/hub/login", "none")

    async def finish(self, code: str, state: str) -> tuple[str, str] | None:
        """Nobody signs in here with a browser."""
        return None


def main(root: Path, port: int) -> None:
    """Serve the deployment at `root` on loopback until SIGTERM."""
    settings = load_settings(root)
    with Ledger.open(settings) as ledger:
        app = create_app(settings, ledger, BenchAuthenticator())
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            proxy_headers=False,
            server_header=False,
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            log_level="warning",
        )
        Server(config, app.state.club.watch).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""The web service as the hub starts it."""

from __future__ import annotations

import logging
from types import FrameType

import uvicorn

from datauab.ledger import Ledger
from datauab.settings import load_settings
from datauab.web.app import create_app
from datauab.web.auth import HubAuthenticator
from datauab.web.live import BoardWatch

GRACE_SECONDS = 5


class Server(uvicorn.Server):
    """uvicorn that ends open event streams first, so that a stop takes a moment and not until they time out."""

    def __init__(self, config: uvicorn.Config, watch: BoardWatch) -> None:
        super().__init__(config)
        self._watch = watch

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._watch.close()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serve on loopback until SIGTERM; the hub's proxy is the only way in."""
    import nbformat  # noqa: F401 - loading it takes a second, which the first submission should not wait for

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = load_settings()
    with Ledger.open(settings) as ledger:
        app = create_app(settings, ledger, HubAuthenticator(settings))
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=settings.web_port,
            proxy_headers=False,
            server_header=False,
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            log_config=None,
        )
        Server(config, app.state.club.watch).run()

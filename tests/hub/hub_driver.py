"""A real hub in a folder of its own, and people who use it through its public address only."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import httpx
import websocket

from datauab.settings import Settings, load_settings
from tests.ports import free_ports


class Hub:
    """One deployment: its folder, its settings and the process of its hub."""

    def __init__(self, root: Path, checkout: Path) -> None:
        self.root = root
        self.checkout = checkout
        self.settings: Settings = load_settings(root, port=free_ports(4))
        self.address = f"http://127.0.0.1:{self.settings.port}"
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("jupyterhub_config.py", "nbgrader_config.py"):
            shutil.copy(checkout / name, root / name)
        (self.settings.state).mkdir()
        (self.settings.state / "node").symlink_to(checkout / ".club" / "node")

    @property
    def log(self) -> str:
        return (self.root / "hub.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the hub and wait until it serves."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(self.checkout),
            "DATAUAB_ROOT": str(self.root),
            "DATAUAB_PORT": str(self.settings.port),
            "HUB_SECRET_OF_THE_OPERATOR": "must-stay-here",
        }
        with (self.root / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(self.root / "jupyterhub_config.py")],
                cwd=self.root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_for(self.is_up, 120)

    def is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log[-5000:]
        try:
            paths = "/hub/login", f"{self.settings.web_prefix}api/v1/competitions"
            return all(httpx.get(self.address + path, timeout=5).status_code == 200 for path in paths)
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """End the hub as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the hub as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def processes(self, word: str = "") -> dict[int, str]:
        """Processes of the machine whose command line names this deployment's folder or ports, and `word`."""
        found = {}
        marks = (str(self.root), f"--port {self.settings.port}", f"--port={self.settings.port}")
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if line and any(mark in line for mark in marks) and word in line:
                found[int(folder.name)] = line
        return found

    def wait_for(self, condition: Any, seconds: float) -> None:
        """Wait until `condition()` is true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds} s in vain; the hub's log ends:\n{self.log[-2500:]}"
            time.sleep(0.2)


class Person:
    """Somebody with a browser: cookies, forms, redirects."""

    def __init__(self, hub: Hub, name: str = "") -> None:
        self.hub = hub
        self.name = name
        self.web = httpx.Client(base_url=hub.address, follow_redirects=True, timeout=60)

    def form(self, page: str, **fields: str) -> httpx.Response:
        """Open a page and send its form, hidden fields included."""
        shown = self.web.get(page)
        if 'method="post"' not in shown.text:
            return shown
        hidden = dict(re.findall(r'type="hidden"\s+name="(\w+)"\s+value="([^"]*)"', shown.text))
        return self.web.post(urlparse(page).path, data={**hidden, **fields})

    def join(self, link: str, password: str, name: str | None = None) -> httpx.Response:
        return self.form(
            link.removeprefix(self.hub.address), username=name or self.name, password=password, repeated=password
        )

    def sign_in(self, password: str) -> httpx.Response:
        return self.form("/hub/login", username=self.name, password=password)

    def choose_password(self, password: str, **fields: str) -> httpx.Response:
        return self.form("/hub/password", password=password, repeated=password, **fields)

    def signed_in_as(self) -> str | None:
        """Name that the hub knows this browser by."""
        page = self.web.get("/hub/token")
        found = re.search(r'user: "([^"]+)"', page.text)
        return found[1] if found and not page.url.path.endswith("/login") else None

    def start_server(self) -> None:
        """Press Start and wait for the server."""
        self.web.get("/hub/spawn")
        self.hub.wait_for(self.server_is_up, 90)

    def server_is_up(self) -> bool:
        page = self.web.get(f"/user/{self.name}/lab")
        return page.status_code == 200 and page.url.path.startswith("/user/")

    def server(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the server's own API, as its pages do."""
        self.web.get(f"/user/{self.name}/lab")
        xsrf = next((c.value for c in self.web.cookies.jar if c.name == "_xsrf" and c.path.startswith("/user/")), "")
        return self.web.request(
            method, f"/user/{self.name}{path}", headers={"X-XSRFToken": str(xsrf)}, timeout=60, **options
        )

    def run(self, code: str, timeout: float = 60) -> str:
        """Run `code` in a fresh kernel of the server; gives what it printed, errors included."""
        kernel = self.server("POST", "/api/kernels", json={"name": "python3"}).json()["id"]
        cookies = "; ".join(f"{c.name}={c.value}" for c in self.web.cookies.jar if c.name != "_xsrf")
        url = f"ws://127.0.0.1:{self.hub.settings.port}/user/{self.name}/api/kernels/{kernel}/channels"
        socket_ = websocket.create_connection(url, cookie=cookies, timeout=timeout, origin=self.hub.address)
        try:
            return _execute(socket_, code)
        finally:
            socket_.close()
            self.server("DELETE", f"/api/kernels/{kernel}")


def _execute(connection: websocket.WebSocket, code: str) -> str:
    number = uuid.uuid4().hex
    header = {"msg_id": number, "msg_type": "execute_request", "username": "", "session": number, "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    connection.send(json.dumps(message))
    printed = []
    while True:
        answer = json.loads(connection.recv())
        if answer["parent_header"].get("msg_id") != number:
            continue
        kind, content = answer["msg_type"], answer["content"]
        if kind == "stream":
            printed.append(content["text"])
        elif kind == "error":
            printed.append("\n".join([content["ename"], content["evalue"]]))
        elif kind == "status" and content["execution_state"] == "idle":
            return "".join(printed)


def code_of(link: str) -> str:
    """Code of an invite link."""
    return parse_qs(urlparse(link).query)["code"][0]

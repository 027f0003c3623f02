"""What the hub is told, and the walls it is told to build."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from traitlets.config import Config

from datauab.errors import ConfigurationError
from datauab.hub import config, server_config, services, walls
from datauab.hub.ownership import COURSE_ACCOUNT, give_course
from datauab.settings import Settings, load_settings


@pytest.fixture
def with_proxy(settings: Settings) -> Settings:
    script = settings.state / config.PROXY
    script.parent.mkdir(parents=True)
    script.touch()
    return settings


def test_everything_but_the_proxy_listens_on_loopback(with_proxy: Settings) -> None:
    c = Config()
    config.configure(c, load_settings(with_proxy.root, port=18000, host="0.0.0.0"))
    assert c.JupyterHub.bind_url == "http://0.0.0.0:18000"
    assert (c.JupyterHub.hub_ip, c.JupyterHub.hub_port) == ("127.0.0.1", 18001)
    assert c.ConfigurableHTTPProxy.api_url == "http://127.0.0.1:18002"
    assert {service.get("url") for service in c.JupyterHub.services} == {"http://127.0.0.1:18003", None}


def test_a_missing_proxy_is_named_with_the_way_to_get_it(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"configurable-http-proxy.*\./club up"):
        config.update_proxy(Config(), settings)


def test_the_proxy_file_of_an_earlier_run_cannot_make_the_hub_kill_a_stranger(with_proxy: Settings) -> None:
    stale = with_proxy.gradebook / "hub" / "proxy.pid"
    stale.parent.mkdir(parents=True)
    stale.write_text(str(os.getpid()))
    config.update_proxy(Config(), with_proxy)
    assert not stale.exists()


def test_another_authenticator_is_passed_through_and_gets_the_groups(with_proxy: Settings) -> None:
    c = Config()
    config.configure(c, load_settings(with_proxy.root, port=18000, authenticator="generic-oauth"))
    assert c.JupyterHub.authenticator_class == "generic-oauth"
    assert callable(c.Authenticator.post_auth_hook)
    assert not c.JupyterHub.template_vars["own_passwords"]


def test_services_read_the_very_same_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = load_settings(
        settings.root,
        port=18000,
        instructors=("a", "b"),
        limits={"memory_mb": 512},
        public=Path("/srv/public"),
        raw="r",
    )
    for name, value in services.settings_environment(wanted).items():
        monkeypatch.setenv(name, value)
    assert load_settings(settings.root) == wanted


def test_students_see_their_extensions_and_no_others(settings: Settings) -> None:
    extensions = {
        group: json.loads((server_config.write(settings, group) / "jupyter_server_config.json").read_text())[
            "ServerApp"
        ]["jpserver_extensions"]
        for group in ("student", "instructor")
    }
    assert all(extensions["instructor"].values())
    assert {name.rpartition(".")[2] for name, on in extensions["student"].items() if on} == {
        "assignment_list",
        "validate_assignment",
    }
    hidden = server_config.page_config("student")["disabledExtensions"]
    assert set(hidden) == {f"@jupyter/nbgrader:{name}" for name in ("formgrader", "course-list", "create-assignment")}
    assert not server_config.page_config("instructor")["disabledExtensions"]


@pytest.mark.parametrize("name", ["..", "../../etc", "a/b", "Ana Müller", "x" * 200, ".", "ana@uab.cat"])
def test_a_home_never_leaves_its_folder_whatever_the_authenticator_calls_a_user(settings: Settings, name: str) -> None:
    home = settings.homes / walls.home_name(name)
    assert home.parent == settings.homes
    assert walls.home_name(name) not in ("", ".", "..")
    assert walls.home_name(name) != walls.home_name(name + "x")


def run_in(command: list[str], **options: object) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout  # type: ignore[call-overload]


@pytest.mark.sandbox
def test_the_web_service_sees_attempts_and_covers_but_no_answers(course: Path) -> None:
    settings = load_settings(course, port=18000)
    for path in (settings.attempts, settings.public, settings.gradebook / "hub"):
        path.mkdir(parents=True, exist_ok=True)
    (settings.gradebook / "hub" / "accounts.db").write_text("HASHES")
    look = (
        "import os, pathlib, sys; root = pathlib.Path(sys.argv[1]);"
        "print(sorted(str(p.relative_to(root)) for p in root.rglob('*') if p.is_file()));"
        "(root / 'gradebook/attempts/new').write_text('x');"
        "print(oct(os.stat(root / 'gradebook/attempts/new').st_mode))"
    )
    sandbox = services.web_sandbox(settings)
    command = sandbox.command([sys.executable, "-c", look, str(course)])
    listed = run_in(command, env={"PATH": os.environ["PATH"]})
    assert listed.splitlines()[0] == str(
        ["gradebook/secrets/receipts", "source/toy/competition.toml", "source/toy/img/cover.svg"]
    )
    assert (settings.attempts / "new").read_text() == "x"


@pytest.mark.sandbox
@pytest.mark.skipif(os.getuid() != 0, reason="only root shares the course with an account of its own")
def test_what_root_creates_in_the_course_the_courses_account_can_replace() -> None:
    # Not below pytest's own folder, which lets no other account pass; inside its wall a server meets no such folder.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        root = Path(folder)
        root.chmod(0o755)
        settings = load_settings(root, port=18000)
        give_course(settings)
        made = root / "autograded" / "ana" / "toy"
        made.mkdir(parents=True)
        (made / "toy.ipynb").write_text("graded")
        account = str(COURSE_ACCOUNT)
        demote = ["setpriv", "--reuid", account, "--regid", account, "--clear-groups"]
        run_in([*demote, "rm", "-r", str(made.parent)])
        assert not made.parent.exists()


def test_only_the_process_that_listens_is_taken_for_the_server() -> None:
    import socket

    from datauab.hub.spawner import listens

    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0));"
    code += "print(s.getsockname()[1], flush=True); time.sleep(60)"
    server = subprocess.Popen(
        ["sh", "-c", '"$@"; :', "sh", sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with socket.create_server(("127.0.0.1", 0)) as squatter:
            assert listens(server.pid, port)
            assert not listens(server.pid, squatter.getsockname()[1])
    finally:
        subprocess.run(["pkill", "-P", str(server.pid)], check=False)
        server.wait()

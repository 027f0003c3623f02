"""What Jupyter and nbgrader are told in the servers of students and of instructors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from datauab.settings import Settings

Group = Literal["student", "instructor"]

_EXTENSIONS = {
    "assignment_list": "assignment-list",
    "validate_assignment": "validate-assignment",
    "formgrader": "formgrader",
    "course_list": "course-list",
}
_FOR_INSTRUCTORS = ("formgrader", "course_list")
_LAB_ONLY_FOR_INSTRUCTORS = ("create-assignment",)

#: Plain Python, because nbgrader reads it in a process of its own: the server itself needs none of these modules.
_STUDENT = """\
from datauab.exchange import configure_exchange

c = get_config()
c.CourseDirectory.course_id = {course!r}
c.Authenticator.plugin_class = "nbgrader.auth.JupyterHubAuthPlugin"
configure_exchange(c)
"""
_INSTRUCTOR = """\
from pathlib import Path

from datauab.course import course_config
from datauab.settings import load_settings

c = get_config()
c.merge(course_config(load_settings()))
# The course as the file browser shows it: the formgrader's links are relative to the server's folder.
c.CourseDirectory.root = str(Path.home() / "course")
c.Authenticator.plugin_class = "nbgrader.auth.JupyterHubAuthPlugin"
"""


def config_folder(settings: Settings, group: Group) -> Path:
    """Give the folder that a server of this group gets as ``JUPYTER_CONFIG_PATH``."""
    return settings.state / "jupyter" / group


def server_config(settings: Settings, group: Group) -> dict[str, Any]:
    """Give ``jupyter_server_config.json``.

    Kernels use ``ipc``: with TCP every user of the shared loopback could reach their ports. A server that nobody
    uses ends by itself after ``idle_timeout_s``, kernels first.
    """
    shown = {
        f"nbgrader.server_extensions.{name}": group == "instructor" or name not in _FOR_INSTRUCTORS
        for name in _EXTENSIONS
    }
    return {
        "ServerApp": {
            "jpserver_extensions": shown,
            # The formgrader is a frame inside JupyterLab; nbgrader's page stays blank without this.
            "tornado_settings": {"headers": {"Content-Security-Policy": "frame-ancestors 'self'"}},
            "shutdown_no_activity_timeout": settings.idle_timeout_s,
        },
        "MappingKernelManager": {"cull_idle_timeout": settings.idle_timeout_s, "cull_interval": 60},
        "KernelManager": {"transport": "ipc"},
        "LabApp": {"check_for_updates_class": "jupyterlab.NeverCheckForUpdate", "news_url": None},
    }


def page_config(group: Group) -> dict[str, Any]:
    """Give ``labconfig/page_config.json``: which of nbgrader's parts JupyterLab does not load."""
    hidden = [_EXTENSIONS[name] for name in _FOR_INSTRUCTORS] + list(_LAB_ONLY_FOR_INSTRUCTORS)
    names = hidden if group == "student" else []
    return {"disabledExtensions": {f"@jupyter/nbgrader:{name}": True for name in names}}


def setting_overrides() -> dict[str, Any]:
    """Give ``labconfig/default_setting_overrides.json``: a class room is not asked about news of Jupyter's."""
    return {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


def write(settings: Settings, group: Group) -> Path:
    """Write the group's configuration; servers see it read-only.

    Returns
    -------
    Path
        The folder.
    """
    folder = config_folder(settings, group)
    template = _INSTRUCTOR if group == "instructor" else _STUDENT
    _replace(folder / "jupyter_server_config.json", json.dumps(server_config(settings, group), indent=2))
    _replace(folder / "labconfig" / "page_config.json", json.dumps(page_config(group), indent=2))
    _replace(folder / "labconfig" / "default_setting_overrides.json", json.dumps(setting_overrides(), indent=2))
    _replace(folder / "nbgrader_config.py", template.format(course=settings.course))
    return folder


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(path)

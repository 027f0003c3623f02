"""Who is a student and who an instructor of the course, decided when somebody signs in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from jupyterhub import orm
from jupyterhub.utils import maybe_future

from datauab.settings import Settings

Hook = Callable[[Any, Any, dict[str, Any]], Awaitable[dict[str, Any]]]


def assign_groups(settings: Settings) -> Hook:
    """Give the hook that JupyterHub calls after every sign-in, whatever the authenticator.

    An instructor is whoever the authenticator gives the role, or, where it gives none, whoever ``settings.instructors``
    names; only they are in ``formgrade-<course>``. Everybody else joins ``nbgrader-<course>`` at the first sign-in and
    never again: an instructor may take a student out of the course.
    """

    async def hook(authenticator: Any, handler: Any, model: dict[str, Any]) -> dict[str, Any]:
        name = model["name"]
        user = handler.find_user(name)
        new = user is None
        if new:
            user = handler.user_from_username(name)
            await maybe_future(authenticator.add_user(user))
        role = model.get("role") or ("instructor" if name in settings.instructors else "student")
        _set_member(handler.db, f"formgrade-{settings.course}", user.orm_user, role == "instructor")
        if new and role != "instructor":
            _set_member(handler.db, f"nbgrader-{settings.course}", user.orm_user, True)
        handler.db.commit()
        return model

    return hook


def _set_member(db: Any, name: str, user: Any, member: bool) -> None:
    group = orm.Group.find(db, name)
    if group is None:
        group = orm.Group(name=name)
        db.add(group)
    if member and user not in group.users:
        group.users.append(user)
    elif not member and user in group.users:
        group.users.remove(user)

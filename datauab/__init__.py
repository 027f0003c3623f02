"""Data UAB Club: what a notebook needs, `load`, `check`, `submit`, `leaderboard` and more; the rest is the platform.

They are imported when they are first used, so that the platform's own processes stay light. No module of the
package may have one of their names: importing it would put the module in the function's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datauab.client import (
        check,
        leaderboard,
        load,
        load_checkpoint,
        save_checkpoint,
        save_predictions,
        submit,
    )

__all__ = ["check", "leaderboard", "load", "load_checkpoint", "save_checkpoint", "save_predictions", "submit"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from datauab import client

        return getattr(client, name)
    raise AttributeError(f"module 'datauab' has no attribute {name!r}; it offers {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)

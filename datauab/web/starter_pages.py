"""The starter kit of a competition, for whoever may see its page."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from datauab.errors import DataError
from datauab.starter import kit_file
from datauab.web.api import Anybody, InClub
from datauab.web.problems import Problem

router = APIRouter(include_in_schema=False)


@router.get("/competitions/{name}/starter-kit.zip")
def starter_kit(name: str, club: InClub, viewer: Anybody) -> Response:
    """Give the kit: public data, and a script and notebook that write a first submission."""
    competition = club.competition(name, instructor=bool(viewer and viewer.instructor))
    try:
        path = kit_file(club.settings, competition)
    except DataError:
        # its message names folders of the machine, which are nobody's business here
        raise Problem(
            404, "NotFound", f"there is no starter kit of {name}: its public data is not prepared, or too large"
        ) from None
    headers = {"Cache-Control": "private, max-age=60"}
    return FileResponse(path, media_type="application/zip", filename=f"{name}-starter-kit.zip", headers=headers)

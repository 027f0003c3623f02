"""What every part of the API and every page needs of a request."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends

from datauab.web.club import Club, running_club
from datauab.web.models import ProblemAnswer
from datauab.web.session import Viewer, optional_viewer, signed_in

REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": ProblemAnswer} for code in (400, 403, 404, 409, 413, 422, 423, 429, 503)
}

InClub = Annotated[Club, Depends(running_club)]
Anybody = Annotated[Viewer | None, Depends(optional_viewer)]
Member = Annotated[Viewer, Depends(signed_in)]

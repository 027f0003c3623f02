"""nbgrader's exchange over the club's web service: eight classes for ``ExchangeFactory``, and their configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datauab.exchange.base import Exchange
from datauab.exchange.collect import ExchangeCollect
from datauab.exchange.fetch import ExchangeFetchAssignment, ExchangeFetchFeedback
from datauab.exchange.listing import ExchangeList
from datauab.exchange.release import ExchangeReleaseAssignment, ExchangeReleaseFeedback
from datauab.exchange.submit import ExchangeSubmit

if TYPE_CHECKING:
    from traitlets.config import Config

__all__ = [
    "Exchange",
    "ExchangeCollect",
    "ExchangeFetchAssignment",
    "ExchangeFetchFeedback",
    "ExchangeList",
    "ExchangeReleaseAssignment",
    "ExchangeReleaseFeedback",
    "ExchangeSubmit",
    "configure_exchange",
]


def configure_exchange(c: Config | Any, course: str = "") -> None:
    """Make nbgrader use the club's exchange.

    Parameters
    ----------
    c : traitlets.config.Config
        Configuration of nbgrader (``get_config()`` in ``nbgrader_config.py``).
    course : str
        Name of the course, ``Settings.course``; empty where it is configured elsewhere. Without it nbgrader's
        commands ask for ``--course``.
    """
    factory = c.ExchangeFactory
    factory.exchange = Exchange
    factory.list = ExchangeList
    factory.fetch_assignment = ExchangeFetchAssignment
    factory.fetch_feedback = ExchangeFetchFeedback
    factory.release_assignment = ExchangeReleaseAssignment
    factory.release_feedback = ExchangeReleaseFeedback
    factory.submit = ExchangeSubmit
    factory.collect = ExchangeCollect
    if course:
        c.CourseDirectory.course_id = course

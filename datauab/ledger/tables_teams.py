"""Tables of teams: who is in which, and who asked whom.

Where a member belongs is the newest row of ``club_membership`` for competition and member, so nobody can be in two
teams, whatever happens. A team is what the newest row of ``club_team_state`` says.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from datauab.ledger.columns import metadata, moment

team = Table(
    "club_team",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False, index=True),
    moment("made_at"),
    sqlite_autoincrement=True,
)

team_state = Table(
    "club_team_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("team_id", ForeignKey("club_team.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("captain", String(255), nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("by", String(255), nullable=False),
    moment("at"),
    Index("club_team_state_newest", "team_id", "id"),
    sqlite_autoincrement=True,
)

membership = Table(
    "club_membership",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("competition", String(128), nullable=False),
    Column("member", String(255), nullable=False),
    Column("team_id", ForeignKey("club_team.id"), index=True),  # None: the member is alone from now on
    moment("at"),
    Index("club_membership_newest", "competition", "member", "id"),
    sqlite_autoincrement=True,
)

invitation = Table(
    "club_invitation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("team_id", ForeignKey("club_team.id"), nullable=False, index=True),
    Column("competition", String(128), nullable=False),
    Column("member", String(255), nullable=False),
    Column("by", String(255), nullable=False),
    moment("at"),
    Index("club_invitation_member", "competition", "member"),
    sqlite_autoincrement=True,
)

invitation_answer = Table(
    "club_invitation_answer",
    metadata,
    Column("invitation_id", ForeignKey("club_invitation.id"), primary_key=True, autoincrement=False),
    Column("accepted", Boolean, nullable=False),
    moment("at"),
)

merge_request = Table(
    "club_merge_request",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("team_id", ForeignKey("club_team.id"), nullable=False, index=True),
    Column("other_id", ForeignKey("club_team.id"), nullable=False, index=True),
    Column("competition", String(128), nullable=False),
    Column("by", String(255), nullable=False),
    moment("at"),
    sqlite_autoincrement=True,
)

merge_answer = Table(
    "club_merge_answer",
    metadata,
    Column("request_id", ForeignKey("club_merge_request.id"), primary_key=True, autoincrement=False),
    Column("accepted", Boolean, nullable=False),
    Column("by", String(255), nullable=False),
    moment("at"),
)

"""What boards are made of: attempts with their public or, for instructors, their private scores."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Literal

from sqlalchemy import Row, Select, Subquery, and_, func, select, text, true, union_all
from sqlalchemy.sql.elements import ColumnElement

from datauab.ledger.attempt_rows import chunks, newest_ending, newest_score, not_the_platforms_fault
from datauab.ledger.engine import Database
from datauab.ledger.records import BestEntry, Ending, ScoreVersion
from datauab.ledger.tables import attempt, author_view, deletion, ending, private_score, queue, score
from datauab.ranking import Direction, Entry, Policy

Side = Literal["public", "private"]

_baseline = (attempt.c.origin == "baseline").label("baseline")
_kept = attempt.c.id.not_in(select(deletion.c.attempt_id))


class Boards:
    """The part of the ledger that leaderboards and instructors' pages are made from."""

    _database: Database

    def entries(
        self,
        competition: str,
        members: Collection[str] | None = None,
        include_deleted: bool = False,
        side: Side = "public",
    ) -> list[Entry]:
        """List attempts of a competition with their scores, for `datauab.ranking`; oldest number first.

        Attempts that wait, run or failed have the score None; those that the platform failed are left out.

        Parameters
        ----------
        members : collection of str, optional
            Only attempts of these members, and of baselines of these names.
        include_deleted : bool
            Give deleted attempts too, marked as such.
        side : {"public", "private"}
            Which score; private ones are for instructors only, until the reveal.
        """
        query = _entry_query(side).where(attempt.c.competition == competition)
        if not include_deleted:
            query = query.where(deletion.c.attempt_id.is_(None))
        with self._database.reading() as connection:
            if members is None:
                return [_entry(row) for row in connection.execute(query.order_by(attempt.c.id))]
            found: list[Entry] = []
            for chunk in chunks(members):
                found += [_entry(row) for row in connection.execute(query.where(attempt.c.member.in_(chunk)))]
        return sorted(found, key=lambda entry: entry.attempt_id)

    def public_board(self, competition: str) -> list[Entry]:
        """List all attempts with their public scores; see `entries`."""
        return self.entries(competition)

    def private_board(self, competition: str) -> list[Entry]:
        """List all attempts with their private scores: for instructors only, until the reveal; see `entries`."""
        return self.entries(competition, side="private")

    def best_entries(
        self, competition: str, direction: Direction, policy: Policy = "best", include_late: bool = True
    ) -> list[BestEntry]:
        """Find the attempt that counts of every member and baseline that has one, in one query.

        Among equal scores the earlier attempt counts, then the smaller number, as `datauab.ranking` has it.

        Parameters
        ----------
        direction : {"maximize", "minimize"}
            Which scores are better.
        policy : {"best", "last"}
            Whether the best or the newest scored attempt counts.
        include_late : bool
            Whether late attempts may count; they are counted as attempts in any case.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_best_query(competition, direction, policy, include_late))
            return [BestEntry(**row._mapping) for row in rows]

    def notebook_authors(self, competition: str) -> set[str]:
        """Name the members who handed in a notebook: whose rows may be verified though their best is a file."""
        query = select(attempt.c.member).distinct()
        query = query.where(attempt.c.competition == competition, attempt.c.kind == "notebook")
        with self._database.reading() as connection:
            return set(connection.execute(query).scalars())

    def private_scores(self, attempt_ids: Iterable[int]) -> dict[int, float]:
        """Read the private scores of attempts, by number; those without one are left out. For instructors only."""
        return {number: private for number, private, _ in self._private_rows(attempt_ids)}

    def private_secondary(self, attempt_ids: Iterable[int]) -> dict[int, dict[str, float]]:
        """Read the secondary metrics on the private part, by number of the attempt. For instructors only."""
        return {number: dict(secondary) for number, _, secondary in self._private_rows(attempt_ids)}

    def _private_rows(self, attempt_ids: Iterable[int]) -> list[tuple[int, float, dict[str, float]]]:
        query = (
            select(attempt.c.id, private_score.c.private, private_score.c.secondary)
            .select_from(attempt)
            .join(score, and_(score.c.attempt_id == attempt.c.id, newest_score))
            .join(private_score, private_score.c.score_id == score.c.id)
        )
        rows: list[tuple[int, float, dict[str, float]]] = []
        with self._database.reading() as connection:
            for chunk in chunks(attempt_ids):
                found = connection.execute(query.where(attempt.c.id.in_(chunk)))
                rows += [(row[0], row[1], row[2]) for row in found]
        return rows

    def author_view(self, attempt_id: int) -> dict[str, Any] | None:
        """Read the errors on the public rows that came with the newest score; None where it came without."""
        newest = select(func.max(score.c.id)).where(score.c.attempt_id == attempt_id).scalar_subquery()
        with self._database.reading() as connection:
            found = connection.execute(select(author_view.c.view).where(author_view.c.score_id == newest)).scalar()
        return None if found is None else dict(found)

    def score_history(self, attempt_id: int) -> list[ScoreVersion]:
        """List the scores that an attempt had and has, oldest first. For organisers only."""
        query = (
            select(
                score.c.metric,
                score.c.public,
                private_score.c.private,
                score.c.scorer_hash,
                score.c.solution_hash,
                score.c.scored_at,
                func.nullif(score.c.rescore, 0),
            )
            .outerjoin(private_score, private_score.c.score_id == score.c.id)
            .where(score.c.attempt_id == attempt_id)
            .order_by(score.c.id)
        )
        with self._database.reading() as connection:
            return [ScoreVersion(*row) for row in connection.execute(query)]

    def endings(self, attempt_id: int) -> list[Ending]:
        """List how grading of an attempt ended each time, oldest first."""
        query = select(
            ending.c.state, ending.c.reason, ending.c.platform_fault, ending.c.worker, ending.c.finished_at
        ).where(ending.c.attempt_id == attempt_id)
        with self._database.reading() as connection:
            return [Ending(*row) for row in connection.execute(query.order_by(ending.c.id))]


def _entry_query(side: Side) -> Select[Any]:
    value = score.c.public if side == "public" else private_score.c.private
    query = (
        select(
            attempt.c.member,
            attempt.c.id,
            attempt.c.received_at,
            value.label("score"),
            _baseline,
            score.c.interval_low,
            score.c.interval_high,
            attempt.c.kind,
            attempt.c.late_days,
            deletion.c.attempt_id.label("deleted"),
        )
        .select_from(attempt)
        .outerjoin(queue, queue.c.attempt_id == attempt.c.id)
        .outerjoin(ending, newest_ending)
        .outerjoin(score, newest_score)
        .outerjoin(deletion, deletion.c.attempt_id == attempt.c.id)
        .where(not_the_platforms_fault())
    )
    if side == "private":
        query = query.outerjoin(private_score, private_score.c.score_id == score.c.id)
    return query


def _entry(row: Row[Any]) -> Entry:
    member, number, received_at, value, baseline, low, high, kind, late_days, deleted = tuple(row)
    interval = None if low is None or high is None else (low, high)
    return Entry(member, number, received_at, value, bool(baseline), interval, kind, late_days > 0, deleted is not None)


def _best_query(competition: str, direction: Direction, policy: Policy, include_late: bool) -> Select[Any]:
    places = _places(competition, direction, policy, include_late)
    others = _unscored(competition)
    same = and_(others.c.member == places.c.member, others.c.baseline == places.c.baseline)
    return (
        select(
            places.c.member,
            places.c.attempt_id,
            attempt.c.received_at,
            score.c.public.label("score"),
            score.c.interval_low.label("low"),
            score.c.interval_high.label("high"),
            (places.c.attempts + func.coalesce(others.c.attempts, 0)).label("attempts"),
            places.c.baseline,
            attempt.c.kind,
        )
        .select_from(places)
        .join(attempt, attempt.c.id == places.c.attempt_id)
        .join(score, score.c.id == places.c.score_id)
        .outerjoin(others, same)
        .where(places.c.place == 1, places.c.counts)
    )


def _places(competition: str, direction: Direction, policy: Policy, include_late: bool) -> Subquery:
    """Scored attempts with their place among those of their member; scores lead, since they lie in one sweep."""
    later = score.alias("later")
    newest = ~select(later.c.id).where(later.c.attempt_id == score.c.attempt_id, later.c.id > score.c.id).exists()
    counts = true() if include_late else attempt.c.late_days == 0
    better = score.c.public.desc() if direction == "maximize" else score.c.public
    earlier = (attempt.c.received_at, attempt.c.id)
    order = (better, *earlier) if policy == "best" else tuple(column.desc() for column in earlier)
    late_last = () if include_late else (attempt.c.late_days > 0,)
    group = [attempt.c.member, attempt.c.origin == "baseline"]
    return (
        select(
            attempt.c.member,
            _baseline,
            attempt.c.id.label("attempt_id"),
            score.c.id.label("score_id"),
            counts.label("counts"),
            func.count().over(partition_by=group).label("attempts"),
            func.row_number().over(partition_by=group, order_by=(*late_last, *order)).label("place"),
        )
        .select_from(score)
        .join(attempt, attempt.c.id == score.c.attempt_id)
        .where(_of(competition), newest, _kept)
        .subquery("places")
    )


def _unscored(competition: str) -> Subquery:
    """Count, by member, attempts that wait, run, or failed by the member's fault."""
    failed = (
        select(ending.c.attempt_id)
        .join(attempt, attempt.c.id == ending.c.attempt_id)
        .outerjoin(queue, queue.c.attempt_id == ending.c.attempt_id)
        .where(ending.c.state == "failed", newest_ending, queue.c.attempt_id.is_(None))
        .where(ending.c.platform_fault.is_(False), _of(competition))
    )
    without = union_all(failed, select(queue.c.attempt_id)).subquery("without")
    return (
        select(attempt.c.member, _baseline, func.count().label("attempts"))
        .select_from(without)
        .join(attempt, attempt.c.id == without.c.attempt_id)
        .where(_of(competition), _kept)
        .group_by(attempt.c.member, text("baseline"))
        .subquery("others")
    )


def _of(competition: str) -> ColumnElement[bool]:
    # as an expression, so that no index of attempts is used: their rows are then found by number, in order
    return func.coalesce(attempt.c.competition, "") == competition

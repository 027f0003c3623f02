"""What tests of boards share: random attempts in a real ledger, and pages read into rows."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

from web_course import NOW, archive  # type: ignore[import-not-found]

from datauab.ledger import Attempt, Ledger, ScoreRecord

KEY = re.compile(r"members/([0-9a-f]{16})")


class Table(HTMLParser):
    """The cells of a page's tables: the texts of each row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        self._inside = tag in ("td", "th") or (self._inside and tag != "caption")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


@dataclass
class Filler:
    """Puts attempts with chosen scores into a ledger, as the grader would."""

    ledger: Ledger
    competition: str = "bitcoin"

    def score(
        self,
        member: str,
        public: float,
        private: float | None = None,
        *,
        width: float = 0.02,
        hours: float = 48.0,
        kind: str = "predictions",
        origin: str = "web",
    ) -> Attempt:
        """Add an attempt that was received `hours` before the tests' now."""
        attempt = self.ledger.add_attempt(
            competition=self.competition,
            member=member,
            blob=archive(),
            kind=kind,  # type: ignore[arg-type]
            origin=origin,  # type: ignore[arg-type]
            received_at=NOW - timedelta(hours=hours),
        )
        lease = self.ledger.lease("test", attempt_id=attempt.id)
        assert lease is not None
        record = ScoreRecord(
            public=public,
            private=public if private is None else private,
            interval_low=public - width,
            interval_high=public + width,
            metric="r2",
            scorer_hash="s" * 64,
            solution_hash="t" * 64,
        )
        self.ledger.finish_scored(lease, record)
        return self.ledger.attempt(attempt.id)

    def fail(self, member: str) -> None:
        """Add an attempt that fails."""
        attempt = self.ledger.add_attempt(competition=self.competition, member=member, blob=archive(), origin="web")
        lease = self.ledger.lease("test", attempt_id=attempt.id)
        assert lease is not None
        self.ledger.finish_failed(lease, "cell 3 raised ValueError", platform=False)

    def wait(self, member: str) -> None:
        """Add an attempt that waits."""
        self.ledger.add_attempt(competition=self.competition, member=member, blob=archive(), origin="web")

    def act(self, chance: random.Random, members: Sequence[str], step: int) -> None:
        """Do one random thing of those that may or may not alter a board."""
        who = chance.choice(members)
        what = chance.randrange(7)
        if what == 0:
            self.fail(who)
        elif what == 1:
            mine = self.ledger.attempts(self.competition, member=who, states=["scored"])
            if mine:
                self.ledger.delete_attempt(chance.choice(mine).id, by=who)
        else:
            # few different scores, so that equal ones meet
            score = chance.choice([0.1, 0.25, 0.25000000000000006, 0.5, chance.random()])
            kind = chance.choice(["notebook", "predictions"])
            self.score(who, score, chance.random(), hours=500 - step + chance.choice([0, 0.5]), kind=kind)


def change_description(root: Path, old: str, new: str, name: str = "bitcoin") -> None:
    """Change the competition's file."""
    path = root / "source" / name / "competition.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))

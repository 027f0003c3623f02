"""The names that members show: their account's, one of their own, or a pseudonym; and the keys of their profiles.

Whatever is public holds shown names and keys only. A key is a keyed hash of the account's name: a visitor cannot tell
the account from it, nor try accounts against it.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Literal

from datauab.ledger import Ledger
from datauab.web.pseudonyms import is_pseudonym, random_pseudonym

KEY_LENGTH = 16
SCAN_SECONDS = 5.0
"""Least time between two searches of all members for a key that is not known."""
ALL_SECONDS = 3.0
"""How long the names of all members are kept for searches."""

NameChoice = Literal["account", "own", "pseudonym"]


def member_key(key: bytes, member: str) -> str:
    """Address of a member's profile: 16 hexadecimal digits of an HMAC of the account's name."""
    return hmac.new(key, b"member:" + member.encode(), hashlib.sha256).hexdigest()[:KEY_LENGTH]


def folded(name: str) -> str:
    """`name` as it is compared: names that differ only in case or in the form of their letters are one."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFKC", name).casefold()


def choice_of(shown: str, member: str) -> NameChoice:
    """Which choice of the settings page a shown name came from."""
    if not shown or shown == member:
        return "account"
    return "pseudonym" if is_pseudonym(shown) else "own"


@dataclass
class Names:
    """Shown names and profile keys of members; threads may share it.

    Attributes
    ----------
    ledger : Ledger
        Keeps the shown names.
    key : bytes
        The service's key.
    accounts : callable
        Gives the account names of everybody who takes part somewhere; may be slow.
    """

    ledger: Ledger
    key: bytes
    accounts: Callable[[], Iterable[str]]
    _lock: Lock = field(default_factory=Lock)
    _known: dict[str, str] = field(default_factory=dict)
    _scanned: float = -SCAN_SECONDS
    _all: tuple[float, Mapping[str, str]] = field(default_factory=lambda: (-ALL_SECONDS, {}))

    def shown(self, members: Collection[str]) -> dict[str, str]:
        """The shown name of each of some members."""
        found = self.ledger.display_names(set(members)) if members else {}
        return {member: found.get(member) or member for member in members}

    def everybody(self) -> Mapping[str, str]:
        """Shown names by account of all who chose one, some seconds old at most."""
        now = monotonic()
        if now - self._all[0] > ALL_SECONDS:
            self._all = now, self.ledger.display_names()
        return self._all[1]

    def key_of(self, member: str) -> str:
        """The key of a member's profile."""
        made = member_key(self.key, member)
        self._known[made] = member
        return made

    def member_of(self, key: str) -> str | None:
        """The account behind a profile's key, or None."""
        found = self._known.get(key)
        if found is not None:
            return found
        with self._lock:
            if monotonic() - self._scanned >= SCAN_SECONDS:
                for member in {*self.accounts(), *self.ledger.display_names()}:
                    self._known[member_key(self.key, member)] = member
                self._scanned = monotonic()
        return self._known.get(key)

    def choose(self, member: str, choice: NameChoice, name: str = "", *, again: bool = False) -> str:
        """Keep how `member` wants to be shown.

        Parameters
        ----------
        member : str
            The account.
        choice : {"account", "own", "pseudonym"}
            What to show.
        name : str
            The cleaned name of the member's own.
        again : bool
            Whether to draw another pseudonym where there is one already.

        Returns
        -------
        str
            The name that is shown from now on.

        Raises
        ------
        ValueError
            Where the name is another member's.
        """
        with self._lock:  # two members who want one name must not both get it
            shown = self.ledger.display_names()
            taken = self._taken(member, shown)
            if choice == "account":
                chosen = ""
            elif choice == "own":
                if folded(name) in taken or (folded(name) != folded(member) and self._is_account(name)):
                    raise ValueError("another member has this name")
                chosen = name
            elif is_pseudonym(shown.get(member, "")) and not again:
                chosen = shown[member]
            else:
                chosen = next(one for one in iter(random_pseudonym, "") if folded(one) not in taken)
            self.ledger.upsert_member(member, chosen)
            self._all = -ALL_SECONDS, {}
            return chosen or member

    def _taken(self, member: str, shown: Mapping[str, str]) -> set[str]:
        others = {one for one in (*self.accounts(), *shown) if one != member}
        return {folded(one) for one in others} | {folded(name) for one, name in shown.items() if one in others and name}

    def _is_account(self, name: str) -> bool:
        return bool(self.ledger.attempts(member=name, limit=1))

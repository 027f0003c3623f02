"""Accounts of the default sign-in: names, roles, password hashes and the class's invite codes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    create_engine,
    event,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from datauab.errors import ClubError
from datauab.hub.names import is_reserved, normalise
from datauab.settings import Settings

Role = Literal["student", "instructor"]

PASSWORD_LENGTH = (8, 256)

#: Above every account that Debian gives out (adduser's range ends at 59999) and below its ranges for containers.
FIRST_MACHINE_ACCOUNT = 300_000

_metadata = MetaData()
_accounts = Table(
    "accounts",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(32), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("hash", String(256), nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("created_at", DateTime, nullable=False),
)
_machine = Table(
    "machine_accounts",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    sqlite_autoincrement=True,  # an id, hence a machine account, is never given to a second person
)
_invites = Table(
    "invites",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("code", String(64), nullable=False, unique=True),
    Column("created_at", DateTime, nullable=False),
    Column("revoked_at", DateTime),
)
_hasher = PasswordHasher()  # argon2id with the library's parameters (RFC 9106, low-memory profile)


@dataclass(frozen=True)
class Account:
    """One person's account.

    Attributes
    ----------
    fingerprint : str
        Changes with the password; ties a first sign-in to the one-time password that it used.
    must_change : bool
        Whether the password is a one-time password.
    """

    id: int
    name: str
    role: Role
    must_change: bool
    fingerprint: str


def check_password(name: str, password: str) -> None:
    """Refuse a password that is too short, too long or the name itself.

    Raises
    ------
    ClubError
        Says what was expected; never repeats the password.
    """
    low, high = PASSWORD_LENGTH
    if not low <= len(password) <= high:
        raise ClubError(f"a password has {low} to {high} characters, found {len(password)}")
    if password.strip().lower() == name or len(set(password)) < 4:
        raise ClubError(
            "this password is too easy to guess: expected something other than the name or one repeated letter"
        )


class Accounts:
    """The accounts of one deployment, in ``gradebook/hub/accounts.db`` (mode 0600)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.path: Path = settings.gradebook / "hub" / "accounts.db"
        self._engine: Engine | None = None
        self._decoy = ""

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if self._engine is None:
            private_folder(self.path.parent)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            engine = create_engine(f"sqlite:///{self.path}", poolclass=NullPool, connect_args={"timeout": 10})
            event.listen(engine, "connect", _no_implicit_begin)
            event.listen(engine, "begin", _begin_immediate)
            _metadata.create_all(engine)
            self._engine = engine
        with self._engine.begin() as connection:
            yield connection

    def find(self, name: str) -> Account | None:
        """Give the account of a normalised `name`, or None."""
        with self._connection() as connection:
            row = connection.execute(select(_accounts).where(_accounts.c.name == name)).one_or_none()
        return None if row is None else _account(row)

    def create(self, name: str, password: str, role: Role, *, must_change: bool = False) -> Account | None:
        """Make an account, or return None where the name is taken.

        Raises
        ------
        ClubError
            Where the name or the password is refused, or a student asks for a reserved name.
        """
        plain = normalise(name)
        if role == "student" and is_reserved(self._settings, plain):
            raise ClubError(f"the name {plain!r} is reserved; choose another one")
        check_password(plain, password)
        values = {
            "name": plain,
            "role": role,
            "hash": _hasher.hash(password),
            "must_change": must_change,
            "created_at": datetime.now(UTC).replace(tzinfo=None),
        }
        try:
            with self._connection() as connection:
                connection.execute(_accounts.insert().values(**values))
        except IntegrityError:
            return None
        return self.find(plain)

    def verify(self, name: str, password: str) -> Account | None:
        """Give the account whose name and password these are, or None; takes as long for an unknown name."""
        try:
            plain = normalise(name)
        except ClubError:
            plain = ""
        with self._connection() as connection:
            row = connection.execute(select(_accounts).where(_accounts.c.name == plain)).one_or_none()
        if not self._decoy:
            self._decoy = _hasher.hash(secrets.token_urlsafe())
        try:
            _hasher.verify(self._decoy if row is None else row.hash, password[: PASSWORD_LENGTH[1] + 1])
        except (Argon2Error, InvalidHashError):
            return None
        return None if row is None else _account(row)

    def set_password(self, account: Account, password: str, *, must_change: bool = False) -> bool:
        """Replace the password; False where it has been replaced since `account` was read.

        Raises
        ------
        ClubError
            Where the password is refused.
        """
        check_password(account.name, password)
        if self.verify(account.name, password) is not None:
            raise ClubError("the new password is the old one; choose another one")
        with self._connection() as connection:
            current = connection.execute(select(_accounts).where(_accounts.c.id == account.id)).one_or_none()
            if current is None or _account(current) != account:
                return False
            changed = connection.execute(
                _accounts.update()
                .where(_accounts.c.id == account.id, _accounts.c.hash == current.hash)
                .values(hash=_hasher.hash(password), must_change=must_change)
            )
            return changed.rowcount == 1

    def machine_account(self, name: str) -> int:
        """Give the machine account (uid and gid) of a user of the hub: the same for ever, and nobody else's."""
        with self._connection() as connection:
            found = connection.execute(select(_machine.c.id).where(_machine.c.name == name)).scalar_one_or_none()
            if found is None:
                found = connection.execute(_machine.insert().values(name=name).returning(_machine.c.id)).scalar_one()
        return FIRST_MACHINE_ACCOUNT + int(found)

    def invite_code(self) -> str:
        """Give the code by which students join; made at the first call, the same until it is revoked."""
        with self._connection() as connection:
            row = connection.execute(select(_invites.c.code).where(_invites.c.revoked_at.is_(None))).first()
            if row is not None:
                return str(row.code)
            code = secrets.token_urlsafe(12)
            connection.execute(_invites.insert().values(code=code, created_at=datetime.now(UTC).replace(tzinfo=None)))
            return code

    def is_invited(self, code: str) -> bool:
        """Whether `code` is one that was given out and not revoked."""
        with self._connection() as connection:
            rows = connection.execute(select(_invites.c.code).where(_invites.c.revoked_at.is_(None))).all()
        return any(secrets.compare_digest(str(row.code).encode(), code.encode()) for row in rows)

    def revoke_invites(self) -> None:
        """Make every code given out so far worthless; accounts made with them stay."""
        with self._connection() as connection:
            connection.execute(
                _invites.update()
                .where(_invites.c.revoked_at.is_(None))
                .values(revoked_at=datetime.now(UTC).replace(tzinfo=None))
            )


def private_folder(path: Path) -> Path:
    """Make a folder that only the deployment's account can enter, or make an existing one so."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def _no_implicit_begin(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: Connection) -> None:
    # The write lock comes first: what a transaction has read is still true when it writes.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _account(row: Row[Any]) -> Account:
    return Account(row.id, row.name, row.role, row.must_change, row.hash[-16:])

"""Receipts: the signed proof that an attempt arrived, when, and with which content."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from itsdangerous import BadData, URLSafeSerializer

from datauab.errors import ClubError, ConfigurationError

KEY_BYTES = 32


class InvalidReceipt(ClubError):
    """A receipt was not issued by this deployment, or was changed afterwards."""


@dataclass(frozen=True)
class Receipt:
    """What the club confirms.

    Attributes
    ----------
    competition, member : str
        What was entered, and by whom.
    attempt : int
        Number of the attempt in the ledger.
    sha256 : str
        Hexadecimal SHA-256 of the bytes that arrived.
    received_at : datetime
        When, by the server's clock, in UTC.
    """

    competition: str
    member: str
    attempt: int
    sha256: str
    received_at: datetime


def read_key(path: Path) -> bytes:
    """Read the signing key at `path`; make it, mode 0600, where there is none.

    Raises
    ------
    ConfigurationError
        Where the file can be neither read nor made, or is shorter than a key.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the key that signs receipts can be neither read nor made: {error}; "
            "run the service as the owner of this folder"
        ) from error
    if len(key) < KEY_BYTES // 2:
        raise ConfigurationError(
            f"{path}: expected a key of at least {KEY_BYTES // 2} bytes, found {len(key)}; restore it from a backup, "
            "or remove it to have a new one made (older receipts can then no longer be checked)"
        )
    return key


def issue_receipt(receipt: Receipt, key: bytes) -> str:
    """Sign `receipt` with `key` (HMAC-SHA256) as one line of URL-safe text; equal receipts give equal text."""
    fields = [
        receipt.competition,
        receipt.member,
        receipt.attempt,
        receipt.sha256,
        receipt.received_at.astimezone(UTC).isoformat(),
    ]
    text = _serializer(key).dumps(fields)
    return text if isinstance(text, str) else text.decode("ascii")


def verify_receipt(token: str, key: bytes) -> Receipt:
    """Read a receipt and check its signature.

    Raises
    ------
    InvalidReceipt
        Where `token` was not signed with `key`, or was changed, or is no receipt.
    """
    try:
        competition, member, attempt, digest, received_at = _serializer(key).loads(token.strip())
        return Receipt(str(competition), str(member), int(attempt), str(digest), datetime.fromisoformat(received_at))
    except (BadData, ValueError, TypeError) as error:
        raise InvalidReceipt(
            "this receipt was not issued here or was changed: expected the whole line as the club returned it"
        ) from error


def _serializer(key: bytes) -> URLSafeSerializer:
    return URLSafeSerializer(
        key, salt=b"datauab.receipt", signer_kwargs={"digest_method": sha256, "key_derivation": "hmac"}
    )


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        # link, not rename: of two processes that start together, the second must not replace the first one's key
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()

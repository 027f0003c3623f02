"""Receipts: the signed proof that an attempt arrived, when, and with which content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from itsdangerous import BadData, URLSafeSerializer

from datauab.errors import ClubError


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

"""Receipts: the signed proof that an attempt arrived, when, and with which content.

A receipt is one line, ``uab1.<fields>.<signature>``: the fields as canonical JSON and an Ed25519 signature (RFC 8032)
over the two parts before it, both in URL-safe base64. Anybody can verify it with the deployment's public key; only the
deployment can issue it.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from itsdangerous import BadData, URLSafeSerializer

from datauab.errors import ClubError

PREFIX = "uab1"
KEY_PREFIX = "ed25519:"
FIELDS = ("club", "competition", "member", "attempt", "sha256", "size", "received_at")


class InvalidReceipt(ClubError):
    """A receipt was not issued by this deployment, or was changed afterwards."""


@dataclass(frozen=True)
class Receipt:
    """What the club confirms.

    Attributes
    ----------
    club : str
        Name of the club that issued it; empty in the form issued before.
    competition, member : str
        What was entered, and by whom.
    attempt : int
        Number of the attempt in the ledger.
    sha256 : str
        Hexadecimal SHA-256 of the bytes that arrived.
    size : int or None
        Their number; None in the form issued before.
    received_at : datetime
        When, by the server's clock, in UTC.
    """

    club: str
    competition: str
    member: str
    attempt: int
    sha256: str
    size: int | None
    received_at: datetime


def public_key(seed: bytes) -> str:
    """The key that verifies receipts signed with `seed`, as text: ``ed25519:`` and 32 bytes in URL-safe base64."""
    return KEY_PREFIX + _encode(_private(seed).public_key().public_bytes_raw())


def issue_receipt(receipt: Receipt, seed: bytes) -> str:
    """Sign `receipt` with the key made of `seed`, as one line of URL-safe text; equal receipts give equal text."""
    fields = {name: getattr(receipt, name) for name in FIELDS}
    fields["received_at"] = receipt.received_at.astimezone(UTC).isoformat()
    body = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    signed = f"{PREFIX}.{_encode(body)}"
    return f"{signed}.{_encode(_private(seed).sign(signed.encode('ascii')))}"


def verify_receipt(text: str, key: str) -> Receipt:
    """Read a receipt and check its signature.

    Parameters
    ----------
    text : str
        The line; white space around it is ignored.
    key : str
        The deployment's public key, as `public_key` gives it.

    Raises
    ------
    InvalidReceipt
        Where `key` is none, or the receipt was not signed with it, or was changed, or is no receipt.
    """
    public = _public(key)
    head, _, signature = text.strip().rpartition(".")
    prefix, _, body = head.partition(".")
    try:
        if prefix != PREFIX:
            raise ValueError(prefix)
        public.verify(_decode(signature), head.encode("ascii"))
        fields = json.loads(_decode(body))
        moment = datetime.fromisoformat(fields["received_at"])
        return Receipt(**{**{name: fields[name] for name in FIELDS}, "received_at": moment})
    except (InvalidSignature, ValueError, KeyError, TypeError) as error:
        raise _refusal() from error


def verify_own_receipt(text: str, seed: bytes) -> Receipt:
    """Read a receipt that the deployment which holds `seed` issued, also in the form used before.

    Raises
    ------
    InvalidReceipt
        Where it was not issued with `seed`, or was changed, or is no receipt.
    """
    if text.strip().startswith(f"{PREFIX}."):
        return verify_receipt(text, public_key(seed))
    # signed with a shared secret (HMAC-SHA256), so nobody but the deployment could verify them
    serializer = URLSafeSerializer(
        seed, salt=b"datauab.receipt", signer_kwargs={"digest_method": sha256, "key_derivation": "hmac"}
    )
    try:
        competition, member, attempt, digest, received_at = serializer.loads(text.strip())
        moment = datetime.fromisoformat(received_at)
        return Receipt("", str(competition), str(member), int(attempt), str(digest), None, moment)
    except (BadData, ValueError, TypeError) as error:
        raise _refusal() from error


def _private(seed: bytes) -> Ed25519PrivateKey:
    # the seed signed receipts of the form before: one key must never serve two algorithms
    return Ed25519PrivateKey.from_private_bytes(sha256(b"datauab.receipt.ed25519\0" + seed).digest())


def _public(key: str) -> Ed25519PublicKey:
    found = key.strip()
    try:
        if not found.startswith(KEY_PREFIX):
            raise ValueError(found)
        return Ed25519PublicKey.from_public_bytes(_decode(found.removeprefix(KEY_PREFIX)))
    except ValueError as error:
        raise InvalidReceipt(
            f"the public key is none: expected {KEY_PREFIX} and 43 letters, found {found[:60]!r}; "
            "copy it from the club's address /api/v1/receipts/key"
        ) from error


def _refusal() -> InvalidReceipt:
    return InvalidReceipt(
        "this receipt was not issued here or was changed: expected the whole line as the club returned it"
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise ValueError(text)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(data) != text:  # base64 has spare bits: without this a changed last letter would still verify
        raise ValueError(text)
    return data

"""A receipt proves what it says to anybody, and nothing else passes for one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer
from typer.testing import CliRunner

from datauab.cli import app
from datauab.receipts import InvalidReceipt, Receipt, issue_receipt, public_key, verify_own_receipt, verify_receipt

SEED = bytes(range(32))
NOW = datetime(2026, 10, 14, 10, 0, tzinfo=UTC)
WORK = b"what was handed in"
RECEIPT = Receipt("Data UAB", "bitcoin", "ada", 7, hashlib.sha256(WORK).hexdigest(), len(WORK), NOW)
TOKEN = issue_receipt(RECEIPT, SEED)
KEY = public_key(SEED)


@given(
    club=st.text(max_size=30),
    member=st.text(min_size=1, max_size=30),
    attempt=st.integers(1, 2**53),
    size=st.integers(0, 2**53),
    moment=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))])),
)
def test_what_is_issued_is_read_again(club: str, member: str, attempt: int, size: int, moment: datetime) -> None:
    receipt = Receipt(club, "bitcoin", member, attempt, "ab" * 32, size, moment)
    token = issue_receipt(receipt, SEED)
    assert token.isascii()
    assert token == issue_receipt(receipt, SEED)
    assert verify_receipt(f" {token}\n", KEY) == receipt


@given(place=st.integers(0, len(TOKEN) - 1), letter=st.sampled_from("ABab01-_.= é\n"))
def test_one_changed_letter_is_refused(place: int, letter: str) -> None:
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    if changed.strip() != TOKEN:
        with pytest.raises(InvalidReceipt, match="not issued here"):
            verify_receipt(changed, KEY)


def test_spare_bits_of_the_last_letter_are_no_second_spelling() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for letter in set(letters) - {TOKEN[-1]}:
        with pytest.raises(InvalidReceipt, match="not issued here"):
            verify_receipt(TOKEN[:-1] + letter, KEY)


@pytest.mark.parametrize("text", ["", ".", "..", "uab1..", "uab1.e30.e30", TOKEN[:-1], TOKEN + "A", TOKEN[5:]])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    for check, key in ((verify_receipt, KEY), (verify_own_receipt, SEED)):
        with pytest.raises(InvalidReceipt, match="not issued here"):
            check(text, key)  # type: ignore[operator]


def test_another_deployments_receipt_is_refused() -> None:
    with pytest.raises(InvalidReceipt, match="not issued here"):
        verify_receipt(issue_receipt(RECEIPT, b"q" * 32), KEY)


@pytest.mark.parametrize("key", ["", "ed25519:", "ed25519:abc", KEY[:-1], KEY.replace("ed25519", "rsa"), SEED.hex()])
def test_what_is_no_key_is_said_to_be_none(key: str) -> None:
    with pytest.raises(InvalidReceipt, match="public key is none"):
        verify_receipt(TOKEN, key)


def test_receipts_of_the_form_before_are_recognised_by_their_deployment_only() -> None:
    signer = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    old = URLSafeSerializer(SEED, salt=b"datauab.receipt", signer_kwargs=signer)
    token = old.dumps(["bitcoin", "ada", 7, "ab" * 32, NOW.isoformat()])
    assert verify_own_receipt(str(token), SEED) == Receipt("", "bitcoin", "ada", 7, "ab" * 32, None, NOW)
    for seed in (b"q" * 32,):
        with pytest.raises(InvalidReceipt):
            verify_own_receipt(str(token), seed)
    with pytest.raises(InvalidReceipt):
        verify_receipt(str(token), KEY)


def test_the_command_verifies_signature_and_content(tmp_path: Path) -> None:
    same, other = tmp_path / "same.csv", tmp_path / "other.csv"
    same.write_bytes(WORK)
    other.write_bytes(WORK + b".")
    kept = tmp_path / "receipt.txt"
    kept.write_text(TOKEN + "\n")
    run = CliRunner().invoke
    for given_receipt in (TOKEN, str(kept)):
        found = run(app, ["receipt", "verify", given_receipt, "--file", str(same), "--key", KEY])
        assert found.exit_code == 0, found.output
        assert "genuine: Data UAB received attempt 7 of ada at bitcoin" in found.output
        assert "this is what arrived" in found.output
    wrong = run(app, ["receipt", "verify", TOKEN, "--file", str(other), "--key", KEY])
    assert isinstance(wrong.exception, InvalidReceipt)
    assert RECEIPT.sha256 in str(wrong.exception)
    forged = run(app, ["receipt", "verify", TOKEN, "--key", public_key(b"q" * 32)])
    assert isinstance(forged.exception, InvalidReceipt)

"""``datauab receipt verify``: check a receipt without trusting who shows it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urljoin

import typer
from rich.console import Console

from datauab.receipts import InvalidReceipt, Receipt, verify_receipt

app = typer.Typer(help="Receipts: the signed proof that an attempt arrived.", no_args_is_help=True)


@app.callback()
def receipts() -> None:
    """Receipts: the signed proof that an attempt arrived."""


@app.command()
def verify(
    receipt: Annotated[str, typer.Argument(help="The receipt, or a file that holds it, or - for standard input.")],
    file: Annotated[Path | None, typer.Option(help="What was handed in: must be the content of the receipt.")] = None,
    key: Annotated[str, typer.Option(help="The club's public key (ed25519:...), or a file that holds it.")] = "",
    url: Annotated[str, typer.Option(help="Address of the club's web service, to fetch the key from.")] = "",
) -> None:
    """Verify that the club signed RECEIPT, and that FILE is what arrived; exit code 1 where not."""
    found = verify_receipt(_text(receipt), _text(key) if key else _fetch(url))
    if file is not None:
        _same_content(found, file)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"genuine: {found.club} received attempt {found.attempt} of {found.member} at {found.competition}")
    console.print(f"received {found.received_at.isoformat()}\nSHA-256  {found.sha256}, {found.size} bytes")
    console.print(f"{file}: this is what arrived" if file else "give --file to compare what you kept")


def _text(value: str) -> str:
    if value == "-":
        return sys.stdin.read()
    try:
        return Path(value).read_text(encoding="ascii", errors="replace") if Path(value).is_file() else value
    except OSError:  # a receipt is longer than a file's name may be
        return value


def _fetch(url: str) -> str:
    import httpx

    from datauab.settings import hub_client_settings

    base = url or hub_client_settings().web_url
    if not base:
        raise InvalidReceipt("no key to verify with: expected --key or --url; an instructor can tell you either")
    address = urljoin(base.rstrip("/") + "/", "api/v1/receipts/key")
    try:
        answer = httpx.get(address, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["key"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise InvalidReceipt(f"{address}: gave no key ({error}); check --url, or give --key") from error


def _same_content(receipt: Receipt, file: Path) -> None:
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InvalidReceipt(f"{file}: cannot be read: {error.strerror}") from error
    if digest != receipt.sha256:
        raise InvalidReceipt(
            f"{file}: this is not what arrived: expected SHA-256 {receipt.sha256} as in the receipt, found {digest}"
        )

"""The client against servers that are down, slow, broken, hostile, or lose their answers."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from exchange_people import Answer, Fake, Served, free_port

from datauab.errors import ClubError, InvalidSubmission, LimitReached, PhaseClosed
from datauab.exchange.api import Unreachable, WebExchange


@contextlib.contextmanager
def client_of(fake: Fake) -> Iterator[WebExchange]:
    with Served(fake) as served:
        yield WebExchange(f"http://127.0.0.1:{served.port}/services/club", "token-ada", pauses=(0.01, 0.01))


def always(status: int, content: Any) -> Fake:
    return Fake(lambda *_: (status, content))


def test_nobody_listening_is_told_with_address_and_next_step() -> None:
    client = WebExchange(f"http://127.0.0.1:{free_port()}/services/club/", "token", pauses=(0.01,))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:\d+/services/club/ does not answer .*Try again"):
        client.releases()
    with pytest.raises(Unreachable, match="Nothing was lost"):
        client.submit("greeting", b"zip")


def test_the_token_travels_in_the_hubs_form_and_is_never_told() -> None:
    seen = []

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        seen.append((path, headers["authorization"]))
        return 401, {"error": "ClubError", "message": "who?"}

    with client_of(Fake(answer)) as client, pytest.raises(ClubError, match="did not accept") as refused:
        client.releases()
    assert seen == [("/services/club/api/v1/exchange/assignments", "token token-ada")]
    assert "token-ada" not in str(refused.value)


def test_a_redirect_to_the_sign_in_page_means_the_token_was_refused() -> None:
    with client_of(always(302, b"")) as client, pytest.raises(ClubError, match="did not accept this server's token"):
        client.releases()


@pytest.mark.parametrize("kind", [InvalidSubmission, PhaseClosed, LimitReached])
def test_the_servers_reason_reaches_the_student_as_it_is(kind: type[ClubError]) -> None:
    fake = always(423, {"error": kind.__name__, "message": "the phase ended on 1 May; the next opens on 3 May"})
    with client_of(fake) as client, pytest.raises(kind, match="the phase ended on 1 May; the next opens on 3 May"):
        client.releases()
    assert len(fake.asked) == 1, "a refusal is an answer: asking again would not change it"


@pytest.mark.parametrize(("status", "words"), [(403, "may not"), (404, "nothing of that name"), (413, "larger")])
def test_a_refusal_without_words_still_says_what_it_means(status: int, words: str) -> None:
    with client_of(always(status, b"<html>nope")) as client, pytest.raises(ClubError, match=words):
        client.releases()


def test_a_gateway_that_comes_back_is_waited_for() -> None:
    answers = iter([(503, b""), (502, b""), (200, [{"name": "greeting"}])])
    fake = Fake(lambda *_: next(answers))
    with client_of(fake) as client:
        assert [item.assignment for item in client.releases()] == ["greeting"]
    assert len(fake.asked) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"<html>not json",
        {"error": "not a list"},
        [{"name": "../../etc"}],
        [{"name": ".."}],
        [{"name": "/etc/passwd"}],
        [{"name": "a\\b"}],
        [{"name": ""}],
        [{}],
        b"[" * 100_000,
    ],
)
def test_a_list_that_makes_no_sense_or_leads_out_of_the_folder_is_refused(content: Any) -> None:
    with client_of(always(200, content)) as client, pytest.raises(ClubError, match="does not understand"):
        client.releases()


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datauab.exchange.api.MAX_DOWNLOAD", 1000)
    with client_of(always(200, b"0" * 5000)) as client, pytest.raises(ClubError, match="at most 1000 bytes"):
        client.release_archive("greeting")


def test_a_name_with_slashes_cannot_reach_another_address() -> None:
    fake = always(404, {"message": "no such assignment"})
    with client_of(fake) as client, pytest.raises(ClubError, match="no such assignment"):
        client.release_archive("../submissions/1")
    assert "/submissions/" not in fake.asked[0][1].replace("/assignments/../submissions/1/archive", "")


class Ledgerlike:
    """The server's side of handing in: keeps what arrives and knows each key once."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []
        self.keys: dict[str, dict[str, Any]] = {}

    def __call__(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if method == "GET":
            return 200, self.kept
        key = headers["idempotency-key"]
        if key not in self.keys:
            now = datetime.now(UTC)
            self.keys[key] = {
                "id": len(self.kept) + 1,
                "assignment": "greeting",
                "student": "ada",
                "timestamp": now.strftime("%Y-%m-%d %H:%M:%S.%f UTC"),
                "received_at": now.isoformat(),
                "state": "queued",
                "sha256": hashlib.sha256(body).hexdigest(),
                "receipt": "signed",
            }
            self.kept.append(self.keys[key])
        return 201, self.keys[key]


class Cutter:
    """A connection to a server that loses the first `lose` answers to POST after the server has given them."""

    def __init__(self, port: int, lose: int) -> None:
        self.target, self.left = port, lose
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            while request := self._message(client):
                server.sendall(request)
                answer = self._message(server)
                if request.startswith(b"POST") and self.left > 0:
                    self.left -= 1
                    return
                client.sendall(answer)

    @staticmethod
    def _message(source: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = source.recv(65536)
            if not chunk:
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        if b"transfer-encoding" in head.lower():
            while not data.endswith(b"0\r\n\r\n"):
                data += source.recv(65536)
            return data
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        while len(body) < int(lengths[0] if lengths else 0):
            chunk = source.recv(65536)
            body += chunk
            data += chunk
        return data


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_a_lost_answer_never_makes_two_attempts(lost: int) -> None:
    server = Ledgerlike()
    with Served(Fake(server)) as served:
        cutter = Cutter(served.port, lost)
        client = WebExchange(f"http://127.0.0.1:{cutter.port}/services/club/", "token", pauses=(0.01, 0.01))
        receipt = client.submit("greeting", b"the same work")
        assert receipt.id == 1
        assert receipt.sha256 == hashlib.sha256(b"the same work").hexdigest()
        assert len(server.kept) == 1
        again = client.submit("greeting", b"the same work")
        assert again.id == 2, "handing in the same work later is a new attempt"


def test_an_answer_lost_before_anything_was_kept_is_sent_again_under_the_same_key() -> None:
    keys = []
    inner = Ledgerlike()

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if method == "POST":
            keys.append(headers["idempotency-key"])
            if len(keys) < 3:
                return 502, b""
        return inner(method, path, body, headers)

    with client_of(Fake(answer)) as client:
        assert client.submit("greeting", b"work").id == 1
    assert len(set(keys)) == 1
    assert len(keys) == 3
    assert len(inner.kept) == 1


def test_a_service_that_fails_says_why_after_it_was_asked_again() -> None:
    fake = always(500, {"error": "LedgerError", "message": "the disk is full"})
    with client_of(fake) as client, pytest.raises(Unreachable, match="HTTP 500: the disk is full"):
        client.releases()
    assert len(fake.asked) == 3


def test_a_service_that_hangs_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datauab.exchange.api.PATIENCE", -1.0)
    fake = always(503, b"")
    with client_of(fake) as client, pytest.raises(Unreachable):
        client.releases()
    assert len(fake.asked) == 1


def test_an_answer_lost_for_good_says_that_it_is_not_certain() -> None:
    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        return (200, []) if method == "GET" else (504, b"")

    with client_of(Fake(answer)) as client, pytest.raises(Unreachable, match="Look at your submissions"):
        client.submit("greeting", b"work")


def test_a_receipt_for_other_content_is_not_believed() -> None:
    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        status, receipt = Ledgerlike()(method, path, body + b"!", headers)
        return status, receipt

    with client_of(Fake(answer)) as client, pytest.raises(ClubError, match="arrived damaged: expected SHA-256"):
        client.submit("greeting", b"work")

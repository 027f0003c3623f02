"""Rules through the real service: shown as text, accepted by their hash, asked for before anything is taken in."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_course import archive, notebook  # type: ignore[import-not-found]
from web_teams import API, PAGE, Client, describe, form_of  # type: ignore[import-not-found]

from datauab.ledger import Ledger
from datauab.settings import Settings
from datauab.web.plain_markup import to_html

RULES = """# Fair play

One account each. **No** private sharing of code
across teams.

- data from elsewhere must be public
- say <script>alert(1)</script> & where it is from

Ask at https://example.org/forum?a=1&b=2.
"""
EXCHANGE = "api/v1/exchange/assignments/bitcoin/submissions"
FORM = {"file": ("bitcoin.ipynb", notebook(), "application/json")}


def write_rules(course: Settings, text: str) -> None:
    path = course.source / "bitcoin" / "competition.toml"
    path.write_text(path.read_text().split("[rules]")[0] + f'[rules]\ntext = """{text}"""\n')


@pytest.fixture
def course(course: Settings) -> Settings:
    describe(course, "")
    write_rules(course, RULES)
    return course


def accept(client: httpx.Client) -> httpx.Response:
    return client.post(f"{API}/rules", json={"sha256": client.get(f"{API}/rules").json()["sha256"]})


def test_every_way_in_asks_for_the_rules_first(api: Client, browser: Client, ledger: Ledger) -> None:
    ways: dict[str, Callable[[], httpx.Response]] = {
        "exchange": lambda: api("ada").post(EXCHANGE, content=archive()),
        "api": lambda: api("ada").post(f"{API}/attempts?filename=bitcoin.ipynb", content=notebook()),
    }
    for send in ways.values():
        answer = send()
        assert answer.status_code == 403
        assert answer.json()["error"] == "RulesNotAccepted"
        assert "/competitions/bitcoin/rules" in answer.json()["message"]
        assert answer.headers["link"] == '</services/club/competitions/bitcoin/rules>; rel="terms-of-service"'
    ada = browser("ada")
    page = ada.get(f"{PAGE}/attempts").text
    assert "Accept the rules first" in page
    token = page.split('name="_xsrf" value="')[1].split('"')[0]
    refused = ada.post(f"{PAGE}/attempts", files=FORM, data={"_xsrf": token})
    assert refused.status_code == 403
    assert 'href="/services/club/competitions/bitcoin/rules">Read the rules</a>' in refused.text
    assert ledger.attempts(competition="bitcoin") == []
    assert accept(api("ada")).json()["accepted"] is True
    assert [send().status_code for send in ways.values()] == [201, 201]
    assert ada.post(f"{PAGE}/attempts", files=FORM, data={"_xsrf": token}).status_code == 303
    assert "Accept the rules first" not in ada.get(f"{PAGE}/attempts").text
    assert api("bob").post(EXCHANGE, content=archive()).status_code == 403, "everybody accepts for oneself"


def test_a_changed_text_asks_again(api: Client, browser: Client, course: Settings) -> None:
    ada = api("ada")
    before = ada.get(f"{API}/rules").json()["sha256"]
    assert accept(ada).status_code == 200
    write_rules(course, RULES + "\nAnd be kind.\n")
    found = ada.get(f"{API}/rules").json()
    assert (found["accepted"], found["changed"]) == (False, True)
    answer = ada.post(EXCHANGE, content=archive())
    assert answer.status_code == 403
    assert "they changed since you did" in answer.json()["message"]
    stale = ada.post(f"{API}/rules", json={"sha256": before})
    assert stale.status_code == 409
    assert "changed while you read them" in stale.json()["message"]
    page = browser("ada").get(f"{PAGE}/rules").text
    assert "The rules changed since you accepted them" in page
    shown = form_of(browser("ada"), f"{PAGE}/rules", sha256=before)
    assert shown.status_code == 409
    assert "And be kind" in shown.text
    assert "changed while you read them" in shown.text
    assert accept(ada).json()["changed"] is False
    assert ada.post(EXCHANGE, content=archive()).status_code == 201


def test_a_form_accepts_the_text_that_it_shows(api: Client, browser: Client) -> None:
    bob = browser("bob")
    page = bob.get(f"{PAGE}/rules").text
    sha256 = page.split('name="sha256" value="')[1].split('"')[0]
    for wrong in ("", "x", "0" * 64):
        assert form_of(bob, f"{PAGE}/rules", sha256=wrong).status_code == 409
    assert form_of(bob, f"{PAGE}/rules", sha256=sha256).status_code == 303
    assert "I accept these rules" not in bob.get(f"{PAGE}/rules").text
    assert api("bob").get(f"{API}/rules").json()["accepted"] is True
    assert api("ada").get(f"{API}/rules").json()["accepted"] is False


def test_accepting_twice_is_written_once(api: Client, ledger: Ledger) -> None:
    assert [accept(api("ada")).status_code for _ in range(3)] == [200, 200, 200]
    assert ledger.accepted_rules("bitcoin", "ada") == api("ada").get(f"{API}/rules").json()["sha256"]


def test_visitors_read_the_rules_and_sign_in_to_accept_them(api: Client) -> None:
    page = api(None).get(f"{PAGE}/rules").text
    assert "No</strong> private sharing of code" in page
    assert "Sign in</a> to accept" in page
    assert api(None).get(f"{API}/rules").json()["accepted"] is False
    assert api(None).post(f"{API}/rules", json={"sha256": "0" * 64}).status_code == 403
    assert api("ada").post(f"{API}/rules", json={"sha256": "no hash"}).status_code == 422


def test_without_rules_nothing_is_asked(api: Client, course: Settings) -> None:
    write_rules(course, "")
    assert "nothing to accept" in api("ada").get(f"{PAGE}/rules").text
    assert accept(api("ada")).status_code == 409
    assert api("ada").post(EXCHANGE, content=archive()).status_code == 201
    assert "Accept the rules first" not in api("ada").get(f"{PAGE}/attempts").text


def test_marks_become_html_and_html_stays_text(api: Client) -> None:
    page = api(None).get(f"{PAGE}/rules").text
    for part in (
        "<h2>Fair play</h2>",
        "<strong>No</strong>",
        "<ul><li>data from elsewhere must be public</li>",
        "say &lt;script&gt;alert(1)&lt;/script&gt; &amp; where",
        '<a href="https://example.org/forum?a=1&amp;b=2" rel="noopener noreferrer nofollow">',
    ):
        assert part in page


class Parts(HTMLParser):
    """The tags, addresses and text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


MARKS = ("`", "*", "**", "[", "](", ")", "https://a.b/", "javascript:", "# ", "- ", "1. ", "\n", "\n\n", " ", "x", "é")
MARKUP = ("<", ">", "&", '"', "'", "<script>", "</p>", "<!--", "&lt;", "\x00")
pieces = st.sampled_from((*MARKS, *MARKUP))


@given(st.lists(pieces, max_size=40).map("".join) | st.text(max_size=200))
def test_no_text_becomes_anything_but_the_known_marks(text: str) -> None:
    parts = Parts(str(to_html(text)))
    assert set(parts.tags) <= {"p", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "code", "a"}
    assert {name for name, _ in parts.attributes} <= {"href", "rel"}
    assert all(str(value).startswith(("http://", "https://")) for name, value in parts.attributes if name == "href")


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), max_size=8))
def test_no_word_is_lost(words: list[str]) -> None:
    assert Parts(str(to_html("\n".join(words)))).text.split() == " ".join(words).split()

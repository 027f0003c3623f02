"""Who sees what, and that a session cannot be used by another site."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from web_course import Members, add_attempt, archive, notebook  # type: ignore[import-not-found]

from datauab.ledger import Attempt, Ledger
from datauab.web.session import xsrf_token

Client = Callable[[str | None], httpx.Client]
FORM = {"file": ("bitcoin.ipynb", notebook(), "application/json")}


def xsrf_of(client: httpx.Client) -> str:
    page = client.get("competitions/bitcoin/attempts").text
    return page.split('name="_xsrf" value="')[1].split('"')[0]


def test_visitors_read_boards(api: Client, scored: Callable[..., Attempt]) -> None:
    scored("ada", 0.75)
    for path in ("", "competitions/bitcoin", "api/v1/competitions", "api/v1/competitions/bitcoin/leaderboard"):
        answer = api(None).get(path)
        assert answer.status_code == 200
        assert "0.75" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "api/v1/competitions/bitcoin/attempts",
        "api/v1/attempts/1",
        "api/v1/exchange/assignments",
        "api/v1/exchange/assignments/bitcoin/archive",
        "api/v1/exchange/submissions",
        "api/v1/exchange/submissions/1/archive",
        "api/v1/exchange/submissions/1/feedback",
    ],
)
def test_the_api_tells_visitors_to_sign_in(api: Client, path: str) -> None:
    answer = api(None).get(path)
    assert answer.status_code == 403
    assert answer.json()["error"] == "Forbidden"
    assert "token" in answer.json()["message"]


def test_an_unknown_token_is_refused_even_where_visitors_may_read(api: Client) -> None:
    answer = api(None).get("api/v1/competitions", headers={"Authorization": "token made-up"})
    assert answer.status_code == 403
    assert api("ada").get("api/v1/attempts/99").status_code == 404
    assert api(None).get("api/v1/exchange/assignments", headers={"Authorization": "Bearer tok-ada"}).status_code == 200


@pytest.mark.parametrize("path", ["competitions/bitcoin/attempts", "competitions/bitcoin/manage", "attempts/1"])
def test_pages_of_members_lead_visitors_to_the_sign_in(api: Client, path: str) -> None:
    answer = api(None).get(path)
    assert answer.status_code == 302
    assert answer.headers["location"] == f"/services/club/login?next=%2Fservices%2Fclub%2F{path.replace('/', '%2F')}"


def test_somebody_elses_attempt_looks_like_none(api: Client, ledger: Ledger, scored: Callable[..., Attempt]) -> None:
    attempt = scored("ada", 0.75)
    ledger.publish_feedback(attempt.id, archive({"bitcoin.html": b"well done"}))
    paths = [f"attempts/{attempt.id}{rest}" for rest in ("", "/archive", "/feedback")]
    paths += [f"api/v1/attempts/{attempt.id}"]
    paths += [f"api/v1/exchange/submissions/{attempt.id}/{rest}" for rest in ("archive", "feedback")]
    for path in paths:
        assert api("bob").get(path).status_code == 404
        assert api("ada").get(path).status_code == 200
        assert api("teacher").get(path).status_code == 200


def test_members_lists_hold_their_own_attempts_only(api: Client, scored: Callable[..., Attempt]) -> None:
    mine, other = scored("ada", 0.75), scored("bob", 0.5)
    assert [one["id"] for one in api("ada").get("api/v1/exchange/submissions").json()] == [mine.id]
    assert [one["id"] for one in api("ada").get("api/v1/competitions/bitcoin/attempts").json()] == [mine.id]
    assert api("ada").get("api/v1/exchange/submissions?all=1").status_code == 403
    everyone = api("teacher").get("api/v1/exchange/submissions?all=1&assignment=bitcoin").json()
    assert {one["id"] for one in everyone} == {mine.id, other.id}


def test_private_scores_reach_instructors_only(api: Client, scored: Callable[..., Attempt]) -> None:
    attempt = scored("ada", 0.75, private=0.123456789)
    secret = ("0.1234", "0.1235", "0.123456789", "777.25")
    paths = ["", "competitions/bitcoin", "competitions/bitcoin/attempts", f"attempts/{attempt.id}"]
    paths += ["api/v1/competitions", "api/v1/competitions/bitcoin", "api/v1/competitions/bitcoin/leaderboard"]
    paths += ["api/v1/competitions/bitcoin/attempts", f"api/v1/attempts/{attempt.id}", "api/v1/exchange/submissions"]
    for path in paths:
        text = api("ada").get(path).text
        assert not any(value in text for value in secret), path
    assert api("ada").get("competitions/bitcoin/manage").status_code == 403
    assert "0.1235" in api("teacher").get("competitions/bitcoin/manage").text
    assert "0.1235" in api("teacher").get(f"attempts/{attempt.id}").text
    assert "0.1235" not in api("teacher").get("competitions/bitcoin").text


def test_only_instructors_release_and_give_feedback(api: Client, ledger: Ledger) -> None:
    attempt = add_attempt(ledger, "ada")
    student = api("ada")
    assert student.put("api/v1/exchange/assignments/bitcoin", content=archive()).status_code == 403
    assert student.delete("api/v1/exchange/assignments/bitcoin").status_code == 403
    feedback = f"api/v1/exchange/submissions/{attempt.id}/feedback"
    assert student.put(feedback, content=archive()).status_code == 403
    assert student.get(feedback).status_code == 404


def test_drafts_are_seen_by_instructors_only(api: Client, ledger: Ledger) -> None:
    ledger.withdraw_release("bitcoin")
    for path in ("competitions/bitcoin", "competitions/bitcoin/cover", "api/v1/competitions/bitcoin/leaderboard"):
        assert api("ada").get(path).status_code == 404
        assert api("teacher").get(path).status_code == 200
    assert api(None).get("api/v1/competitions").json() == []
    assert "not released" in api("teacher").get("").text


def test_a_withdrawn_competition_keeps_its_board(api: Client, ledger: Ledger, scored: Callable[..., Attempt]) -> None:
    scored("ada", 0.75)
    ledger.withdraw_release("bitcoin")
    assert "0.7500" in api(None).get("competitions/bitcoin").text


def test_a_form_of_the_own_page_is_accepted(browser: Client, ledger: Ledger) -> None:
    ada = browser("ada")
    answer = ada.post("competitions/bitcoin/attempts", data={"_xsrf": xsrf_of(ada)}, files=FORM)
    assert answer.status_code == 303
    assert [one.member for one in ledger.attempts()] == ["ada"]


@pytest.mark.parametrize("token", ["", "0" * 64, "bob"])
def test_a_form_without_the_sessions_token_is_refused(browser: Client, ledger: Ledger, token: str) -> None:
    sent = xsrf_of(browser("bob")) if token == "bob" else token
    answer = browser("ada").post("competitions/bitcoin/attempts", data={"_xsrf": sent}, files=FORM)
    assert answer.status_code == 403
    assert "token" in answer.text
    assert ledger.attempts() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_of_another_site_is_refused_even_with_the_token(
    browser: Client, ledger: Ledger, headers: dict[str, str]
) -> None:
    ada = browser("ada")
    data = {"_xsrf": xsrf_of(ada)}
    answer = ada.post("competitions/bitcoin/attempts", data=data, files=FORM, headers=headers)
    assert answer.status_code == 403
    assert ledger.attempts() == []


def test_browsers_without_fetch_headers_are_told_apart_by_origin(browser: Client, ledger: Ledger) -> None:
    ada = browser("ada")
    data = {"_xsrf": xsrf_of(ada)}
    del ada.headers["Sec-Fetch-Site"]
    own = f"http://{urlsplit(str(ada.base_url)).netloc}"
    for origin, status in (("https://evil.example", 403), ("null", 403), (None, 403), (own, 303)):
        headers = {"Origin": origin} if origin else {}
        answer = ada.post("competitions/bitcoin/attempts", data=data, files=FORM, headers=headers)
        assert answer.status_code == status, origin
    assert len(ledger.attempts()) == 1


def test_the_api_takes_a_cookie_only_with_the_header_token(browser: Client, ledger: Ledger) -> None:
    ada = browser("ada")
    path = "api/v1/exchange/assignments/bitcoin/submissions"
    headers = {"Content-Type": "application/zip"}
    assert ada.post(path, content=archive(), headers=headers).status_code == 403
    assert ledger.attempts() == []
    token = {**headers, "X-XSRFToken": xsrf_of(ada)}
    assert ada.post(path, content=archive(), headers=token).status_code == 201


def test_a_script_of_another_page_on_this_host_cannot_read_with_the_cookie(browser: Client) -> None:
    ada = browser("ada")
    token = xsrf_of(ada)
    script = {"Sec-Fetch-Mode": "cors"}
    assert ada.get("api/v1/exchange/submissions", headers=script).status_code == 403
    assert token not in ada.get("competitions/bitcoin", headers=script).text
    assert ada.get("api/v1/exchange/submissions", headers={**script, "X-XSRFToken": token}).status_code == 200


def test_the_form_token_depends_on_session_and_key() -> None:
    tokens = {xsrf_token(key, cookie) for key in (b"k1", b"k2") for cookie in ("a", "b")}
    assert len(tokens) == 4


def test_sign_in_comes_back_to_where_it_began(address: str) -> None:
    with httpx.Client(base_url=address, trust_env=False) as client:
        begun = client.get("login", params={"next": "/services/club/competitions/bitcoin?page=2"})
        assert begun.status_code == 302
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        cookie = begun.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "path=/services/club/" in cookie
        ended = client.get("oauth_callback", params={"code": "tok-ada", "state": state})
        assert ended.headers["location"] == "/services/club/competitions/bitcoin?page=2"
        assert client.cookies["service-club"] == "tok-ada"
        again = client.get("oauth_callback", params={"code": "tok-ada", "state": state})
        assert again.status_code == 403


def test_a_sign_in_begun_in_another_browser_is_refused(address: str) -> None:
    with httpx.Client(base_url=address, trust_env=False) as one, httpx.Client(base_url=address, trust_env=False) as two:
        begun = one.get("login")
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        answer = two.get("oauth_callback", params={"code": "tok-bob", "state": state})
        assert answer.status_code == 403
        assert "service-club" not in two.cookies


def test_an_account_that_may_not_use_the_service_gets_no_session(address: str) -> None:
    with httpx.Client(base_url=address, trust_env=False) as client:
        state = parse_qs(urlsplit(client.get("login").headers["location"]).query)["state"][0]
        assert client.get("oauth_callback", params={"code": "stranger", "state": state}).status_code == 403
        assert "service-club" not in client.cookies
        assert client.get("oauth_callback", params={"error": "access_denied"}).status_code == 403


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/hub/admin", "/services/club/../../hub", "/services/club/\\evil", ""],
)
def test_sign_in_never_leads_out_of_the_service(address: str, members: Members, wanted: str) -> None:
    httpx.get(f"{address}login", params={"next": wanted}, trust_env=False)
    assert list(members.states.values()) == ["/services/club/"]


def test_cookies_are_secure_where_the_visitor_came_by_https(address: str) -> None:
    plain = httpx.get(f"{address}login", trust_env=False).headers["set-cookie"]
    https = httpx.get(f"{address}login", headers={"X-Forwarded-Proto": "https,http"}, trust_env=False)
    assert "secure" not in plain.lower()
    assert "secure" in https.headers["set-cookie"].lower()


def test_signing_out_needs_the_form_and_forgets_the_session(browser: Client) -> None:
    ada = browser("ada")
    token = xsrf_of(ada)
    assert ada.post("logout").status_code == 403
    answer = ada.post("logout", data={"_xsrf": token})
    assert answer.headers["location"] == "/hub/logout"
    assert 'service-club=""' in answer.headers["set-cookie"]


def test_without_the_hub_boards_stay_readable_and_nobody_gets_in(
    browser: Client, api: Client, members: Members, scored: Callable[..., Attempt]
) -> None:
    scored("ada", 0.75)
    members.down = True
    assert "0.7500" in browser("ada").get("competitions/bitcoin").text
    assert browser("ada").get("competitions/bitcoin/attempts").status_code == 503
    assert api("ada").get("api/v1/exchange/submissions").status_code == 503


def test_every_answer_carries_the_security_headers(api: Client, browser: Client) -> None:
    for path in ("", "competitions/bitcoin", "competitions/nothing", "api/v1/competitions", "attempts/1", "no/where"):
        headers = browser("ada").get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "private, no-store"
    page = browser("ada").get("competitions/bitcoin").text
    assert "<script>" not in page
    assert "style=" not in page
    assert "onclick" not in page

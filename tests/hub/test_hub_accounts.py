"""Accounts of the default sign-in."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datauab.errors import ClubError
from datauab.hub.accounts import FIRST_MACHINE_ACCOUNT, Accounts
from datauab.hub.invite import create_instructor, invite_link, reset_password, revoke_invites
from datauab.hub.names import PATTERN, normalise
from datauab.settings import Settings, load_settings

GOOD = "correct horse"


def test_accounts_lie_where_only_their_owner_reads(settings: Settings) -> None:
    accounts = Accounts(settings)
    accounts.create("ana", GOOD, "student")
    assert stat.S_IMODE(accounts.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(accounts.path.parent.stat().st_mode) == 0o700
    assert GOOD.encode() not in accounts.path.read_bytes()


@pytest.mark.parametrize("variant", ["ana", "Ana", " ANA ", "ａｎａ", "ᵃna", "Ⓐna"])
def test_no_spelling_of_a_taken_name_makes_a_second_account(settings: Settings, variant: str) -> None:
    accounts = Accounts(settings)
    assert accounts.create("ana", GOOD, "student") is not None
    assert accounts.create(variant, "another password", "student") is None
    assert accounts.verify("ana", GOOD) is not None


@pytest.mark.parametrize("name", ["аna", "a", "", "-ana", "_x", "ana/..", "a b", "x" * 33, "añá", "ana\n", "..", "a.b"])
def test_what_is_no_account_name_is_refused_with_the_rule(settings: Settings, name: str) -> None:
    if name == "ana\n":
        assert normalise(name) == "ana"
        return
    with pytest.raises(ClubError, match="2 to 32 characters"):
        Accounts(settings).create(name, GOOD, "student")


@given(st.text(max_size=40))
def test_a_normalised_name_is_plain_and_its_own_normal_form(text: str) -> None:
    try:
        name = normalise(text)
    except ClubError:
        return
    assert PATTERN.fullmatch(name)
    assert normalise(name) == name == name.lower()


@pytest.mark.parametrize("name", ["instructor", "INSTRUCTOR", "prof-x", "admin", "root", "grader", "club", "data-uab"])
def test_students_cannot_join_under_names_of_staff_or_platform(settings: Settings, name: str) -> None:
    settings = load_settings(settings.root, instructors=("instructor", "Prof-X"))
    with pytest.raises(ClubError, match="reserved"):
        Accounts(settings).create(name, GOOD, "student")


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaa", "x" * 257, "anaanaana"])
def test_easy_and_endless_passwords_are_refused(settings: Settings, password: str) -> None:
    with pytest.raises(ClubError, match="password"):
        Accounts(settings).create("anaanaana", password, "student")


def test_only_the_right_password_of_the_right_name_is_accepted(settings: Settings) -> None:
    accounts = Accounts(settings)
    accounts.create("ana", GOOD, "student")
    accounts.create("berta", "another password", "student")
    assert accounts.verify("Ana", GOOD) == accounts.find("ana")
    for name, password in (("ana", "another password"), ("berta", GOOD), ("nobody-here", GOOD), ("ana", ""), ("", "")):
        assert accounts.verify(name, password) is None


def test_an_instructor_is_made_once_with_a_password_that_must_change(settings: Settings) -> None:
    password = create_instructor(settings, "instructor")
    assert password is not None
    assert create_instructor(settings, "Instructor") is None
    account = Accounts(settings).verify("instructor", password)
    assert account is not None
    assert (account.role, account.must_change) == ("instructor", True)


def test_the_one_time_password_is_dead_after_the_change(settings: Settings) -> None:
    password = create_instructor(settings, "instructor") or ""
    accounts = Accounts(settings)
    account = accounts.find("instructor")
    assert account is not None
    with pytest.raises(ClubError, match="old one"):
        accounts.set_password(account, password)
    assert accounts.set_password(account, GOOD)
    assert accounts.verify("instructor", password) is None
    assert not accounts.set_password(account, "from a second tab"), "the ticket of the first sign-in is used up"
    again = reset_password(settings, "instructor")
    assert accounts.verify("instructor", GOOD) is None
    found = accounts.verify("instructor", again)
    assert found is not None
    assert found.must_change


def test_a_students_account_never_becomes_an_instructors(settings: Settings) -> None:
    Accounts(settings).create("ana", GOOD, "student")
    with pytest.raises(ClubError, match="student's account"):
        create_instructor(settings, "ana")
    with pytest.raises(ClubError, match="no account"):
        reset_password(settings, "nobody-here")


def test_the_invite_link_is_the_same_for_all_until_it_is_revoked(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        links = set(pool.map(lambda _: invite_link(settings, "https://club.example.org/"), range(16)))
    (link,) = links
    code = link.removeprefix("https://club.example.org/hub/join?code=")
    accounts = Accounts(settings)
    assert accounts.is_invited(code)
    assert not any(accounts.is_invited(wrong) for wrong in ("", code[:-1], code + "x", code.swapcase(), "é"))
    revoke_invites(settings)
    assert not accounts.is_invited(code)
    assert invite_link(settings, "https://club.example.org") != link


def test_machine_accounts_are_lasting_and_never_shared(settings: Settings) -> None:
    accounts = Accounts(settings)
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(accounts.machine_account, [f"student-{i % 20}" for i in range(60)]))
    assert len(set(numbers)) == 20
    assert min(numbers) > FIRST_MACHINE_ACCOUNT
    assert Accounts(settings).machine_account("student-3") == accounts.machine_account("student-3")


def test_of_many_who_want_one_name_at_once_one_gets_it(settings: Settings) -> None:
    accounts = Accounts(settings)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: accounts.create("ana", f"password number {i}", "student"), range(8)))
    assert sum(account is not None for account in made) == 1

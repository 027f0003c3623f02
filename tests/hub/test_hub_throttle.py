"""Guessing passwords is slow; a typo is not."""

from __future__ import annotations

from datauab.hub.throttle import RULES, Throttle


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def guess(throttle: Throttle, clock: Clock, seconds: float, name: str = "ana", address: str = "10.0.0.9") -> int:
    """Guess as fast as allowed for `seconds`; gives how many guesses were let through."""
    let, end = 0, clock.now + seconds
    while clock.now < end:
        wait = throttle.attempt(name, address)
        if wait == 0:
            let += 1
        clock.now += max(wait, 0.01)
    return let


def test_a_few_typos_cost_nothing() -> None:
    throttle = Throttle(Clock())
    assert [throttle.attempt("ana", "10.0.0.9") for _ in range(RULES["pair"].free)] == [0] * RULES["pair"].free


def test_a_day_of_guessing_gives_few_guesses() -> None:
    clock = Clock()
    assert guess(Throttle(clock), clock, 86400) < 150


def test_guessing_one_name_from_many_addresses_is_slow_too() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    let = sum(throttle.attempt("ana", f"10.0.{i // 250}.{i % 250}") == 0 for i in range(5000))
    assert let <= RULES["name"].free


def test_guessing_many_names_from_one_address_is_slow_too() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    let = sum(throttle.attempt(f"student-{i}", "10.0.0.9") == 0 for i in range(5000))
    assert let <= RULES["address"].free


def test_somebody_elses_guesses_do_not_lock_a_person_out_for_long() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    guess(throttle, clock, 7200, address="10.0.0.9")
    assert throttle.attempt("ana", "10.0.0.1") <= RULES["name"].longest_s


def test_a_class_behind_one_address_signs_in_at_once() -> None:
    throttle = Throttle(Clock())
    for i in range(500):
        assert throttle.attempt(f"student-{i}", "10.0.0.9") == 0
        throttle.success(f"student-{i}", "10.0.0.9")


def test_signing_in_with_an_own_account_does_not_buy_guesses_at_another() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    let = 0
    for _ in range(1000):
        let += throttle.attempt("ana", "10.0.0.9") == 0
        if throttle.attempt("mallory", "10.0.0.9") == 0:
            throttle.success("mallory", "10.0.0.9")
    assert let <= RULES["pair"].free


def test_invented_names_do_not_fill_the_memory() -> None:
    throttle = Throttle(Clock(), capacity=100)
    for i in range(10_000):
        throttle.attempt(f"invented-{i}", f"address-{i}")
    assert len(throttle._records) <= 100

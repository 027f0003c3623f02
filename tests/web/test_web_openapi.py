"""The service keeps to its own OpenAPI description, whatever is sent to it and by whom."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from datauab.ledger import Attempt

EXAMPLES = 40
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


def operations(address: str) -> list[schemathesis.APIOperation]:
    schema = schemathesis.openapi.from_url(f"{address}api/openapi.json")
    return [result.ok() for result in schema.get_all_operations()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [None, "ada", "teacher"])
def test_no_request_breaks_it_and_every_answer_is_as_described(
    address: str, scored: Callable[..., Attempt], name: str | None
) -> None:
    for member in ("ada", "bob"):
        scored(member, 0.5)  # numbers 1 and 2 are there to be asked for
    headers = {"Authorization": f"token tok-{name}"} if name else {}
    found = operations(address)
    assert len(found) > 30
    for operation in found:

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def send(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers, checks=list(CHECKS), timeout=30)

        send()


def test_the_numbers_that_exist_are_answered_as_described(
    address: str, scored: Callable[..., Attempt], api: Callable[[str | None], httpx.Client]
) -> None:
    attempt = scored("ada", 0.5)
    values = {"name": "bitcoin", "number": attempt.id}
    asked = 0
    for operation in operations(address):
        needed = {parameter.name for parameter in operation.path_parameters}
        if operation.method.upper() != "GET" or not needed <= set(values):
            continue
        asked += 1
        case = operation.Case(path_parameters={key: values[key] for key in needed})
        case.call_and_validate(headers={"Authorization": "token tok-teacher"}, checks=list(CHECKS), timeout=30)
    assert asked > 10

"""Reading bodies of requests without ever holding more of them than is allowed."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import FormData
from starlette.types import Message

from datauab.web.gate import MIB, check_size

FIELDS = 32
"""Fields of a form at most: the final choice has one for each attempt that is ticked."""


async def read_body(request: Request, limit_mb: int) -> bytes:
    """Read the body of `request`.

    Raises
    ------
    TooLarge
        As soon as more than `limit_mb` MiB are announced or have arrived.
    """
    await _check_announced(request, limit_mb, 0)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_mb * MIB:
            size = len(body)
            body.clear()
            await _discard(request, limit_mb)
            check_size(size, limit_mb)
    return bytes(body)


async def read_form(request: Request, limit_mb: int, overhead: int) -> FormData:
    """Read a form with at most one file of `limit_mb` MiB, and `overhead` bytes beside it.

    Raises
    ------
    TooLarge
        As soon as more than that is announced or has arrived.
    """
    if hasattr(request, "_body"):
        # the framework read it for a call that expects JSON: nothing more will ever arrive, and it is no form
        return FormData()
    await _check_announced(request, limit_mb, overhead)
    arrived = 0

    async def counted() -> Message:
        nonlocal arrived
        message = await request.receive()
        arrived += len(message.get("body", b""))
        if arrived > limit_mb * MIB + overhead:
            await _discard(request, limit_mb)
            check_size(arrived, limit_mb)
        return message

    return await Request(request.scope, counted).form(max_files=1, max_fields=FIELDS, max_part_size=overhead)


async def _check_announced(request: Request, limit_mb: int, overhead: int) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit_mb * MIB + overhead:
        await _discard(request, limit_mb)
        check_size(int(announced), limit_mb)


async def _discard(request: Request, limit_mb: int) -> None:
    # A browser shows the refusal only where it could send all it wanted to; beyond eight times the limit the
    # connection may break instead.
    left = 8 * limit_mb * MIB
    while left > 0:
        message = await request.receive()
        left -= len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return

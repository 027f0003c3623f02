"""Reads numbers from pickles without importing or calling anything that a pickle names.

A pickle is a program. This interpreter knows lists, tuples, numbers, text and bytes, and has stand-ins for the few
functions with which numpy rebuilds arrays; everything else is refused. Time and memory grow with the file's size only.
"""

# ruff: noqa: N802, N815 - methods are named as the opcodes that they carry out
from __future__ import annotations

import pickletools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datauab.errors import InvalidSubmission

_ADVICE = "save plain numbers: np.save(path, np.asarray(predictions, dtype=float))"
_MARK = object()


class _Opaque:
    """Something that is no number: allowed on the way, refused in the result."""


class _Global:
    def __init__(self, name: str) -> None:
        self.name = name


class _Dtype:
    def __init__(self, code: str) -> None:
        self.code, self.order = code, "="

    def build(self) -> np.dtype[Any]:
        dtype = np.dtype(self.code) if self.code.lstrip("<>|=")[:1] in tuple("biuf?") else None
        if dtype is None or dtype.kind not in "biuf":
            raise InvalidSubmission(f"pickle: expected plain numbers, found the type {self.code[:40]!r}; {_ADVICE}")
        if self.order == "<":
            return dtype.newbyteorder("<")
        return dtype.newbyteorder(">") if self.order == ">" else dtype


class _Array:
    def __init__(self) -> None:
        self.values: NDArray[Any] | None = None


_NUMPY = ("numpy.core.multiarray ", "numpy._core.multiarray ")
_RECONSTRUCT = {name + "_reconstruct" for name in _NUMPY}
_SCALAR = {name + "scalar" for name in _NUMPY}
_FROMBUFFER = {"numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"}
_BYTEARRAY = {"builtins bytearray", "__builtin__ bytearray", "builtins bytes", "__builtin__ bytes"}


def read_pickle(data: bytes, max_values: int) -> Any:
    """Numbers of a pickle as an array of one or two dimensions.

    Raises
    ------
    InvalidSubmission
        For anything but an array, or lists or tuples, of numbers.
    """
    try:
        return _flatten(_Reader().run(data), max_values)
    except InvalidSubmission:
        raise
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, MemoryError) as error:
        raise InvalidSubmission(f"pickle: damaged ({type(error).__name__}: {str(error)[:120]}); {_ADVICE}") from error


class _Reader:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(data):
            name = opcode.name
            if name == "STOP":
                return self.pop()
            step = getattr(self, "do_" + name, None)
            if step is not None:
                step(argument)
            elif name in _PLAIN:
                self.stack.append(argument)
            else:
                raise InvalidSubmission(f"pickle: expected numbers, found the instruction {name}; {_ADVICE}")
        raise InvalidSubmission("pickle: expected its end, found none")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def since_mark(self) -> list[Any]:
        stack = self.stack
        place = len(stack) - 1
        while stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("no mark")
        found = stack[place + 1 :]
        del stack[place:]
        return found

    def do_PROTO(self, number: int) -> None:
        if number > 5:
            raise InvalidSubmission(f"pickle: expected protocol 5 at most, found {number}")

    def do_FRAME(self, _: Any) -> None: ...

    def do_MARK(self, _: Any) -> None:
        self.stack.append(_MARK)

    def do_POP(self, _: Any) -> None:
        self.stack.pop()

    def do_POP_MARK(self, _: Any) -> None:
        self.since_mark()

    def do_NONE(self, _: Any) -> None:
        self.stack.append(None)

    def do_NEWTRUE(self, _: Any) -> None:
        self.stack.append(True)

    def do_NEWFALSE(self, _: Any) -> None:
        self.stack.append(False)

    def do_EMPTY_LIST(self, _: Any) -> None:
        self.stack.append([])

    def do_EMPTY_TUPLE(self, _: Any) -> None:
        self.stack.append(())

    def do_EMPTY_DICT(self, _: Any) -> None:
        self.stack.append(_Opaque())

    def do_LIST(self, _: Any) -> None:
        self.stack.append(self.since_mark())

    def do_TUPLE(self, _: Any) -> None:
        self.stack.append(tuple(self.since_mark()))

    def do_TUPLE1(self, _: Any) -> None:
        self.stack[-1:] = [(self.stack[-1],)]

    def do_TUPLE2(self, _: Any) -> None:
        second, first = self.pop(), self.pop()
        self.stack.append((first, second))

    def do_TUPLE3(self, _: Any) -> None:
        third, second, first = self.pop(), self.pop(), self.pop()
        self.stack.append((first, second, third))

    def do_APPEND(self, _: Any) -> None:
        value = self.pop()
        self._list().append(value)

    def do_APPENDS(self, _: Any) -> None:
        values = self.since_mark()
        self._list().extend(values)

    def _list(self) -> list[Any]:
        if not isinstance(self.stack[-1], list):
            raise ValueError("no list to append to")
        return self.stack[-1]

    def do_PUT(self, key: Any) -> None:
        if self.stack[-1] is _MARK:
            raise ValueError("a mark where a value belongs")
        self.memo[int(key)] = self.stack[-1]

    do_BINPUT = do_LONG_BINPUT = do_PUT

    def do_MEMOIZE(self, _: Any) -> None:
        self.do_PUT(len(self.memo))

    def do_GET(self, key: Any) -> None:
        self.stack.append(self.memo[int(key)])

    do_BINGET = do_LONG_BINGET = do_GET

    def do_GLOBAL(self, name: str) -> None:
        self.stack.append(_Global(name))

    def do_STACK_GLOBAL(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is no text")
        self.stack.append(_Global(f"{module} {name}"))

    def do_REDUCE(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise ValueError("a call of something that is no function")
        self.stack.append(_stand_in(function.name, arguments))

    def do_BUILD(self, _: Any) -> None:
        state = self.pop()
        target = self.stack[-1]
        if isinstance(target, _Dtype) and isinstance(state, tuple) and len(state) > 1:
            target.order = state[1] if state[1] in ("<", ">") else "="
        elif isinstance(target, _Array) and isinstance(state, tuple) and len(state) == 5:
            _, shape, dtype, fortran, raw = state
            target.values = _array(raw, dtype, shape, "F" if fortran is True or fortran == 1 else "C")
        else:
            raise InvalidSubmission(f"pickle: expected an array or a list of numbers, found an object; {_ADVICE}")


_PLAIN = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}


def _stand_in(name: str, arguments: tuple[Any, ...]) -> Any:
    if name in _RECONSTRUCT:
        return _Array()
    if name == "numpy dtype" and arguments and isinstance(arguments[0], str):
        return _Dtype(arguments[0])
    if name in _SCALAR and len(arguments) == 2:
        return _array(arguments[1], arguments[0], (1,), "C")[0].item()
    if name in _FROMBUFFER and len(arguments) == 4:
        found = _Array()
        found.values = _array(arguments[0], arguments[1], arguments[2], "F" if arguments[3] == "F" else "C")
        return found
    return _bytes(name, arguments)


def _bytes(name: str, arguments: tuple[Any, ...]) -> bytes:
    """What a call that makes bytes would give: Python 2 and protocols below 3 have no other way to write them."""
    match name in _BYTEARRAY, name == "_codecs encode", arguments:
        case True, _, ():
            return b""
        case True, _, (bytes() as content, *_):
            return content
        case (True, _, (str() as text, "latin-1")) | (_, True, (str() as text, _)):
            return text.encode("latin-1")
    raise InvalidSubmission(
        f"pickle: expected an array or a list of numbers, found a call of {name.replace(' ', '.')[:80]}; {_ADVICE}"
    )


def _array(raw: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple) or len(shape) > 2:
        raise InvalidSubmission(f"pickle: expected an array of numbers of one or two dimensions; {_ADVICE}")
    if isinstance(raw, str):  # written by Python 2
        raw = raw.encode("latin-1")
    if not isinstance(raw, bytes | bytearray) or not all(type(length) is int and length >= 0 for length in shape):
        raise InvalidSubmission(f"pickle: expected an array of plain numbers; {_ADVICE}")
    return np.frombuffer(raw, dtype=dtype.build()).reshape(shape, order=order)


def _flatten(value: Any, max_values: int) -> Any:
    if isinstance(value, _Array) and value.values is not None:
        value = value.values
    if isinstance(value, np.ndarray):
        if value.size > max_values:
            raise InvalidSubmission(f"pickle: expected at most {max_values} numbers, found {value.size}")
        return np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
    if not isinstance(value, list | tuple):
        raise InvalidSubmission(f"pickle: expected an array or a list of numbers, found something else; {_ADVICE}")
    rows = [item.values if isinstance(item, _Array) else item for item in value]
    count = sum(len(item) if isinstance(item, list | tuple) else _size(item) for item in rows)
    if count > max_values:
        raise InvalidSubmission(f"pickle: expected at most {max_values} numbers, found {count}")
    return np.array([_row(item) for item in rows])


def _size(item: Any) -> int:
    return int(item.size) if isinstance(item, np.ndarray) else 1


def _row(item: Any) -> Any:
    if isinstance(item, np.ndarray):
        return item.tolist()
    if isinstance(item, list | tuple):
        return [_number(part) for part in item]
    return _number(item)


def _number(item: Any) -> float | int:
    if isinstance(item, _Array) and item.values is not None and item.values.size == 1:
        item = item.values.ravel()[0].item()
    if not isinstance(item, int | float) or (isinstance(item, int) and item.bit_length() > 63):
        shown = "a nested list" if isinstance(item, list | tuple) else f"{type(item).__name__.strip('_')}"
        raise InvalidSubmission(f"pickle: expected numbers, found {shown}; {_ADVICE}")
    return item

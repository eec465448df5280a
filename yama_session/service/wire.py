"""Messages of D-Bus and their bytes.

The service's own, since a login waits for it: a library in Python that knows
all of D-Bus took half of the time. A body that came is read only on demand,
once its signature is known to be one that the service has a use for. The
daemon of the bus has checked it by then.

Source: D-Bus Specification, "Type System", "Marshaling" and "Message Protocol".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from yama_session.errors import ServiceError

# Kinds of messages.
CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4

# Flags.
NO_REPLY_EXPECTED, ALLOW_INTERACTIVE_AUTHORIZATION = 0x1, 0x4

#: Header fields by number: the attribute and its type; the body's signature is 8.
_FIELDS = {
    1: ("path", "o"),
    2: ("interface", "s"),
    3: ("member", "s"),
    4: ("error_name", "s"),
    5: ("reply_serial", "u"),
    6: ("destination", "s"),
    7: ("sender", "s"),
    8: ("signature", "g"),
    9: ("n_fds", "u"),
}

_VERSION = 1
_HEAD = {order: struct.Struct(f"{order}BBBBIII") for order in "<>"}
_ORDERS = {ord("l"): "<", ord("B"): ">"}

#: Types of one number: a boolean is 4 bytes, a descriptor is its index.
_NUMBERS = {
    order: {
        kind: struct.Struct(order + code)
        for kind, code in zip("ybnqiuxtdh", "BIhHiIqQdI", strict=True)
    }
    for order in "<>"
}
_ALIGNMENT = {
    **{kind: number.size for kind, number in _NUMBERS["<"].items()},
    **{"s": 4, "o": 4, "g": 1, "a": 4, "v": 1, "(": 8, "{": 8},
}


class Variant(NamedTuple):
    """A value that is sent together with its type."""

    kind: str
    value: object


@dataclass
class Message:
    """One message.

    Args:
        kind: one of :data:`CALL`, :data:`RETURN`, :data:`ERROR`, :data:`SIGNAL`.
        signature: the types in the body.
        body: what is to be sent: a list for an array or a structure, a
            dictionary for an array of entries, a :class:`Variant`.
        fds: descriptors, of which ``h`` is the index; not owned.
        n_fds: how many there are in one that came.
    """

    kind: int
    destination: str = ""
    path: str = ""
    interface: str = ""
    member: str = ""
    signature: str = ""
    body: Sequence[object] = ()
    fds: Sequence[int] = ()
    flags: int = 0
    serial: int = 0
    reply_serial: int = 0
    error_name: str = ""
    sender: str = ""
    n_fds: int = 0
    _came: tuple[bytes, str, int] | None = field(default=None, repr=False)

    def result(
        self, signature: str = "", body: Sequence[object] = (), fds: Sequence[int] = ()
    ) -> Message:
        """Return the answer to this call."""
        return Message(
            RETURN,
            self.sender,
            signature=signature,
            body=body,
            fds=fds,
            reply_serial=self.serial,
        )

    def error(self, name: str, text: str) -> Message:
        """Return an error as the answer to this call."""
        return Message(
            ERROR,
            self.sender,
            signature="s",
            body=[text],
            reply_serial=self.serial,
            error_name=name,
        )

    def read(self) -> list[Any]:
        """Return the body of a message that came; variants without their types."""
        assert self._came is not None
        reader = _Reader(*self._came)
        return [reader.one(kind) for kind in _types(self.signature)]

    def encode(self) -> bytes:
        """Return its bytes."""
        self.n_fds = len(self.fds)
        body = _Writer()
        for kind, value in zip(_types(self.signature), self.body, strict=True):
            body.one(kind, value)
        fields = _Writer()
        for number, (name, kind) in _FIELDS.items():
            value = getattr(self, name)
            if value:
                fields.align(8)
                fields.out += bytes((number, 1, ord(kind), 0))
                fields.one(kind, value)
        head = (ord("l"), self.kind, self.flags, _VERSION)
        start = _HEAD["<"].pack(*head, len(body.out), self.serial, len(fields.out))
        fields.align(8)
        return start + fields.out + body.out


class Incoming:
    """Bytes that have come, until they are messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take some bytes, and return the messages that are complete by now.

        Raises:
            ServiceError: this is no D-Bus.
        """
        self._data += data
        messages = []
        while (size := self._size()) and size <= len(self._data):
            try:
                messages.append(_decode(bytes(self._data[:size])))
            except (struct.error, ValueError, LookupError) as error:
                raise ServiceError(f"the bus sent a broken message: {error}") from None
            del self._data[:size]
        return messages

    def _size(self) -> int:
        """The length of the first message, 0 if that is not known yet."""
        if len(self._data) < 16:
            return 0
        order = _ORDERS.get(self._data[0])
        if order is None or self._data[3] != _VERSION:
            raise ServiceError(f"the bus sent {bytes(self._data[:4])!r}: no message starts so")
        *_, body, _, fields = _HEAD[order].unpack_from(self._data)
        return 16 + (int(fields) + 7 & -8) + int(body)


def _decode(data: bytes) -> Message:
    order = _ORDERS[data[0]]
    _, kind, flags, _, _, serial, size = _HEAD[order].unpack_from(data)
    message = Message(kind, flags=flags, serial=serial)
    reader = _Reader(data, order, 16)
    while reader.at < 16 + size:
        reader.align(8)
        number = reader.one("y")
        value = reader.one("v")
        if number in _FIELDS:
            setattr(message, _FIELDS[number][0], value)
    reader.align(8)
    message._came = data, order, reader.at
    return message


class _Reader:
    """Takes values out of a message from a place on."""

    def __init__(self, data: bytes, order: str, at: int) -> None:
        self._data = data
        self._numbers = _NUMBERS[order]
        self.at = at

    def align(self, size: int) -> None:
        self.at = self.at + size - 1 & -size

    def one(self, kind: str) -> Any:
        """Take a value of one complete type."""
        first = kind[0]
        self.align(_ALIGNMENT[first])
        if first in self._numbers:
            number = self._numbers[first]
            (value,) = number.unpack_from(self._data, self.at)
            self.at += number.size
            return bool(value) if first == "b" else value
        if first in "sog":
            size = self.one("y" if first == "g" else "u")
            start, end = self.at, self.at + size
            if self._data[end]:
                raise ValueError(f"text of {size} bytes without an end")
            self.at = end + 1
            return self._data[start:end].decode()
        if first == "v":
            return self.one(self.one("g"))
        if first == "a":
            return self._array(kind[1:])
        return [self.one(inner) for inner in _types(kind[1:-1])]

    def _array(self, kind: str) -> Any:
        size = self.one("u")
        self.align(_ALIGNMENT[kind[0]])
        end = self.at + size
        found = []
        while self.at < end:
            found.append(self.one(kind))
        return dict(found) if kind[0] == "{" else found


class _Writer:
    """Puts values behind one another, from a place on that is aligned to 8 bytes."""

    def __init__(self) -> None:
        self.out = bytearray()

    def align(self, size: int) -> None:
        self.out += bytes(-len(self.out) % size)

    def one(self, kind: str, value: Any) -> None:
        """Put a value of one complete type."""
        first = kind[0]
        self.align(_ALIGNMENT[first])
        if first in _NUMBERS["<"]:
            self.out += _NUMBERS["<"][first].pack(value)
        elif first in "sog":
            text = value.encode()
            self.one("y" if first == "g" else "u", len(text))
            self.out += text + b"\0"
        elif first == "v":
            self.one("g", value.kind)
            self.one(value.kind, value.value)
        elif first == "a":
            self._array(kind[1:], value)
        else:
            for inner, item in zip(_types(kind[1:-1]), value, strict=True):
                self.one(inner, item)

    def _array(self, kind: str, values: Any) -> None:
        place = len(self.out)
        self.one("u", 0)
        self.align(_ALIGNMENT[kind[0]])
        start = len(self.out)
        for value in values.items() if kind[0] == "{" else values:
            self.one(kind, value)
        _NUMBERS["<"]["u"].pack_into(self.out, place, len(self.out) - start)


@lru_cache(maxsize=128)
def _types(signature: str) -> tuple[str, ...]:
    """Split a signature into its complete types."""
    found, start, depth = [], 0, 0
    for at, code in enumerate(signature):
        depth += (code in "({") - (code in ")}")
        if not depth and code != "a":
            found.append(signature[start : at + 1])
            start = at + 1
    return tuple(found)

"""The service's messages against those of dbus-next, which knows all of D-Bus."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.constants import MessageType
from dbus_next.message import Message as Other
from dbus_next.signature import Variant

from yama_session.errors import ServiceError
from yama_session.service import wire

pytestmark = pytest.mark.unit

# Each signature with a body for dbus-next, in which variants have a type.
BODIES: dict[str, list[Any]] = {
    "": [],
    "hussssu": [0, 1000, "alice", "sshd", "pts/0", "", 0xFFFFFFFF],
    "sssuusahahah": ["id", "open", "yama", 1, 1, "private", [0], [], [1]],
    "aa{sv}": [[{"a": Variant("t", 1 << 63), "b": Variant("as", ["é", ""])}, {}]],
    "a(ss)": [[["file", "text\n"], ["", ""]]],
    "a{ss}": [{"landlock": "ABI 6"}],
    "(sa{sv})sa{ss}us": [["name", {"n": Variant("s", ":1.5")}], "action", {}, 1, "id"],
    "(bba{ss})": [[True, False, {"polkit.dismissed": "true"}]],
    "ybnqiuxtdog": [255, True, -2, 3, -4, 5, -6, 7, 0.5, "/a/b", "a{sv}"],
    "yaxyat": [1, [], 2, [3]],
    "v": [Variant("(ua{sv})", [7, {"x": Variant("v", Variant("b", False))}])],
}

CALL: dict[str, Any] = {
    "destination": "org.yama.Session1",
    "path": "/org/yama/Session1",
    "interface": "org.yama.Session1.Manager",
    "member": "OpenSession",
    "serial": 77,
}


def ours(value: Any) -> Any:
    """Give variants our type."""
    if isinstance(value, Variant):
        return wire.Variant(value.signature, ours(value.value))
    if isinstance(value, list):
        return [ours(item) for item in value]
    if isinstance(value, dict):
        return {key: ours(item) for key, item in value.items()}
    return value


def bare(value: Any) -> Any:
    """Take the types of variants away."""
    if isinstance(value, Variant):
        return bare(value.value)
    if isinstance(value, list):
        return [bare(item) for item in value]
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("signature", BODIES)
def test_dbus_next_reads_what_is_written(signature: str) -> None:
    body = BODIES[signature]
    message = wire.Message(
        wire.CALL, **CALL, signature=signature, body=[ours(item) for item in body], flags=4
    )
    reader: Any = Unmarshaller  # without types
    read = reader(io.BytesIO(message.encode())).unmarshall()
    assert (read.signature, read.body, read.flags.value) == (signature, body, 4)
    assert {name: getattr(read, name) for name in CALL} == CALL
    assert read.message_type is MessageType.METHOD_CALL


@pytest.mark.parametrize("signature", BODIES)
def test_what_dbus_next_writes_is_read(signature: str) -> None:
    body = BODIES[signature]
    fds = [10, 11] if "h" in signature else []
    other: Any = Other(**CALL, signature=signature, body=body, unix_fds=fds)
    (message,) = wire.Incoming().feed(bytes(other._marshall(True)))
    assert (message.kind, message.signature, message.n_fds) == (wire.CALL, signature, len(fds))
    assert {name: getattr(message, name) for name in CALL} == CALL
    assert message.read() == bare(body)


def test_answers_go_to_the_caller() -> None:
    call = wire.Message(wire.CALL, serial=7, sender=":1.9")
    stream = wire.Incoming()
    result, error = stream.feed(
        call.result("s", ["x"], [3]).encode() + call.error("org.x.E", "why").encode()
    )
    assert (result.kind, result.reply_serial, result.destination) == (wire.RETURN, 7, ":1.9")
    assert (result.read(), result.n_fds) == (["x"], 1)
    assert (error.kind, error.error_name, error.read()) == (wire.ERROR, "org.x.E", ["why"])


def test_message_may_come_in_pieces_and_with_others() -> None:
    data = wire.Message(wire.CALL, **CALL, signature="s", body=["x"]).encode()
    stream = wire.Incoming()
    found = [m for at in range(len(data)) for m in stream.feed(data[at : at + 1])]
    assert [message.read() for message in found] == [["x"]]
    assert [message.read() for message in stream.feed(data * 3)] == [["x"]] * 3


def test_big_endian_is_read() -> None:
    fields = b"\x05\x01u\0" + struct.pack(">I", 9) + b"\x08\x01g\0\x01u\0"
    head = struct.pack(">BBBBIII", ord("B"), wire.RETURN, 0, 1, 4, 5, len(fields))
    (message,) = wire.Incoming().feed(head + fields + b"\0" + struct.pack(">I", 0x01020304))
    assert (message.reply_serial, message.read()) == (9, [0x01020304])


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request",
        struct.pack("<BBBBIII", ord("l"), 1, 0, 2, 0, 1, 0),
        struct.pack("<BBBBIII", ord("l"), 1, 0, 1, 0, 1, 8) + b"\x01\x01z\0\0\0\0\0",
        struct.pack("<BBBBIII", ord("l"), 1, 0, 1, 0, 1, 8) + b"\x01\x01s\0\xff\0\0\0",
    ],
    ids=["no D-Bus", "another version", "unknown type", "text that ends nowhere"],
)
def test_garbage_is_told(data: bytes) -> None:
    with pytest.raises(ServiceError, match="the bus sent"):
        wire.Incoming().feed(data)

"""Reading what the kernel says about a domain: exact or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yama_session import DomainError, DomainInfo, Scope, View
from yama_session.scope import parse_attr, parse_fdinfo

pytestmark = pytest.mark.unit

INFOS = st.builds(
    DomainInfo,
    scope=st.sampled_from(Scope),
    view=st.sampled_from(View),
    depth=st.integers(0, 2**32 - 1),
    id=st.integers(0, 2**64 - 1),
    override=st.booleans(),
)

FDINFO = (
    "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t9\n"
    "yama-scope:\t{0.scope:d}\nyama-view:\t{0.view.word}\nyama-depth:\t{0.depth}\n"
    "yama-id:\t{0.id}\nyama-override:\t{0.override:d}\n"
)


def attr_text(info: DomainInfo) -> bytes:
    flag = " override" if info.override else ""
    text = f"scope={info.scope:d} view={info.view.word} depth={info.depth} id={info.id}{flag}\n"
    return text.encode()


def test_a_task_without_domain() -> None:
    assert parse_attr(b"none\n") is None


@given(INFOS)
def test_attr_text_is_read_back(info: DomainInfo) -> None:
    assert parse_attr(attr_text(info)) == info


@given(INFOS)
def test_fdinfo_text_is_read_back(info: DomainInfo) -> None:
    assert parse_fdinfo(FDINFO.format(info).encode()) == info


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"none",
        b"none\nx",
        b"scope=4 view=all depth=1 id=1\n",
        b"scope=1 view=some depth=1 id=1\n",
        b"scope=-1 view=all depth=1 id=1\n",
        b"scope=01 view=all depth=1 id=1\n",
        b"scope= view=all depth=1 id=1\n",
        b"scope=1 view=all depth=4294967296 id=1\n",
        b"scope=1 view=all depth=1 id=18446744073709551616\n",
        b"scope=1 view=all depth=1 id=1 overridden\n",
        b"scope=1 view=all depth=1 id=1",
        b"scope=1  view=all depth=1 id=1\n",
        b"scope=1 view=all depth=1 id=1\nmore\n",
        b"scope=1 view=all depth=1 id=1\n\0",
    ],
)
def test_malformed_attr_text_is_refused(text: bytes) -> None:
    with pytest.raises(DomainError, match="not in the form of /proc/PID/attr/yama/scope"):
        parse_attr(text)


GOOD = FDINFO.format(DomainInfo(Scope.RELATIONAL, View.DOMAIN, 2, 7, False))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("yama-id:\t7\n", ""),
        ("yama-id:\t7\n", "yama-id:\t7\nyama-id:\t8\n"),
        ("yama-override:\t0", "yama-override:\t2"),
        ("yama-view:\tdomain", "yama-view:\tdomains"),
        ("yama-depth:\t2", "yama-depth:\t 2"),
        ("yama-scope:\t1", "x-yama-scope:\t1"),
        ("yama-override:\t0\n", "yama-override:\t0"),
    ],
)
def test_malformed_fdinfo_is_refused(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(DomainError, match="not in the form of a domain's fdinfo"):
        parse_fdinfo(GOOD.replace(old, new).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_written_just_so(text: bytes) -> None:
    try:
        info = parse_attr(text)
    except DomainError:
        return
    assert text == (b"none\n" if info is None else attr_text(info))

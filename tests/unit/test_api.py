"""Errors, owning descriptors, levels and the exports."""

import errno
import os
import re
from pathlib import Path

import pytest

import yama_session
from yama_session import (
    Domain,
    DomainError,
    KernelUnsupported,
    OwnedFd,
    PolicyError,
    Procfs,
    ProcfsError,
    Scope,
    View,
)
from yama_session.native import checked

pytestmark = pytest.mark.unit


def test_every_public_name_exists_and_is_listed_once() -> None:
    names = yama_session.__all__
    assert sorted(set(names)) == sorted(names)
    assert [name for name in names if not hasattr(yama_session, name)] == []


@pytest.mark.parametrize(
    ("operation", "number", "error", "words"),
    [
        ("ys_enter", errno.EPERM, DomainError, r"enter a scope domain \(about\): .*no_new_privs"),
        ("ys_enter", errno.EBUSY, DomainError, "other threads"),
        ("ys_enter", errno.E2BIG, DomainError, "at most 16 deep"),
        ("ys_join", errno.EINVAL, DomainError, "not a scope domain"),
        ("ys_open", errno.ENODATA, DomainError, "in no domain"),
        ("ys_allow", errno.ESRCH, DomainError, "exited, or is hidden"),
        ("ys_allow", errno.EOPNOTSUPP, KernelUnsupported, "needs the enforcer yama"),
        ("ys_create", errno.EMFILE, DomainError, "RLIMIT_NOFILE"),
        ("ys_join", errno.EOPNOTSUPP, KernelUnsupported, "no scope domains"),
        ("ys_landlock_create", errno.EOPNOTSUPP, KernelUnsupported, "ABI 6"),
        ("ys_procfs_new", errno.EPERM, ProcfsError, "CAP_SYS_ADMIN"),
        ("ys_procfs_new", errno.EIO, ProcfsError, os.strerror(errno.EIO)),
    ],
)
def test_an_errno_becomes_an_error_that_says_what_to_do(
    operation: str, number: int, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        checked(operation, -number, "about")
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == number


def test_a_result_is_passed_through() -> None:
    assert checked("ys_create", 7) == 7


def test_a_policy_error_names_file_and_line() -> None:
    assert str(PolicyError(Path("/etc/x.toml"), 3, "no")) == "/etc/x.toml:3: no"
    assert str(PolicyError("/etc/x.toml", None, "no")) == "/etc/x.toml: no"


def test_an_owned_descriptor_closes_with_its_owner() -> None:
    read, write = os.pipe()
    with OwnedFd(read) as owner:
        assert owner.fileno() == read
    os.set_blocking(write, False)
    with pytest.raises(BrokenPipeError):
        os.write(write, b"x")
    os.close(write)
    assert owner.closed
    with pytest.raises(ValueError, match="this OwnedFd is closed"):
        owner.fileno()


def test_a_closed_owner_does_not_close_a_reused_number() -> None:
    owner = OwnedFd(os.dup(0))
    number = owner.fileno()
    owner.close()
    reused = os.dup2(0, number)
    owner.close()
    os.fstat(reused)
    os.close(reused)


def test_a_detached_descriptor_belongs_to_the_caller() -> None:
    owner = OwnedFd(os.dup(0))
    number = owner.detach()
    owner.close()
    os.fstat(number)
    os.close(number)


def test_a_negative_descriptor_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 is not a file descriptor"):
        OwnedFd(-1)


def test_a_descriptor_that_is_no_domain_is_refused() -> None:
    with (
        Domain(os.open("/dev/null", os.O_RDONLY)) as domain,
        pytest.raises(DomainError, match="not a scope domain"),
    ):
        domain.info()


def test_a_descriptor_that_is_no_procfs_is_not_attached() -> None:
    with (
        Procfs(os.open("/", os.O_RDONLY)) as procfs,
        pytest.raises(ProcfsError, match="not a detached procfs"),
    ):
        procfs.attach()


@pytest.mark.parametrize("text", ["0", "classic"])
def test_a_level_is_read_from_number_or_word(text: str) -> None:
    assert Scope.parse(text) is Scope.CLASSIC


@pytest.mark.parametrize("text", ["", "4", "-1", "00", "CLASSIC", "no_attach"])
def test_a_wrong_level_is_named_with_the_choices(text: str) -> None:
    words = f"{text!r} is not a scope: choose from 0 (classic), 1 (relational)"
    with pytest.raises(ValueError, match=re.escape(words)):
        Scope.parse(text)


def test_a_wrong_view_is_called_a_view() -> None:
    words = "'x' is not a view: choose from all, user, domain, inferiors"
    with pytest.raises(ValueError, match=words):
        View.parse("x")


@pytest.mark.parametrize("view", View)
def test_a_view_is_read_from_its_word_alone(view: View) -> None:
    assert View.parse(view.word) is view
    with pytest.raises(ValueError, match="is not a view"):
        View.parse(str(view.value))

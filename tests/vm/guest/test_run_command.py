"""`yama-session run` by a user without privilege, on the kernel with the series."""

from collections.abc import Iterator

import pytest
from logins import Login, policy


@pytest.fixture(scope="module")
def bob() -> Iterator[Login]:
    """A login that sees everything, so that what is hidden is hidden by `run`."""
    with policy('[[rule]]\nmatch = { user = "bob" }\npreset = "open"\n'), Login("bob") as login:
        yield login


def test_command_sees_itself_only_and_is_told_by_which_enforcer(bob: Login) -> None:
    outside = bob.spawn("sleep 600")
    done = bob.run("yama-session run -- ps -e -o comm=")
    assert done.status == 0
    assert done.lines[0].startswith("yama-session: enforcer yama")
    assert done.lines[1:] == ["ps"]
    assert bob.run(f"yama-session run --quiet -- stat /proc/{outside}").status != 0
    assert bob.sees(outside)


def test_no_namespace_is_made(bob: Login) -> None:
    inside = bob.check("yama-session run --quiet -- readlink /proc/self/ns/mnt /proc/self/ns/user")
    assert inside == bob.check("readlink /proc/self/ns/mnt /proc/self/ns/user")


def test_set_user_id_programs_do_nothing_inside(bob: Login) -> None:
    assert bob.check("yama-session run --quiet -- grep NoNewPrivs /proc/self/status").endswith("1")


@pytest.mark.parametrize("level", range(4))
def test_scope_is_what_was_asked_for(bob: Login, level: int) -> None:
    line = bob.check(f"yama-session run --quiet --scope {level} -- cat /proc/self/attr/yama/scope")
    assert line.startswith(f"scope={level} view=domain depth=1 ")


def test_view_user_shows_the_rest_of_the_user_and_nobody_else(bob: Login) -> None:
    outside = bob.spawn("sleep 601")
    run = "yama-session run --quiet --view user --"
    assert bob.check(f"{run} cat /proc/self/attr/yama/scope").startswith("scope=1 view=user ")
    assert bob.run(f"{run} test -e /proc/{outside}").status == 0
    assert bob.run(f"{run} test -e /proc/1").status == 1
    assert bob.run(f"{run} kill -0 {outside}").status == 0
    number = bob.run("yama-session run --view 1 -- true")
    assert number.status == 2
    assert "'1' is not a view: choose from all, user, domain, inferiors" in number.out


def test_domains_nest(bob: Login) -> None:
    line = bob.check(
        "yama-session run --quiet --scope 2 -- yama-session run --quiet --scope 0 --view all --"
        " cat /proc/self/attr/yama/scope"
    )
    assert line.startswith("scope=2 view=domain depth=2 ")


def test_status_of_the_command_is_handed_on(bob: Login) -> None:
    assert bob.run("yama-session run --quiet -- sh -c 'exit 7'").status == 7

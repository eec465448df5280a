"""What a policy can give, and why a login gets what it gets; never less than what it does give."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yama_session.levels import Proc, Scope, View
from yama_session.policy import (
    DEFAULT,
    SETTINGS,
    Login,
    Policy,
    explain,
    floor,
    outcomes,
    parse,
)

pytestmark = pytest.mark.unit
FILE = Path("policy.toml")


def policy(text: str) -> Policy:
    return Policy(parse(text, FILE))


USERS = st.sampled_from(["root", "bob", "eve"])
GROUPS = st.sampled_from(["adm", "guests"])
WHO: st.SearchStrategy[list[str]] = st.one_of(
    st.just([]),
    USERS.map('user = "{}"'.format).map(lambda text: [text]),
    st.just(['user = ["bob", "eve"]']),
    GROUPS.map('group = "{}"'.format).map(lambda text: [text]),
    st.just(['user = "bob"', 'group = "adm"']),
    st.just(['uid = "0-999"']),
    st.just(['uid = ["0-1", "1000-"]']),
)
HOW = st.sampled_from(['service = "sshd"', "remote = false", 'seat = "seat0"', 'rhost = "::1"'])
GETS = st.sampled_from(
    ['preset = "open"', 'preset = "developer"', 'preset = "kiosk"', "scope = 2", 'view = "all"']
)


def _rule(gets: str, match: list[str], how: str) -> str:
    group = 'group = "session"\n' if how else ""
    words = ", ".join([*match, how] if how else match)
    return f"[[rule]]\n{gets}\n{group}match = {{ {words} }}\n"


POLICIES = st.lists(st.builds(_rule, GETS, WHO, st.one_of(st.just(""), HOW)), max_size=6).map(
    lambda rules: policy("".join(rules))
)
LOGINS = st.builds(
    lambda user, groups, service, rhost, seat: Login(
        user, 0 if user == "root" else 1000, groups, service, "", rhost, seat
    ),
    USERS,
    st.sets(GROUPS),
    st.sampled_from(["sshd", "login"]),
    st.sampled_from(["", "::1"]),
    st.sampled_from(["", "seat0"]),
)


@given(POLICIES, LOGINS)
def test_every_decision_is_among_the_outcomes(rules: Policy, login: Login) -> None:
    decision = rules.resolve(login)
    if decision.base is None and login.uid == 0:
        return  # its default is its own
    assert decision in list(outcomes(rules))


@given(POLICIES, LOGINS)
def test_no_user_gets_more_than_the_floor(rules: Policy, login: Login) -> None:
    if login.uid:
        settings, least = rules.resolve(login).settings, floor(rules)
        assert settings.scope <= least.scope
        assert settings.view <= least.view


@given(POLICIES, LOGINS)
def test_explanation_names_the_rules_that_decide(rules: Policy, login: Login) -> None:
    found = explain(rules, login)
    assert found.decision == rules.resolve(login)
    winners = [verdict.rule for verdict in found.verdicts if verdict.wins]
    assert winners == [
        rule for rule in rules.rules if rule is found.decision.rule or rule is found.decision.base
    ]
    for verdict in found.verdicts:
        assert verdict.fits is verdict.rule.match.login(login)
        assert verdict.why
    assert set(found.origins) == set(SETTINGS)


@pytest.mark.parametrize(
    ("text", "scope", "view"),
    [
        ("", 1, "user"),
        ('[[rule]]\npreset = "open"', 0, "all"),
        ('[[rule]]\npreset = "developer"', 0, "user"),
        ('[[rule]]\npreset = "kiosk"\nmatch.group = "guests"', 3, "domain"),
        ('[[rule]]\nscope = 2\ngroup = "session"\nmatch.service = "sshd"', 2, "user"),
        # Nobody gets these: root is left alone, and the second is hidden by the first.
        ('[[rule]]\npreset = "kiosk"\nmatch.user = "root"', 1, "user"),
        (
            '[[rule]]\nscope = 1\nmatch.user = ["bob", "eve"]\n'
            '[[rule]]\nscope = 3\nmatch.user = "bob"',
            1,
            "user",
        ),
        ('[[rule]]\npreset = "open"\n[[rule]]\npreset = "kiosk"', 0, "all"),
    ],
)
def test_floor_is_the_strictest_that_a_user_can_get(text: str, scope: int, view: str) -> None:
    found = floor(policy(text))
    assert (found.scope, found.view) == (Scope(scope), View.parse(view))


def test_floor_has_a_ptraceable_proc_if_any_user_gets_one() -> None:
    text = '[[rule]]\npreset = "kiosk"\nmatch.user = "{}"\nproc = "ptraceable"\n'
    assert floor(policy(text.format("bob"))).proc is Proc.PTRACEABLE
    assert floor(policy(text.format("root"))).proc is Proc.PRIVATE


def test_rule_by_login_is_an_outcome_only_over_an_account_s_settings() -> None:
    rules = policy(
        '[[rule]]\nscope = 3\ngroup = "session"\nmatch = { user = "bob", service = "sshd" }\n'
        '[[rule]]\nenforcer = "landlock"\ngroup = "session"\nmatch.user = "bob"\n'
        '[[rule]]\npreset = "open"\nmatch.user = "eve"\n'
    )
    found = [(d.source, d.base and d.base.line, d.settings.enforcer) for d in outcomes(rules)]
    assert found == [
        ("policy.toml:1", 5, "landlock"),
        ("policy.toml:1", None, None),
        ("policy.toml:5", 5, "landlock"),
        ("policy.toml:9", 9, None),
        ("built-in default", None, None),
    ]


def test_explanation_is_for_people() -> None:
    rules = policy(
        '[[rule]]\npreset = "open"\nmatch = { user = "bob", group = "adm" }\n'
        '[[rule]]\nscope = 2\ngroup = "session"\nmatch.rhost = "10.0.0.0/8"\n'
        '[[rule]]\npreset = "developer"\nmatch.group = ["staff"]\n'
        '[[rule]]\npreset = "desktop"\n'
    )
    found = explain(rules, Login("alice", 1000, ["staff"], "sshd", "", "10.1.1.1"))
    assert [(v.rule.line, v.fits, v.wins, v.why) for v in found.verdicts] == [
        (1, False, False, "the user is not bob; alice is not in adm"),
        (4, True, True, "the first that matches: it raises what the account gets"),
        (8, True, True, "the first for the account: what is raised"),
        (11, True, False, "matches, but an earlier rule wins"),
    ]
    assert found.origins == {
        "scope": "policy.toml:5",
        "view": "default",
        "group": "policy.toml:6",
        "proc": "default",
        "override": "default",
        "mode": "default",
        "enforcer": "default",
    }


def test_explanation_without_a_rule_is_the_default_s() -> None:
    found = explain(policy(""), Login("alice", 1000))
    assert found.decision.settings == DEFAULT
    assert set(found.origins.values()) == {"built-in default"}

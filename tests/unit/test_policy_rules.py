"""Which rule a login gets, who is exempt, and that no file breaks the parser."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yama_session.errors import PolicyError
from yama_session.levels import Group, Mode, Proc, Scope, View
from yama_session.policy import (
    DEFAULT,
    DEFAULT_ROOT,
    Exempt,
    Login,
    Match,
    Policy,
    Settings,
    Uids,
    advice,
    check,
    exempt,
    explain,
    floor,
    parse,
)
from yama_session.policy.locate import Locator

pytestmark = pytest.mark.unit
FILE = Path("policy.toml")


def policy(text: str) -> Policy:
    return Policy(parse(text, FILE))


def test_first_match_wins_and_is_named() -> None:
    rules = policy(
        '[[rule]]\npreset = "open"\nmatch.user = "bob"\n'
        '[[rule]]\npreset = "kiosk"\nmatch.group = ["guests"]\n'
    )
    bob = rules.resolve(Login("bob", 1001, groups=["guests"]))
    assert [bob.settings.preset, bob.source] == ["open", "policy.toml:1"]
    eve = rules.resolve(Login("eve", 1002, groups=["guests"]))
    assert [eve.settings.preset, eve.source] == ["kiosk", "policy.toml:4"]


def test_without_a_rule_users_get_desktop_and_root_open() -> None:
    assert policy("").resolve(Login("alice", 1000)).settings == DEFAULT
    assert policy("").resolve(Login("root", 0)).settings == DEFAULT_ROOT
    assert policy("").resolve(Login("root", 0)).source == "built-in default"


def test_user_and_group_must_both_match() -> None:
    rules = policy('[[rule]]\npreset = "open"\nmatch = { user = "bob", group = "wheel" }\n')
    assert rules.resolve(Login("bob", 1001, groups=["bob"])).settings == DEFAULT
    assert rules.resolve(Login("bob", 1001, groups=["wheel"])).settings.preset == "open"


@pytest.mark.parametrize(
    ("match", "login", "fits"),
    [
        ('tty = "tty1"', {"tty": "/dev/tty1"}, True),
        ('tty = "/dev/tty1"', {"tty": "tty1"}, True),
        ('tty = "tty1"', {"tty": "tty10"}, False),
        ('seat = ["seat0", "seat1"]', {"seat": "seat1"}, True),
        ('seat = "seat0"', {}, False),
        ("remote = true", {"rhost": "::1"}, True),
        ("remote = true", {}, False),
        ("remote = false", {"rhost": "::1"}, False),
        ('rhost = "Gate.example"', {"rhost": "gate.Example"}, True),
        ('rhost = "gate.example"', {"rhost": "xgate.example"}, False),
        ('rhost = "10.1.0.0/16"', {"rhost": "10.1.2.3"}, True),
        ('rhost = "10.1.0.0/16"', {"rhost": "::ffff:10.1.2.3"}, True),
        ('rhost = "10.1.0.0/16"', {"rhost": "10.2.0.1"}, False),
        ('rhost = "10.1.0.0/16"', {"rhost": "gate.example"}, False),
        ('rhost = "::/0"', {"rhost": "10.2.0.1"}, False),
        ('rhost = "fe80::/10"', {"rhost": "fe80::1%eth0"}, True),
        ('rhost = "0:0::1"', {"rhost": "::1"}, True),
        ('rhost = "::/0"', {}, False),
        ('service = "sshd", rhost = "::1"', {"service": "login", "rhost": "::1"}, False),
    ],
)
def test_match_by_login(match: str, login: dict[str, str], fits: bool) -> None:
    text = f'[[rule]]\nscope = 3\ngroup = "session"\nmatch = {{ {match} }}\n'
    decision = policy(text).resolve(Login("alice", 1000, **login))
    assert (decision.settings.scope is Scope.NO_ATTACH) is fits


@given(st.text(), st.text(min_size=1))
def test_no_remote_host_breaks_a_rule(rhost: str, host: str) -> None:
    misfits = list(Match(rhost=frozenset({host})).misfits(Login("alice", 1000, rhost=rhost)))
    assert len(misfits) <= 1


def test_rule_by_service_only_makes_stricter() -> None:
    rules = policy(
        '[[rule]]\npreset = "open"\ngroup = "session"\nmatch.service = "login"\n'
        '[[rule]]\nscope = 3\ngroup = "session"\nmatch.remote = true\n'
    )
    local = rules.resolve(Login("alice", 1000, service="login")).settings
    assert (local.scope, local.view, local.proc) == (Scope.RELATIONAL, View.USER, Proc.PRIVATE)
    remote = rules.resolve(Login("alice", 1000, service="sshd", rhost="::1")).settings
    assert (remote.scope, remote.group) == (Scope.NO_ATTACH, Group.SESSION)


FROM = (
    '[[rule]]\nscope = 1\ngroup = "session"\nmatch.rhost = "10.0.0.0/8"\n'
    '[[rule]]\nscope = 3\ngroup = "session"\nmatch.remote = true\n'
    "[[rule]]\nscope = 2\n"
)


@pytest.mark.parametrize(
    ("addresses", "scope"),
    [(["10.1.1.1"], 2), (["192.0.2.1", "10.1.1.1"], 2), (["192.0.2.1"], 3), ([], 3), (None, 3)],
)
def test_network_means_what_a_host_s_name_resolves_to(
    addresses: list[str] | None, scope: int
) -> None:
    login = Login("alice", 1000, service="sshd", rhost="gate.example", addresses=addresses)
    rules = policy(FROM)
    assert rules.asks_for_addresses(login)
    # Not even the first rule, which may be the looser one, ends the search in doubt.
    assert rules.resolve(login).settings.scope == scope


def test_network_that_may_be_the_one_is_the_stricter_rule() -> None:
    rules = policy('[[rule]]\nscope = 3\ngroup = "session"\nmatch.rhost = "10.0.0.0/8"\n')
    login = Login("alice", 1000, rhost="gate.example", addresses=None)
    assert rules.resolve(login).settings.scope is Scope.NO_ATTACH
    assert rules.resolve(replace(login, addresses=[])).settings == DEFAULT
    for rhost in ("", "10.1.1.1", "::1", "fe80::1%eth0"):
        assert not rules.asks_for_addresses(Login("alice", 1000, rhost=rhost))
    named = policy('[[rule]]\nscope = 3\ngroup = "session"\nmatch.rhost = "gate.example"\n')
    assert not named.asks_for_addresses(login)


def test_what_is_only_logged_confines_nobody_and_raises_nothing() -> None:
    rules = policy(
        '[[rule]]\nscope = 2\ngroup = "session"\nmatch.service = "sshd"\n'
        '[[rule]]\npreset = "kiosk"\nmode = "log"\n'
    )
    assert rules.resolve(Login("alice", 1000, service="su")).settings.unconfined
    found = rules.resolve(Login("alice", 1000, service="sshd")).settings
    assert (found.scope, found.unconfined) == (Scope.CAPABILITY, False)
    assert exempt(rules, UIDS, GIDS) == Exempt((), ())


def test_user_whose_rule_is_only_logged_is_exempt_and_so_is_everybody() -> None:
    rules = policy('[[rule]]\npreset = "kiosk"\nmatch.user = "bob"\nmode = "log"\n')
    assert exempt(rules, UIDS, GIDS) == Exempt((Uids(2, 2),), ())
    assert exempt(Policy((), Mode.LOG), UIDS, GIDS) == Exempt((), (), everybody=True)
    assert Policy((), Mode.LOG).resolve(Login("alice", 1000)).settings.unconfined


@pytest.mark.parametrize(
    ("account", "login", "enforcer"),
    [
        ("", "landlock", None),
        ("yama", "landlock", "yama"),
        ("bpf", "landlock", "bpf"),
        ("landlock", "yama", "yama"),
        ("landlock", "", "landlock"),
        ("landlock", "landlock", "landlock"),
    ],
)
def test_rule_by_login_names_no_weaker_enforcer(
    account: str, login: str, enforcer: str | None
) -> None:
    def named(name: str) -> str:
        return f'enforcer = "{name}"\n' if name else ""

    rules = policy(
        f'[[rule]]\nscope = 2\nview = "domain"\ngroup = "session"\n{named(login)}'
        'match.service = "sshd"\n'
        f'[[rule]]\nscope = 3\nview = "domain"\ngroup = "session"\n{named(account)}'
    )
    found = rules.resolve(Login("alice", 1000, service="sshd")).settings
    assert (found.scope, found.enforcer) == (Scope.NO_ATTACH, enforcer)


def test_rule_by_login_names_the_enforcer_where_the_account_needs_none() -> None:
    rules = policy(
        '[[rule]]\npreset = "desktop"\nview = "domain"\ngroup = "session"\n'
        'enforcer = "landlock"\nmatch.service = "sshd"\n[[rule]]\npreset = "open"\n'
    )
    found = rules.resolve(Login("alice", 1000, service="sshd")).settings
    assert found.enforcer == "landlock"


#: From what shows most to what shows least.
PROCS = (Proc.HOST, Proc.PRIVATE, Proc.PTRACEABLE)
SETTINGS = st.builds(
    Settings,
    scope=st.sampled_from(Scope),
    view=st.sampled_from(View),
    proc=st.sampled_from(Proc),
    override=st.booleans(),
    enforcer=st.sampled_from([None, "yama", "bpf", "landlock"]),
)


@given(SETTINGS, SETTINGS)
def test_raised_settings_are_as_strict_as_either(one: Settings, other: Settings) -> None:
    found = one.stricter(other)
    for each in (one, other):
        assert found.scope >= each.scope
        assert found.view >= each.view
        assert PROCS.index(found.proc) >= PROCS.index(each.proc)
        assert each.override or not found.override
        if found.enforcer == "landlock":  # which has no levels
            assert each.enforcer in (None, "landlock") or each.loose
            assert one.enforcer == "landlock" or one.enforcer is None
    if one.enforcer and other.enforcer is None and not other.loose:
        assert found.enforcer is None


def test_rule_by_service_does_not_confine_past_an_exempt_rule() -> None:
    rules = policy(
        '[[rule]]\npreset = "open"\nmatch.user = "bob"\n'
        '[[rule]]\npreset = "kiosk"\ngroup = "session"\nmatch.service = "sshd"\n'
    )
    assert rules.resolve(Login("bob", 1001, service="sshd")).settings.unconfined


#: As the name service has them: robert is bob.
UIDS: dict[str, int | None] = {"amy": 1, "bob": 2, "robert": 2, "eve": 3}
GIDS: dict[str, int | None] = {"adm": 4, "guests": 5, "visitors": 5}


@pytest.mark.parametrize(
    ("text", "users", "groups"),
    [
        ("", (), ()),
        ('[[rule]]\npreset="open"\nmatch.user=["bob","amy"]', (Uids(1, 1), Uids(2, 2)), ()),
        ('[[rule]]\npreset="open"\nmatch.group="adm"', (), (4,)),
        ('[[rule]]\npreset="open"\noverride=true\nmatch.user="bob"', (), ()),
        ('[[rule]]\npreset="open"\nmatch={user="bob",group="adm"}', (), ()),
        ('[[rule]]\npreset="kiosk"\n[[rule]]\npreset="open"\nmatch.user="bob"', (), ()),
        (
            '[[rule]]\npreset="kiosk"\nmatch.user="eve"\n'
            '[[rule]]\npreset="open"\nmatch.group="adm"\n'
            '[[rule]]\npreset="open"\nmatch.user=["bob","eve"]',
            (Uids(2, 2),),
            (),
        ),
        (
            '[[rule]]\npreset="open"\nmatch.user="bob"\n'
            '[[rule]]\npreset="kiosk"\nmatch.group="guests"\n'
            '[[rule]]\npreset="open"\nmatch.user="eve"',
            (Uids(2, 2),),
            (),
        ),
        ('[[rule]]\npreset="open"\ngroup="session"\nmatch={user="bob",service="su"}', (), ()),
    ],
)
def test_exempt_lists_only_who_is_never_confined(
    text: str, users: tuple[Uids, ...], groups: tuple[int, ...]
) -> None:
    found = exempt(policy(text), UIDS, GIDS)
    assert (users, groups) == (found.uids, found.gids)


@pytest.mark.parametrize(
    ("text", "uids"),
    [
        ('[[rule]]\npreset="open"\nmatch.uid=["0-999",65534]', "0-999 65534"),
        ('[[rule]]\npreset="kiosk"\nmatch.uid="1000-"\n[[rule]]\npreset="open"', "0-999"),
        (
            '[[rule]]\npreset="kiosk"\nmatch.user="eve"\n[[rule]]\npreset="open"',
            "0-2 4-",
        ),
        (
            '[[rule]]\npreset="kiosk"\nmatch.uid=[5,"7-9"]\n'
            '[[rule]]\npreset="open"\nmatch.uid="0-8"',
            "0-4 6",
        ),
        ('[[rule]]\npreset="open"\nmatch={uid="0-1",user=["amy","eve"]}', "1"),
        ('[[rule]]\npreset="open"\nmatch={uid="0-9",group="adm"}', ""),
        ('[[rule]]\npreset="kiosk"\nmatch.group="adm"\n[[rule]]\npreset="open"', ""),
        # Whoever is made with this name may get any number.
        ('[[rule]]\npreset="kiosk"\nmatch.user="carol"\n[[rule]]\npreset="open"', ""),
    ],
)
def test_exempt_lists_ranges_without_who_is_confined(text: str, uids: str) -> None:
    found = exempt(policy(text), {**UIDS, "carol": None}, GIDS)
    assert " ".join(map(str, found.uids)) == uids


@given(
    st.builds(Uids, st.integers(0, 9), st.integers(9, 20)),
    st.sets(st.builds(lambda first, more: Uids(first, first + more), st.integers(0, 20),
                      st.integers(0, 5))),
)  # fmt: skip
def test_what_is_left_of_a_range(whole: Uids, others: set[Uids]) -> None:
    left = whole.without(others)
    assert {uid for part in left for uid in range(part.first, part.last + 1)} == {
        uid for uid in range(21) if uid in whole and not any(uid in other for other in others)
    }


def test_ignored_service_is_left_alone_whatever_the_rules_say() -> None:
    rules = replace(policy('[[rule]]\npreset = "kiosk"'), ignored=frozenset({"samba"}))
    decision = rules.resolve(Login("bob", 1001, service="samba"))
    assert decision.settings.unconfined
    assert decision.source == "[services] ignore"
    assert not rules.resolve(Login("bob", 1001, service="sshd")).settings.unconfined
    assert exempt(rules, UIDS, GIDS).services == ("samba",)


def test_alias_of_a_confined_user_is_not_exempt() -> None:
    rules = policy(
        '[[rule]]\npreset="kiosk"\nmatch.user="robert"\n'
        '[[rule]]\npreset="open"\nmatch.user=["bob","amy"]'
    )
    assert exempt(rules, UIDS, GIDS).uids == (Uids(1, 1),)


def test_after_a_confined_name_that_cannot_be_told_nobody_is_exempt() -> None:
    rules = policy(
        '[[rule]]\npreset="open"\nmatch.user="amy"\n'
        '[[rule]]\npreset="kiosk"\nmatch.user="carol"\n'
        '[[rule]]\npreset="open"\nmatch.user="bob"'
    )
    assert exempt(rules, UIDS, GIDS).uids == (Uids(1, 1),)
    assert exempt(rules, {**UIDS, "carol": None}, GIDS).uids == (Uids(1, 1), Uids(2, 2))


NAMES = st.sampled_from(["bob", "eve", "amy", "robert"])
GROUPS = ["adm", "guests", "visitors"]
RULES = st.lists(
    st.builds(
        lambda preset, words, match: (
            f'[[rule]]\npreset = "{preset}"\n{words}\nmatch = {{ {match} }}\n'
        ),
        st.sampled_from(["open", "kiosk", "developer"]),
        st.sampled_from(["", "override = true"]),
        st.one_of(
            st.just(""),
            NAMES.map('user = "{}"'.format),
            st.sampled_from(GROUPS).map('group = "{}"'.format),
            NAMES.map('user = "{}", group = "adm"'.format),
            st.sampled_from(['uid = "2-"', "uid = [1, 3]", 'uid = "0-2", group = "adm"']),
        ),
    ),
    max_size=5,
)


@given(RULES, NAMES, st.sets(st.sampled_from(GROUPS)))
def test_whoever_is_exempt_resolves_unconfined(
    rules: list[str], user: str, groups: set[str]
) -> None:
    rules_ = policy("".join(rules))
    found = exempt(rules_, UIDS, GIDS)
    uid, gids = UIDS[user], {GIDS[group] for group in groups}
    assert uid is not None
    if any(uid in uids for uids in found.uids) or gids & set(found.gids):
        aliases = [name for name in UIDS if UIDS[name] == uid]
        names = [name for name in GIDS if GIDS[name] in gids]
        login = Login(user, uid, groups=names, aliases=aliases)
        assert rules_.resolve(login).settings.unconfined


@given(RULES, NAMES, st.sets(st.sampled_from(GROUPS)))
def test_what_is_asked_for_decides(rules: list[str], user: str, groups: set[str]) -> None:
    rules_ = policy("".join(rules))
    aliases = {name for name in UIDS if UIDS[name] == UIDS[user]}
    uid = UIDS[user]
    assert uid is not None
    users_asked, groups_asked = rules_.asked(Login(user, uid))
    some = Login(user, uid, groups=groups & groups_asked, aliases=aliases & users_asked)
    every = Login(user, uid, groups=groups, aliases=aliases)
    assert rules_.resolve(some) == rules_.resolve(every)


WORDS = st.sampled_from(
    ["[[rule]]", "[rule.match]", "[rule]", "rule", "match", "user", "scope", "preset", "group",
     "=", '"open"', '"landlock"', "{", "}", "[", "]", '"""', "'''", "\n", "\n", ".", ",", "1",
     "99999999999999999999", "true", "#", "\\", '"', "'", "0x", "1979-05-27", "inf"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join)))
def test_any_text_is_a_policy_or_a_policy_error(text: str) -> None:
    try:
        found = [rule.line for rule in parse(text, FILE)]
    except PolicyError as error:
        found = [error.line or 1]
    assert all(1 <= line <= text.count("\n") + 1 for line in found)


@given(st.one_of(st.lists(WORDS).map(" ".join), st.lists(WORDS).map("\n".join)))
def test_every_mistake_of_any_text_has_its_line(text: str) -> None:
    rules, errors = check(text, FILE)
    lines = [error.line or 0 for error in errors]
    assert lines == sorted(lines)
    assert all(0 <= line <= text.count("\n") + 1 for line in lines)
    if not errors:
        found = Policy(rules)
        assert floor(found).scope in Scope
        assert len(list(advice(found))) <= len(rules)
        assert len(explain(found, Login("user", 1000)).verdicts) == len(rules)


@pytest.mark.parametrize("text", ["[" * 5000, "a=" + "[" * 5000, "a=" + "9" * 5000])
def test_monsters_are_policy_errors(text: str) -> None:
    with pytest.raises(PolicyError):
        parse(text, FILE)


@given(st.text())
def test_locator_takes_any_text(text: str) -> None:
    lines = text.count("\n") + 1
    locator = Locator(text)
    assert 1 <= locator.top("rule") <= lines
    assert 1 <= locator.rule(0, "match", "user") <= lines


def test_locator_is_not_misled_by_strings_and_comments() -> None:
    text = (
        '# [[rule]]\nx = """\n[[rule]]\nscope = 1 \\""" """\n'
        "y = [\n  '[[rule]]', # scope = 2\n]\n"
        '[[ "rule" ]]\nmatch = { user = [\n"a",\n], service = "s" }\n"scope" = 1\n'
    )
    locator = Locator(text)
    assert [
        locator.rule(0),
        locator.rule(0, "match", "user"),
        locator.rule(0, "match", "service"),
        locator.rule(0, "scope"),
    ] == [8, 9, 11, 12]

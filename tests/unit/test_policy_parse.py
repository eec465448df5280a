"""Every mistake in a policy file is named with its value, its choices and its line."""

import os
import sys
from io import BufferedReader, FileIO
from pathlib import Path

import pytest

from yama_session.errors import PolicyError
from yama_session.levels import Group, Mode, Proc, Scope, View
from yama_session.policy import PRESETS, Limits, Settings, check, load, parse, read
from yama_session.policy.rules import MAX_UID, Uids

pytestmark = pytest.mark.unit
FILE = Path("/etc/yama-session/policy.toml")


def settings(body: str) -> Settings:
    (rule,) = parse(f"[[rule]]\n{body}\n", FILE)
    return rule.settings


def test_preset_gives_its_settings() -> None:
    assert settings('preset = "kiosk"') == PRESETS["kiosk"]


def test_word_beside_a_preset_changes_only_itself() -> None:
    expected = Settings(Scope.CAPABILITY, View.USER, preset="desktop")
    assert expected == settings('preset = "desktop"\nscope = 2')


def test_words_alone_start_from_the_default() -> None:
    assert Settings(Scope.CLASSIC, View.USER) == settings('scope = "classic"')


@pytest.mark.parametrize("word", ["3", '"no-attach"'])
def test_level_is_a_number_or_a_name(word: str) -> None:
    assert settings(f"scope = {word}").scope is Scope.NO_ATTACH


def test_view_all_mounts_nothing() -> None:
    assert settings('view = "all"').proc is Proc.HOST


@pytest.mark.parametrize("base", ["", 'preset = "open"', 'preset = "kiosk"'])
def test_view_user_is_a_view_like_any_other(base: str) -> None:
    found = settings(f'{base}\nview = "user"')
    assert (found.view, found.proc) == (View.USER, Proc.PRIVATE)
    assert settings(f'{base}\nview = "user"\nenforcer = "bpf"').enforcer == "bpf"


def test_view_domain_over_open_mounts_again() -> None:
    assert settings('preset = "open"\nview = "domain"').proc is Proc.PRIVATE


def test_bpf_with_either_group() -> None:
    for group in Group:
        assert settings(f'enforcer = "bpf"\ngroup = "{group.value}"').group is group


def test_uids_are_numbers_and_ranges() -> None:
    text = '[[rule]]\npreset = "open"\nmatch.uid = [7, "9-11", "1000-", "0"]'
    (rule,) = parse(text, FILE)
    assert rule.match.uid == frozenset({Uids(7, 7), Uids(9, 11), Uids(1000, MAX_UID), Uids(0, 0)})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services = 1", ["must be a table"]),
        ("[services]\nignore = 1", [":2: ", "ignore = 1", "list"]),
        ("[services]\n\nignore = ['samba', 'a b']", [":3: ", "list"]),
        ("[services]\nleave = ['samba']", [":2: ", "'leave'", "'ignore'"]),
    ],
)
def test_mistake_in_the_ignored_services(text: str, words: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(text, FILE)
    for word in words:
        assert word in str(caught.value)


def test_ignored_services_are_those_of_all_files(tmp_path: Path) -> None:
    drop_ins = tmp_path / "policy.d"
    drop_ins.mkdir()
    (drop_ins / "a.toml").write_text("[services]\nignore = ['Samba']\n", encoding="ascii")
    (tmp_path / "policy.toml").write_text("[services]\nignore = ['x']\n", encoding="ascii")
    assert read(tmp_path).policy.ignored == {"samba", "x"}


def test_preset_shows_by_landlock_what_that_can() -> None:
    text = '[[rule]]\npreset = "desktop"\nenforcer = "landlock"\ngroup = "session"'
    (rule,) = parse(text, FILE)
    assert rule.settings.view is View.DOMAIN
    assert rule.origins["view"] == "enforcer landlock"


def test_landlock_with_group_session() -> None:
    assert settings('enforcer = "landlock"\ngroup = "session"').group is Group.SESSION


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ('preset = "destkop"', 2, ["'destkop'", "'desktop'", "'kiosk'"]),
        ('preset = "browser"', 2, ["'browser'", "yama-session run"]),
        ("preset = 1", 2, ["preset = 1", "'open'"]),
        ("scope = 4", 2, ["scope = 4", "3 or 'no-attach'"]),
        ("scope = true", 2, ["scope = True", "0 or 'classic'"]),
        ("scope = 1.0", 2, ["scope = 1.0"]),
        ('\n\nview = "some"', 4, ["'some'", "choose 'all', 'user', 'domain', 'inferiors'"]),
        ("view = 1", 2, ["view = 1", "choose 'all', 'user', 'domain', 'inferiors'"]),
        ('view = "inferiors"', 2, ["'inferiors'", "run", "'all', 'user', 'domain'"]),
        ('group = "tty"', 2, ["'tty'", "'session', 'user'"]),
        ('proc = "none"', 2, ["'none'", "'private', 'ptraceable', 'host'"]),
        ("override = 1", 2, ["override = 1", "true or false"]),
        ('enforcer = "smack"', 2, ["'smack'", "'yama', 'bpf', 'landlock'"]),
        ("enforcer = [1]", 2, ["[1]", "'yama', 'bpf', 'landlock'"]),
        ('preset = "open"\nscpoe = 1', 3, ["'scpoe'", "'scope'"]),
        ("scpoe = 1", 2, ["'scpoe'", "'scope'"]),
        ('match = { user = "bob" }', 1, ["says nothing", "'preset'"]),
        ('preset = "open"\nmatch = 3', 3, ["match = 3", "table"]),
        ('preset = "open"\nmatch = { usr = "bob" }', 3, ["'usr'", "'user'"]),
        ('preset = "open"\nmatch.user = []', 3, ["user = []", "nobody"]),
        ('preset = "open"\nmatch.user = ["bob", 7]', 3, ["user = 7", "name"]),
        ('preset = "open"\nmatch = {\n}\n', 3, []),
        ('preset = "open"\n[rule.match]\n\nremote = "yes"', 5, ["remote = 'yes'", "true or false"]),
        ('preset = "open"\nmatch.uid = []', 3, ["uid = []", "nobody"]),
        ('preset = "open"\nmatch.uid = true', 3, ["uid = True", "'1000-'"]),
        ('preset = "open"\nmatch.uid = -1', 3, ["uid = -1", "a number or a range"]),
        ('preset = "open"\nmatch.uid = [7, "9-8"]', 3, ["uid = '9-8'"]),
        ('preset = "open"\nmatch.uid = "4294967295"', 3, ["'4294967295'", "up to 4294967294"]),
        ('preset = "open"\nmatch.uid = "1000 -"', 3, ["'1000 -'"]),
        ('preset = "open"\nmatch.uid = "bob"', 3, ["uid = 'bob'"]),
        ('view = "all"\nproc = "private"', 3, ["'private'", "view = 'all'", "'host'"]),
        ('preset = "desktop"\nenforcer = "landlock"', 3, ["'user'", "group = 'session'"]),
        (
            'enforcer = "landlock"\ngroup = "session"\noverride = true',
            2,
            ["override = true", "'yama'"],
        ),
        ('enforcer = "landlock"\ngroup = "session"\nproc = "host"', 4, ["'host'", "'private'"]),
        (
            'enforcer = "landlock"\ngroup = "session"\nview = "user"',
            4,
            ["'user'", "own processes outside", "choose 'domain'"],
        ),
        (
            'enforcer = "landlock"\ngroup = "session"\nview = "user"\nproc = "host"',
            4,
            ["'user'", "choose 'domain'"],
        ),
        ('enforcer = "bpf"\nview = "user"\nproc = "host"', 4, ["'host'", "'private'"]),
        ('enforcer = "bpf"\noverride = true', 2, ["'bpf'", "override", "'yama'"]),
        ('enforcer = "bpf"\nproc = "host"', 3, ["'bpf'", "'host'", "'private'"]),
        ('preset = "kiosk"\nmatch.service = "sshd"', 3, ["group = 'session'"]),
    ],
)
def test_mistake_is_named_with_its_line(body: str, line: int, words: list[str]) -> None:
    # The rule before shifts nothing: lines are counted per rule.
    text = f"[[rule]]\n{body}\n"
    with pytest.raises(PolicyError) as caught:
        parse(text, FILE)
    assert [caught.value.file, caught.value.line] == [FILE, line], str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_mistake_in_a_later_rule_has_its_own_line() -> None:
    text = (
        '[[rule]]\nscope = 1\n\n[[rule]]\nscope = 1\n[rule.match]\nuser = "a"\n[[rule]]\nscope=9\n'
    )
    with pytest.raises(PolicyError, match=r"^/etc/yama-session/policy\.toml:9: scope = 9"):
        parse(text, FILE)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[[rule]]\nscope = \n", 2),
        ("[[rule]]\nscope = 1\nscope = 2\n", 3),
        ("[[rule]]\n\nscope = 'x\n", 3),
        ("[[rule", 1),
        ("[[rule]]\nuser = '''\n\n", 2),
    ],
)
def test_syntax_error_has_its_line(text: str, line: int) -> None:
    with pytest.raises(PolicyError, match="not TOML") as caught:
        parse(text, FILE)
    assert line == caught.value.line


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("\nrules = 1\n", 2, "'rules'"),
        ("[rule]\nscope = 1\n", 1, r"\[\[rule\]\]"),
        ("# x\n[fallback]\n", 2, "'fallback'"),
        ("rule = [{ scope = 1 }, 3]", 1, r"\[\[rule\]\]"),
        ("rule = [{ scope = 7 }]", 1, "scope = 7"),
    ],
)
def test_wrong_top_level(text: str, line: int, word: str) -> None:
    with pytest.raises(PolicyError, match=word) as caught:
        parse(text, FILE)
    assert line == caught.value.line


def test_drop_ins_come_first_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.toml").write_text("[[rule]]\nscope = 0\n")
    (tmp_path / "policy.d/20-b.toml").write_text("[[rule]]\nscope = 2\n")
    (tmp_path / "policy.d/10-a.toml").write_text("[[rule]]\nscope = 1\n")
    (tmp_path / "policy.d/30-c.toml.bak").write_text("[[rule]]\nscope = 3\n")
    expected = ["10-a.toml", "20-b.toml", "policy.toml"]
    assert expected == [rule.file.name for rule in load(tmp_path).rules]


def test_missing_directory_has_no_rules(tmp_path: Path) -> None:
    assert load(tmp_path / "missing").rules == ()


@pytest.mark.parametrize(
    ("data", "line", "word"),
    [(b"# \n#\xff\n", 2, "0xff"), (b"#" * ((1 << 20) + 1), None, "larger")],
)
def test_file_that_is_no_text(tmp_path: Path, data: bytes, line: int | None, word: str) -> None:
    (tmp_path / "policy.toml").write_bytes(data)
    with pytest.raises(PolicyError, match=word) as caught:
        load(tmp_path)
    assert line == caught.value.line


def test_policy_that_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").mkdir()
    with pytest.raises(PolicyError, match="cannot be read: Is a directory"):
        load(tmp_path)


def found(text: str) -> list[tuple[int | None, str]]:
    """Return line and first words of every mistake in a text."""
    return [(error.line, error.message.split(":")[0]) for error in check(text, FILE)[1]]


def test_every_mistake_is_found_in_the_order_of_lines() -> None:
    text = (
        "rules = 3\n"
        '[[rule]]\nscope = 9\nview = "some"\nmatch = { usr = "bob", user = [] }\n'
        '[[rule]]\npreset = "open"\n'
        '[[rule]]\nmatch.service = "sshd"\npreset = "kiosk"\noverride = 1\n'
    )
    assert found(text) == [
        (1, "unknown key 'rules'"),
        (3, "scope = 9"),
        (4, "view = 'some'"),
        (5, "unknown word 'usr'"),
        (5, "user = [] matches nobody"),
        (11, "override = 1 must be true or false"),
    ]


def test_rule_that_is_no_toml_hides_no_other_mistake() -> None:
    text = (
        '[[rule]]\npreset = "destkop"\n\n'
        "[[rule]]\nscope = \n\n"
        '[[rule]]\npreset = "open"\n\n'
        "[[rule]]\nscope = 'x\n\n"
        "[[rule]]\nscope = 9\n"
    )
    assert found(text) == [
        (2, "preset = 'destkop'"),
        (5, "not TOML"),
        (11, "not TOML"),
        (14, "scope = 9"),
    ]


def test_wrong_word_brings_no_second_error_with_it() -> None:
    assert found('[[rule]]\nmatch.service = "sshd"\ngroup = "tty"\n') == [(3, "group = 'tty'")]


@pytest.mark.parametrize("host", ["10.0.0.1/8", "10.0.0.0/33", "a/b"])
def test_network_that_is_none_is_named(host: str) -> None:
    text = f'[[rule]]\nscope = 2\ngroup = "session"\n[rule.match]\nrhost = ["::1", "{host}"]\n'
    assert found(text) == [(5, f"rhost = '{host}' is no network")]


def test_mistakes_of_all_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d/a.toml").write_bytes(b"\xff")
    (tmp_path / "policy.d/b.toml").write_text("[[rule]]\nscope = 4\n")
    (tmp_path / "policy.toml").write_text("[[rule]]\n")
    reading = read(tmp_path)
    assert {(error.file.name, error.line) for error in reading.errors} == {
        ("a.toml", 1),
        ("b.toml", 2),
        ("policy.toml", 1),
    }
    assert [source.file.name for source in reading.sources] == ["b.toml", "policy.toml"]


class Changing(BufferedReader):
    """A file that is written to by somebody else when it is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        other = os.open(str(self.name), os.O_WRONLY | os.O_APPEND)
        os.write(other, b"# more\n")
        os.close(other)
        return data


def test_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.toml").write_text('[[rule]]\npreset = "open"\n')
    module = sys.modules["yama_session.policy.load"]  # its function has the same name
    monkeypatch.setattr(module, "_opened", lambda path: Changing(FileIO(path)))
    with pytest.raises(PolicyError, match="was written while it was read"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["policy.toml", "policy.d/a.toml"])
def test_file_that_is_not_regular_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "policy.d").mkdir()
    os.mkfifo(tmp_path / name)
    (error,) = read(tmp_path).errors
    assert str(error) == f"{tmp_path / name}: is no regular file"
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    (error,) = read(tmp_path).errors
    assert (error.file, error.message) == (tmp_path / name, "cannot be read: Is a directory")


@pytest.mark.parametrize("name", [".", "policy.d", "policy.toml", "policy.d/a.toml"])
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o666, 0o662])
def test_what_others_could_have_written_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    etc = tmp_path / "etc"
    (etc / "policy.d").mkdir(parents=True)
    for file in ("policy.toml", "policy.d/a.toml"):
        (etc / file).write_text('[[rule]]\npreset = "open"\n')
    assert read(etc).errors == ()
    (etc / name).chmod(mode | 0o100)
    (error,) = read(etc).errors
    assert error.file == etc / name
    assert "others may write to it" in error.message
    (etc / name).chmod(0o755)
    os.chown(etc / name, 12345, -1)
    (error,) = read(etc).errors
    assert error.message == "belongs to uid 12345: 'chown root' it"


@pytest.mark.parametrize(
    "host",
    [
        "192.168.*",
        "10.0.0.300",
        "10.0",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "::g",
        "a b",
        "-x",
        "*",
        "\u00e9",
    ],
)
def test_host_that_no_login_can_come_from_is_refused(host: str) -> None:
    text = f'[[rule]]\nscope = 2\ngroup = "session"\nmatch.rhost = "{host}"\n'
    with pytest.raises(PolicyError, match=r"rhost = .* is no (host|network)"):
        parse(text, FILE)


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "fe80::1%eth0", "10.0.0.0/8", "gate_1.a-b.x"])
def test_hosts_that_may_be_meant(host: str) -> None:
    parse(f'[[rule]]\nscope = 2\ngroup = "session"\nmatch.rhost = "{host}"\n', FILE)


def test_byte_order_mark_is_named() -> None:
    with pytest.raises(PolicyError, match=r":1: begins with a byte-order mark"):
        parse('\ufeff[[rule]]\npreset = "open"\n', FILE)


def test_each_setting_knows_where_it_comes_from() -> None:
    (rule,) = parse('\n[[rule]]\npreset = "kiosk"\nview = "all"\nscope = 2\n', FILE)
    assert rule.origins == {
        "scope": f"{FILE}:5",
        "view": f"{FILE}:4",
        "proc": f"{FILE}:4",
        "group": "preset kiosk",
        "override": "preset kiosk",
        "enforcer": "default",
        "mode": "default",
    }


def test_limits_and_mode_of_the_first_file_that_says_one_hold(tmp_path: Path) -> None:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d/a.toml").write_text("[limits]\nsessions = 10\n")
    (tmp_path / "policy.toml").write_text(
        'mode = "log"\n[limits]\nsessions = 20\nsessions_per_user = 5\n[[rule]]\npreset = "kiosk"\n'
    )
    policy = load(tmp_path)
    assert policy.limits == Limits(10, 5)
    assert policy.mode is Mode.LOG
    (rule,) = policy.rules
    assert rule.settings.unconfined
    assert not rule.settings.loose
    (tmp_path / "policy.d/a.toml").write_text('mode = "enforce"\n')
    assert load(tmp_path).mode is Mode.ENFORCE
    (tmp_path / "policy.d/a.toml").unlink()
    (tmp_path / "policy.toml").unlink()
    assert (load(tmp_path).limits, load(tmp_path).mode) == (Limits(8192, 4096), Mode.ENFORCE)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('mode = "maybe"\n', 1, "choose 'enforce', 'log'"),
        ("mode = 1\n", 1, "choose 'enforce', 'log'"),
        ("limits = 3\n", 1, "write [limits]"),
        ("strict_manager = 1\n", 1, "must be true or false"),
        ("strict = true\n", 1, "choose 'mode', 'strict_manager', 'limits'"),
        ("[limits]\n\nsession = 3\n", 3, "unknown limit 'session'"),
        ("[limits]\nsessions = 0\n", 2, "choose from 1 to 16384"),
        ("[limits]\nsessions = 16385\n", 2, "choose from 1 to 16384"),
        ("[limits]\nsessions_per_user = true\n", 2, "choose from 1 to 16384"),
        ('[[rule]]\npreset = "open"\nmode = "maybe"\n', 3, "choose 'enforce', 'log'"),
        (
            '[[rule]]\nscope = 2\ngroup = "session"\nmatch.service = "su"\nmode = "log"\n',
            5,
            "mode = 'log' is for accounts",
        ),
    ],
)
def test_mistakes_in_limits_and_mode_are_named(text: str, line: int, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse(text, FILE)
    assert error.value.line == line
    assert words in error.value.message

"""Reading PAM's services as libpam does, and the module's line in them.

`pam.d/` holds the directives of the files of Debian 12 and 13, without their
comments, as a guest of each has them.
"""

import shutil
from pathlib import Path

import pytest

from yama_session.doctor import Severity, pam
from yama_session.pamd import (
    MODULE,
    PamError,
    Services,
    landlock_edits,
    misplaced,
    own_arguments,
    parse,
    undo_edits,
)

pytestmark = pytest.mark.unit

DEBIAN = Path(__file__).parent / "pam.d"
OURS = f"session required {MODULE}.so\n"


@pytest.fixture(params=["debian12", "debian13"])
def directories(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    shutil.copytree(DEBIAN / request.param, tmp_path, dirs_exist_ok=True)
    return tmp_path / "etc", tmp_path / "lib"


def write(directory: Path, **files: str) -> Services:
    for name, text in files.items():
        (directory / name.replace("_", "-")).write_text(text)
    return Services((directory,))


def modules(services: Services, name: str) -> list[str]:
    return [line.module for line in services.stack(name)]


def contents(directory: Path) -> dict[str, tuple[str, int]]:
    return {
        file.name: (file.read_text(), file.stat().st_mode) for file in sorted(directory.iterdir())
    }


# What the session line of each service comes after, in both releases.
AFTER = {
    "atd": "session    required   pam_limits.so",
    "chfn": "@include common-session",
    "chsh": "@include common-session",
    "cron": "session    required   pam_limits.so",
    "login": "@include common-session",
    "other": "@include common-session",
    "polkit-1": "@include common-session-noninteractive",
    "sshd": "session    required     pam_limits.so",
    "su": "@include common-session",
    "sudo": "@include common-session-noninteractive",
    "sudo-i": "@include common-session",
    "systemd-user": "@include common-session-noninteractive",
}


def test_setup_writes_the_line_into_debian_s_files(directories: tuple[Path, Path]) -> None:
    for edit in landlock_edits(directories):
        edit.apply()
    placed = {}
    for file in directories[0].iterdir():
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        at = [index for index, line in enumerate(lines) if MODULE in line]
        if at:
            (index,) = at
            placed[file.name] = lines[index - 1].rstrip()
    assert placed == AFTER


def test_setup_covers_every_service_behind_its_limits(directories: tuple[Path, Path]) -> None:
    for edit in landlock_edits(directories):
        edit.apply()
    services = Services(directories)
    for name in services.names():
        stack = services.stack(name)
        if name.startswith("runuser") or not stack:
            assert not any(line.loads(MODULE) for line in stack), name
        else:
            assert sum(line.loads(MODULE) for line in stack) == 1, name
            assert list(misplaced(stack, after_limits=True)) == []


def test_setup_counts_on_the_profile_s_line_to_go(directories: tuple[Path, Path]) -> None:
    expected = [edit.after for edit in landlock_edits(directories)]
    for name in ("common-session", "common-session-noninteractive"):
        file = directories[0] / name
        file.write_text(file.read_text() + OURS)
    with pytest.raises(PamError, match="by no doing of this command"):
        landlock_edits(directories)
    assert [edit.after for edit in landlock_edits(directories, profile_goes=True)] == expected


def test_setup_again_changes_nothing(directories: tuple[Path, Path]) -> None:
    for edit in landlock_edits(directories):
        edit.apply()
    assert landlock_edits(directories) == []


def test_undo_leaves_what_was_there(directories: tuple[Path, Path]) -> None:
    (directories[0] / "sshd").chmod(0o600)
    before = contents(directories[0])
    for edit in landlock_edits(directories):
        edit.apply()
    assert contents(directories[0]) != before
    for edit in undo_edits(directories):
        edit.apply()
    assert contents(directories[0]) == before
    assert undo_edits(directories) == []


def test_undo_keeps_what_has_been_changed_since(directories: tuple[Path, Path]) -> None:
    for edit in landlock_edits(directories):
        edit.apply()
    copy = directories[0] / "systemd-user"
    copy.write_text(copy.read_text() + "session optional pam_echo.so\n")
    sshd = directories[0] / "sshd"
    sshd.write_text("# mine\n" + sshd.read_text())
    for edit in undo_edits(directories):
        edit.apply()
    assert copy.read_text().endswith("session optional pam_echo.so\n")
    assert sshd.read_text().startswith("# mine\n")
    assert MODULE not in copy.read_text() + sshd.read_text()


def test_undo_refuses_a_line_that_was_edited(directories: tuple[Path, Path]) -> None:
    for edit in landlock_edits(directories):
        edit.apply()
    sshd = directories[0] / "sshd"
    sshd.write_text(sshd.read_text().replace("fallback=strict", "fallback=skip"))
    with pytest.raises(PamError, match="have been changed: edit it by hand"):
        undo_edits(directories)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("session maybe pam_x.so\n", r"sshd:1: 'maybe' is not known"),
        ("session [success=well] pam_x.so\n", "is not known"),
        ("sesion required pam_x.so\n", "'sesion' is not known"),
        ("session required\n", "is not 'type control module'"),
        ("@include\n", "is not '@include FILE'"),
        ("@include common-nothing\n", "there is no common-nothing"),
        ("@include sshd\n", "it includes itself"),
        ("session required pam_x.so \\\n", "the last line is continued"),
        ("session sufficient pam_x.so\n", "may skip what comes after it"),
        ("session [default=1] pam_x.so\nsession required pam_y.so\n", None),
        ("session [default=2] pam_x.so\nsession required pam_y.so\n", "may skip"),
        (f"session required {MODULE}.so\n", "pam-auth-update --disable yama-session"),
    ],
)
def test_setup_refuses_what_it_does_not_understand(
    tmp_path: Path, text: str, words: str | None
) -> None:
    write(tmp_path, sshd=text)
    if words is None:
        assert len(landlock_edits((tmp_path,))) == 1
        return
    with pytest.raises(PamError, match=words):
        landlock_edits((tmp_path,))
    assert (tmp_path / "sshd").read_text() == text


def test_setup_refuses_a_link_and_a_file_that_changes(tmp_path: Path) -> None:
    text = "session required pam_x.so\n"
    write(tmp_path, sshd=text)
    (edit,) = landlock_edits((tmp_path,))
    (tmp_path / "sshd").write_text(text * 2)
    with pytest.raises(PamError, match="changed by somebody else"):
        edit.apply()
    (tmp_path / "sshd").rename(tmp_path / "real")
    (tmp_path / "sshd").symlink_to(tmp_path / "real")
    with pytest.raises(PamError, match="symbolic link"):
        edit.apply()
    assert (tmp_path / "real").read_text() == text * 2


def test_setup_puts_the_line_behind_one_that_is_continued(tmp_path: Path) -> None:
    write(tmp_path, sshd="session required \\\n pam_limits.so\nsession required pam_z.so")
    (edit,) = landlock_edits((tmp_path,))
    edit.apply()
    assert modules(Services((tmp_path,)), "sshd") == ["pam_limits.so", f"{MODULE}.so", "pam_z.so"]


def test_a_stack_is_what_libpam_makes_of_it(tmp_path: Path) -> None:
    services = write(
        tmp_path,
        sshd="""
# comment
auth required pam_unix.so
@include common-session  # [1]
-session optional pam_absent.so
session substack inner
SESSION   required  pam_last.so  a=b  # and more
""",
        common_session="session required pam_first.so\npassword required pam_p.so\n",
        inner="session include deep\naccount include nowhere\n",
        deep="session [success=ok default=bad] pam_deep.so\n",
    )
    assert modules(services, "sshd") == [
        "pam_first.so",
        "pam_absent.so",
        "pam_deep.so",
        "pam_last.so",
    ]
    assert services.stack("sshd")[-1].arguments == "a=b"
    assert services.stack("sshd")[0].place == f"{tmp_path}/common-session:1"
    assert services.names() == ["deep", "inner", "sshd"]


@pytest.mark.parametrize(
    ("stack", "words"),
    [
        (OURS, []),
        ("session required pam_limits.so\n" + OURS, []),
        ("session [default=1] pam_permit.so\nsession requisite pam_deny.so\n" + OURS, []),
        (OURS.replace("required", "optional"), ["is let in"]),
        (OURS.replace("required", "[success=ok default=ignore]"), ["is let in"]),
        (OURS.replace("required", "[success=ok default=die]"), []),
        (OURS * 2, ["a second time"]),
        ("session sufficient pam_x.so\n" + OURS, ["the module is not reached"]),
        ("session [success=done default=bad] pam_x.so\n" + OURS, ["the module is not reached"]),
        ("session [default=1] pam_x.so\n" + OURS, ["may skip the module"]),
        (OURS + "session required pam_limits.so\n", ["stands before pam_limits"]),
    ],
)
def test_a_wrong_place_is_found(tmp_path: Path, stack: str, words: list[str]) -> None:
    found = list(misplaced(list(parse(tmp_path, stack)), after_limits=True))
    assert len(found) == len(words)
    for item, part in zip(found, words, strict=True):
        assert part in item.reason
        assert item.advice


def test_before_limits_is_right_but_under_landlock(tmp_path: Path) -> None:
    stack = list(parse(tmp_path, OURS + "session required pam_limits.so\n"))
    assert list(misplaced(stack, after_limits=False)) == []


def test_doctor_names_services_without_the_module(directories: tuple[Path, Path]) -> None:
    for name in ("common-session", "common-session-noninteractive"):
        file = directories[0] / name
        file.write_text(file.read_text() + OURS)
    (directories[0] / "ftpd").write_text("session required pam_unix.so\n")
    (directories[0] / "broken").write_text("session required\n")
    found = {
        finding.subject: finding
        for finding in pam.examine(Services(directories), landlock=False)
        if finding.subject != f"{MODULE}.so"
    }
    bad = {subject for subject, item in found.items() if item.severity is Severity.PROBLEM}
    assert bad == {"ftpd", "broken"}
    assert "opens sessions without the module" in found["ftpd"].message
    notes = {subject for subject, item in found.items() if item.severity is Severity.NOTE}
    assert notes == {"runuser", "runuser-l"}
    fine = {subject for subject, item in found.items() if item.severity is Severity.OK}
    assert {"sshd", "login", "su", "su-l", "sudo", "cron", "systemd-user", "polkit-1"} <= fine


def test_doctor_finds_debian_s_place_too_early_under_landlock(
    directories: tuple[Path, Path],
) -> None:
    file = directories[0] / "common-session"
    file.write_text(file.read_text() + OURS)
    found = list(pam.examine(Services(directories), landlock=True))
    early = {item.subject.split(":")[0] for item in found if "before pam_limits" in item.message}
    assert early == {"sshd"}


def test_arguments_that_somebody_has_set_are_told_from_the_profile_s(tmp_path: Path) -> None:
    profile = Path(__file__).parents[2] / "pam/yama-session"
    ours = "session required pam_yama_session.so "

    def found(name: str, text: str) -> list[str]:
        return own_arguments(parse(tmp_path / name, text), profile)

    assert found("common-session", f"{ours} fallback=strict\n") == []
    assert found("common-session", f"{ours}fallback=deny  debug\n") == ["fallback=deny debug"]
    assert found("sshd", f"{ours}fallback=deny\n") == []
    assert own_arguments(parse(tmp_path / "common-x", ours), tmp_path / "none") == []


def test_a_greeter_s_service_needs_no_module(tmp_path: Path) -> None:
    greeter = "auth required pam_permit.so\nsession required pam_unix.so\n"
    services = write(tmp_path, lightdm_greeter=greeter, lightdm=greeter)
    found = {item.subject: item.severity for item in pam.examine(services, landlock=True)}
    assert found["lightdm-greeter"] is Severity.NOTE
    assert found["lightdm"] is Severity.PROBLEM
    assert [edit.file.name for edit in landlock_edits((tmp_path,))] == ["lightdm"]

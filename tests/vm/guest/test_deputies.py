"""A set-uid program tells its caller nothing of a process that its caller cannot see."""

# guest: --long --timeout 1800 --suite bookworm --suite trixie

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from deputies import RELEASES, Program, commands, programs
from logins import Login, policy, sh

RELEASE = next(name for name in RELEASES if name in Path("/etc/os-release").read_text())
HERE = [program for program in programs() if program.release in ("", RELEASE)]
BWRAP = Path("/usr/local/bin/bwrap-uid")
CONFINED = """
[[rule]]
preset = "desktop"
"""

# Runs shell commands, each in a session of its own without a terminal, and prints
# [[status, standard output, standard error], ...]. What a command leaves behind may
# keep its output open, so there are no pipes.
RUN = r"""
import json, os, subprocess, sys, tempfile
os.environ["PATH"] += ":/usr/sbin:/sbin"

def run(command):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        status = subprocess.run(
            ["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            start_new_session=True, timeout=60,
        ).returncode
        texts = [os.pread(file.fileno(), 1 << 20, 0) for file in (out, err)]
    return [status, *(text.decode(errors="replace") for text in texts)]

print(json.dumps([run(command) for command in json.load(open(sys.argv[1]))]))
"""

FILES = {
    # No password is asked for, so that sudo goes on to what it says of a command.
    "/etc/sudoers.d/bob": """
Defaults:bob !authenticate
bob ALL=(root) /usr/bin/true, sudoedit /home/bob/note, sudoedit /etc/note
""",
    "/etc/sudoers-rs": """
bob ALL=(root) NOPASSWD: /usr/bin/true
carol ALL=(root) NOPASSWD: ALL
""",
    "/etc/doas.conf": """
permit nopass bob as root cmd /usr/bin/true
permit nopass carol as root
""",
    "/etc/super.tab": """
ps /usr/bin/ps uid=root carol
half-ps /usr/bin/ps carol
""",
    "/etc/polkit-1/rules.d/10-carol.rules": """
polkit.addRule(function(action, subject) {
    if (action.id == "org.freedesktop.policykit.exec" && subject.user == "carol")
        return polkit.Result.YES;
});
""",
    "/etc/schroot/chroot.d/here": """
[here]
type=plain
directory=/
users=bob
""",
    "/etc/fstab": """
tmpfs /home/bob/m tmpfs user,noauto 0 0
//127.0.0.1/s /home/bob/cifs cifs user,noauto,credentials=/home/bob/link 0 0
""",
    "/etc/note": "before\n",
}
PREPARE = """
chmod 440 /etc/sudoers.d/bob /etc/sudoers-rs
chmod 666 /dev/fuse  # what udev's rule does, on a machine that has udev
usermod --append --groups plugdev,dip bob
gpasswd --administrators bob dip
systemctl restart polkit
systemctl start userv
"""
HOME = """
mkdir -p m mnt cifs .userv
echo bob > note
truncate --size 4M ntfs
/usr/sbin/mkntfs --force --quick --quiet ntfs 2>/dev/null
cat > .userv/rc <<'END'
if glob service answer
reset
require-fd 0 read
execute /bin/true
fi
END
"""


@dataclass(frozen=True)
class Subjects:
    """Processes that bob's login cannot see, one that it can, and their stand-in."""

    hidden: dict[str, int]
    visible: int
    free: int


@pytest.fixture(scope="module")
def bob() -> Iterator[Login]:
    """A confined login whose user has what the programs ask for."""
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    done = sh(f"set -e\n{PREPARE}")
    assert done.status == 0, done.out
    if RELEASE == "bookworm":  # Debian 13's refuses to be
        assert sh(f"install -m 4755 /usr/bin/bwrap {BWRAP}").status == 0
    with policy(CONFINED), Login("bob") as login:
        assert "view=user" in login.domain()
        login.check(HOME)
        yield login


@pytest.fixture(scope="module")
def subjects(bob: Login) -> Iterator[Subjects]:
    """The processes, all of them with numbers of one width."""
    outside = ["setpriv", "--reuid=bob", "--regid=bob", "--clear-groups", "sleep", "3000"]
    with Login("alice") as alice, contextlib.ExitStack() as ends:
        while True:
            hidden = {"alice": alice.spawn("exec sleep 3000")}
            process = subprocess.Popen(outside)
            ends.callback(process.wait)
            ends.callback(process.kill)
            hidden["bob"] = process.pid
            visible = bob.spawn("exec sleep 3000")
            numbers = [*hidden.values(), visible]
            if min(numbers) > 10 ** (len(str(max(numbers))) - 1):
                break
        yield Subjects(hidden, visible, free_number(min(numbers)))


def free_number(below: int) -> int:
    """Return a number of the same width that nobody has, and nobody gets before they wrap."""
    for number in range(below - 1, 0, -1):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            assert len(str(number)) == len(str(below))
            return number
    raise AssertionError("all numbers are taken")


def run(login: Login, lines: list[str]) -> list[tuple[int, str, str]]:
    """Run commands in a login; their status, standard output and standard error."""
    file = Path("/tmp/commands.json")
    file.write_text(json.dumps(lines), encoding="utf-8")
    answers = login.json(RUN, file)
    assert isinstance(answers, list)
    return [(status, out, err) for status, out, err in answers]


Answers = list[tuple[str, int, str, str]]


def answers(login: Login, program: Program, pids: dict[str, int]) -> dict[str, dict[str, Answers]]:
    """Try all that the table says of a program: {template: {whose process: answers}}.

    What is of one run alone is replaced in an answer.
    """
    asked = [
        (template, whose, command)
        for template in program.tries + program.blind
        for whose, pid in pids.items()
        for command in commands(template, pid)
    ]
    told: dict[str, dict[str, Answers]] = {}
    done = run(login, [command for _, _, command in asked])
    for (template, whose, command), (status, out, err) in zip(asked, done, strict=True):
        pid = pids[whose]
        answer = (plain(command, pid), status, plain(out, pid), plain(err, pid))
        told.setdefault(template, {}).setdefault(whose, []).append(answer)
    return told


def plain(text: str, pid: int) -> str:
    text = re.sub(rf"(?<!\d){pid}(?!\d)", "N", text)
    # of the program's own processes and files
    return re.sub(r"/tmp/crontab\.\w+|(?<=pid )\d+|(?<=proc )\d+|(?<=Peer )\d+", "*", text)


def gains(path: str) -> str:
    """What a file gives who executes it, in the words of the table."""
    done = sh(f"stat -c '%a %U %G' {path}; getcap {path}")
    (mode, user, group), capabilities = done.lines[0].split(), done.lines[1:]
    bits = int(mode, 8)
    words = [f"uid {user}"] * bool(bits & 0o4000) + [f"gid {group}"] * bool(bits & 0o2000)
    return ", ".join(words + [line.split()[1].split("=")[0] for line in capabilities])


@pytest.mark.usefixtures("bob")
def test_table_has_every_program_of_the_guest() -> None:
    found = sh("find / -xdev -type f -perm /6000; getcap -r / | cut -d' ' -f1").lines
    assert {path: gains(path) for path in found} == {
        program.path: program.gains for program in HERE if program.installed
    }


@pytest.mark.parametrize(
    "program", [pytest.param(p, id=p.path) for p in HERE if p.tries or p.blind]
)
def test_hidden_process_answers_as_a_free_number(
    bob: Login, subjects: Subjects, program: Program
) -> None:
    bob.check("cd; rm -f link")
    pids = {**subjects.hidden, "visible": subjects.visible, "free": subjects.free}
    told = []
    for template, by in answers(bob, program, pids).items():
        for whose in subjects.hidden:
            pairs = zip(by[whose], by["free"], strict=True)
            told += [(whose, hidden, free) for hidden, free in pairs if hidden != free]
        # Who cannot tell a visible process from a free number proves nothing.
        if (by["visible"] == by["free"]) != (template in program.blind):
            pairs = zip(by["visible"], by["free"], strict=True)
            told += [("visible", visible, free) for visible, free in pairs]
    if program.tells:
        assert told
    else:
        assert told == []


#: What makes a user root, and a command.
ROOT = {
    "sudo": "sudo {}",
    "sudo -i": "sudo -i {}",
    "su": "echo pwroot | su -c '{}' 2>/dev/null",
    "su -l": "echo pwroot | su -l -c '{}' 2>/dev/null",
    "pkexec": "pkexec {}",
    "doas": "doas {}",
    "super": "super {}",
}
if RELEASE == "trixie":
    ROOT["sudo-rs"] = "sudo-rs {}"


@pytest.fixture(scope="module")
def carol(bob: Login) -> Iterator[Login]:
    """A confined login whose user may become root."""
    assert bob.user == "bob"
    with Login("carol") as login:
        assert "view=user" in login.domain()
        yield login


@pytest.mark.parametrize("way", ROOT)
def test_who_has_become_root_sees_all(carol: Login, subjects: Subjects, way: str) -> None:
    hidden = {1, *subjects.hidden.values(), subjects.visible}
    assert not hidden & carol.pids()
    seen = {int(word) for word in carol.check(ROOT[way].format("ps -e -o pid=")).split()}
    assert hidden <= seen
    assert subjects.free not in seen


def test_who_is_root_by_half_sees_the_session(carol: Login) -> None:
    """`super` leaves the real uid as it is: its program is a deputy of the caller's."""
    seen = {int(word) for word in carol.check("super half-ps -e -o pid=").split()}
    # PID 1 is the exception; what has been the super and its ps ends with them.
    assert 1 in seen
    assert len(seen - carol.pids() - {1}) <= 2


@pytest.mark.parametrize("way", ["su", "su -l", "sudo"])
def test_limits_are_those_of_the_machine(carol: Login, way: str) -> None:
    """pam_limits takes what nobody has set from PID 1."""
    command = ROOT[way].format("cat /proc/self/limits")
    assert len(limits := carol.check(command).splitlines()) > 10
    assert limits == sh(command).lines


#: What works for whom is not root, and its answer.
WORKS = {
    "mount": (
        "rm -rf m; mkdir m; mount ~/m && findmnt -n -o FSTYPE ~/m; umount ~/m; findmnt ~/m",
        "tmpfs",
    ),
    "fusermount3": (
        "bindfs --no-allow-other mnt m && findmnt -n -o FSTYPE ~/m; fusermount3 -u m; findmnt ~/m",
        "fuse",
    ),
    "ntfs-3g": (
        "ntfs-3g ntfs mnt 2>&1; findmnt -n -o FSTYPE ~/mnt; fusermount3 -u mnt; findmnt ~/mnt",
        "fuse",
    ),
    "newuidmap": (
        "unshare --map-auto --map-root-user sh -c 'id -u; wc -l < /proc/self/uid_map'",
        "0\n2",
    ),
    "crontab": (
        "EDITOR='sleep 1; cp /home/bob/job' crontab -e >/dev/null 2>&1;"
        " crontab -l | grep -v ^#; crontab -r",
        "@monthly true",
    ),
    "at": (
        "atq | cut -f1 | xargs -r atrm; echo true | at noon tomorrow 2>/dev/null; atq | wc -l;"
        " atq | cut -f1 | xargs -r atrm; atq",
        "1",
    ),
    "chsh": (
        "echo pwbob | chsh -s /bin/sh 2>/dev/null; getent passwd bob | cut -d: -f7",
        "/bin/sh",
    ),
    "chfn": ("echo pwbob | chfn -w 12 2>/dev/null; getent passwd bob | cut -d: -f5", ",,12,"),
    "passwd": ("passwd -S | cut -d' ' -f1,2", "bob P"),
    "chage": ("chage -l bob | grep -c expires", "3"),
    "gpasswd": (
        "gpasswd -a alice dip; gpasswd -d alice dip",
        "Adding user alice to group dip\nRemoving user alice from group dip",
    ),
    "newgrp": ("echo id -gn | newgrp dip", "dip"),
    "sudo -e": ("EDITOR='cp note' sudo -e /etc/note; cat /etc/note", "bob"),
    "sudo": ("sudo true && echo done", "done"),
    "doas": ("doas /usr/bin/true && echo done", "done"),
    "su": ("echo pwalice | su alice -c 'id -un' 2>/dev/null", "alice"),
    "schroot": ("schroot -c here -d / -- id -un", "bob"),
    "userv": ("userv --file 0=note bob answer && echo done", "done"),
    "procmail": ("printf 'Subject: s\n\nbody\n' | procmail; grep body /var/mail/bob", "body"),
    "firejail": (
        "firejail --quiet --noprofile sleep 30 & sleep 2; firejail --list | grep -c 'sleep 30';"
        " firejail --quiet --join=$! echo joined; firejail --shutdown=$! >/dev/null 2>&1; wait $!;"
        " firejail --list",
        "1\njoined",
    ),
}
if RELEASE == "bookworm":  # Debian 13's gains nothing
    WORKS["ping"] = ("ping -q -c 1 localhost | grep -o '1 received'", "1 received")


@pytest.mark.parametrize("name", WORKS)
def test_program_still_works(bob: Login, name: str) -> None:
    bob.check("cd; echo '@monthly true' > job; rm -f note; echo bob > note")
    command, answer = WORKS[name]
    assert bob.run(command).out.strip() == answer

# guest: --long --stock
"""The README's page on switching on, followed on Debian's kernel, and the next page, back again."""

import re
from pathlib import Path

from logins import POLICY, Login, sh

README = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
MODULE = "pam_yama_session"


def page(title: str) -> str:
    """A section of the README."""
    return re.split(r"^## ", README.split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]


def block(text: str, mark: str) -> list[str]:
    """The lines of the example in which a text stands, without their comments."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.M)
    (found,) = [each for each in blocks if mark in each]
    lines = (line.removeprefix("    ").split("  #")[0].rstrip() for line in found.splitlines())
    return [line for line in lines if line]


def check(command: str) -> str:
    done = sh(command)
    assert done.status == 0, done.out
    return done.out


def sees_all(ps: str) -> bool:
    """Tell if the output of ps holds pid 1; that it holds something, it must."""
    pids = [line.split()[0] for line in check(ps).splitlines()[1:]]
    assert pids
    return "1" in pids


def test_one_page_on_and_the_next_one_off() -> None:
    on, off = page("Switching it on"), page("Switching it off")
    # The packages are installed, and it is on: what a fresh machine has is what off leaves.
    dry, real = block(off, "yama-session off")
    assert dry == f"{real} --dry-run"
    check("rm -f /var/lib/yama-session/policy")
    check(real)
    check("groupadd guests && usermod -aG guests bob")

    service, status = block(on, "systemctl enable --now")
    check(service)
    # The policy that is installed asks for more than this kernel has: status 1.
    assert "enforcer landlock: available" in sh(status).out

    POLICY.write_text("\n".join(block(on, "[[rule]]")) + "\n", encoding="utf-8")
    checking, testing, reloading = block(on, "yama-session policy check")
    check(checking)
    assert "confined by landlock" in check(testing.replace("NAME", "bob"))
    assert "not confined" in check(testing.replace("NAME", "alice"))

    check(reloading)

    for_yama, for_landlock = block(on, "setup --landlock")
    assert for_yama == "pam-auth-update --enable yama-session"
    check(for_landlock)

    doctor, login, listing = block(on, "ps ax")
    done = sh(doctor)
    assert done.status == 0, done.out
    as_seen = login.replace("ssh ", "ssh -o BatchMode=yes ")
    assert not sees_all(as_seen.replace("NAME", "bob"))
    assert sees_all(as_seen.replace("NAME", "alice"))
    with Login("bob") as bob:
        assert "bob" in check(listing)
        assert "bob, domain 0: " in check(dry)
        said = check(real)
        assert "bob, domain 0: " in said
        assert 1 not in bob.pids()
        with Login("bob") as again:
            assert 1 in again.pids()
    assert sh(f"grep -rl {MODULE} /etc/pam.d").status == 1
    assert not Path("/run/yama-session").exists()
    end = sh("systemctl is-active yama-session; systemctl is-enabled yama-session").out
    assert end == "inactive\ndisabled\n"

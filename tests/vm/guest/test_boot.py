# guest:
# guest: --debian
# guest: --debian --suite trixie --long
"""Jobs that cron and at run as soon as a machine has booted: by the policy, as all others.

The daemons are started again as at a boot: nothing of this boot is left in /run.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from logins import Login, end_logins, sessions, sh, wait_for

LOOK = "{ if [ -e /proc/1 ]; then echo init there; else echo init hidden; fi; echo end; }"
SEEN = Path("/var/tmp/boot")
USERS = ("alice", "backup", "root")  # backup is a system account


def check(command: str) -> str:
    done = sh(command)
    assert done.status == 0, f"{command}: {done.out}"
    return done.out


@pytest.fixture(scope="module", autouse=True)
def begin() -> Iterator[str]:
    """The daemons have started as at a boot, with jobs that wait for them."""
    end_logins("alice", "bob")
    SEEN.mkdir(mode=0o1777)
    SEEN.chmod(0o1777)
    check("systemctl stop cron atd yama-session")
    for user in USERS:
        tab = Path("/var/spool/cron/crontabs") / user
        tab.write_text(f"@reboot {LOOK} >{SEEN}/cron-{user} 2>&1\n", encoding="ascii")
        check(f"chown {user}:crontab {tab} && chmod 600 {tab}")
        become = f"setpriv --reuid {user} --regid {user} --init-groups"
        sh(f"cd /tmp && echo '{LOOK} >{SEEN}/at-{user} 2>&1' | {become} at now")
    check("rm -rf /run/yama-session /run/crond.reboot /sys/fs/bpf/yama-session")
    since = check("date '+%F %T'").strip()
    # In this order: a job waits only for those that are queued already.
    check("systemctl start --no-block yama-session cron atd")
    yield since
    check(f"rm -r {SEEN} /var/spool/cron/crontabs/*")
    end_logins("alice")


def seen(job: str) -> str:
    """Wait for what a job writes, and return it."""
    file = SEEN / job
    wait_for(
        lambda: file.exists() and file.read_text().endswith("end\n"), f"{job} has run", seconds=60
    )
    return file.read_text()


@pytest.mark.parametrize("job", ["cron-alice", "at-alice"])
def test_job_of_a_user_is_confined_by_the_service(job: str, begin: str) -> None:
    assert "init hidden\n" in seen(job)
    told = sh(f"journalctl -q -o cat --since '{begin}' -g 'pam_yama_session.*opened session'").out
    assert "for alice" in told
    assert "fallback" not in told, told
    with Login("alice") as alice:
        assert len({each["domain"] for each in sessions() if each["user"] == "alice"}) == 1
        assert not alice.sees(1)


@pytest.mark.parametrize("job", ["cron-backup", "cron-root", "at-root"])
def test_job_of_a_system_account_is_left_alone(job: str) -> None:
    assert "init there\n" in seen(job)

"""Point 1: a session sees all of itself and nothing else."""

from logins import Login, all_pids, members


def test_sees_only_its_own_domain() -> None:
    """`ps` and /proc list the session, and pid 1 does not exist."""
    with Login("alice") as alice:
        assert alice.run("ls -d /proc/1").status != 0
        seen = alice.pids()
        assert not seen & (all_pids() - members(alice.domain_id()))

"""What the selftests' output means."""

from kernel_lab.kselftest import verdict

TAP = """\
TAP version 13
1..4
# selftests: yama: domain_test
ok 1 selftests: yama: domain_test
not ok 2 selftests: yama: view_test # exit=1
ok 3 selftests: proc: proc-2-is-kthread # SKIP
not ok 4 selftests: proc: read # TIMEOUT 45 seconds
"""


def test_a_skip_is_no_pass_and_a_timeout_is_a_failure() -> None:
    assert verdict(TAP) == (["yama: domain_test"], ["yama: view_test", "proc: read"])


def test_no_result_is_no_pass() -> None:
    assert verdict("TAP version 13\n1..0\n") == ([], [])

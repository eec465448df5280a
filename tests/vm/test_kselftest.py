"""The series' own tests, and procfs's that were there before, on our kernel."""

import pytest
from kernel_lab.guest import to_stdout
from kernel_lab.kselftest import kselftest, verdict

pytestmark = pytest.mark.vm

OURS = {
    "proc: proc-hidden-bind-mount",
    "proc: proc-hidden-churn",
    "proc: proc-hidden-dcache-domain",
    "proc: proc-hidden-dcache-invisible",
    "proc: proc-hidden-dcache-ptraceable",
    "proc: proc-hidden-nlink",
    "proc: proc-hidden-noaccess",
    "proc: proc-hidden-task-dirfd",
    "proc: proc-hidden-tid",
    "proc: proc-limit-pids",
    "yama: abi_test",
    "yama: domain_test",
    "yama: escape_test",
    "yama: scope_test",
    "yama: view_test",
}


def test_kselftests_pass() -> None:
    result = kselftest("6.12", on_output=to_stdout)
    passed, failed = verdict(result.output)
    assert set(passed) >= OURS
    assert not failed

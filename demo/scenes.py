"""What is played in the virtual machine."""

from dataclasses import dataclass

# name in the table: account
LOGINS = {"alice #1": "alice", "alice #2": "alice", "bob": "bob", "root": "root"}

_ALICE = """\
[[rule]]
match = {{ user = "alice" }}
scope = 0
view = "domain"
group = "{group}"

[[rule]]
match = {{ user = "bob" }}
preset = "open"
"""


@dataclass(frozen=True)
class Scene:
    """One state of the machine in which all log in; no policy: no module."""

    title: str
    doing: str
    policy: str = ""


SCENES = (
    Scene("BEFORE  the module is not in the PAM stack", "all log in, without the module"),
    Scene(
        'AFTER   alice: group = "session"   bob: open',
        "all log in again, each of alice's logins for itself",
        _ALICE.format(group="session"),
    ),
    Scene(
        'AFTER   alice: group = "user"      bob: open',
        "and again, alice's logins together",
        _ALICE.format(group="user"),
    ),
)

"""Compile a policy for SELinux and one for AppArmor in which two programs trace nobody.

`denied` is refused, `permitted` is not, but what it does is logged: a permissive domain
of SELinux, a profile of AppArmor in complain mode. Run as `noaudit.py DIRECTORY`.
"""

import subprocess
import sys
from pathlib import Path

# Their order gives them their numbers.
INITIAL_SIDS = """
    kernel security unlabeled fs file file_labels init any_socket port netif netmsg node
    igmp_packet icmp_socket tcp_socket sysctl_modprobe sysctl sysctl_fs sysctl_kernel
    sysctl_net sysctl_net_unix sysctl_vm sysctl_dev kmod policy scmp_packet devnull
"""
CONTEXTS = {
    name: "task" if name in ("kernel", "init") else "thing" for name in INITIAL_SIDS.split()
}


def _lines(text: str) -> str:
    return "\n".join(text.format(*pair) for pair in CONTEXTS.items())


# What it does not name is allowed: `checkpolicy -U allow`.
SELINUX = f"""
class process
class file
{_lines("sid {0}")}
class process {{ transition dyntransition ptrace setcurrent }}
class file {{ read }}
attribute any;
type task, any;
type thing, any;
type denied, any;
type permitted, any;
permissive permitted;
role r;
role r types {{ task thing denied permitted }};
allow {{ task thing }} any:process {{ transition dyntransition ptrace setcurrent }};
allow {{ task thing }} any:file read;
allow {{ denied permitted }} {{ self thing }}:file read;
allow {{ denied permitted }} self:process setcurrent;
user u roles r;
{_lines("sid {0} u:r:{1}")}
"""

_RULES = "file, /{,**} rwlkmix, capability, signal, unix, network, mount, umount, pivot_root,"
APPARMOR = f"""
profile denied {{ {_RULES} }}
profile permitted flags=(complain) {{ {_RULES} }}
"""


def compile_policies(directory: Path) -> None:
    """Write `selinux.policy` and `apparmor.policy` into a directory."""
    source = directory / "selinux.conf"
    source.write_text(SELINUX, encoding="ascii")
    made = directory / "selinux.policy"
    subprocess.run(
        ["checkpolicy", "-U", "allow", "-c", "31", "-o", made, source],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    source = directory / "apparmor.conf"
    source.write_text(APPARMOR, encoding="ascii")
    features = "/usr/share/apparmor-features/features"
    made = directory / "apparmor.policy"
    words = ["--skip-kernel-load", "--skip-cache", "--policy-features", features]
    subprocess.run(
        ["apparmor_parser", *words, "--kernel-features", features, "--ofile", made, source],
        check=True,
    )


if __name__ == "__main__":
    compile_policies(Path(sys.argv[1]))

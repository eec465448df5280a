"""The BPF enforcer without a kernel that lets it load: what is compiled, parsed and passed on."""

import ast
import errno
import os
import re
import subprocess
from pathlib import Path

import pytest
from kernel_lab.cache import cache_root

from yama_session.enforcers.bpf import state
from yama_session.enforcers.bpf._loader import lib as loader
from yama_session.enforcers.bpf.loader import OBJECT, Programs, _Object, pin
from yama_session.enforcers.bpf.state import preemption_of, version_of
from yama_session.errors import BpfError
from yama_session.native import OwnedFd, ffi, lib

pytestmark = pytest.mark.unit

ROOM = OBJECT.parent
PROGRAMS = {"inherit", "answer", "repeat", "access", "traceme", "kill", "list", "guard_calls"}
DYNAMIC = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"


HOOKS = {
    words[0]: words[1:]
    for line in Path(__file__).with_name("lsm_hooks.txt").read_text("ascii").splitlines()
    if not line.startswith("#")
    for words in [line.split()]
}
NAMES_A_PROCESS = re.compile(
    r"task_struct|fown_struct|struct rlimit|struct cred\b|\bpid_t\b|file_(fcntl|ioctl|set_fowner)"
)


def named_in(rows: str) -> set[str]:
    """The hooks of a table's first column; what is in braces stands for several."""
    found = set()
    for name in re.findall(r"`([^`]+)`", " ".join(row.split("|")[1] for row in rows.splitlines())):
        before, _, rest = name.partition("{")
        words, _, after = rest.partition("}")
        found |= {before + word + after for word in words.split(",")}
    return found


def test_every_hook_that_names_a_process_has_a_program_or_a_reason() -> None:
    page = (ROOM.parents[2] / "docs/bpf.md").read_text(encoding="utf-8")
    with_program, without = re.findall(
        r"^\| hooks .*\n\| --- .*\n((?:\|.*\n)+)", page, re.MULTILINE
    )
    source = "".join(file.read_text() for file in ROOM.glob("programs.bpf.c"))
    programs = set(re.findall(r"^SEC\(\"(?:lsm|fmod_ret)/(\w+)\"\)", source, re.MULTILINE))
    programs |= set(re.findall(r"^HIDES_FROM(?:_STRANGERS)?\((\w+)\)", source, re.MULTILINE))
    assert named_in(with_program) == programs
    assert named_in(without) == HOOKS.keys() - programs


@pytest.mark.parametrize(
    "kernel", sorted({version for kernels in HOOKS.values() for version in kernels})
)
def test_the_list_of_hooks_is_that_of_the_kernels_whose_source_is_here(kernel: str) -> None:
    known = {name for name, kernels in HOOKS.items() if kernel in kernels}
    assert known
    for file in cache_root().glob(f"source/linux-source-{kernel}_*/include/linux/lsm_hook_defs.h"):
        hooks = re.findall(r"^LSM_HOOK\((.*?)\)\n", file.read_text(), re.MULTILINE | re.DOTALL)
        assert known == {re.split(r",\s*", it)[2] for it in hooks if NAMES_A_PROCESS.search(it)}


def test_the_object_is_one_that_libbpf_reads() -> None:
    with _Object(OBJECT.read_bytes()) as image:
        assert set(image.programs()) >= PROGRAMS


def test_stub_names_exactly_what_the_binding_has() -> None:
    tree = ast.parse((ROOM / "_loader.pyi").read_text(encoding="utf-8"))
    (stub,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "_Lib")
    names = {n.target.id for n in stub.body if isinstance(n, ast.AnnAssign)}  # type: ignore[union-attr]
    names |= {n.name for n in stub.body if isinstance(n, ast.FunctionDef)}
    assert names == set(dir(loader))


@pytest.mark.parametrize("source", ["loader.c", "selftest.c"])
def test_c_code_compiles_without_a_warning(source: str) -> None:
    flags = "-std=gnu11 -O2 -Wall -Wextra -Wshadow -Wcast-qual -Wstrict-prototypes"
    command = ["gcc", *flags.split(), "-Wmissing-prototypes", "-Werror", "-fsyntax-only"]
    native = ROOM.parents[1] / "native"
    done = subprocess.run(
        [*command, f"-I{native}", str(ROOM / source)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def token(key: bytes) -> int:
    fd = lib.ys_bpf_token(key)
    assert fd >= 0
    return fd


def test_a_token_holds_its_key_and_cannot_be_written() -> None:
    fd, read = token(b"0123456789abcdef"), ffi.new("unsigned char[16]")
    with os.fdopen(fd, "r+b", buffering=0) as file:
        assert lib.ys_bpf_key(file.fileno(), read) == 0
        assert bytes(read) == b"0123456789abcdef"
        assert not os.get_inheritable(fd)
        with pytest.raises(PermissionError):
            file.write(b"x")
        with pytest.raises(PermissionError):
            file.truncate(0)


def test_what_is_no_token_is_refused_before_the_kernel_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"yama-session bpf0123456789abcdef")
    unsealed = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
    os.write(unsealed, file.read_bytes())
    plain = os.open(file, os.O_RDONLY)
    try:
        assert lib.ys_bpf_apply(plain, 0) == -errno.EINVAL
        assert lib.ys_bpf_apply(unsealed, 0) == -errno.EINVAL
        assert lib.ys_bpf_apply(-1, 0) == -errno.EBADF
    finally:
        os.close(plain)
        os.close(unsealed)


def test_a_token_says_that_there_are_no_programs() -> None:
    fd = token(bytes(16))
    try:
        assert lib.ys_token_apply(lib.YS_BPF, fd, 0) == -errno.EOPNOTSUPP
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("version", "said", "cmdline", "config", "expected"),
    [
        (DYNAMIC, "none (voluntary) full \n", "preempt=full", "", "voluntary"),
        (DYNAMIC, "none voluntary (full)\n", "", "", "full"),
        (DYNAMIC, "full (lazy) \n", "", "", "lazy"),
        (DYNAMIC, "", "ro preempt=none quiet", "CONFIG_PREEMPT=y", "none"),
        (DYNAMIC, "", "preempt=none preempt=full", "", "full"),
        (DYNAMIC, "", "xpreempt=none", "CONFIG_PREEMPT_VOLUNTARY=y", "voluntary"),
        (DYNAMIC, "", "ro", "CONFIG_PREEMPT=y\nCONFIG_PREEMPT_DYNAMIC=y", "full"),
        (DYNAMIC, "", "ro", "", "unknown"),
        ("#1 SMP PREEMPT_RT Debian", "", "preempt=none", "", "full"),
        ("#1 SMP PREEMPT Mon", "", "preempt=none", "", "full"),
        ("#1 SMP Debian", "", "", "", "voluntary"),
    ],
)
def test_how_a_kernel_is_preempted(
    version: str, said: str, cmdline: str, config: str, expected: str
) -> None:
    assert preemption_of(version, said, cmdline, config) == expected


@pytest.mark.parametrize(
    ("release", "expected"),
    [("6.1.0-56-amd64", (6, 1)), ("6.12.117+deb12-amd64", (6, 12)), ("odd", (0, 0))],
)
def test_the_version_in_a_release(release: str, expected: tuple[int, int]) -> None:
    assert version_of(release) == expected


@pytest.mark.parametrize(
    ("own", "around", "limit"),
    [
        ("max", "max", None),
        ("209715200", "max", 209715200),
        ("max", "104857600", 104857600),
        ("209715200", "104857600", 104857600),
        (None, None, None),
    ],
)
def test_limit_of_memory_is_the_least_around_the_service(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: str | None,
    around: str | None,
    limit: int | None,
) -> None:
    service = tmp_path / "service"
    service.mkdir()
    for place, text in ((service, own), (tmp_path, around)):
        if text is not None:
            (place / "memory.max").write_text(f"{text}\n")
    monkeypatch.setattr(state, "_CGROUP", service)
    assert state.memory_limit() == limit


@pytest.mark.parametrize(("text", "off"), [("0\n", True), ("1\n", False), (None, False)])
def test_the_sysctl_that_stops_all_programs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, off: bool
) -> None:
    file, btf = tmp_path / "ftrace_enabled", tmp_path / "btf"
    btf.touch()
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(state, "_FTRACE", file)
    monkeypatch.setattr(state, "_BTF", btf)
    assert state.is_switched_off() is off
    assert (state.loadable().reason == state.SWITCHED_OFF) is off


def test_pins_can_be_in_no_other_file_system(tmp_path: Path) -> None:
    place = tmp_path / "pins"
    assert Programs.running(place) is None
    with OwnedFd(os.open("/dev/null", os.O_RDONLY)) as fd:
        with pytest.raises(BpfError, match="no bpffs: mount one there"):
            pin({"bpf-v2-0123-access": fd}, place)
        assert not place.exists()

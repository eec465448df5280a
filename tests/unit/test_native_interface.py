"""The one C header against all that repeats it: enums, stub, kernel series, strict compilers."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from yama_session import HidePid, Scope, View
from yama_session.enforcers import ENFORCERS
from yama_session.native import ffi, lib
from yama_session.native.build import HEADERS, SOURCES, cut_declarations

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "yama_session" / "native"


def test_scope_enum_has_the_numbers_of_the_header() -> None:
    expected = {
        name.removeprefix("PR_PTRACE_SCOPE_"): getattr(lib, name)
        for name in (f"PR_PTRACE_SCOPE_{scope.name}" for scope in Scope)
    }
    assert {scope.name: scope.value for scope in Scope} == expected


def test_view_enum_has_the_numbers_of_the_header() -> None:
    expected = {view.name: getattr(lib, f"PR_PTRACE_VIEW_{view.name}") for view in View}
    assert {view.name: view.value for view in View} == expected


def test_views_have_the_kernel_s_words() -> None:
    for view in View:
        word = view.word.encode()
        assert lib.ys_view(word, len(word)) == view
        assert lib.ys_view(word, len(word) - 1) < 0
        assert lib.ys_view(word + b"s", len(word) + 1) < 0
        assert ffi.string(lib.ys_view_word(view)) == word
    assert lib.ys_view(b"1", 1) < 0
    assert lib.ys_view_word(max(View) + 1) == ffi.NULL


def test_hidepid_enum_has_the_numbers_of_the_header() -> None:
    assert (lib.YS_HIDEPID_OFF, lib.YS_HIDEPID_PTRACEABLE) == (HidePid.OFF, HidePid.PTRACEABLE)


def test_enforcers_have_the_numbers_of_the_header() -> None:
    expected = {"yama": lib.YS_YAMA, "bpf": lib.YS_BPF, "landlock": lib.YS_LANDLOCK}
    assert {enforcer.name: enforcer.number for enforcer in ENFORCERS} == expected


def test_stub_names_exactly_what_the_binding_has() -> None:
    tree = ast.parse((NATIVE / "_native.pyi").read_text())
    (stub,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "_Lib")
    names = {n.target.id for n in stub.body if isinstance(n, ast.AnnAssign)}  # type: ignore[union-attr]
    names |= {n.name for n in stub.body if isinstance(n, ast.FunctionDef)}
    assert names == set(dir(lib))


def test_header_agrees_with_the_kernel_series() -> None:
    series = "".join(p.read_text() for p in sorted((ROOT / "kernel/series/6.12").glob("*.patch")))
    pattern = r"^\+#\s*define (PR_PTRACE_SCOPE\w*)\s+(0x[0-9a-f]+|\d+)\b"
    kernel = {name: int(value, 0) for name, value in re.findall(pattern, series, re.M)}
    # The kernel keeps everything under one prefix; so do we but for the views.
    kernel = {name.replace("_SCOPE_VIEW_", "_VIEW_"): value for name, value in kernel.items()}
    assert "PR_PTRACE_SCOPE_ENTER" in kernel
    views = {name for name in kernel if name.startswith("PR_PTRACE_VIEW_")}
    assert views == {f"PR_PTRACE_VIEW_{view.name}" for view in View}
    assert {name: getattr(lib, name) for name in kernel} == kernel


def test_cut_declarations_keeps_prototypes_and_drops_the_preprocessor() -> None:
    header = "#include <x.h>\n/* a\n#define NO 1 */\n#define A\t\t0x10\t/* b */\nint f(int a);\n"
    assert cut_declarations(header) == "\n#define A ...\nint f(int a);\n"


def test_every_constant_of_the_headers_reaches_python() -> None:
    text = "".join((NATIVE / header).read_text() for header in HEADERS)
    names = set(re.findall(r"^#define\s+((?:PR|YS)_\w+)\s", text, re.M))
    assert names <= set(dir(lib))


@pytest.mark.parametrize("source", [*SOURCES, "yama_native.h"])
def test_c_code_compiles_without_a_warning(source: str) -> None:
    flags = "-std=c11 -O2 -Wall -Wextra -Wshadow -Wcast-qual -Wstrict-prototypes"
    command = ["gcc", *flags.split(), "-Wmissing-prototypes", "-Werror", "-fsyntax-only", "-x", "c"]
    done = subprocess.run([*command, str(NATIVE / source)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_info_structure_is_what_the_binding_fills() -> None:
    info = ffi.new("struct ys_domain_info *")
    assert (info.id, info.scope, info.view, info.depth, info.override) == (0, 0, 0, 0, 0)

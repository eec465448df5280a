"""A series, and the tree that follows it by writing only what changes."""

from pathlib import Path

import pytest
from kernel_lab import exceptions
from kernel_lab.cache import cache_root, digest
from kernel_lab.errors import LabError
from kernel_lab.series import Tree, changed_functions, kernel_part, touched_files
from kernel_lab.source import Source
from kernel_lab.warnings import kernel_files, parse_compiler, parse_kernel_doc

PATCH = """\
diff --git a/{name} b/{name}
--- a/{name}
+++ b/{name}
@@ -1 +1 @@
-{old}
+{new}
"""
NEW_FILE = """\
diff --git a/new.c b/new.c
new file mode 100644
--- /dev/null
+++ b/new.c
@@ -0,0 +1 @@
+fresh
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    pristine = tmp_path / "linux-source-6.12_1"
    pristine.mkdir()
    for name in ("a.c", "b.c"):
        (pristine / name).write_text("one\n")
    return Tree(Source("6.12", "1", pristine), tmp_path / "build" / "tree")


def patch(tmp_path: Path, number: int, text: str) -> Path:
    path = tmp_path / f"{number:04}-x.patch"
    path.write_text(text)
    return path


def test_touched_files_come_from_the_headers_only() -> None:
    text = PATCH.format(name="fs/proc/base.c", old="x", new="diff --git a/no b/no")
    assert touched_files([text, NEW_FILE]) == {"fs/proc/base.c", "new.c"}


def test_the_kernel_s_part_is_what_its_image_is_made_of() -> None:
    code = PATCH.format(name="fs/proc/base.c", old="x", new="y")
    beside = [
        PATCH.format(name=name, old="x", new="y")
        for name in ("tools/testing/a.c", "Documentation/a.rst", "samples/a.c", "MAINTAINERS")
    ]
    indexed = code.replace("--- a", "index 1..2 100644\n--- a", 1)
    assert kernel_part("a message\n" + beside[0] + indexed + "".join(beside[1:])) == code
    assert kernel_part("another\n" + "".join(beside)) == ""
    moved = code.replace("b/fs/proc/base.c\n", "b/tools/base.c\n", 1)
    assert kernel_part(moved) == moved


def test_the_tree_follows_the_series_and_the_source_stays_pristine(
    tree: Tree, tmp_path: Path
) -> None:
    first = patch(tmp_path, 1, PATCH.format(name="a.c", old="one", new="two"))
    second = patch(tmp_path, 2, PATCH.format(name="a.c", old="two", new="three") + NEW_FILE)
    tree.set_to([first, second])
    assert (tree.path / "a.c").read_text() == "three\n"
    assert (tree.path / "new.c").exists()
    assert (tree.source.tree / "a.c").read_text() == "one\n"
    tree.set_to([first])
    assert (tree.path / "a.c").read_text() == "two\n"
    assert not (tree.path / "new.c").exists()
    tree.set_to([])
    assert (tree.path / "a.c").read_text() == "one\n"


def test_a_file_that_does_not_change_keeps_its_time(tree: Tree, tmp_path: Path) -> None:
    first = patch(tmp_path, 1, PATCH.format(name="a.c", old="one", new="two"))
    second = patch(tmp_path, 2, PATCH.format(name="b.c", old="one", new="two"))
    tree.set_to([first])
    before = (tree.path / "a.c").stat()
    tree.set_to([first, second])
    after = (tree.path / "a.c").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_patch_that_does_not_apply_is_named_and_changes_nothing(
    tree: Tree, tmp_path: Path
) -> None:
    tree.set_to([])
    wrong = patch(tmp_path, 7, PATCH.format(name="a.c", old="other", new="two"))
    with pytest.raises(LabError, match=r"0007-x\.patch does not apply"):
        tree.set_to([wrong])
    assert (tree.path / "a.c").read_text() == "one\n"


def test_the_digest_knows_where_a_part_ends() -> None:
    assert digest([b"ab", b"c"]) != digest([b"a", b"bc"])
    assert digest([b"ab", b"c"]) == digest([b"ab", b"c"])


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"YAMA_SESSION_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/yama-session"),
        ({"HOME": "/h"}, "/h/.cache/yama-session"),
    ],
)
def test_the_cache_is_outside_the_checkout(environ: dict[str, str], expected: str) -> None:
    assert cache_root(environ) == Path(expected)


def test_sparse_warnings_lose_their_line_and_keep_their_file() -> None:
    text = (
        "/tree/fs/proc/base.c:12:3: warning: symbol 'x' was not declared\n"
        "/tree/mm/a.c:1:1: warning: y\n"
    )
    expected = "fs/proc/base.c: warning: symbol 'x' was not declared"
    assert parse_compiler(text, {"fs/proc/base.c"}) == {expected: 1}
    assert parse_compiler(text * 2, {"fs/proc/base.c"}) == {expected: 2}


@pytest.mark.parametrize(
    "line",
    [
        "kernel/pid.c:626: warning: expecting prototype for pidfd_open()",
        "Warning: kernel/pid.c:640 expecting prototype for pidfd_open()",
    ],
)
def test_both_generations_of_kernel_doc_are_understood(line: str) -> None:
    text = f"{line}\nno such line\n"
    assert parse_kernel_doc(text) == {"kernel/pid.c: expecting prototype for pidfd_open()": 1}


def test_functions_come_from_headings_and_definitions() -> None:
    text = (
        "@@ -1,3 +2,4 @@ static int old_one(struct task_struct *task)\n"
        "+\tif (called(task))\n"
        "+struct pid *new_one(pid_t nr)\n"
        "+int only_declared(void);\n"
        " bool neighbour(void)\n"
        "-int gone(void)\n"
    )
    assert changed_functions([text]) == {"old_one", "new_one", "neighbour"}


def test_only_the_kernel_itself_is_held_to_no_new_warnings() -> None:
    names = {"mm/b.c", "fs/a.h", "tools/t.c", "samples/s.c", "Documentation/x.rst", "Makefile"}
    assert kernel_files(names) == ["fs/a.h", "mm/b.c"]


def test_exceptions_are_lines_without_their_reason(tmp_path: Path) -> None:
    (tmp_path / "exceptions").write_text("# all of it\nENOSYS  # only asked for\n\na.c: new line\n")
    assert exceptions.read(tmp_path / "exceptions") == ["ENOSYS", "a.c: new line"]

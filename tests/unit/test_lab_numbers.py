"""Places that take or tell the number of a process, and the list of them."""

import re
from pathlib import Path

import pytest
from kernel_lab.channels import table
from kernel_lab.errors import LabError
from kernel_lab.numbers import Entry, compare, listed, rows, unasked
from kernel_lab.paths import SERIES_DIR
from kernel_lab.places import Place, read

KERNELS = sorted(path.name for path in SERIES_DIR.iterdir() if path.is_dir())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tasks.h").write_text("struct holder {\n\tstruct task_struct __rcu *runner;\n};\n")
    return tmp_path


def names(tree: Path, text: str, file: str = "kernel/a.c") -> list[str]:
    (tree / file).parent.mkdir(parents=True, exist_ok=True)
    (tree / file).write_text(text)
    return [place.name.removeprefix(f"{file}:") for place in read(tree)]


def test_a_place_is_the_function_around_the_call(tree: Path) -> None:
    text = """\
struct pid *find_vpid(int nr);

static int
first(int nr)
{
\tif (nr) {
\t\treturn !find_vpid(nr);
\t}
}
EXPORT_SYMBOL(first);

SYSCALL_DEFINE1(second, int, nr)
{
\treturn pid_vnr(task_pid(current));
}
#define third(x)\t\\
\tfind_vpid(x)
static const struct ops table[] = {
\t{ .nr = FOUND(find_vpid(1)) },
};
"""
    assert names(tree, text) == ["first", "second", "table", "third"]
    assert read(tree)[0] == Place("kernel/a.c", "first", 7, "find_vpid")


def test_comments_strings_and_the_log_are_no_places(tree: Path) -> None:
    text = """\
/* find_vpid(1) */
static void quiet(struct task_struct *p)
{
\tputs("find_vpid(1)"); // pid_nr(x)
\tpr_info("%d", task_pid_nr(p));
\tdev_dbg(dev, "%d %s", p->pid, "");
\tif (WARN_ON_ONCE(p->pid))
\t\treturn;
\ttrace_x(p->pid);
}
static void loud(struct task_struct *p)
{
\tif (WARN_ON(!p))
\t\tput_user(p->pid, to);
}
"""
    assert names(tree, text) == ["loud"]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("current->pid", True),
        ("p->tgid", True),
        ("group[1]->pid", True),
        ("rcu_dereference(held->runner)->pid", True),
        ("device->pid", False),
        ("p->pidding", False),
        ("lock->c.flc_pid", True),
        ("pid->numbers[0].nr", True),
        ("idr_get_cursor(&task_active_pid_ns(current)->idr)", True),
    ],
)
def test_a_number_is_that_of_a_task(tree: Path, text: str, is_one: bool) -> None:
    head = "static int f(struct task_struct *p, struct usb *device)\n{\n"
    tasks = "\tstruct task_struct *group[2];\n"
    assert names(tree, f"{head}{tasks}\treturn {text};\n}}\n") == (["f"] if is_one else [])


def test_who_hands_a_number_on_or_gets_one_back_is_a_place(tree: Path) -> None:
    text = """\
static int find(pid_t nr)
{
\treturn !find_vpid(nr);
}
struct task_struct *found_by(const char *text)
{
\treturn pid_task(find_vpid(atoi(text)), 0);
}
static pid_t told(struct pid *pid)
{
\treturn pid_vnr(pid);
}
SYSCALL_DEFINE1(find, int, nr)
{
\treturn find(nr);
}
long tell(void)
{
\tCLASS(found_by, p)(text);
\treturn told(NULL);
}
static int inner(void)
{
\treturn find_vpid(1) != NULL;
}
int outer(void)
{
\treturn inner();
}
"""
    (tree / "other.c").write_text(
        "int other(void)\n{\n\treturn find(1);\n}\nvoid far(void)\n{\n\tfound_by(x);\n}\n"
    )
    found = names(tree, text)
    assert found == ["find", "found_by", "inner", "tell", "told", "other.c:far"]


def test_tracepoints_and_what_is_no_kernel_are_left_out(tree: Path) -> None:
    text = "static int f(void)\n{\n\treturn current->pid;\n}\n"
    assert names(tree, "#define TRACE_SYSTEM x\n" + text, "kernel/x_trace.h") == []
    assert names(tree, text, "tools/a.c") == []
    assert names(tree, text, "fs/a.c") == ["f"]


def test_rust_is_read_too(tree: Path) -> None:
    text = "    fn whole(&self) {\n        m.put(self.task.pid());\n    }\n    /// .pid()\n"
    assert names(tree, text, "drivers/a.rs") == ["whole"]


PLACES = [Place("a.c", "f", 3, "find_vpid"), Place("b.c", "g", 4, "->pid")]


def entry(*places: str, row: str = "kill") -> Entry:
    return Entry((row,), "", places)


@pytest.mark.parametrize(
    ("entries", "complaints"),
    [
        ([entry("a.c:f", "b.c:g")], []),
        ([entry("a.c:f")], ["b.c:4: g() has ->pid: not listed"]),
        (
            [entry("a.c:f", "b.c:g", "c.c:h")],
            ["c.c:h: listed, but takes and tells nothing"],
        ),
        ([entry("a.c:f"), entry("a.c:f", "b.c:g")], ["a.c:f: listed 2 times"]),
        ([entry("a.c:f", "b.c:g", row="kil")], ["no channel has the name 'kil'"]),
    ],
)
def test_what_is_wrong_with_a_list_is_said(entries: list[Entry], complaints: list[str]) -> None:
    assert compare(PLACES, entries, {"kill"}) == complaints


def test_a_place_may_be_one_of_some_kernels_only(tmp_path: Path) -> None:
    file = tmp_path / "numbers.toml"
    file.write_text('[[entry]]\nreason = "x"\nplaces = ["a.c:f", "b.c:g 6.1 6.12"]\n')
    assert listed("6.12", file) == [Entry((), "x", ("a.c:f", "b.c:g"))]
    assert listed("7.3", file) == [Entry((), "x", ("a.c:f",))]


def test_an_open_channel_that_no_test_asks_is_a_row(tmp_path: Path) -> None:
    file = tmp_path / "numbers.toml"
    file.write_text('[[entry]]\nopen = "x"\nreason = "z"\nplaces = ["a.c:f 6.1"]\n')
    assert unasked(listed("6.12", file)) == []
    found = unasked(listed("6.1", file))
    output = "# channel: kill | call | closed | ESRCH | ESRCH | ESRCH | signal: hide\n"
    assert "| x | not asked | — | — | z |" in table(output, "6.1", found)


@pytest.mark.parametrize(
    "text",
    [
        'places = ["a.c:f"]',
        'open = "x"\nplaces = ["a.c:f"]',
        'open = "x"\nrows = ["y"]\nplaces = ["a.c:f"]',
        'reason = "x"',
        'reason = "x"\nrows = ["y"]\nplaces = ["a.c:f"]',
        'reason = "x"\nrow = "y"\nplaces = ["a.c:f"]',
        'reason = "x"\nplaces = ["a.c:f 6.2"]',
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "numbers.toml"
    file.write_text(f"[[entry]]\n{text}\n")
    with pytest.raises(LabError, match=r"numbers\.toml: an entry"):
        listed("6.12", file)


def test_rows_are_found_in_the_test_s_tables() -> None:
    text = """\
\tCALL("kill(pid)", kill, -ESRCH, "signal: hide"),
\tNAME_OPEN("/proc/<pid>/stat: "
\t\t  "ppid", stat, 1, 0, "why"),
\t{ .name = "by hand", .kind = "call",
\tif (!glob("/sys/x", 0))
"""
    assert rows([text]) == {"kill(pid)", "/proc/<pid>/stat: ppid", "by hand"}


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_list_names_each_place_once_and_rows_that_there_are(kernel: str) -> None:
    entries = listed(kernel)
    names = {name.partition(":") for item in entries for name in item.places}
    places = [Place(file, function, 0, "") for file, _, function in names]
    series = [path.read_text(encoding="utf-8") for path in (SERIES_DIR / kernel).glob("*.patch")]
    known = rows(re.sub(r"^\+", "", text, flags=re.MULTILINE) for text in series)
    assert compare(places, entries, known) == []

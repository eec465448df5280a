"""What sparse, `make W=1` and kernel-doc say of some files, without line numbers.

The kernel has old warnings of its own: only those count that the series brings,
also where it brings one more of a kind.
"""

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from kernel_lab.build import Workshop
from kernel_lab.command import run, say

_COMPILER = re.compile(r"^\S*?([\w./-]+\.[ch]):\d+(?::\d+)?: ((?:warning|error): .*)$")
# Two generations of the tool: "FILE:LINE: warning: TEXT" and "Warning: FILE:LINE TEXT".
_KERNEL_DOC = re.compile(
    r"^(?:(?:Warning|Error): )?(\S+\.[ch]):\d+:? (?:(?:warning|error): )?(.*)$"
)
# Debian 12's sparse does not know the word, and newer kernels then do without it.
_SPARSE = "CHECK=sparse -D__typeof_unqual__=__typeof__"
_NOT_KERNEL = ("tools/", "samples/", "scripts/", "Documentation/")


def kernel_files(names: Collection[str]) -> list[str]:
    """Return those paths, sorted, that are C of the kernel itself."""
    return sorted(
        name for name in names if name.endswith((".c", ".h")) and not name.startswith(_NOT_KERNEL)
    )


def of_compiler(workshop: Workshop, names: Collection[str]) -> Counter[str]:
    """Compile the files anew with sparse and with the compiler's further warnings.

    Args:
        workshop: one in which everything has been compiled.
        names: files of the kernel; those that the configuration leaves out say nothing.
    """
    objects = workshop.compiled(names)
    if not objects:
        return Counter()
    for name in objects:
        (workshop.objects / name).unlink()
    say(f"sparse and W=1: {len(objects)} files of {workshop.tree.source.kernel}")
    text = workshop.make("C=1", _SPARSE, "W=1", "KCFLAGS=-Wno-error", *objects)
    return parse_compiler(text, names)


def parse_compiler(text: str, names: Collection[str]) -> Counter[str]:
    """Return the warnings in a compilation's output that lie in the named files."""
    return Counter(
        f"{name}: {match[2]}"
        for line in text.splitlines()
        if (match := _COMPILER.match(line))
        for name in names
        if match[1].endswith(name)
    )


def of_kernel_doc(tree: Path, names: Collection[str]) -> Counter[str]:
    """Return what kernel-doc has to say of the comments in the files of a tree."""
    present = [name for name in names if (tree / name).exists()]
    if not present:
        return Counter()
    say(f"kernel-doc: {len(present)} files of {tree}")
    return parse_kernel_doc(run(["scripts/kernel-doc", "-none", *present], cwd=tree))


def parse_kernel_doc(text: str) -> Counter[str]:
    """Return the warnings in kernel-doc's output."""
    return Counter(
        f"{match[1]}: {match[2]}"
        for line in text.splitlines()
        if (match := _KERNEL_DOC.match(line))
    )

"""Whether pam-auth-update(8) still changes the common files: not after somebody edited them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from yama_session.pamd.lines import Line
from yama_session.pamd.stack import MODULE

#: Where it keeps what it has written.
SAVED = Path("/var/lib/pam/session")

_PROFILE = Path("/usr/share/pam-configs/yama-session")

_BEGINS = "# here are the per-package modules"
_ENDS = "# end of pam-auth-update config"

#: What it writes round the modules of profiles: these, and on Debian 13 pam_umask.
_FRAME = ("pam_permit.so", "pam_deny.so")
_TEMPLATES = Path("/usr/share/pam")


def edited_by_hand(common: Path, saved: Path = SAVED, templates: Path = _TEMPLATES) -> bool:
    """Tell whether modules stand in its block that it has not written, or others are gone.

    Then it declines to change the file, and ends with 0 all the same.

    Args:
        common: a file of sessions, such as ``/etc/pam.d/common-session``.
        saved: what it has written there.
        templates: the files that it fills in, by the same names.
    """
    try:
        text, before = common.read_text(encoding="utf-8"), saved.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    try:
        frame = (templates / common.name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        frame = ""
    if _BEGINS not in text or _ENDS not in text:
        return True
    return _modules(_block(text)) != _modules(before) + _modules(_block(frame))


def _block(text: str) -> str:
    return text.partition(_BEGINS)[2].partition(_ENDS)[0]


def own_arguments(lines: Iterable[Line], profile: Path = _PROFILE) -> list[str]:
    """Return the arguments of the module's lines in the common files that somebody has changed.

    pam-auth-update keeps them, until the profile is disabled: then it forgets them.

    Args:
        lines: lines of all files.
        profile: what it would write.
    """
    try:
        usual = profile.read_text(encoding="utf-8").partition(f"{MODULE}.so")[2]
    except OSError:
        return []
    found = (
        " ".join(line.arguments.split())
        for line in lines
        if line.loads(MODULE) and line.file.name.startswith("common-")
    )
    return [each for each in dict.fromkeys(found) if each != " ".join(usual.split())]


def _modules(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in text.splitlines():
        words = [] if line.startswith(("#", "Module:")) else line.split()
        found.update(word for word in words[:8] if word.endswith(".so") and word not in _FRAME)
    return found

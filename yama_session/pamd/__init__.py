"""What the files of PAM's services say, and how our line gets into them; knows no kernel."""

from yama_session.pamd.arguments import Arguments, arguments
from yama_session.pamd.edit import Edit, landlock_edits, undo_edits
from yama_session.pamd.lines import Line, PamError, parse
from yama_session.pamd.place import Misplaced, misplaced
from yama_session.pamd.stack import DIRECTORIES, MODULE, ROOT_ONLY, Services

__all__ = [
    "DIRECTORIES",
    "MODULE",
    "ROOT_ONLY",
    "Arguments",
    "Edit",
    "Line",
    "Misplaced",
    "PamError",
    "Services",
    "arguments",
    "landlock_edits",
    "misplaced",
    "parse",
    "undo_edits",
]

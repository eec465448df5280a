"""What the files of PAM's services say, and how our line gets into them; knows no kernel."""

from yama_session.pamd.arguments import Arguments, arguments
from yama_session.pamd.edit import Edit, landlock_edits, undo_edits
from yama_session.pamd.lines import Line, PamError, parse
from yama_session.pamd.place import Misplaced, misplaced
from yama_session.pamd.profile import SAVED, edited_by_hand, own_arguments
from yama_session.pamd.stack import DIRECTORIES, GREETERS, MODULE, ROOT_ONLY, Services

__all__ = [
    "DIRECTORIES",
    "GREETERS",
    "MODULE",
    "ROOT_ONLY",
    "SAVED",
    "Arguments",
    "Edit",
    "Line",
    "Misplaced",
    "PamError",
    "Services",
    "arguments",
    "edited_by_hand",
    "landlock_edits",
    "misplaced",
    "own_arguments",
    "parse",
    "undo_edits",
]

"""The polkit actions, by which an administrator who is not root may ask for what is root's.

What each is for, and who may by default, is in ``data/org.yama.session1.policy``.
"""

from __future__ import annotations

RELOAD = "org.yama.session1.reload"
LIST_ALL = "org.yama.session1.list-all-sessions"

#: One's own processes, in one's own session, at the scopes classic and relational.
ALLOW_OWN = "org.yama.session1.allow-attach-own"
#: Any other.
ALLOW_ANY = "org.yama.session1.allow-attach"

"""What a login of bob gets while the name service fails: one JSON line for each case.

Run where ``/etc/nsswitch.conf`` names the service of nss_case.c for users and groups.
Arguments: the functions that fail.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from yama_session.errors import AccountError
from yama_session.policy import Login, Policy, parse
from yama_session.service.accounts import Directory

CASE = Path(os.environ["NSS_CASE"])
UID = 4001

#: The constants of <nss.h>.
STATUSES = {"tryagain": -2, "unavail": -1, "notfound": 0, "success": 1, "return": 2}
ERRNOS = (-1, 0, errno.ENOENT, errno.ESRCH, errno.ECONNREFUSED, errno.EAGAIN, errno.ERANGE)


def rule(preset: str, match: str = "") -> str:
    return f'[[rule]]\npreset = "{preset}"\n' + (f"match = {{ {match} }}\n" if match else "")


#: Each form of rule, confining and opening, before the opposite.
FORMS = [
    rule(preset, match) + rule({"kiosk": "open", "open": "kiosk"}[preset])
    for preset in ("kiosk", "open")
    for match in (
        'user = "bob"',
        'user = "robert"',
        'user = "BOB"',
        'user = ["nobody", "robert"]',
        'group = "students"',
        'group = "pupils"',
        'group = ["nogroup", "pupils"]',
        'group = "bob"',
        'user = "robert", group = "pupils"',
    )
] + [
    rule("open", 'user = "nobody"') + rule("kiosk", 'group = "students"') + rule("open"),
    rule("kiosk", 'group = "students"') + rule("open", 'user = "bob"'),
    rule("open", 'user = "root"') + rule("open", 'group = "students"') + rule("desktop"),
]


def answer(directory: Directory, policy: Policy) -> dict[str, object]:
    """What the login gets, or the error."""
    try:
        login = directory.identify(policy, Login("as typed", UID))
    except AccountError as error:
        return {"error": str(error)}
    settings = policy.resolve(login).settings
    return {"user": login.user, **asdict(settings), "proc": settings.proc.value}


def cases(functions: list[str]) -> Iterator[dict[str, object]]:
    for text in FORMS:
        policy = Policy(parse(text, Path("policy.toml")))
        CASE.write_text("")
        well = answer(Directory(), policy)
        yield {"policy": text, "well": well}
        for function in functions:
            for status, number in STATUSES.items():
                for code in ERRNOS:
                    CASE.write_text("")
                    learned = Directory()
                    learned.learn(policy)
                    learned.forget()
                    CASE.write_text(f"{function} {number} {code}\n")
                    yield {
                        "policy": text,
                        "function": function,
                        "status": status,
                        "errno": code,
                        "well": well,
                        "fresh": answer(Directory(), policy),
                        "learned": answer(learned, policy),
                    }


for case in cases(sys.argv[1:]):
    print(json.dumps(case, default=str))

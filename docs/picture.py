#!/usr/bin/python3
"""Draw sessions.svg: what `ps ax` shows to a user before and after, and to a service."""

from pathlib import Path

ROWS = (
    ("1 systemd", "root"),
    ("412 sshd", "root"),
    ("1201 postgres", "postgres"),
    ("2040 -bash", "alice"),
    ("2077 vim plan.txt", "alice"),
    ("3310 -bash", "bob"),
    ("3342 mysql -psecret", "bob"),
)
COLUMNS = (
    ("alice, before", lambda owner: True),
    ("alice, view user", lambda owner: owner == "alice"),
    ("a service, root", lambda owner: True),
)
WIDTH, LINE, LEFT = 210, 24, 12


def picture() -> str:
    """Return the text of the picture."""
    height = LINE * (len(ROWS) + 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(COLUMNS)} {height}"'
        ' font-family="monospace" font-size="14">',
        "<title>What ps ax shows: everything before, a user's own processes after</title>",
    ]
    for number, (title, shows) in enumerate(COLUMNS):
        x = number * WIDTH
        lines.append(
            f'<rect x="{x + 4}" y="4" width="{WIDTH - 8}" height="{height - 8}" rx="6"'
            ' fill="#f6f8fa" stroke="#57606a"/>'
        )
        lines.append(
            f'<text x="{x + LEFT}" y="{LINE}" font-weight="bold" fill="#24292f">{title}</text>'
        )
        for row, (process, owner) in enumerate(ROWS, start=2):
            if shows(owner):
                lines.append(
                    f'<text x="{x + LEFT}" y="{row * LINE}" fill="#24292f">{process}</text>'
                )
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    Path(__file__).with_name("sessions.svg").write_text(picture(), encoding="utf-8")

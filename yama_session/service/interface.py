"""The interface on the bus as one table: what is dispatched is what is served as XML."""

from __future__ import annotations

from dataclasses import dataclass

#: The service's name, object and interface on the system bus.
BUS_NAME = "org.yama.Session1"
OBJECT_PATH = "/org/yama/Session1"
INTERFACE = "org.yama.Session1.Manager"


@dataclass(frozen=True)
class Method:
    """One method: the names and types of what goes in and out."""

    name: str
    args: tuple[tuple[str, str], ...] = ()
    results: tuple[tuple[str, str], ...] = ()

    @property
    def signature(self) -> str:
        """The types that go in."""
        return "".join(kind for _, kind in self.args)

    @property
    def result_signature(self) -> str:
        """The types that come out."""
        return "".join(kind for _, kind in self.results)


METHODS = {
    method.name: method
    for method in (
        Method(
            "OpenSession",
            (
                ("leader", "h"),
                ("uid", "u"),
                ("user", "s"),
                ("service", "s"),
                ("tty", "s"),
                ("rhost", "s"),
                ("flags", "u"),
            ),
            (
                ("id", "s"),
                ("action", "s"),
                ("enforcer", "s"),
                ("scope", "u"),
                ("view", "u"),
                ("proc", "s"),
                ("token", "ah"),
                ("mount", "ah"),
                ("lifetime", "ah"),
            ),
        ),
        Method("CloseSession", (("id", "s"),)),
        Method("ListSessions", (), (("sessions", "aa{sv}"),)),
        Method("Status", (), (("status", "a{sv}"),)),
        Method("Reload"),
        Method("GetPolicy", (), (("sources", "a(ss)"),)),
        Method("GetDetachedProcfs", (), (("mount", "h"),)),
    )
}


def introspection() -> str:
    """Return the interface as introspection XML."""
    lines = [
        '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"',
        ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">',
        "<node>",
        f' <interface name="{INTERFACE}">',
    ]
    for method in METHODS.values():
        lines.append(f'  <method name="{method.name}">')
        for direction, args in (("in", method.args), ("out", method.results)):
            lines += [
                f'   <arg name="{name}" type="{kind}" direction="{direction}"/>'
                for name, kind in args
            ]
        lines.append("  </method>")
    return "\n".join([*lines, " </interface>", "</node>", ""])

"""The interface on the bus as one table: what is dispatched is what is served as XML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

#: The service's name, object and interface on the system bus.
BUS_NAME = "org.yama.Session1"
OBJECT_PATH = "/org/yama/Session1"
INTERFACE = "org.yama.Session1.Manager"

Args = tuple[tuple[str, str], ...]


class Access(Enum):
    """Who may call a method, and how long that may take."""

    #: Only root, as the bus policy says; at once.
    ROOT = "root"
    #: Likewise, and the process that logs in, which proves it by what it sends.
    LEADER = "leader"
    #: Anyone; one after the other, so that a login waits for one of them at most.
    ANYONE = "anyone"
    #: Anyone, and it may wait, for polkit or a process: a few of each user at a time.
    PATIENT = "patient"


@dataclass(frozen=True)
class Method:
    """One method: the names and types of what goes in and out, and who may call it."""

    name: str
    args: Args = ()
    results: Args = ()
    access: Access = Access.ANYONE

    @property
    def signature(self) -> str:
        """The types that go in."""
        return "".join(kind for _, kind in self.args)

    @property
    def result_signature(self) -> str:
        """The types that come out."""
        return "".join(kind for _, kind in self.results)


@dataclass(frozen=True)
class Property:
    """One property, which nobody can set.

    Args:
        name: its name.
        kind: its type.
        changes: the annotation ``EmitsChangedSignal``: ``const``, ``true``, or
            ``false`` where each caller has a value of their own.
    """

    name: str
    kind: str
    changes: str


@dataclass(frozen=True)
class Signal:
    """One signal, sent to each subscriber who may know of it, never to all."""

    name: str
    args: Args

    @property
    def signature(self) -> str:
        """The types of what it tells."""
        return "".join(kind for _, kind in self.args)


METHODS = {
    method.name: method
    for method in (
        Method(
            "OpenSession",
            (
                ("leader", "h"),
                ("lifetime", "h"),
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
            ),
            Access.LEADER,
        ),
        Method("CloseSession", (("id", "s"),), access=Access.ROOT),
        Method("ListSessions", (), (("sessions", "aa{sv}"),)),
        Method("ListAllSessions", (), (("sessions", "aa{sv}"),), Access.PATIENT),
        Method("Status", (), (("status", "a{sv}"),)),
        Method("Reload", access=Access.PATIENT),
        Method("GetPolicy", (), (("sources", "a(ss)"),), Access.ROOT),
        Method("GetDetachedProcfs", (), (("mount", "h"),)),
        Method(
            "AllowAttach",
            (("tracee", "h"), ("tracer", "h"), ("seconds", "u")),
            (("id", "s"),),
            Access.PATIENT,
        ),
        Method("RevokeAttach", (("id", "s"),), access=Access.PATIENT),
        Method("ListGrants", (), (("grants", "aa{sv}"),)),
        Method("Subscribe"),
        Method("Unsubscribe"),
    )
}

PROPERTIES = {
    item.name: item
    for item in (
        Property("Version", "s", "const"),
        Property("KernelInterface", "u", "const"),
        Property("Enforcer", "s", "const"),
        Property("Enforcers", "a{ss}", "const"),
        Property("PolicyState", "s", "true"),
        Property("PolicyErrors", "as", "true"),
        Property("Unsupported", "as", "true"),
        Property("Fallback", "s", "true"),
        Property("NSessions", "u", "false"),
    )
}

SIGNALS = {
    signal.name: signal
    for signal in (
        Signal("SessionNew", (("id", "s"), ("session", "a{sv}"))),
        Signal("SessionRemoved", (("id", "s"),)),
    )
}

_HEAD = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"',
    ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">',
)

#: The interfaces that every object of the D-Bus specification has.
_STANDARD = """\
 <interface name="org.freedesktop.DBus.Peer">
  <method name="Ping"/>
  <method name="GetMachineId">
   <arg name="machine_uuid" type="s" direction="out"/>
  </method>
 </interface>
 <interface name="org.freedesktop.DBus.Introspectable">
  <method name="Introspect">
   <arg name="xml_data" type="s" direction="out"/>
  </method>
 </interface>
 <interface name="org.freedesktop.DBus.Properties">
  <method name="Get">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="property_name" type="s" direction="in"/>
   <arg name="value" type="v" direction="out"/>
  </method>
  <method name="GetAll">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="properties" type="a{sv}" direction="out"/>
  </method>
  <method name="Set">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="property_name" type="s" direction="in"/>
   <arg name="value" type="v" direction="in"/>
  </method>
  <signal name="PropertiesChanged">
   <arg name="interface_name" type="s"/>
   <arg name="changed_properties" type="a{sv}"/>
   <arg name="invalidated_properties" type="as"/>
  </signal>
 </interface>"""


def introspection(path: str = OBJECT_PATH) -> str:
    """Return what is at a path of the service as introspection XML."""
    if path == OBJECT_PATH:
        return "\n".join([*_HEAD, "<node>", _STANDARD, *_manager(), "</node>", ""])
    inside = path.rstrip("/") + "/"
    child = OBJECT_PATH.removeprefix(inside).partition("/")[0]
    nodes = [f' <node name="{child}"/>'] if OBJECT_PATH.startswith(inside) else []
    return "\n".join([*_HEAD, "<node>", *nodes, "</node>", ""])


def _manager() -> Iterator[str]:
    yield f' <interface name="{INTERFACE}">'
    for method in METHODS.values():
        yield f'  <method name="{method.name}">'
        yield from _args(method.args, ' direction="in"')
        yield from _args(method.results, ' direction="out"')
        if method.access in (Access.ROOT, Access.LEADER):
            yield '   <annotation name="org.freedesktop.systemd1.Privileged" value="true"/>'
        yield "  </method>"
    for signal in SIGNALS.values():
        yield f'  <signal name="{signal.name}">'
        yield from _args(signal.args, "")
        yield "  </signal>"
    for item in PROPERTIES.values():
        yield f'  <property name="{item.name}" type="{item.kind}" access="read">'
        name = "org.freedesktop.DBus.Property.EmitsChangedSignal"
        yield f'   <annotation name="{name}" value="{item.changes}"/>'
        yield "  </property>"
    yield " </interface>"


def _args(args: Args, direction: str) -> Iterator[str]:
    for name, kind in args:
        yield f'   <arg name="{name}" type="{kind}"{direction}/>'

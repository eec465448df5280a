"""What a rule may say: the settings, the presets and the words of the policy file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from yama_session.levels import Group, Mode, Proc, Scope, View

#: The enforcers that a rule may name; each honours all that the next ones do.
ENFORCERS = ("yama", "bpf", "landlock")

#: What a session gets, each a field of ``Settings``.
SETTINGS = ("scope", "view", "group", "proc", "override", "enforcer", "mode")

#: The keys of a rule that say it.
SETTING_KEYS = ("preset", *SETTINGS)

#: The keys of ``match`` whose value is one name or a list of names.
NAME_KEYS = ("user", "group", "service", "tty", "seat", "rhost")

#: All keys of ``match``: ``uid`` is a number or a range of them, and ``remote`` is true
#: for a login from another host.
MATCH_KEYS = (*NAME_KEYS, "uid", "remote")

#: Those that ask how one logs in, not only who it is.
LOGIN_KEYS = ("service", "tty", "seat", "rhost", "remote")


@dataclass(frozen=True)
class Settings:
    """What a session may trace and see.

    Args:
        scope: which processes it may attach to.
        view: which processes exist for it.
        group: what shares its domain.
        proc: what stands on its ``/proc``.
        override: the scope replaces ``kernel.yama.ptrace_scope`` instead of
            adding to it.
        enforcer: the only enforcer that may be used; ``None`` takes the
            strongest that the kernel has.
        preset: the name of the preset that the settings come from, if any.
        mode: whether they are applied, or only logged.
    """

    scope: Scope
    view: View
    group: Group = Group.USER
    proc: Proc = Proc.PRIVATE
    override: bool = False
    enforcer: str | None = None
    preset: str | None = None
    mode: Mode = Mode.ENFORCE

    @property
    def unconfined(self) -> bool:
        """Whether nothing is applied for these settings: no domain and no mount."""
        return self.mode is Mode.LOG or self.loose

    @property
    def loose(self) -> bool:
        """Whether they ask for nothing at all."""
        return self.view is View.ALL and self.scope is Scope.CLASSIC and not self.override

    def stricter(self, other: Settings) -> Settings:
        """Return these settings, raised where ``other`` is stricter.

        What is only logged raises nothing that is applied.
        """
        if self.mode is not other.mode:
            return self if other.mode is Mode.LOG else replace(other, group=self.group)
        return Settings(
            scope=max(self.scope, other.scope),
            view=max(self.view, other.view),
            group=self.group,
            proc=max(self.proc, other.proc, key=_PROCS.index),
            override=self.override and other.override,
            enforcer=self._enforcer_over(other),
            preset=self.preset,
            mode=self.mode,
        )

    def _enforcer_over(self, other: Settings) -> str | None:
        """Return an enforcer that honours what both ask for, as far as one of them does."""
        if self.enforcer is None or other.loose:
            return self.enforcer or other.enforcer
        if other.enforcer is None:  # the strongest, which honours all of it
            return None
        return min(self.enforcer, other.enforcer, key=ENFORCERS.index)


#: What may stand on ``/proc``, the strictest last.
_PROCS = (Proc.HOST, Proc.PRIVATE, Proc.PTRACEABLE)


@dataclass(frozen=True)
class Limits:
    """How many sessions there may be.

    Args:
        sessions: of all users together.
        sessions_per_user: of one user.
    """

    sessions: int = 8192
    sessions_per_user: int = 4096


#: Where the policy says nothing; logind has as many.
LIMITS = Limits()


#: The presets by name. What ``yama-session run`` gives by default, the settings
#: for a browser or sandbox, is no preset of a login.
PRESETS = MappingProxyType(
    {
        "open": Settings(Scope.CLASSIC, View.ALL, proc=Proc.HOST, preset="open"),
        "hpc": Settings(Scope.CLASSIC, View.USER, override=True, preset="hpc"),
        "developer": Settings(Scope.CLASSIC, View.USER, override=True, preset="developer"),
        "desktop": Settings(Scope.RELATIONAL, View.USER, preset="desktop"),
        "kiosk": Settings(Scope.NO_ATTACH, View.DOMAIN, preset="kiosk"),
    }
)

#: What a user gets whom no rule matches, and what uid 0 gets then.
DEFAULT = PRESETS["desktop"]
DEFAULT_ROOT = PRESETS["open"]

"""The policy in force, and what is left of it for the time when the service is down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from yama_session.errors import AccountError, AccountMissing, PolicyError
from yama_session.policy import Decision, Floor, Limits, Login, Policy, Reading, Source, floor, read
from yama_session.service.accounts import Accounts, Directory
from yama_session.service.fallback import write_exempt, write_floor
from yama_session.service.lastgood import LastGood
from yama_session.service.refusal import EnforcerUnavailable, NoSuchUser, PolicyUnavailable
from yama_session.service.seat import seat
from yama_session.service.support import unsupported

_log = logging.getLogger(__name__)


class PolicyState:
    """Holds the policy; a file with an error never replaces one that was good.

    Args:
        directory: where the policy files are.
        state_dir: where the policy in force is kept, and what the PAM module's
            fallback reads.
        accounts: for names.
        older: where a service of the first release has kept the policy in force.
    """

    def __init__(
        self, directory: Path, state_dir: Path, accounts: Accounts, older: Path | None = None
    ) -> None:
        self._directory = directory
        self._exempt_file = state_dir / "exempt"
        self._floor_file = state_dir / "floor"
        self._last_good = LastGood(state_dir / "policy")
        self._older = older
        self._accounts = accounts
        self._in_force: Reading | None = None
        self._reloading = asyncio.Lock()
        #: What is wrong with the files, so that they are not in force.
        self.errors: tuple[str, ...] = ()
        #: What the policy in force asks of the kernel in vain.
        self.unsupported: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """``loaded``, ``last-good`` (not what the files say) or ``unavailable``."""
        if self._in_force is None:
            return "unavailable"
        return "last-good" if self.errors else "loaded"

    @property
    def sources(self) -> tuple[Source, ...]:
        """The texts of the policy in force.

        Raises:
            PolicyUnavailable: there is none.
        """
        return self._require().sources

    @property
    def limits(self) -> Limits:
        """How many sessions there may be."""
        return self._in_force.policy.limits if self._in_force else Limits()

    @property
    def strict_manager(self) -> bool:
        """Whether a user whose service manager is not confined may not log in."""
        return self._in_force is not None and self._in_force.policy.strict_manager

    @property
    def floor(self) -> Floor | None:
        """What the fallback confines with; ``None`` if there is no policy."""
        return floor(self._in_force.policy) if self._in_force else None

    async def start(self) -> None:
        """Put in force what the files say, or else what was in force before a restart.

        Raises:
            PolicyUnavailable: as for :meth:`reload`.
            EnforcerUnavailable: as for :meth:`reload`.
        """
        self._in_force = self._last_good.load()
        if self._in_force is None and self._older is not None:
            self._in_force = LastGood(self._older).load()
        self._accounts.directory = Directory(self._last_good.numbers)
        if self._in_force is not None:
            self.unsupported = _texts(unsupported(self._in_force.policy))
        try:
            await self.reload()
        except PolicyUnavailable:
            if self._in_force is not None:
                await self._leave(self._in_force.policy)
            raise

    async def reload(self) -> None:
        """Read the policy again.

        A policy that asks for what this kernel cannot do is an error like any
        other, unless the one in force is no better: that is put in force, and
        the logins that it cannot serve go by the PAM module's fallback.

        Raises:
            PolicyUnavailable: it is wrong; the one in force stays.
            EnforcerUnavailable: it is in force, but not all of it can be.
        """
        async with self._reloading:
            reading = read(self._directory)
            lacking = () if reading.errors else unsupported(reading.policy)
            kept = self._in_force is not None and not self.unsupported
            if reading.errors or (lacking and kept):
                self.errors = _texts(reading.errors or lacking)
                raise PolicyUnavailable(self._tell(self.errors, in_force=False))
            self._in_force, self.errors, self.unsupported = reading, (), _texts(lacking)
            await self._leave(reading.policy)
            self._last_good.store(reading.sources, self._accounts.directory.known)
            if lacking:
                raise EnforcerUnavailable(self._tell(self.unsupported, in_force=True))
            _log.info("policy in force: %d rules", len(reading.policy.rules))

    async def decide(self, login: Login, pid: int) -> tuple[Login, Decision]:
        """Return a login with its account's own name, and what it gets.

        What no rule asks for is not looked up.

        Args:
            login: who logs in by the uid, and how.
            pid: the leader.

        Raises:
            PolicyUnavailable: no policy has been read, or the name service
                does not answer.
            NoSuchUser: the account does not exist.
        """
        policy = self._require().policy
        if policy.needs_seat:
            login = replace(login, seat=seat(pid, login.tty))
        try:
            login = await self._accounts.identify(policy, login)
        except AccountMissing as error:
            raise NoSuchUser(str(error)) from None
        except AccountError as error:
            raise PolicyUnavailable(str(error)) from None
        return login, policy.resolve(login)

    def _require(self) -> Reading:
        if self._in_force is None:
            raise PolicyUnavailable(summary(self.errors) or "no policy has been read")
        return self._in_force

    async def _leave(self, policy: Policy) -> None:
        write_floor(self._floor_file, floor(policy))
        self._accounts.directory.forget()
        names = await self._accounts.learn(policy)
        for error in names.errors:
            _log.warning("policy: %s", error)
        write_exempt(self._exempt_file, policy, names)

    def _tell(self, errors: Sequence[str], *, in_force: bool) -> str:
        """Write all of it to the journal, and return the short of it."""
        for error in errors:
            _log.error("policy: %s", error)
        if in_force:
            end = "it is in force all the same, and logins that need this go by the fallback"
        elif self._in_force is not None:
            end = "the last good policy stays in force"
        else:
            end = "there is no policy, and users log in by the fallback"
        _log.error("policy: %s", end)
        return f"{summary(errors)}; {end}"


def summary(errors: Sequence[str]) -> str:
    """Return the first error, and how many more there are."""
    more = f" (and {len(errors) - 1} more: see 'yama-session policy check')"
    return "".join(errors[:1]) + (more if len(errors) > 1 else "")


def _texts(errors: Sequence[PolicyError]) -> tuple[str, ...]:
    return tuple(str(error) for error in errors)

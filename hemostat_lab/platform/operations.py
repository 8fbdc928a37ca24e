"""What the platform can do to the shop; done when it returns, one operation at a time for a service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hemostat_lab import rotation
from hemostat_lab.layout import SERVICES, Layout, Role
from hemostat_lab.platform.instances import Instance, StartError, StoreProcess
from hemostat_lab.shop import releases

WATCH_EVERY_S = 0.2
LIVED_S = 30.0
LONGEST_BACKOFF_S = 10.0
DRAIN_S = 2 * rotation.LOOK_EVERY_S
"""From leaving the rotation to being stopped: by then every client knows."""


class UnknownNameError(LookupError):
    """There is no such service, instance or release."""


class NotNowError(RuntimeError):
    """What was asked for makes no sense at the moment; the message says why."""


@dataclass
class Deployment:
    """A service and the releases it has run, the present one last."""

    role: Role
    name: str
    instances: list[Instance]
    history: list[str]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Platform:
    """The shop's processes. Made for one event loop in the main thread."""

    def __init__(self, layout: Layout, say: Callable[[str], None]) -> None:
        self._layout = layout
        self._say = say
        self._stopping = False
        self._store_lock = asyncio.Lock()
        self.store = StoreProcess(layout, layout.names[Role.STORE])
        self.services = {
            layout.names[role]: Deployment(
                role,
                layout.names[role],
                [Instance(layout, role, name, releases.first(role)) for name in layout.instances(role)],
                [releases.first(role)],
            )
            for role in SERVICES
        }

    async def start(self) -> None:
        """Start the store, then all services at once."""
        await self.store.start()
        self._write_rotation()
        started = [i.start(i.release) for d in self.services.values() for i in d.instances]
        await asyncio.gather(*started)
        self._write_rotation()

    async def stop(self) -> None:
        """Stop everything: callers before those they call, the store last."""
        self._stopping = True
        for deployment in reversed(self.services.values()):
            await asyncio.gather(*(i.stop() for i in deployment.instances))
        await self.store.stop()

    async def watch(self) -> None:
        """Start services' processes again that ended by themselves; the store waits for somebody to act."""
        store_was_running = True
        while not self._stopping:
            await asyncio.sleep(WATCH_EVERY_S)
            if store_was_running and not self.store.running and not self._store_lock.locked():
                self._say(f"{self.store.name} is gone. A database is not started again without being asked to.")
            store_was_running = self.store.running
            for deployment in self.services.values():
                if not deployment.lock.locked():
                    await self._revive(deployment)

    async def _revive(self, deployment: Deployment) -> None:
        for instance in deployment.instances:
            lived = time.monotonic() - instance.started_at
            if instance.running or lived < min(2.0**instance.deaths - 1, LONGEST_BACKOFF_S):
                continue
            instance.deaths = 1 if lived > LIVED_S else instance.deaths + 1
            self._say(f"{instance.name} ended by itself; it is started again.")
            try:
                await instance.start(instance.release)
            except StartError as error:
                self._say(str(error))

    async def restart_service(self, name: str) -> list[str]:
        """Restart the store, or a service instance by instance, on the release it runs."""
        if name == self.store.name:
            return await self._restart_store()
        deployment = self._deployment(name)
        async with deployment.lock:
            return await self._roll(deployment, deployment.history[-1])

    async def roll_back(self, name: str) -> list[str]:
        """Start the release that ran before the present one; raises `NotNowError` where there is none."""
        deployment = self._deployment(name)
        async with deployment.lock:
            if len(deployment.history) < 2:
                raise NotNowError(
                    f"{name} runs {deployment.history[-1]}, its first release here; there is no former one"
                )
            former = deployment.history[-2]
            done = await self._roll(deployment, former)
            deployment.history.pop()
            return done

    async def deploy(self, name: str, release: str) -> list[str]:
        """Start another release of a service; only the release pipeline asks for this."""
        deployment = self._deployment(name)
        if release not in releases.RELEASES[deployment.role]:
            raise UnknownNameError(f"{name} has no release {release}")
        async with deployment.lock:
            if release == deployment.history[-1]:
                raise NotNowError(f"{name} already runs {release}")
            done = await self._roll(deployment, release)
            deployment.history.append(release)
            return done

    async def restart_instance(self, name: str) -> list[str]:
        """Restart one instance on the release its service runs."""
        deployment, instance = self._instance(name)
        async with deployment.lock:
            return [await self._replace(instance, deployment.history[-1])]

    async def isolate(self, name: str) -> list[str]:
        """Take an instance out of rotation; it keeps running, unasked. The last one in rotation stays."""
        deployment, instance = self._instance(name)
        async with deployment.lock:
            others = [i for i in deployment.instances if i is not instance and not i.isolated]
            if not others:
                raise NotNowError(f"{name} is the last instance of {deployment.name} in rotation")
            instance.isolated = True
            self._write_rotation()
        return [f"{name} is out of rotation; {', '.join(i.name for i in others)} answers for {deployment.name}."]

    async def restore(self, name: str) -> list[str]:
        """Put an isolated instance back into rotation."""
        _, instance = self._instance(name)
        instance.isolated = False
        self._write_rotation()
        return [f"{name} is in rotation."]

    def status(self) -> dict[str, Any]:
        """What runs where, for people and guards."""
        return {
            "store": {"name": self.store.name, "running": self.store.running},
            "services": {
                d.name: {
                    "release": d.history[-1],
                    "former_release": d.history[-2] if len(d.history) > 1 else None,
                    "instances": {
                        i.name: {"state": i.state, "release": i.release, "in_rotation": not i.isolated}
                        for i in d.instances
                    },
                }
                for d in self.services.values()
            },
        }

    async def _restart_store(self) -> list[str]:
        async with self._store_lock:
            was = "stopped" if self.store.running else "found stopped"
            await self.store.stop()
            await self.store.start()
        return [f"{self.store.name} was {was}.", f"{self.store.name} is running and accepts connections."]

    async def _roll(self, deployment: Deployment, release: str) -> list[str]:
        return [await self._replace(instance, release) for instance in deployment.instances]

    async def _replace(self, instance: Instance, release: str) -> str:
        instance.draining = True
        self._write_rotation()
        try:
            await asyncio.sleep(DRAIN_S)
            await instance.stop()
            await instance.start(release)
        finally:
            instance.draining = False
            self._write_rotation()
        instance.deaths = 0
        return f"{instance.name} runs {release}."

    def _write_rotation(self) -> None:
        addresses = {}
        for deployment in self.services.values():
            in_rotation = [i for i in deployment.instances if not i.isolated]
            asked = [i for i in in_rotation if not i.draining] or in_rotation
            addresses[deployment.name] = [i.port for i in asked]
        rotation.write(self._layout.rotation_file, {**addresses, self.store.name: [self.store.port]})

    def _deployment(self, name: str) -> Deployment:
        try:
            return self.services[name]
        except KeyError:
            raise UnknownNameError(f"there is no service {name}") from None

    def _instance(self, name: str) -> tuple[Deployment, Instance]:
        for deployment in self.services.values():
            for instance in deployment.instances:
                if instance.name == name:
                    return deployment, instance
        raise UnknownNameError(f"there is no instance {name}")

"""Settings and modules, as methods of a workspace."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pg_tenancy import _sql
from pg_tenancy._sql import Call
from pg_tenancy.results import Module, ProviderStatus, Provisioning, Setting, SettingLevel


class SettingsCalls(ABC):
    """The calls of phases 8 and 10."""

    @abstractmethod
    async def _call(self, call: Call, *values: object) -> Sequence[Sequence[Any]]:
        """Check the values, run one statement of pg-tenancy, and return its rows."""

    async def settings(self) -> list[Setting]:
        """Return every setting with its effective value in this workspace, by key and subject.

        Raises:
            PermissionDeniedError: the role lacks ``settings.view``.
        """
        found = []
        for row in await self._call(_sql.SETTINGS):
            fields = list(row)
            fields[4] = _decoded(fields[4])
            found.append(Setting(*fields))
        return found

    async def setting(self, key: str, subject_id: UUID | str | None = None) -> Any:
        """Return the effective value of a setting in this workspace.

        Args:
            key: the setting's key.
            subject_id: the subject, such as a provider, if the setting has a value for each.

        Returns:
            The workspace's own value, else the platform's, else the default, else None. For a
            secret, a dict with ``configured`` and ``fingerprint``.

        Raises:
            PermissionDeniedError: the role lacks ``settings.view``.
            SettingNotFoundError: the setting or the subject does not exist.
            InvalidArgumentError: the setting requires a subject, or has none.
        """
        (row,) = await self._call(_sql.SETTING, subject_id, key)
        return _decoded(row[0])

    async def explain_setting(self, key: str, subject_id: UUID | str | None = None) -> list[SettingLevel]:
        """Return a setting's value on each level, nearest first; errors as for ``setting``."""
        return [
            SettingLevel(level, _decoded(value), is_set, counts, locked, version)
            for level, value, is_set, counts, locked, version in await self._call(_sql.EXPLAIN_SETTING, subject_id, key)
        ]

    async def set_setting(
        self,
        key: str,
        value: str | int | bool | dict[str, Any] | list[Any],
        subject_id: UUID | str | None = None,
        *,
        expected_version: int | None = None,
    ) -> int:
        """Set this workspace's value, or in the platform's workspace the platform's; return its version.

        Args:
            key: the setting's key.
            value: the value, of the setting's type; JSON as a dict, a list or text.
            subject_id: the subject, if the setting has a value for each.
            expected_version: set the value only if the workspace's own value still has this
                version, or 0 if it has none; None skips the check.

        Raises:
            PermissionDeniedError: the role lacks ``settings.update``, or only the platform can set
                the setting.
            PersonRequiredError: the workspace was entered with an API key.
            OrganizationRequiredError: the workspace is personal.
            SettingNotFoundError: the setting or the subject does not exist.
            SettingLockedError: the platform has locked it.
            SettingChangedError: the value has another version.
            InvalidArgumentError: the value has the wrong type, or is out of range.
        """
        (row,) = await self._call(_sql.SET_SETTING, subject_id, key, value, expected_version)
        return int(row[0])

    async def set_sealed_setting(
        self,
        key: str,
        value: bytes,
        key_id: str,
        subject_id: UUID | str | None = None,
        *,
        expected_version: int | None = None,
    ) -> int:
        """Set a secret that the application has sealed, and return its version; errors as for ``set_setting``.

        Args:
            key: the setting's key; it must be a secret.
            value: the sealed bytes, which only the application can open.
            key_id: the application's name for the key that opens it.
            subject_id: the subject, if the setting has a value for each.
            expected_version: as for ``set_setting``.
        """
        (row,) = await self._call(_sql.SET_SEALED_SETTING, subject_id, key, value, key_id, expected_version)
        return int(row[0])

    async def unset_setting(
        self, key: str, subject_id: UUID | str | None = None, *, expected_version: int | None = None
    ) -> None:
        """Remove this workspace's own value, so that it inherits again; errors as for ``set_setting``."""
        await self._call(_sql.UNSET_SETTING, subject_id, key, expected_version)

    async def lock_setting(self, key: str, subject_id: UUID | str | None = None, *, locked: bool = True) -> None:
        """Lock a setting, so that the platform's value applies everywhere, or unlock it; in the platform's workspace.

        Raises:
            PermissionDeniedError: the workspace is not the platform's.
            SettingNotFoundError: the setting or the subject does not exist.
        """
        await self._call(_sql.LOCK_SETTING, subject_id, key, locked)

    async def provider_status(self) -> list[ProviderStatus]:
        """Return whether each provider is ready in this workspace, and what it lacks.

        Raises:
            PermissionDeniedError: the role lacks ``settings.view``.
        """
        return [
            ProviderStatus(provider_id, name, is_active, ready, tuple(missing))
            for provider_id, name, is_active, ready, missing in await self._call(_sql.PROVIDER_STATUS)
        ]

    async def visible_modules(self) -> list[Module]:
        """Return every module in menu order, with its state in this workspace."""
        return [Module(*row) for row in await self._call(_sql.VISIBLE_MODULES)]

    async def require_module(self, key: str) -> None:
        """Raise an error unless a module is visible.

        Raises:
            UnknownModuleError: the module does not exist.
            OrganizationRequiredError: it opens only in organizations.
            ModuleForbiddenError: it does not open for this role.
        """
        await self._call(_sql.REQUIRE_MODULE, key)

    async def can_provision(self) -> Provisioning:
        """Return whether an instance can be created here; a visible module for instances does not imply it."""
        ((allowed, state, reason, providers, missing),) = await self._call(_sql.CAN_PROVISION)
        return Provisioning(allowed, state, reason, tuple(providers), tuple(missing))


def _decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)

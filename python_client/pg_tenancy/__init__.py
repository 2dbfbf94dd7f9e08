"""Transactions in a workspace, over psycopg: ``from pg_tenancy import workspace``.

``pg_tenancy.aio`` has the same names for asyncio, ``pg_tenancy.asyncpg`` for the
driver of that name.
"""

from __future__ import annotations

from pg_tenancy._psycopg import Workspace, fetch_all, run, workspace
from pg_tenancy.errors import (
    ConnectionNotIdleError,
    ContextAlreadySetError,
    DelegationDeniedError,
    InvalidArgumentError,
    InvalidContextError,
    LastOwnerError,
    MemberNotFoundError,
    NoContextError,
    NotAMemberError,
    OrganizationRequiredError,
    PermissionDeniedError,
    PhaseNotDeployedError,
    SlugTakenError,
    SnapshotNotCheckedError,
    TenancyError,
    TicketError,
    TransactionAbortedError,
    TransactionEndedError,
    TransactionRequiredError,
    WorkspaceClosedError,
)
from pg_tenancy.results import CurrentWorkspace, Member, Organization, OrganizationChoice

__all__ = [
    "ConnectionNotIdleError",
    "ContextAlreadySetError",
    "CurrentWorkspace",
    "DelegationDeniedError",
    "InvalidArgumentError",
    "InvalidContextError",
    "LastOwnerError",
    "Member",
    "MemberNotFoundError",
    "NoContextError",
    "NotAMemberError",
    "Organization",
    "OrganizationChoice",
    "OrganizationRequiredError",
    "PermissionDeniedError",
    "PhaseNotDeployedError",
    "SlugTakenError",
    "SnapshotNotCheckedError",
    "TenancyError",
    "TicketError",
    "TransactionAbortedError",
    "TransactionEndedError",
    "TransactionRequiredError",
    "Workspace",
    "WorkspaceClosedError",
    "fetch_all",
    "run",
    "workspace",
]

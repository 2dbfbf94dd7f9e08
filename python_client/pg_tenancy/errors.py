"""The errors of a workspace, one class for each kind.

Every error of pg-tenancy has a SQLSTATE and a name in the constraint field. They determine
the class, whichever driver raised the error. Messages are never parsed, so they may be in
any language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

__all__ = [
    "AccessRequestedError",
    "ActivationWriteError",
    "AlreadyAMemberError",
    "AlreadySharedError",
    "ApiKeyError",
    "ApiKeyNotFoundError",
    "CodeTakenError",
    "ConnectionNotIdleError",
    "ContextAlreadySetError",
    "DelegationDeniedError",
    "EmailAmbiguousError",
    "EmailTakenError",
    "EntitlementNotFoundError",
    "InstanceNotFoundError",
    "InstanceStateError",
    "InsufficientFundsError",
    "InvalidArgumentError",
    "InvalidContextError",
    "InvitationError",
    "InvitationNotFoundError",
    "InvitationNotPendingError",
    "InvitationPendingError",
    "LastOwnerError",
    "LoginMayNotEnterError",
    "LoginSeesEverythingError",
    "MemberNotFoundError",
    "ModelIdTakenError",
    "ModelInUseError",
    "ModelNotFoundError",
    "ModelNotVisibleError",
    "ModuleForbiddenError",
    "NoContextError",
    "NotAMemberError",
    "NotFoundError",
    "NotGrantedError",
    "NotOperationalError",
    "OfferingAccessError",
    "OfferingNotFoundError",
    "OfferingStateError",
    "OrganizationNotFoundError",
    "OrganizationRequiredError",
    "PermissionDeniedError",
    "PersonRequiredError",
    "PhaseNotDeployedError",
    "ReferenceReusedError",
    "RequestNotFoundError",
    "RequestNotPendingError",
    "SessionError",
    "SessionNotFoundError",
    "SettingChangedError",
    "SettingLockedError",
    "SettingNotFoundError",
    "ShareNotFoundError",
    "ShareStateError",
    "SlugTakenError",
    "SnapshotNotCheckedError",
    "SpendingLimitError",
    "TableNotProtectedError",
    "TenancyError",
    "TicketError",
    "TransactionAbortedError",
    "TransactionEndedError",
    "TransactionRequiredError",
    "UnknownModuleError",
    "UsageNotFoundError",
    "UserInUseError",
    "UserNotFoundError",
    "UserRequiredError",
    "UsernameTakenError",
    "WalletStateError",
    "WorkspaceClosedError",
]


class TenancyError(Exception):
    """The base of all errors of pg-tenancy.

    It does not derive from a driver's error, so that one ``except`` works for psycopg
    and asyncpg. The driver's exception is in ``__cause__``.

    Attributes:
        message: the server's message.
        hint: the remedy, or None.
        sqlstate: the SQLSTATE's five characters, or None if the client detected the
            problem before sending anything.
        constraint: the error's name, from the constraint field, or None.
        http_status: the status for an HTTP response, 400 to 599, a constant of the class;
            500 for a mistake of the application itself.
    """

    http_status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        sqlstate: str | None = None,
        constraint: str | None = None,
    ) -> None:
        """Store the parts of the error, which are the attributes of the class."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.sqlstate = sqlstate
        self.constraint = constraint

    def __str__(self) -> str:
        """Return the message, and the hint on a separate line."""
        return f"{self.message}\nHINT: {self.hint}" if self.hint else self.message


class NoContextError(TenancyError):
    """A protected table or function was used outside a workspace."""


class InvalidContextError(NoContextError):
    """The session variables were not set by entering a workspace in this transaction."""


class NotAMemberError(TenancyError):
    """The user, the organization or the membership does not exist, or no longer exists."""

    http_status = 403


class ContextAlreadySetError(TenancyError):
    """The transaction is already in another workspace."""


class LoginSeesEverythingError(TenancyError):
    """The login bypasses the policies, so no workspace can be entered with it."""


class LoginMayNotEnterError(TenancyError):
    """The login lacks the role for entering in this way; the hint names the role."""


class TransactionRequiredError(TenancyError):
    """A workspace was entered outside a transaction block."""


class SnapshotNotCheckedError(TenancyError):
    """The snapshot is not READ COMMITTED, and entering (if also READ ONLY) or using an offering requires a new one."""


class TicketError(TenancyError):
    """The ticket is forged, expired, revoked or not a ticket."""

    http_status = 401


class PermissionDeniedError(TenancyError):
    """The role lacks the permission."""

    http_status = 403


class DelegationDeniedError(PermissionDeniedError):
    """The role holds the permission, but not for this member or this role."""


class ModuleForbiddenError(PermissionDeniedError):
    """The module is not open to this role, or not in this kind of workspace."""


class PersonRequiredError(PermissionDeniedError):
    """The function requires a person, but the workspace was entered with an API key."""


class NotGrantedError(TenancyError):
    """The login may not use this command on the table, or on one of the columns in the statement.

    Attributes:
        table: the table, with its schema unless the search path finds it.
        insertable: the columns that an INSERT may name.
        updatable: the columns that an UPDATE may set.
        readable: the columns that a SELECT, a RETURNING or a condition may name.
        deletable: whether a DELETE is allowed.
    """

    def __init__(
        self,
        message: str,
        *,
        table: str,
        insertable: Sequence[str],
        updatable: Sequence[str],
        readable: Sequence[str],
        deletable: bool,
    ) -> None:
        """Compose the hint from what is allowed."""
        allowed = [
            f"{command} may name {', '.join(columns)}" if columns else f"{command} is not allowed"
            for command, columns in (("INSERT", insertable), ("UPDATE", updatable), ("SELECT and RETURNING", readable))
        ]
        allowed.append("DELETE is allowed" if deletable else "DELETE is not allowed")
        super().__init__(message, hint=f"Of {table}: {'; '.join(allowed)}.", sqlstate=_DENIED)
        self.table = table
        self.insertable = tuple(insertable)
        self.updatable = tuple(updatable)
        self.readable = tuple(readable)
        self.deletable = deletable


class OrganizationRequiredError(TenancyError):
    """The function requires an organization, but the workspace is personal or the platform's."""

    http_status = 409


class NotFoundError(TenancyError):
    """The object does not exist, or this workspace cannot see it."""

    http_status = 404


class OrganizationNotFoundError(NotFoundError):
    """The organization does not exist, or no longer exists."""


class MemberNotFoundError(NotFoundError):
    """The person is not a member of the current organization."""


class UserNotFoundError(NotFoundError):
    """The user does not exist."""


class InstanceNotFoundError(NotFoundError):
    """The workspace has no such instance."""


class ModelNotFoundError(NotFoundError):
    """The workspace has no model with this id."""


class UnknownModuleError(NotFoundError):
    """The application has no such module."""


class SettingNotFoundError(NotFoundError):
    """The setting or its subject does not exist."""


class LastOwnerError(TenancyError):
    """The change would leave an organization without an owner."""

    http_status = 409


class SlugTakenError(TenancyError):
    """Another organization has this slug."""

    http_status = 409


class InvitationError(TenancyError):
    """The token is unknown, used, revoked or expired; subclasses are other errors of invitations."""

    http_status = 404


class InvitationNotFoundError(InvitationError, NotFoundError):
    """The current organization has no such invitation."""


class InvitationNotPendingError(InvitationError):
    """The invitation was accepted or revoked, or has expired."""

    http_status = 409


class InvitationPendingError(InvitationError):
    """The address already has a pending invitation to this organization."""

    http_status = 409


class AlreadyAMemberError(InvitationError):
    """The address belongs to a member of the organization."""

    http_status = 409


class ApiKeyError(TenancyError):
    """The API key is unknown, revoked or expired."""

    http_status = 401


class SessionError(TenancyError):
    """The session is unknown, revoked or expired: the person must log in again."""

    http_status = 401


class SessionNotFoundError(SessionError, NotFoundError):
    """The person has no such session."""

    http_status = 404


class ApiKeyNotFoundError(ApiKeyError, NotFoundError):
    """The workspace has no such API key."""

    http_status = 404


class InstanceStateError(TenancyError):
    """The instance's state does not allow this; the hint names the states that do."""

    http_status = 409


class ModelNotVisibleError(TenancyError):
    """The model of an instance does not exist, or belongs to somebody else."""

    http_status = 422


class NotOperationalError(TenancyError):
    """An activation is missing; the message says which, and the hint the roles that can give it."""

    http_status = 409


class ActivationWriteError(PermissionDeniedError):
    """The columns of activations were written directly; use ``activate`` and ``deactivate``."""


class UserInUseError(TenancyError):
    """The account cannot be deleted while rows of the application's own tables refer to it."""

    http_status = 409


class ModelIdTakenError(TenancyError):
    """The workspace already has a model with this ``model_id``."""

    http_status = 409


class ModelInUseError(TenancyError):
    """The model cannot be deleted while instances or offerings use it."""

    http_status = 409


class SettingLockedError(TenancyError):
    """The platform has locked the setting: the platform's value applies in all workspaces."""

    http_status = 409


class SettingChangedError(TenancyError):
    """The setting was changed after the expected version was read."""

    http_status = 409


class EmailTakenError(TenancyError):
    """An account with this e-mail address already exists."""

    http_status = 409


class UsernameTakenError(TenancyError):
    """Another account has this username, and the application's table requires it to be unique."""

    http_status = 409


class EmailAmbiguousError(TenancyError):
    """Several accounts have this e-mail address, but none in exactly this spelling."""

    http_status = 409


class InsufficientFundsError(TenancyError):
    """The wallet does not have enough money, or an amount is unpaid."""

    http_status = 402


class SpendingLimitError(TenancyError):
    """The API key, the person or the workspace has reached its spending limit for this month."""

    http_status = 402


class ReferenceReusedError(TenancyError):
    """The reference belongs to another movement or hold, or the movement was already reversed."""

    http_status = 409


class WalletStateError(TenancyError):
    """The request requires an unused wallet, but this one is in use."""

    http_status = 409


class AccessRequestedError(TenancyError):
    """The workspace has already requested access to this offering, or may already use it."""

    http_status = 409


class AlreadySharedError(TenancyError):
    """The offering is already shared with this organization."""

    http_status = 409


class CodeTakenError(TenancyError):
    """Another offering of the organization has this code."""

    http_status = 409


class EntitlementNotFoundError(NotFoundError):
    """The organization has no such agreement in force."""


class OfferingAccessError(PermissionDeniedError):
    """The workspace may not use the offering: ``constraint`` names the reason."""


class OfferingNotFoundError(NotFoundError):
    """The offering does not exist, or this workspace cannot see it."""


class OfferingStateError(TenancyError):
    """The offering cannot be used now: ``constraint`` says why."""

    http_status = 409


class RequestNotFoundError(NotFoundError):
    """The organization received no such request."""


class RequestNotPendingError(TenancyError):
    """The request has already been decided."""

    http_status = 409


class ShareNotFoundError(NotFoundError):
    """The organization has given no such share."""


class ShareStateError(TenancyError):
    """The share's state does not allow this."""

    http_status = 409


class UsageNotFoundError(NotFoundError):
    """The organization served no such call."""


class InvalidArgumentError(TenancyError, ValueError):
    """A value is missing, malformed or not one of the known ones."""

    http_status = 422


class UserRequiredError(InvalidArgumentError):
    """``user_id`` is None: nobody is signed in."""

    http_status = 401


class TableNotProtectedError(InvalidArgumentError):
    """The rows of the table do not belong to workspaces."""


class ConnectionNotIdleError(TenancyError):
    """The connection is closed, busy, in a pipeline or in a transaction."""


class TransactionAbortedError(TenancyError):
    """A statement failed, but the block continued; nothing was committed."""


class TransactionEndedError(TenancyError):
    """The block's own COMMIT or ROLLBACK ended the transaction, and with it the workspace."""


class WorkspaceClosedError(TenancyError):
    """The workspace was used outside of its block."""


# Instances, models and costs, whose tags add nothing in the kernel's plan.
_PLATFORM_PHASES: Final = frozenset({5, 6, 9})


class PhaseNotDeployedError(TenancyError):
    """The database lacks the phase that this call requires.

    Attributes:
        phase: the number of the phase.
        function: the missing SQL function, with its schema.
    """

    http_status = 501

    def __init__(self, phase: int, function: str, *, sqlstate: str | None = None) -> None:
        """Compose the message from the missing function and its phase."""
        super().__init__(
            f"{function}() comes with phase {phase}, which is not deployed in this database",
            hint=f"Deploy up to @phase-{phase}, or do without this call until then."
            + (" The kernel's plan does not contain it." if phase in _PLATFORM_PHASES else ""),
            sqlstate=sqlstate,
        )
        self.phase = phase
        self.function = function


_CLASSES: Final[dict[tuple[str, str], type[TenancyError]]] = {
    ("28000", "no_context"): NoContextError,
    ("28000", "invalid_context"): InvalidContextError,
    ("28000", "not_a_member"): NotAMemberError,
    ("28000", "context_already_set"): ContextAlreadySetError,
    ("28000", "login_sees_everything"): LoginSeesEverythingError,
    ("28000", "invalid_ticket"): TicketError,
    ("28000", "invalid_invitation"): InvitationError,
    ("28000", "invalid_api_key"): ApiKeyError,
    ("28000", "invalid_session"): SessionError,
    ("25006", "snapshot_not_checked"): SnapshotNotCheckedError,
    ("25000", "read_committed_required"): SnapshotNotCheckedError,
    ("25P01", "transaction_required"): TransactionRequiredError,
    ("22004", "user_id_required"): UserRequiredError,
    ("42501", "permission_denied"): PermissionDeniedError,
    ("42501", "delegation_denied"): DelegationDeniedError,
    ("42501", "credentials_denied"): PermissionDeniedError,
    ("42501", "person_required"): PersonRequiredError,
    ("42501", "module_forbidden"): ModuleForbiddenError,
    ("42501", "setting_of_platform"): PermissionDeniedError,
    ("42501", "audit_log_is_append_only"): PermissionDeniedError,
    ("42501", "ledger_is_append_only"): PermissionDeniedError,
    ("P0001", "insufficient_funds"): InsufficientFundsError,
    ("P0001", "spending_limit_reached"): SpendingLimitError,
    ("55000", "overdraft_in_use"): WalletStateError,
    ("55000", "wallet_in_use"): WalletStateError,
    ("55000", "organization_required"): OrganizationRequiredError,
    ("55000", "invitation_not_pending"): InvitationNotPendingError,
    ("55000", "instance_state"): InstanceStateError,
    ("55000", "setting_changed"): SettingChangedError,
    ("55000", "setting_locked"): SettingLockedError,
    ("55000", "not_operational"): NotOperationalError,
    ("42501", "activation_by_function"): ActivationWriteError,
    ("P0002", "organization_not_found"): OrganizationNotFoundError,
    ("P0002", "member_not_found"): MemberNotFoundError,
    ("P0002", "invitation_not_found"): InvitationNotFoundError,
    ("P0002", "api_key_not_found"): ApiKeyNotFoundError,
    ("P0002", "session_not_found"): SessionNotFoundError,
    ("P0002", "instance_not_found"): InstanceNotFoundError,
    ("P0002", "model_not_found"): ModelNotFoundError,
    ("P0002", "user_not_found"): UserNotFoundError,
    ("P0002", "setting_not_found"): SettingNotFoundError,
    ("P0002", "unknown_module"): UnknownModuleError,
    ("P0002", "workspace_not_found"): NotFoundError,
    ("P0002", "hold_not_found"): NotFoundError,
    ("P0002", "transfer_not_found"): NotFoundError,
    ("P0002", "offering_not_found"): OfferingNotFoundError,
    ("P0002", "share_not_found"): ShareNotFoundError,
    ("P0002", "request_not_found"): RequestNotFoundError,
    ("P0002", "entitlement_not_found"): EntitlementNotFoundError,
    ("P0002", "usage_not_found"): UsageNotFoundError,
    ("P0002", "consumer_not_found"): OrganizationNotFoundError,
    ("55000", "offering_inactive"): OfferingStateError,
    ("55000", "offering_price_missing"): OfferingStateError,
    ("55000", "share_state_invalid"): ShareStateError,
    ("55000", "request_not_pending"): RequestNotPendingError,
    ("23505", "offering_code_taken"): CodeTakenError,
    ("23505", "already_shared"): AlreadySharedError,
    ("23505", "already_requested"): AccessRequestedError,
    ("23505", "access_granted"): AccessRequestedError,
    ("23503", "organization_models_model_id_fkey"): ModelNotVisibleError,
    ("42501", "request_required"): OfferingAccessError,
    ("42501", "request_pending"): OfferingAccessError,
    ("42501", "subscription_required"): OfferingAccessError,
    ("42501", "share_paused"): OfferingAccessError,
    ("42501", "entitlement_ended"): OfferingAccessError,
    ("42501", "quota_exhausted"): OfferingAccessError,
    ("42501", "trial_ended"): OfferingAccessError,
    ("22023", "offering_invalid"): InvalidArgumentError,
    ("22023", "price_invalid"): InvalidArgumentError,
    ("22023", "price_time_invalid"): InvalidArgumentError,
    ("22023", "pricing_invalid"): InvalidArgumentError,
    ("22023", "period_invalid"): InvalidArgumentError,
    ("22023", "quota_invalid"): InvalidArgumentError,
    ("22023", "message_invalid"): InvalidArgumentError,
    ("22023", "request_id_invalid"): InvalidArgumentError,
    ("22023", "tokens_invalid"): InvalidArgumentError,
    ("22023", "occurred_at_invalid"): InvalidArgumentError,
    ("21000", "email_ambiguous"): EmailAmbiguousError,
    ("55000", "table_not_protected"): TableNotProtectedError,
    ("22023", "organization_name_invalid"): InvalidArgumentError,
    ("22023", "organization_slug_invalid"): InvalidArgumentError,
    ("22023", "organization_color_invalid"): InvalidArgumentError,
    ("22023", "unknown_role"): InvalidArgumentError,
    ("22023", "email_invalid"): InvalidArgumentError,
    ("22023", "user_data_invalid"): InvalidArgumentError,
    ("22023", "organization_data_invalid"): InvalidArgumentError,
    ("22023", "membership_data_invalid"): InvalidArgumentError,
    ("22023", "api_key_data_invalid"): InvalidArgumentError,
    ("22023", "invitation_expiry_invalid"): InvalidArgumentError,
    ("22023", "api_key_name_invalid"): InvalidArgumentError,
    ("22023", "api_key_expiry_invalid"): InvalidArgumentError,
    ("22023", "session_length_invalid"): InvalidArgumentError,
    ("22023", "amount_invalid"): InvalidArgumentError,
    ("22023", "batch_invalid"): InvalidArgumentError,
    ("22023", "currency_invalid"): InvalidArgumentError,
    ("22023", "currency_mismatch"): InvalidArgumentError,
    ("22023", "grant_expiry_invalid"): InvalidArgumentError,
    ("22023", "hold_expiry_invalid"): InvalidArgumentError,
    ("22023", "kind_reserved"): InvalidArgumentError,
    ("22023", "limit_invalid"): InvalidArgumentError,
    ("22023", "plan_invalid"): InvalidArgumentError,
    ("22023", "batch_size_invalid"): InvalidArgumentError,
    ("22023", "bucket_invalid"): InvalidArgumentError,
    ("22023", "dimension_invalid"): InvalidArgumentError,
    ("22023", "range_invalid"): InvalidArgumentError,
    ("22023", "span_invalid"): InvalidArgumentError,
    ("22023", "time_zone_invalid"): InvalidArgumentError,
    ("22023", "too_many_buckets"): InvalidArgumentError,
    ("22023", "page_size_invalid"): InvalidArgumentError,
    ("22023", "setting_subject_invalid"): InvalidArgumentError,
    ("22023", "setting_value_invalid"): InvalidArgumentError,
    ("22023", "kind_invalid"): InvalidArgumentError,
    ("22023", "aspect_invalid"): InvalidArgumentError,
    ("23503", "instances_model_id_fkey"): ModelNotVisibleError,
    ("23503", "model_in_use"): ModelInUseError,
    ("23503", "user_in_use"): UserInUseError,
    ("23505", "organization_slug_taken"): SlugTakenError,
    ("23505", "already_a_member"): AlreadyAMemberError,
    ("23505", "invitation_pending"): InvitationPendingError,
    ("23505", "reference_reused"): ReferenceReusedError,
    ("23505", "already_reversed"): ReferenceReusedError,
    ("23505", "email_taken"): EmailTakenError,
    ("23505", "username_taken"): UsernameTakenError,
    ("23505", "models_tenancy_workspace_id_model_id_key"): ModelIdTakenError,
    ("23514", "organization_keeps_an_owner"): LastOwnerError,
}

# invalid_schema_name and undefined_function: the errors if a phase is missing.
_MISSING: Final = frozenset({"3F000", "42883"})

# insufficient_privilege: PostgreSQL's own error if the login may not call a function.
_DENIED: Final = "42501"

# serialization_failure and deadlock_detected: a retry may succeed.
_TRANSIENT: Final = frozenset({"40001", "40P01"})


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error of a driver or of pg-tenancy, or None."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_transient(error: BaseException) -> bool:
    """Return whether running the same transaction again may succeed."""
    return sqlstate_of(error) in _TRANSIENT


def name_of(error: TenancyError) -> str:
    """Return the name of an error, such as ``permission_denied``.

    This is its name in the database. If the client detected the problem before sending
    anything, it is the name in the database of errors of this class, or else the name of
    the class.
    """
    if error.constraint is not None:
        return error.constraint
    names = {name for (_, name), found in _CLASSES.items() if found is type(error)}
    if len(names) == 1:
        return names.pop()
    words = re.findall("[A-Z][a-z]*", type(error).__name__.removesuffix("Error"))
    return "_".join(words).lower()


def translate(error: BaseException) -> TenancyError | None:
    """Return the exception of pg-tenancy for a driver's error.

    Args:
        error: an exception of psycopg or asyncpg.

    Returns:
        The exception to raise from ``error``, or None if the error is not one of
        pg-tenancy's and should be raised unchanged.
    """
    # psycopg has the fields of the server's message in diag, asyncpg on the exception
    # itself.
    fields = getattr(error, "diag", error)
    sqlstate = sqlstate_of(error)
    constraint = getattr(fields, "constraint_name", None)
    if sqlstate is None or not isinstance(constraint, str):
        return None
    found = _CLASSES.get((sqlstate, constraint))
    if found is None:
        return None
    hint = getattr(fields, "message_hint", None) or getattr(fields, "hint", None)
    return found(message_of(error), hint=hint or None, sqlstate=sqlstate, constraint=constraint)


def tenancy_error(error: BaseException) -> TenancyError | None:
    """Return the exception of pg-tenancy for an error that may wrap a driver's error.

    Args:
        error: an exception of a driver, or of SQLAlchemy or Django, whose cause is the
            driver's.

    Returns:
        The error itself if it is a TenancyError; the exception to raise from it if it or
        its cause is a driver's error with a name of pg-tenancy; otherwise None.
    """
    found: BaseException | None = error
    while found is not None:
        ours = found if isinstance(found, TenancyError) else translate(found)
        if ours is not None:
            return ours
        found = found.__cause__
    return None


def translate_missing(error: BaseException, phase: int, function: str) -> PhaseNotDeployedError | None:
    """Return the exception for a function of pg-tenancy that the database lacks.

    Args:
        error: the driver's error for a statement that only calls ``function``.
        phase: the phase that adds the function.
        function: the function's name, with its schema.

    Returns:
        The exception to raise from ``error``, or None if the function exists and the error
        has another reason.
    """
    # The application's own schema is opened to its logins by the phase that requires it.
    is_closed = sqlstate_of(error) == _DENIED and not function.startswith("tenancy.") and translate(error) is None
    if not (sqlstate_of(error) in _MISSING or is_closed) or _comes_from_inside(error):
        return None
    return PhaseNotDeployedError(phase, function, sqlstate=sqlstate_of(error))


def translate_denied(error: BaseException, function: str) -> LoginMayNotEnterError | None:
    """Return the exception for a login that may not call an entering function.

    Args:
        error: the driver's error for a statement that only calls ``function``.
        function: the function's name, with its schema.

    Returns:
        The exception to raise from ``error``, or None if the login may call the function
        and the error has another reason.
    """
    if sqlstate_of(error) != _DENIED or _comes_from_inside(error):
        return None
    if "_with_" in function:
        hint = "Grant the login tenancy_credentialed or tenancy_app."
    else:
        hint = (
            "A login of tenancy_credentialed cannot name users: it enters with ticket=, session= or api_key=."
            " To enter with user_id=, a login needs tenancy_app."
        )
    return LoginMayNotEnterError(
        f"the login of this connection may not call {function}()", hint=hint, sqlstate=sqlstate_of(error)
    )


def is_not_granted(error: BaseException | None) -> bool:
    """Return whether PostgreSQL itself refused the application's statement because a privilege is missing.

    Its message names only the table. The login's privileges on the table can be read only
    after the failed transaction has ended; ``translate_not_granted`` takes them.
    """
    fields = getattr(error, "diag", error)
    return (
        error is not None
        and not isinstance(error, TenancyError)
        and sqlstate_of(error) == _DENIED
        and not getattr(fields, "constraint_name", None)
        and not _comes_from_inside(error)
    )


def translate_not_granted(error: BaseException, row: Sequence[object] | None) -> NotGrantedError | None:
    """Return the exception for a statement that PostgreSQL refused.

    Args:
        error: the driver's error, for which ``is_not_granted`` is true.
        row: the result of ``_sql.GRANTED`` for its message; None if the table is not
            protected.

    Returns:
        The exception to raise from ``error``, or None if it should be raised unchanged.
    """
    if row is None:
        return None
    table, insertable, updatable, readable, deletable = row
    return NotGrantedError(
        message_of(error),
        table=str(table),
        insertable=_names(insertable),
        updatable=_names(updatable),
        readable=_names(readable),
        deletable=bool(deletable),
    )


def message_of(error: BaseException) -> str:
    """Return the server's own message."""
    fields = getattr(error, "diag", error)
    return getattr(fields, "message_primary", None) or getattr(fields, "message", None) or str(error)


def _names(names: object) -> list[str]:
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def _comes_from_inside(error: BaseException) -> bool:
    """Return whether the error was raised inside a function, which therefore exists and was called."""
    return bool(getattr(getattr(error, "diag", error), "context", None))

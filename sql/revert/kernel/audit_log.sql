-- Revert pg-tenancy:kernel/audit_log from pg

\set change kernel/audit_log
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Two transactions, so that archiving the entries blocks no changes of organizations. Both can
-- be run again.

BEGIN;

CALL tenancy_private.patiently(
    ARRAY[
        'public.organizations', 'public.organization_memberships', 'tenancy.workspaces'
    ]::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

SET LOCAL client_min_messages = warning;
DROP TRIGGER IF EXISTS organization_memberships_tenancy_audit ON public.organization_memberships;
DROP TRIGGER IF EXISTS organizations_tenancy_audit ON public.organizations;
DROP TRIGGER IF EXISTS workspaces_audit ON tenancy.workspaces;
CALL tenancy_private.forget_triggers(
    'public.organization_memberships',
    'organization_memberships_tenancy_audit'
);
CALL tenancy_private.forget_triggers('public.organizations', 'organizations_tenancy_audit');
CALL tenancy_private.forget_triggers('tenancy.workspaces', 'workspaces_audit');

COMMIT;

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP TRIGGER role_delegations_audit ON tenancy.role_delegations;
DROP TRIGGER role_permissions_audit ON tenancy.role_permissions;
CALL tenancy_private.forget_triggers('tenancy.role_delegations', 'role_delegations_audit');
CALL tenancy_private.forget_triggers('tenancy.role_permissions', 'role_permissions_audit');

DO $$
BEGIN
    IF EXISTS (SELECT FROM tenancy.audit_log) THEN
        CALL tenancy_private.archive_table('tenancy.audit_log');
    END IF;
END;
$$;

DROP FUNCTION tenancy.record_read(regclass);
DROP FUNCTION tenancy_private.audit();
DROP FUNCTION tenancy_private.record_change(text, jsonb, jsonb, text[]);
CALL tenancy_private.forget_contract('tenancy.audit_log');
DROP TABLE tenancy.audit_log;
DROP FUNCTION tenancy_private.refuse_audit_change();

\ir ../../notes/done.psql
COMMIT;

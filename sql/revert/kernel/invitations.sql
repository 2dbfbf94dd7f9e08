-- Revert pg-tenancy:kernel/invitations from pg

\set change kernel/invitations
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Two transactions, so that archiving the invitations blocks no changes of users and
-- organizations. Both can be run again.

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.users', 'public.organizations', 'tenancy.invitations']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

ALTER TABLE tenancy.invitations
DROP CONSTRAINT IF EXISTS invitations_accepted_by_user_id_fkey,
DROP CONSTRAINT IF EXISTS invitations_invited_by_user_id_fkey,
DROP CONSTRAINT IF EXISTS invitations_organization_id_fkey;

COMMIT;

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.invitations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM tenancy.invitations) THEN
        CALL tenancy_private.archive_table('tenancy.invitations');
    END IF;
END;
$$;

CALL tenancy_private.forget_contract('tenancy.invitations');
DROP TABLE tenancy.invitations;

\ir ../../notes/done.psql
COMMIT;

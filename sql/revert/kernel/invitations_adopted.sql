-- Revert pg-tenancy:kernel/invitations_adopted from pg

\set change kernel/invitations_adopted
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SELECT count(*) > 0 AS has_invitations
FROM pg_trigger AS t
WHERE t.tgfoid = 'tenancy_private.take_invitation()'::regprocedure
\gset
\if :has_invitations
CALL tenancy_private.patiently(
    ARRAY['public.organization_invitations', 'tenancy.invitations']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);
DROP TRIGGER invitations_adopted ON tenancy.invitations;
CALL tenancy_private.forget_triggers('tenancy.invitations', 'invitations_adopted');
CALL tenancy_private.drop_parts('public.organization_invitations', :'change');
DELETE FROM tenancy_private.adoptions AS a WHERE a.change = :'change';
CALL tenancy_private.revoke_from_owner('public.organization_invitations');
\endif
DROP FUNCTION tenancy_private.end_adopted_invitation();
DROP FUNCTION tenancy_private.take_invitation();
DROP FUNCTION tenancy_private.adopt_invitation(jsonb);

\ir ../../notes/done.psql
COMMIT;

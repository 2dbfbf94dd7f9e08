-- Revert pg-tenancy:platform/offering_shares from pg

\set change platform/offering_shares
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_model_shares']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);
CALL tenancy_private.revoke_from_owner('public.organization_model_shares');
DROP INDEX IF EXISTS
public.organization_model_shares_tenancy_active_key, public.organization_model_shares_tenancy_active_key_tenancy_building,
public.organization_model_shares_tenancy_consumer_idx, public.organization_model_shares_tenancy_consumer_idx_tenancy_building;

\ir ../../notes/done.psql
COMMIT;

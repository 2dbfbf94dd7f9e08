-- Revert pg-tenancy:platform/offering_shares from pg

\set change platform/offering_shares
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

DELETE FROM tenancy_private.wanted_indexes;
INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns)
SELECT i.indrelid, c.relname, trim_array(tenancy_private.columns_of_index(c.oid), 1)
FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid
WHERE i.indrelid = 'public.organization_model_shares'::regclass
    AND pg_catalog.obj_description(c.oid, 'pg_class') = 'Added by pg-tenancy, with the workspace.';
\ir ../../adoption/build_indexes.psql

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_model_shares']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);
CALL tenancy_private.revoke_from_owner('public.organization_model_shares');
DROP INDEX IF EXISTS
public.organization_model_shares_tenancy_active_key,
public.organization_model_shares_tenancy_active_key_tenancy_building;

\ir ../../notes/done.psql
COMMIT;

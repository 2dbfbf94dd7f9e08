-- Deploy pg-tenancy:platform/instances_workspaces to pg
-- requires: platform/permissions
-- requires: platform/foreign_keys
-- requires: kernel/tenant_tables
-- requires: kernel/legacy_logins

\set change platform/instances_workspaces
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.

-- An organization's instance does not belong to a person.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.instances'::regclass AND a.attname = 'user_id' AND a.attnotnull
    ) THEN
        RAISE EXCEPTION 'public.instances: user_id is NOT NULL, and must allow NULL for instances of organizations'
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Nothing was changed. ALTER TABLE public.instances ALTER COLUMN user_id DROP NOT NULL; '
        'then deploy again.';
    END IF;
END;
$$;

CALL tenancy_private.adopt_online(
    'platform/instances_workspaces', 'public.instances',
    owner_column => 'user_id',
    lengths => '{"status": 11}',
    defaults => '{"id": "gen_random_uuid()", "created_at": "now()"}',
    indexes => '{
        "instances_tenancy_workspace_id_created_at_idx": {"columns": ["workspace_id", "created_at"]},
        "instances_tenancy_organization_id_idx": {
            "columns": ["organization_id", "workspace_id"], "condition": "organization_id IS NOT NULL"
        },
        "instances_tenancy_user_id_idx": {"columns": ["user_id", "workspace_id"], "condition": "user_id IS NOT NULL"}
    }'
);
\ir ../../adoption/build_indexes.psql

CALL tenancy_private.finish_adoption('platform/instances_workspaces');

\ir ../../notes/done.psql

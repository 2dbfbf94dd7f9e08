-- Deploy pg-tenancy:platform/instances_workspaces to pg
-- requires: platform/permissions
-- requires: platform/foreign_keys
-- requires: kernel/tenant_tables
-- requires: kernel/legacy_logins

-- Not one transaction: everybody reads and writes meanwhile, and when it is
-- stopped anywhere the next deploy goes on from there.
\ir ../../adoption/patiently.psql
\ir ../../adoption/tenant_table.psql

-- An organization's instance is no person's.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.instances'::regclass AND a.attname = 'user_id' AND a.attnotnull
    ) THEN
        RAISE EXCEPTION 'public.instances: user_id is NOT NULL, and must be free for instances of organizations'
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Nothing was changed. ALTER TABLE public.instances ALTER COLUMN user_id DROP NOT NULL; '
        'then deploy again.';
    END IF;
END;
$$;

CALL pg_temp.check_tenant_table('public.instances', 'user_id', '{"status": 12}');

CALL tenancy_private.grant_to_owner('public.instances');
CALL tenancy_private.keep_legacy_logins(ARRAY['public.instances']::regclass[]);

CALL pg_temp.add_workspace(
    'public.instances', 'user_id', 'tenancy.default_workspace_id()',
    '{"id": "gen_random_uuid()", "created_at": "now()"}', NULL, NULL
);
CALL pg_temp.fill_workspaces('public.instances', 'user_id');
CALL pg_temp.return_ownership('public.instances', 'user_id', NULL, NULL);

INSERT INTO pg_temp.wanted_indexes (relation, index_name, columns, condition) VALUES
('public.instances', 'instances_workspace_id_created_at_idx', '{workspace_id,created_at}', NULL),
(
    'public.instances', 'instances_organization_id_idx', '{organization_id,workspace_id}',
    'organization_id IS NOT NULL'
),
('public.instances', 'instances_user_id_idx', '{user_id,workspace_id}', 'user_id IS NOT NULL');
CALL pg_temp.widen_indexes('public.instances');
\ir ../../adoption/build_indexes.psql

CALL pg_temp.add_workspace_keys('public.instances', 'user_id');

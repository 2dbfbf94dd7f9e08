-- Deploy pg-tenancy:instances_workspaces to pg
-- requires: tenant_tables
-- requires: legacy_logins
-- requires: foreign_keys

-- Not one transaction: everybody reads and writes meanwhile, and when it is
-- stopped anywhere the next deploy goes on from there.
\ir ../adoption/patiently.psql
\ir ../adoption/tenant_table.psql

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
\ir ../adoption/build_indexes.psql

CALL pg_temp.add_workspace_keys('public.instances', 'user_id');

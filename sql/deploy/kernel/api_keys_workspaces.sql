-- Deploy pg-tenancy:kernel/api_keys_workspaces to pg
-- requires: kernel/tenant_tables
-- requires: kernel/legacy_logins
-- requires: kernel/foreign_keys

-- Not one transaction: everybody reads and writes meanwhile, and when it is
-- stopped anywhere the next deploy goes on from there.
\ir ../../adoption/patiently.psql
\ir ../../adoption/tenant_table.psql

DO $$
DECLARE
    expiry CONSTANT regtype := (
        SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.api_keys'::regclass AND a.attname = 'expires_at' AND NOT a.attisdropped
    );
BEGIN
    IF expiry <> 'timestamptz'::regtype THEN
        RAISE EXCEPTION 'public.api_keys: expires_at is %, and must be timestamp with time zone', expiry
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Nothing was changed. Rename the column or change its type, then deploy again.';
    END IF;
END; $$;

CALL pg_temp.check_tenant_table('public.api_keys', 'user_id', '{"key_prefix": 12, "key_hash": 64}');

CALL tenancy_private.grant_to_owner('public.api_keys');
CALL tenancy_private.keep_legacy_logins(ARRAY['public.api_keys']::regclass[]);

-- A key is a person's or an organization's. An organization's outlives the
-- account of whoever made it, so its maker may be nobody.
DO $$
DECLARE
    maker_required CONSTANT boolean := (
        SELECT a.attnotnull FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.api_keys'::regclass AND a.attname = 'user_id'
    );
    expires CONSTANT boolean := EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.api_keys'::regclass AND a.attname = 'expires_at' AND NOT a.attisdropped
    );
BEGIN
    CALL pg_temp.add_workspace(
        'public.api_keys', 'user_id', 'tenancy.default_workspace_id()', '{}',
        CASE WHEN maker_required THEN 'Could not be null before: user_id.' END,
        nullif(
            CASE WHEN maker_required THEN 'ALTER TABLE public.api_keys ALTER COLUMN user_id DROP NOT NULL; ' ELSE '' END
            || CASE
                WHEN NOT expires
                    THEN 'ALTER TABLE public.api_keys ADD COLUMN expires_at timestamptz; '
                    'COMMENT ON COLUMN public.api_keys.expires_at IS ''When it stops working; NULL for never.'''
                ELSE ''
            END,
            ''
        )
    );
END; $$;

CALL pg_temp.fill_workspaces('public.api_keys', 'user_id');
-- A key that the revert stopped works again, unless somebody else has revoked it
-- since, and is its maker's or nobody's again; see remove_api_keys_workspaces.psql.
CALL pg_temp.return_ownership(
    'public.api_keys', 'user_id',
    'CASE WHEN t.user_id IS NOT DISTINCT FROM (a.further #>> ''{stopped,user_id}'')::uuid '
    'THEN a.owner_id ELSE t.user_id END',
    'expires_at = coalesce(t.expires_at, (a.further ->> ''expires_at'')::timestamptz), '
    'revoked_at = CASE WHEN t.revoked_at IS NOT DISTINCT FROM '
    '(pg_catalog.jsonb_populate_record(NULL::public.api_keys, a.further -> ''stopped''))'
    '.revoked_at '
    'THEN (pg_catalog.jsonb_populate_record(NULL::public.api_keys, a.further)).revoked_at '
    'ELSE t.revoked_at END'
);

INSERT INTO pg_temp.wanted_indexes (relation, index_name, columns, condition) VALUES
('public.api_keys', 'api_keys_workspace_id_created_at_idx', '{workspace_id,created_at}', NULL),
(
    'public.api_keys', 'api_keys_organization_id_idx', '{organization_id,workspace_id}',
    'organization_id IS NOT NULL'
),
('public.api_keys', 'api_keys_key_prefix_idx', '{key_prefix,workspace_id}', NULL);
CALL pg_temp.widen_indexes('public.api_keys');
\ir ../../adoption/build_indexes.psql

CALL pg_temp.add_workspace_keys('public.api_keys', 'user_id');

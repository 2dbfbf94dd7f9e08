-- Deploy pg-tenancy:kernel/base_tables to pg
-- requires: kernel/roles

\set change kernel/base_tables
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- CREATE only while this transaction creates tables. USAGE for good, because a foreign key is
-- checked with the rights of the referenced table's owner.
GRANT USAGE, CREATE ON SCHEMA public TO tenancy_owner;
GRANT USAGE ON SCHEMA public TO tenancy_service;

-- Restores tables that an earlier revert kept, with their rows.
DO $$
DECLARE
    archived record;
BEGIN
    FOR archived IN
        SELECT
            c.oid::regclass AS relation,
            c.relname AS name_there,
            s.schema_name,
            c.relname AS table_name
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL (
            SELECT 'public'
        ) AS s (schema_name)
        WHERE c.relnamespace = to_regnamespace('tenancy_archive')
            AND c.relkind IN ('r', 'p')
            AND c.relname IN (
                'users', 'organizations', 'organization_memberships', 'api_keys'
            )
        ORDER BY c.relname
    LOOP
        IF to_regclass(format('%I.%I', archived.schema_name, archived.table_name)) IS NOT NULL THEN
            RAISE EXCEPTION 'two tables %.% exist: one that a revert kept as %, and one created since',
                archived.schema_name, archived.table_name, archived.relation
                USING ERRCODE = '55000',
                      CONSTRAINT = 'base_tables',
                      HINT = format('Move the rows of %s into %I.%I and drop it, then deploy again.',
                          archived.relation, archived.schema_name, archived.table_name);
        END IF;
        IF archived.name_there <> archived.table_name THEN
            EXECUTE format('ALTER TABLE tenancy_archive.%I RENAME TO %I',
                archived.name_there, archived.table_name);
        END IF;
        EXECUTE format('ALTER TABLE tenancy_archive.%I SET SCHEMA %I',
            archived.table_name, archived.schema_name);
        EXECUTE format('ALTER TABLE %I.%I OWNER TO tenancy_owner',
            archived.schema_name, archived.table_name);
    END LOOP;

    -- Later phases may still have tables in it.
    IF to_regnamespace('tenancy_archive') IS NOT NULL THEN
        BEGIN
            DROP SCHEMA tenancy_archive;
        EXCEPTION
            WHEN dependent_objects_still_exist THEN
                NULL;
        END;
    END IF;
END; $$;

SELECT
    to_regclass('public.users') IS NULL AS users_is_absent,
    to_regclass('public.organizations') IS NULL AS organizations_is_absent,
    to_regclass('public.organization_memberships') IS NULL AS organization_memberships_is_absent,
    to_regclass('public.api_keys') IS NULL AS api_keys_is_absent
\gset

-- The tables belong to tenancy_owner from the start, so the deployer's default
-- privileges do not apply to them, and the owner distinguishes a table created
-- here from an adopted one.
SET LOCAL ROLE tenancy_owner;

-- The next changes add the keys, here as in an adopted database.
\if :users_is_absent
CREATE TABLE public.users (
    id            uuid        NOT NULL DEFAULT gen_random_uuid(),
    email         text        NOT NULL,
    username      text,
    first_name    text,
    last_name     text,
    password_hash text,
    role          text        NOT NULL DEFAULT 'user',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.users IS 'People. They can work without an organization.';
COMMENT ON COLUMN public.users.role IS
'The role on the platform: admin is its staff. It has no meaning in organizations.';
\endif

\if :organizations_is_absent
CREATE TABLE public.organizations (
    id                 uuid        NOT NULL DEFAULT gen_random_uuid(),
    name               text        NOT NULL,
    slug               text        NOT NULL,
    created_by_user_id uuid,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.organizations IS 'Tenants.';
COMMENT ON COLUMN public.organizations.slug IS 'The short name for addresses and offerings.';
\endif

\if :organization_memberships_is_absent
CREATE TABLE public.organization_memberships (
    organization_id uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    role            text        NOT NULL DEFAULT 'user',
    created_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.organization_memberships IS 'The members of organizations, with their roles.';
\endif

\if :api_keys_is_absent
CREATE TABLE public.api_keys (
    id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_id      uuid        NOT NULL,
    name         text        NOT NULL,
    key_prefix   text        NOT NULL,
    key_hash     text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);
COMMENT ON TABLE public.api_keys IS 'Credentials of programs; only their hashes are stored.';
\endif

RESET ROLE;

REVOKE CREATE ON SCHEMA public FROM tenancy_owner;

-- Only for workers, and for the application before its migration. Adopted
-- tables keep their owner and their grants.
GRANT SELECT, INSERT, UPDATE, DELETE ON
    public.users,
    public.organizations,
    public.organization_memberships,
    public.api_keys
TO tenancy_service;

\ir ../../notes/done.psql
COMMIT;

-- Revert pg-tenancy:platform/permissions from pg

\set change platform/permissions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- A matrix that differs from the deploy's was changed by somebody, and is kept.
DO $$
BEGIN
    IF (
        SELECT md5(string_agg(p.permission || ' ' || p.role, ',' ORDER BY p.permission COLLATE "C", p.role COLLATE "C"))
        FROM tenancy.role_permissions AS p
        WHERE split_part(p.permission, '.', 1) IN ('instances', 'models', 'finops', 'offerings')
    ) IS DISTINCT FROM 'd591f6fb8c0d1b534c1231edd21e2e06' THEN
        IF to_regnamespace('tenancy_archive') IS NULL THEN
            CREATE SCHEMA tenancy_archive;
            REVOKE ALL ON SCHEMA tenancy_archive FROM public;
        END IF;
        CREATE TABLE tenancy_archive.platform_role_permissions AS
        SELECT p.permission, p.role
        FROM tenancy.role_permissions AS p
        WHERE split_part(p.permission, '.', 1) IN ('instances', 'models', 'finops', 'offerings');
        RAISE NOTICE 'rows of tenancy.role_permissions are kept in tenancy_archive.platform_role_permissions';
    END IF;
END;
$$;

DELETE FROM tenancy.permissions AS p
WHERE split_part(p.permission, '.', 1) IN ('instances', 'models', 'finops', 'offerings');

\ir ../../notes/done.psql
COMMIT;

-- Deploy pg-tenancy:kernel/legacy_logins to pg
-- requires: kernel/owner_access

\set change kernel/legacy_logins
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- A change that closes tables also closes them to the application in use, that is, to every
-- role that owns one of them or may write to one. If it may already read and write all tables
-- that services use, it is granted tenancy_service and still sees everything. Any other login
-- would gain access by that, for example to passwords: it is granted tenancy_legacy, which has
-- no rights on tables. It keeps its own rights, and the policies let it use them. Revoking the
-- group is the cut-over, once the application enters workspaces.
CREATE TABLE tenancy_private.legacy_logins (
    role       name     NOT NULL,
    granted    name     NOT NULL,
    table_name regclass NOT NULL,
    by_protect boolean  NOT NULL,
    CONSTRAINT legacy_logins_pkey PRIMARY KEY (role)
);
CALL tenancy_private.close_own_table('tenancy_private.legacy_logins');
COMMENT ON TABLE tenancy_private.legacy_logins IS
'The roles to which a change granted tenancy_service or tenancy_legacy, and the first of the tables that it closed, '
'so that its revert revokes the group from these roles alone.';

-- The tables of the application that services may use, and those about to be closed, except
-- those that pg-tenancy created: nobody had rights on them before.
CREATE FUNCTION tenancy_private.tables_of_services(tables regclass[]) RETURNS regclass[]
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(array_agg(c.oid::regclass), '{}')
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind IN ('r', 'p')
    AND n.nspname NOT IN ('tenancy', 'tenancy_private', 'tenancy_archive')
    AND pg_get_userbyid(c.relowner) <> 'tenancy_owner'
    AND (c.oid = ANY(tables) OR EXISTS (
        SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee = 'tenancy_service'::regrole
    ));
$$;
REVOKE ALL ON FUNCTION tenancy_private.tables_of_services(regclass[]) FROM public;

-- A login that was cut over stays so: it is in the table, and nothing is granted to it again.
CREATE PROCEDURE tenancy_private.keep_legacy_logins(
    tables regclass[], by_protect boolean DEFAULT false
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    holder record;
BEGIN
    FOR holder IN
        SELECT
            r.rolname,
            r.rolinherit,
            bool_or(g.writes) AS writes,
            EXISTS (SELECT FROM tenancy_private.legacy_logins AS l WHERE l.role = r.rolname) AS is_cut_over,
            pg_has_role(r.oid, 'tenancy_service', 'USAGE') AS is_service,
            -- It already had all rights of services.
            CASE WHEN bool_and(rights.has_all) THEN 'tenancy_service' ELSE 'tenancy_legacy' END AS wanted
        FROM (
            SELECT c.relowner AS grantee, true AS writes
            FROM pg_class AS c
            WHERE c.oid = ANY(tables)
            UNION ALL
            SELECT acl.grantee, acl.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') AS writes
            FROM pg_class AS c
            CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
            WHERE c.oid = ANY(tables)
            UNION ALL
            SELECT acl.grantee, acl.privilege_type IN ('INSERT', 'UPDATE') AS writes
            FROM pg_attribute AS a
            CROSS JOIN LATERAL aclexplode(a.attacl) AS acl
            WHERE a.attrelid = ANY(tables)
        ) AS g
        INNER JOIN pg_roles AS r ON g.grantee = r.oid
        CROSS JOIN LATERAL (
            SELECT coalesce(bool_and(has_table_privilege(r.oid, t.name, p.privilege)), true) AS has_all
            FROM unnest(tenancy_private.tables_of_services(tables)) AS t (name)
            CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
        ) AS rights
        -- Also a role that bypasses row-level security: it needs the functions that fill the
        -- columns of later changes.
        WHERE NOT r.rolsuper
            AND r.rolname NOT IN (
                'tenancy_owner', 'tenancy_writer', 'tenancy_app',
                'tenancy_credentialed', 'tenancy_service', 'tenancy_legacy', 'tenancy_auditor'
            )
            AND NOT pg_has_role(r.oid, 'tenancy_legacy', 'USAGE')
            -- A member of tenancy_service is named only if a deploy made it one and it would
            -- gain rights on these tables.
            AND (
                NOT pg_has_role(r.oid, 'tenancy_service', 'USAGE') OR NOT rights.has_all AND EXISTS (
                    SELECT FROM tenancy_private.legacy_logins AS l WHERE l.role = r.rolname
                )
            )
        GROUP BY r.oid, r.rolname, r.rolinherit
        ORDER BY r.rolname
    LOOP
        IF holder.is_service THEN
            RAISE WARNING '% is a member of tenancy_service, and may now do with % what it could not before',
                holder.rolname, array_to_string(tables, ', ')
            USING HINT = format(
                'If it needs no function of services: GRANT tenancy_legacy TO %1$I; REVOKE tenancy_service FROM %1$I;',
                holder.rolname
            );
        ELSIF holder.is_cut_over THEN
            RAISE WARNING '% was cut over and stays so: it sees nothing of %', holder.rolname, array_to_string(tables, ', ')
            USING HINT = format(
                'If the application still works as this login: GRANT %I TO %I;', holder.wanted, holder.rolname
            );
        ELSIF holder.writes THEN
            EXECUTE format(
                'GRANT %I TO %I %s',
                holder.wanted,
                holder.rolname,
                CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'WITH INHERIT TRUE' END
            );
            INSERT INTO tenancy_private.legacy_logins (role, granted, table_name, by_protect)
            VALUES (holder.rolname, holder.wanted, tables[1], keep_legacy_logins.by_protect);
            RAISE NOTICE 'granted % to %, which %', holder.wanted, holder.rolname, CASE holder.wanted
                WHEN 'tenancy_service' THEN 'still sees everything'
                ELSE 'keeps the rights it has'
            END;
            IF NOT holder.rolinherit AND current_setting('server_version_num')::integer < 160000 THEN
                RAISE WARNING '% is NOINHERIT and will no longer see its tables', holder.rolname
                USING HINT = format('ALTER ROLE %I INHERIT;', holder.rolname);
            END IF;
        ELSE
            RAISE WARNING '% can read tables that this phase closes to it', holder.rolname
            USING HINT = format(
                'GRANT tenancy_legacy TO %1$I, or tenancy_auditor if its reading is to be recorded.', holder.rolname
            );
        END IF;
    END LOOP;
    IF EXISTS (
        SELECT FROM pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
        WHERE c.oid = ANY(tables) AND acl.grantee = 0
    ) THEN
        RAISE WARNING 'PUBLIC has privileges on tables that this phase closes'
        USING HINT = 'GRANT tenancy_legacy to the logins that rely on it.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.keep_legacy_logins(regclass[], boolean) FROM public;
COMMENT ON PROCEDURE tenancy_private.keep_legacy_logins (regclass [], boolean) IS
'Grants tenancy_service or tenancy_legacy to the roles that own or may write to one of these tables, before a change '
'closes them.';

-- Only if a deploy granted the group and nobody has revoked it since. Roles belong to all
-- databases of the server: a login that owns tables or has rights on some in another database
-- with pg-tenancy keeps the group.
CREATE PROCEDURE tenancy_private.drop_legacy_logins(
    tables regclass[], by_protect boolean DEFAULT false
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    holder record;
BEGIN
    -- Another closed table may still need it.
    UPDATE tenancy_private.legacy_logins AS l
    SET table_name = o.table_name
    FROM (
        SELECT DISTINCT ON (g.grantee) g.grantee, c.table_name
        FROM tenancy_private.closed_tables AS c
        INNER JOIN pg_class AS t ON c.table_name = t.oid
        CROSS JOIN LATERAL (
            SELECT t.relowner AS grantee
            UNION ALL
            SELECT acl.grantee FROM aclexplode(t.relacl) AS acl
            WHERE acl.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
            UNION ALL
            SELECT acl.grantee
            FROM pg_attribute AS a
            CROSS JOIN LATERAL aclexplode(a.attacl) AS acl
            WHERE a.attrelid = t.oid AND acl.privilege_type IN ('INSERT', 'UPDATE')
        ) AS g
        WHERE c.table_name <> ALL(tables)
        ORDER BY g.grantee, c.table_name::oid
    ) AS o
    WHERE l.table_name = ANY(tables) AND o.grantee = (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = l.role);
    FOR holder IN
        SELECT
            r.rolname,
            l.granted,
            (
                SELECT string_agg(d.datname, ', ' ORDER BY d.datname)
                FROM pg_database AS d
                WHERE d.datname <> current_database() AND (
                    SELECT count(DISTINCT s.refobjid) = 2
                    FROM pg_shdepend AS s
                    WHERE s.dbid = d.oid
                        AND s.refclassid = 'pg_authid'::regclass
                        AND s.refobjid IN (r.oid, m.roleid)
                )
            ) AS other_databases
        FROM tenancy_private.legacy_logins AS l
        INNER JOIN pg_roles AS r ON l.role = r.rolname
        INNER JOIN pg_auth_members AS m ON m.member = r.oid
        WHERE m.roleid = l.granted::regrole AND l.table_name = ANY(tables)
            AND l.by_protect = drop_legacy_logins.by_protect
    LOOP
        IF holder.other_databases IS NULL THEN
            EXECUTE format('REVOKE %I FROM %I', holder.granted, holder.rolname);
        ELSE
            RAISE NOTICE '% keeps %, for the databases %', holder.rolname, holder.granted, holder.other_databases;
        END IF;
    END LOOP;
    DELETE FROM tenancy_private.legacy_logins AS l
    WHERE l.table_name = ANY(tables) AND l.by_protect = drop_legacy_logins.by_protect;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.drop_legacy_logins(regclass[], boolean) FROM public;
COMMENT ON PROCEDURE tenancy_private.drop_legacy_logins (regclass [], boolean) IS
'Revokes what keep_legacy_logins granted for these tables.';

RESET ROLE;

CALL tenancy_private.keep_legacy_logins(
    ARRAY['public.users', 'public.organizations', 'public.organization_memberships']::regclass[]
);

\ir ../../notes/done.psql
COMMIT;

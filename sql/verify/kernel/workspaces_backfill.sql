-- Verify pg-tenancy:kernel/workspaces_backfill on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    people CONSTANT bigint := (
        SELECT count(*) FROM public.users AS u
        WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = u.id AND w.kind = 'personal')
    );
    organizations CONSTANT bigint := (
        SELECT count(*) FROM public.organizations AS o
        WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = o.id AND w.kind = 'organization')
    );
BEGIN
    IF people > 0 OR organizations > 0 THEN
        RAISE EXCEPTION '% users and % organizations have no workspace', people, organizations;
    END IF;
END;
$$;

ROLLBACK;

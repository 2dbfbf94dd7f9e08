-- Deploy pg-tenancy:kernel/workspaces_backfill to pg
-- requires: kernel/workspaces

-- Workspaces for the people and organizations that were here before the
-- trigger was. No transaction around it: each batch commits, so that it holds
-- its locks for milliseconds, and one that was interrupted goes on from where
-- it stood when it is deployed again.

SET lock_timeout = '2s';

DO $$
DECLARE
    batch CONSTANT integer := 5000;
    source record;
    last_id uuid;
    ids uuid[];
BEGIN
    FOR source IN
        SELECT *
        FROM (VALUES ('public.users', 'personal'), ('public.organizations', 'organization')) AS s (table_name, kind)
    LOOP
        last_id := NULL;
        LOOP
            EXECUTE pg_catalog.format(
                'SELECT pg_catalog.array_agg(b.id ORDER BY b.id) FROM (SELECT t.id FROM %s AS t'
                ' WHERE $1 IS NULL OR t.id > $1 ORDER BY t.id LIMIT $2) AS b',
                source.table_name
            ) INTO ids USING last_id, batch;
            EXIT WHEN ids IS NULL;
            -- A row deleted since the look above must not come back, and one
            -- inserted since has its workspace already.
            EXECUTE pg_catalog.format(
                'INSERT INTO tenancy.workspaces (id, kind, user_id, organization_id, color)'
                ' SELECT t.id, $2, CASE $2 WHEN ''personal'' THEN t.id END,'
                ' CASE $2 WHEN ''organization'' THEN t.id END, tenancy_private.color_for(t.id)'
                ' FROM %s AS t WHERE t.id = ANY($1)'
                ' AND NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = t.id)'
                ' FOR KEY SHARE OF t'
                ' ON CONFLICT (id) DO NOTHING',
                source.table_name
            ) USING ids, source.kind;
            last_id := ids[pg_catalog.array_upper(ids, 1)];
            COMMIT;
        END LOOP;
    END LOOP;
END;
$$;

-- What people had chosen before a revert: color, plan, and which
-- organizations were deleted.
BEGIN;

DO $$
BEGIN
    IF to_regclass('tenancy_archive.workspaces') IS NOT NULL THEN
        UPDATE tenancy.workspaces AS w
        SET
            color = a.color,
            plan = a.plan,
            created_at = a.created_at,
            deleted_at = a.deleted_at
        FROM tenancy_archive.workspaces AS a
        WHERE a.id = w.id AND a.kind = w.kind;
        CALL tenancy_private.drop_archived('workspaces');
    END IF;
END;
$$;

COMMIT;
RESET lock_timeout;

-- Deploy pg-tenancy:kernel/memberships to pg
-- requires: kernel/workspaces_backfill
-- requires: kernel/membership_roles_validated

\set change kernel/memberships
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

SET LOCAL ROLE tenancy_owner;

-- An organization with an owner keeps one, whatever would remove the last: a function, a
-- service's SQL, a cascade from users, or two sessions at once. A check alone is not enough,
-- because both sessions would check before either commits. So each writes the same counter
-- first: under READ COMMITTED the second waits and then sees the change of the first, and under
-- REPEATABLE READ it fails (40001). Deleting the organization itself deletes its owners too.
CREATE FUNCTION tenancy_private.keep_an_owner() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    organization_name text;
BEGIN
    UPDATE tenancy.workspaces AS w
    SET owner_changes = w.owner_changes + 1
    WHERE w.id = old.organization_id;
    SELECT o.name INTO organization_name
    FROM public.organizations AS o
    WHERE o.id = old.organization_id
        AND NOT EXISTS (
            SELECT FROM public.organization_memberships AS m
            WHERE m.organization_id = o.id AND m.role::text = 'owner'
        );
    IF FOUND THEN
        RAISE EXCEPTION 'organization % must keep an owner', organization_name
        USING ERRCODE = '23514',
        CONSTRAINT = 'organization_keeps_an_owner',
        HINT = 'Make another member an owner first.';
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.keep_an_owner() FROM public;

-- TRUNCATE fires no row trigger.
CREATE FUNCTION tenancy_private.keep_an_owner_on_truncate() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF EXISTS (SELECT FROM public.organizations AS o) THEN
        RAISE EXCEPTION 'organizations must keep their owners'
        USING ERRCODE = '23514',
        CONSTRAINT = 'organization_keeps_an_owner',
        HINT = 'DELETE FROM public.organizations removes organizations with their members.';
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.keep_an_owner_on_truncate() FROM public;

RESET ROLE;

-- Deferred, so that a transaction may demote one owner before it promotes another.
CREATE CONSTRAINT TRIGGER organization_memberships_tenancy_owner
AFTER DELETE ON public.organization_memberships
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW
WHEN (old.role::text = 'owner')
EXECUTE FUNCTION tenancy_private.keep_an_owner();

CREATE CONSTRAINT TRIGGER organization_memberships_tenancy_owner_changed
AFTER UPDATE ON public.organization_memberships
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW
WHEN (
    old.role::text = 'owner'
    AND (new.role::text <> 'owner' OR new.organization_id <> old.organization_id)
)
EXECUTE FUNCTION tenancy_private.keep_an_owner();

CREATE TRIGGER organization_memberships_tenancy_owner_truncate
AFTER TRUNCATE ON public.organization_memberships
FOR EACH STATEMENT EXECUTE FUNCTION tenancy_private.keep_an_owner_on_truncate();

ALTER TABLE public.organization_memberships
ENABLE ALWAYS TRIGGER organization_memberships_tenancy_owner,
ENABLE ALWAYS TRIGGER organization_memberships_tenancy_owner_changed,
ENABLE ALWAYS TRIGGER organization_memberships_tenancy_owner_truncate;

CALL tenancy_private.record_triggers(
    'public.organization_memberships',
    'organization_memberships_tenancy_owner',
    'organization_memberships_tenancy_owner_changed',
    'organization_memberships_tenancy_owner_truncate'
);

\ir ../../notes/done.psql
COMMIT;

-- Deploy pg-tenancy:owner_access to pg
-- requires: schemas
-- requires: base_tables

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The functions of pg-tenancy run as tenancy_owner. A table that was here
-- before belongs to somebody else, so its owner has to be asked: these two
-- procedures give and take that right. Where tenancy_owner is the owner
-- already, taking it back would take the owner's own rights, so they do nothing.
CREATE PROCEDURE tenancy_private.grant_to_owner(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = table_name) <> 'tenancy_owner' THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON %s TO tenancy_owner', table_name);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.grant_to_owner(regclass) FROM public;

CREATE PROCEDURE tenancy_private.revoke_from_owner(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = table_name) <> 'tenancy_owner' THEN
        EXECUTE format('REVOKE SELECT, INSERT, UPDATE, DELETE, REFERENCES ON %s FROM tenancy_owner', table_name);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.revoke_from_owner(regclass) FROM public;

-- As the one who deploys, who may grant what the tables' owners may.
RESET ROLE;

CALL tenancy_private.grant_to_owner('public.users');
CALL tenancy_private.grant_to_owner('public.organizations');
CALL tenancy_private.grant_to_owner('public.organization_memberships');

COMMIT;

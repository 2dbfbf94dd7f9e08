-- Verify pg-tenancy:kernel/schemas on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    schema_name text;
BEGIN
    FOREACH schema_name IN ARRAY ARRAY['tenancy', 'tenancy_private'] LOOP
        IF (
            SELECT pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace AS n WHERE n.nspname = schema_name
        ) IS DISTINCT FROM 'tenancy_owner' THEN
            RAISE EXCEPTION 'tenancy_owner does not own a schema %', schema_name;
        END IF;
    END LOOP;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS n
        CROSS JOIN LATERAL aclexplode(n.nspacl) AS acl
        WHERE n.nspname = 'tenancy_private' AND acl.grantee <> n.nspowner
    ) THEN
        RAISE EXCEPTION 'the schema tenancy_private is open to roles other than its owner';
    END IF;
END;
$$;

ROLLBACK;

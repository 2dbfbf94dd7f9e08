-- Verify pg-tenancy:kernel/owner_access on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    table_name regclass;
BEGIN
    FOREACH table_name IN ARRAY ARRAY[
        'public.users', 'public.organizations', 'public.organization_memberships'
    ]::regclass[] LOOP
        IF NOT (
            has_table_privilege('tenancy_owner', table_name, 'SELECT')
            AND has_table_privilege('tenancy_owner', table_name, 'UPDATE')
            AND has_table_privilege('tenancy_owner', table_name, 'REFERENCES')
            AND has_table_privilege('tenancy_writer', table_name, 'SELECT')
            AND has_table_privilege('tenancy_writer', table_name, 'INSERT')
            AND has_table_privilege('tenancy_writer', table_name, 'UPDATE')
            AND has_table_privilege('tenancy_writer', table_name, 'DELETE')
        ) THEN
            RAISE EXCEPTION 'tenancy_owner cannot read %, or tenancy_writer cannot write it', table_name;
        END IF;
    END LOOP;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.give_to_writer(regprocedure)',
    'tenancy_private.writer_has(text, text, text)',
    'tenancy_private.refuse_data(regclass, text, text, text, text, text, text, jsonb)',
    'tenancy_private.write_data(regclass, jsonb, jsonb, boolean)',
    'tenancy_private.delete_below(regclass, jsonb, regclass)',
    'tenancy_private.grant_to_owner(regclass)',
    'tenancy_private.revoke_from_owner(regclass)'
]);

CALL tenancy_private.verify_writers(ARRAY[
    'tenancy_private.insert_row(regclass, jsonb, boolean)',
    'tenancy_private.update_rows(regclass, jsonb, jsonb)',
    'tenancy_private.delete_rows(regclass, jsonb)'
]);

ROLLBACK;

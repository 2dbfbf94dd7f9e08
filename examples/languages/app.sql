-- Projects in plain SQL:
--
--     psql -qXAt -v user=USER -v organization=ORGANIZATION -f app.sql
\set ON_ERROR_STOP on

-- A transaction in a workspace: the organization's, or the personal one without the second argument.
BEGIN;
SELECT tenancy.enter(:'user', :'organization') \g /dev/null
INSERT INTO projects (name) VALUES ('Website');
SELECT count(*) || ' in the organization' FROM projects;
COMMIT;

BEGIN;
SELECT tenancy.enter(:'user') \g /dev/null
SELECT count(*) || ' in the personal workspace' FROM projects;
COMMIT;

-- An error of pg-tenancy has its name in the field CONSTRAINT_NAME, and a hint that says what to do.
DO $$
DECLARE
    state text;
    name text;
BEGIN
    PERFORM count(*) FROM projects;
EXCEPTION
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, name = CONSTRAINT_NAME;
        RAISE NOTICE '% (%)', name, state;
END;
$$;

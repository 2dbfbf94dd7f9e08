-- Revert pg-tenancy:kernel/taken_keys from pg

\set change kernel/taken_keys
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.verify_keys();
DROP FUNCTION tenancy_private.unchecked_keys(regclass);
DROP PROCEDURE tenancy_private.set_key_trigger(regclass);
DROP FUNCTION tenancy_private.key_checks(regclass);
CALL tenancy_private.drop_idle_key_checks();
DROP PROCEDURE tenancy_private.drop_key_trigger(regclass);
DROP PROCEDURE tenancy_private.drop_idle_key_checks();
DROP FUNCTION tenancy_private.refuse_taken_key(regclass, text);
DROP FUNCTION tenancy_private.key_trigger(regclass);
DROP FUNCTION tenancy_private.matches_of_key(oid, text, boolean);
DROP FUNCTION tenancy_private.columns_of_key(oid);

\ir ../../notes/done.psql
COMMIT;

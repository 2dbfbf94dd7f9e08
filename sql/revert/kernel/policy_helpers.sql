-- Revert pg-tenancy:kernel/policy_helpers from pg

\set change kernel/policy_helpers
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.verify_tenant_table(regclass, text[]);
DROP PROCEDURE tenancy_private.verify_writers(text[]);
DROP PROCEDURE tenancy_private.verify_routines(text[], text[], boolean);
DROP PROCEDURE tenancy_private.reopen_table(regclass);
DROP PROCEDURE tenancy_private.close_table(regclass, name);
DROP FUNCTION tenancy_private.ways_around(regclass);
CALL tenancy_private.forget_contract('tenancy_private.closed_tables');
DROP TABLE tenancy_private.closed_tables;

\ir ../../notes/done.psql
COMMIT;

-- Revert pg-tenancy:kernel/contracts from pg

\set change kernel/contracts
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.verify_contracts();
DROP PROCEDURE tenancy_private.require_no_problems(regproc, text, text, text);
DROP FUNCTION tenancy_private.broken_contracts(regclass);
DROP PROCEDURE tenancy_private.close_own_table(regclass);
DROP PROCEDURE tenancy.drop_policies(regclass);
DROP PROCEDURE tenancy_private.forget_contract(regclass);
DROP PROCEDURE tenancy_private.drop_triggers_calling(regclass, text);
DROP PROCEDURE tenancy_private.forget_triggers(regclass, name[]);
DROP PROCEDURE tenancy_private.record_triggers(regclass, name[]);
DROP PROCEDURE tenancy_private.record_contract(regclass);
DROP FUNCTION tenancy_private.contract_of(regclass);
DROP FUNCTION tenancy_private.triggers_of(regclass);
DROP FUNCTION tenancy_private.key_check_names();
DROP TABLE tenancy_private.contracts;

\ir ../../notes/done.psql
COMMIT;

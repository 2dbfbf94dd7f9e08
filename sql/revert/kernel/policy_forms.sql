-- Revert pg-tenancy:kernel/policy_forms from pg

\set change kernel/policy_forms
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy_private.parent_floor(regclass, name, boolean, integer);
DROP FUNCTION tenancy_private.author_floor(name, text);
DROP FUNCTION tenancy_private.verified_author();
DROP FUNCTION tenancy_private.claimed_user();
DROP FUNCTION tenancy_private.may(text, boolean, text);
DROP FUNCTION tenancy_private.members_floor(name, text);
DROP FUNCTION tenancy_private.catalogue_floor(name, text);
DROP FUNCTION tenancy_private.list_gate(name, text);
DROP FUNCTION tenancy.is_listed(uuid, uuid[]);
DROP FUNCTION tenancy_private.gate(text, text);
DROP FUNCTION tenancy_private.floor(name, text, text, text);
DROP FUNCTION tenancy_private.only_if(text, text);
DROP FUNCTION tenancy_private.claimed_workspace();
CALL tenancy_private.forget_contract('tenancy_private.access');
DROP TABLE tenancy_private.access;
CALL tenancy_private.forget_contract('tenancy_private.protected_tables');
DROP TABLE tenancy_private.protected_tables;

\ir ../../notes/done.psql
COMMIT;

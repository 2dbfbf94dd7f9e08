-- Revert pg-tenancy:kernel/entering from pg

\set change kernel/entering
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.enter_platform(uuid);
DROP FUNCTION tenancy.enter_as_service(uuid, uuid);
DROP FUNCTION tenancy.enter(uuid, uuid);
DROP FUNCTION tenancy_private.enter_as(uuid, uuid, boolean, text, uuid);
DROP FUNCTION tenancy_private.check_fresh(text, text[], uuid);
DROP FUNCTION tenancy_private.revoke(uuid[]);
DROP FUNCTION tenancy_private.revocation_place(uuid);
DROP FUNCTION tenancy_private.credential_span(uuid);
CALL tenancy_private.forget_contract('tenancy_private.revocations');
DROP TABLE tenancy_private.revocations;
DROP FUNCTION tenancy_private.reads_the_past();
DROP FUNCTION tenancy_private.refuse_member();
DROP FUNCTION tenancy_private.require_transaction();
DROP FUNCTION tenancy_private.check_login();
DROP FUNCTION tenancy_private.may_carry();
DROP FUNCTION tenancy_private.check_latch(integer, bytea, boolean);
DROP FUNCTION tenancy_private.latch_identity(bytea, bytea);

\ir ../../notes/done.psql
COMMIT;

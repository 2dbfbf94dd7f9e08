-- Revert pg-tenancy:kernel/seal_keys from pg

\set change kernel/seal_keys
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.rotate_seal_key(interval);
DROP FUNCTION tenancy_private.carried(bigint, text, text, text);
CALL tenancy_private.forget_contract('tenancy_private.seal_keys');
DROP TABLE tenancy_private.seal_keys;
DROP SEQUENCE tenancy.seal_rotations;
DROP FUNCTION tenancy_private.random_block(text);
DROP FUNCTION tenancy_private.random_bytes();
DROP FUNCTION tenancy_private.hmac_block(bytea, integer);

\ir ../../notes/done.psql
COMMIT;

-- Revert pg-tenancy:kernel/parents from pg

\set change kernel/parents
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.refuse_circles(regclass, name);
DROP FUNCTION tenancy_private.move_to_parents(regclass, name, bigint, bigint);
DROP PROCEDURE tenancy_private.set_child_trigger(regclass, name);
DROP FUNCTION tenancy_private.set_child_workspace();
DROP FUNCTION tenancy_private.key_of_one_column(regclass, name);
DROP FUNCTION tenancy_private.key_to_parent(regclass, name, boolean);

\ir ../../notes/done.psql
COMMIT;

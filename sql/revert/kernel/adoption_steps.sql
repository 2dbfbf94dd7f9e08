-- Revert pg-tenancy:kernel/adoption_steps from pg

\set change kernel/adoption_steps
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.check_revert(text[], text[]);
DROP FUNCTION tenancy_private.in_the_way_of_revert(text[]);
DROP PROCEDURE tenancy_private.place_indexes();
DROP PROCEDURE tenancy_private.join_part_indexes();
DROP PROCEDURE tenancy_private.join_part_index(regclass, name);
DROP FUNCTION tenancy_private.index_builds();
DROP FUNCTION tenancy_private.missing_part_indexes();
DROP FUNCTION tenancy_private.missing_indexes();
DROP FUNCTION tenancy_private.columns_of_index(oid);
DROP PROCEDURE tenancy_private.add_constraint(regclass, regclass[], name, text, text);
DROP PROCEDURE tenancy_private.drop_parts_of(text);
DROP PROCEDURE tenancy_private.drop_parts(regclass, text);
DROP PROCEDURE tenancy_private.leave_schema(regclass);
DROP FUNCTION tenancy_private.needs_schema(regclass, name, text);
DROP FUNCTION tenancy_private.current_part(tenancy_private.adopted_parts);
DROP PROCEDURE tenancy_private.grant_read(regclass, text);
DROP PROCEDURE tenancy_private.add_workspace_column(regclass, text, text);
DROP PROCEDURE tenancy_private.add_default(regclass, name, text, text);
DROP PROCEDURE tenancy_private.record_part(regclass, text, name, text);
DROP FUNCTION tenancy_private.has_part(regclass, text, name, text);
DROP PROCEDURE tenancy_private.in_batches(text, text, regclass, text, text, text);
DROP FUNCTION tenancy_private.needs_of(regclass);
DROP FUNCTION tenancy_private.invoker_triggers(regclass);
DROP PROCEDURE tenancy_private.validate_constraint(regclass, name);
DROP PROCEDURE tenancy_private.refuse_orphans(regclass, name, regclass, text);
DROP PROCEDURE tenancy_private.patiently(regclass[], text, text);
CALL tenancy_private.forget_contract('tenancy_private.wanted_indexes');
DROP TABLE tenancy_private.wanted_indexes;
CALL tenancy_private.forget_contract('tenancy_private.adopted_parts');
DROP TABLE tenancy_private.adopted_parts;
CALL tenancy_private.forget_contract('tenancy_private.adoptions');
DROP TABLE tenancy_private.adoptions;

\ir ../../notes/done.psql
COMMIT;

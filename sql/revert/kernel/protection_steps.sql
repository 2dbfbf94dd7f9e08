-- Revert pg-tenancy:kernel/protection_steps from pg

\set change kernel/protection_steps
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.grant_sequences(regclass, name);
DROP FUNCTION tenancy_private.split_columns(text);
DROP PROCEDURE tenancy_private.require_type(regclass, name[], regtype);
DROP PROCEDURE tenancy_private.default_to_workspace(regclass, name);
DROP PROCEDURE tenancy_private.require_named(regclass, text, name[]);
DROP PROCEDURE tenancy_private.require_columns(regclass, name[]);
DROP PROCEDURE tenancy_private.set_permission_trigger(regclass);
DROP FUNCTION tenancy_private.shared_numbers(regclass, name);
DROP PROCEDURE tenancy_private.warn_of_orphans(regclass, name);
DROP PROCEDURE tenancy_private.refuse_shipped(regclass);
DROP PROCEDURE tenancy_private.revise(regclass[]);
DROP PROCEDURE tenancy_private.close_protected(tenancy_private.protected_tables);
DROP FUNCTION tenancy_private.is_revised(regclass);
DROP PROCEDURE tenancy_private.warn_of_views(regclass);
DROP PROCEDURE tenancy_private.require_closed_partitions(regclass);
DROP PROCEDURE tenancy_private.follow_parent(tenancy_private.protected_tables);
DROP PROCEDURE tenancy_private.open_to_children(tenancy_private.protected_tables);
DROP PROCEDURE tenancy_private.add_readers_of_all(regclass);
DROP PROCEDURE tenancy_private.set_floor(tenancy_private.protected_tables, text, text);
DROP PROCEDURE tenancy_private.add_policy(regclass, text, text, text, text, text);

\ir ../../notes/done.psql
COMMIT;

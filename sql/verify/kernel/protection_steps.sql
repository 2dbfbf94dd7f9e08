-- Verify pg-tenancy:kernel/protection_steps on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.set_permission_trigger(regclass)',
    'tenancy_private.add_policy(regclass, text, text, text, text, text)',
    'tenancy_private.set_floor(tenancy_private.protected_tables, text, text)',
    'tenancy_private.add_readers_of_all(regclass)',
    'tenancy_private.open_to_children(tenancy_private.protected_tables)',
    'tenancy_private.follow_parent(tenancy_private.protected_tables)',
    'tenancy_private.require_closed_partitions(regclass)',
    'tenancy_private.warn_of_views(regclass)',
    'tenancy_private.close_protected(tenancy_private.protected_tables)',
    'tenancy_private.is_revised(regclass)',
    'tenancy_private.revise(regclass[])',
    'tenancy_private.refuse_shipped(regclass)',
    'tenancy_private.warn_of_orphans(regclass, name)',
    'tenancy_private.shared_numbers(regclass, name)',
    'tenancy_private.require_columns(regclass, name[])',
    'tenancy_private.require_named(regclass, text, name[])',
    'tenancy_private.default_to_workspace(regclass, name)',
    'tenancy_private.require_type(regclass, name[], regtype)',
    'tenancy_private.grant_sequences(regclass, name)',
    'tenancy_private.split_columns(text)'
]);

ROLLBACK;

-- Verify pg-tenancy:kernel/protection on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.verify_protected(regclass[])',
    'tenancy_private.claimed_workspace()',
    'tenancy_private.claimed_user()',
    'tenancy_private.verified_author()',
    'tenancy_private.author_floor(name, text)',
    'tenancy_private.key_to_parent(regclass, name)',
    'tenancy_private.parent_floor(regclass, name, boolean, integer)',
    'tenancy_private.floor(name, text, text, text)',
    'tenancy_private.gate(text, text)',
    'tenancy_private.only_if(text, text)',
    'tenancy_private.list_gate(name, text)',
    'tenancy_private.catalogue_floor(name, text)',
    'tenancy_private.may(text, boolean, text)',
    'tenancy_private.members_floor(name, text)',
    'tenancy.check_permission()',
    'tenancy_private.set_permission_trigger(regclass)',
    'tenancy_private.key_checks(regclass)',
    'tenancy_private.set_key_trigger(regclass)',
    'tenancy_private.unchecked_keys(regclass)',
    'tenancy_private.verify_keys()',
    'tenancy_private.drop_triggers_calling(regclass, text)',
    'tenancy_private.columns_of_key(oid)',
    'tenancy_private.matches_of_key(oid, text)',
    'tenancy_private.key_trigger(regclass)',
    'tenancy_private.refuse_taken_key(regclass, text)',
    'tenancy_private.drop_idle_key_checks()',
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
    'tenancy_private.require_own_references(regclass, name, name[])',
    'tenancy_private.default_to_workspace(regclass, name)',
    'tenancy_private.require_type(regclass, name[], regtype)',
    'tenancy_private.grant_sequences(regclass, name)',
    'tenancy_private.split_columns(text)',
    'tenancy.protect(regclass, name, name, name, name, boolean, text)',
    'tenancy.allow(regclass, text, text, text, boolean, text)',
    'tenancy_private.forget_table(regclass)',
    'tenancy.unprotect(regclass)',
    'tenancy.publish(regclass, text)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.is_listed(uuid, uuid[])',
    'tenancy.writable_columns(regclass)',
    'tenancy.require_access(regclass, text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_keys();

ROLLBACK;

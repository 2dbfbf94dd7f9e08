"""Tables of the application's own: what protect() and its kin make of them, and what they refuse."""

from __future__ import annotations

PROTECT = "tenancy.protect(regclass,name,name,name,name,boolean,text)"
ALLOW = "tenancy.allow(regclass,text,text,text,boolean,text)"
ADOPT = "tenancy_private.adopt_table(regclass,name,name)"

CHANGES = {
    "tenancy_private.claimed_workspace()": [("tenancy.current_organization_id", "tenancy.current_user_id")],
    "tenancy_private.verified_author()": [
        ("tenancy.current_user_id()", "current_setting(''tenancy.current_user_id'', true)::uuid"),
        ("right(current_setting(''tenancy.context'', true), 1) = ''/''", "true"),
    ],
    "tenancy_private.claimed_user()": [("tenancy.current_user_id", "tenancy.current_organization_id")],
    "tenancy_private.author_floor(name,text)": [
        ("CASE WHEN %I = ANY(ARRAY[%s]) THEN true ELSE %s END", "coalesce(%I = %s, false) OR %s"),
    ],
    "tenancy_private.floor(name,text,text,text)": [
        ("(%1$I, %1$I) = (SELECT %2$s, %4$s) AND ", ""),
        # Both from the variables, both verified, and what asks for no permission.
        ("(SELECT %2$s, %4$s)", "(SELECT %4$s, %4$s)"),
        ("(SELECT %2$s, %4$s)", "(SELECT %2$s, %2$s)"),
        ("(SELECT %2$s, %4$s)", "(SELECT %2$s, %3$s)"),
        # The permission beside what verifies, where it can be set in between.
        (
            "(SELECT %2$s, %4$s) AND CASE WHEN %1$I = ANY(ARRAY[(SELECT %3$s)])",
            "(SELECT %2$s, %3$s) AND CASE WHEN %1$I = ANY(ARRAY[(SELECT %4$s)])",
        ),
        (" AND CASE WHEN %1$I = ANY(ARRAY[(SELECT %3$s)]) THEN true ELSE false END", ""),
        ("CASE WHEN %1$I = ANY(ARRAY[(SELECT %3$s)]) THEN true ELSE false END", "%1$I = ANY(ARRAY[(SELECT %3$s)])"),
        ("'CASE WHEN %s THEN %s END'", "'CASE WHEN %s OR true THEN %s END'"),
    ],
    "tenancy_private.gate(text,text)": [("(SELECT %2$s, true)", "(SELECT true, true)")],
    "tenancy_private.catalogue_floor(name,text)": [
        (
            "'tenancy.current_workspace_id() IS NOT DISTINCT FROM '::text || tenancy_private.claimed_workspace()",
            "'true'",
        ),
        (" || COALESCE((' AND '::text || NULLIF(may, ''::text)), ''::text)", ""),
        (" AND %1$I = ANY(ARRAY[(SELECT %2$s), %3$s]) AND tenancy.is_listed", " OR tenancy.is_listed"),
        ("::uuid, tenancy.current_workspace_id()]'", "::uuid, ' || tenancy_private.claimed_workspace() || ']'"),
        ("only_if(may, ", "only_if('', "),
    ],
    "tenancy_private.members_floor(name,text)": [
        (
            "'tenancy.current_workspace_id() IS NOT DISTINCT FROM '::text || tenancy_private.claimed_workspace()",
            "'true'",
        ),
        (" || COALESCE((' AND '::text || NULLIF(may, ''::text)), ''::text)", ""),
        ("WHEN (SELECT %s) THEN true", "WHEN (SELECT %s) THEN false"),
        ("tenancy.is_listed(%I, (SELECT %s))", "(%I IS NOT NULL OR %s IS NULL)"),
        ("only_if(may, 'tenancy.visible", "only_if('', 'tenancy.visible"),
    ],
    "tenancy_private.only_if(text,text)": [("CASE WHEN %s THEN %s END", "CASE WHEN %s OR true THEN %s END")],
    "tenancy_private.may(text,boolean,text)": [
        ("(72 + p.number)", "(71 + p.number)"),
        ("CASE WHEN person THEN", "CASE WHEN false THEN"),
        ("WHEN 'organization'::text THEN", "WHEN 'x'::text THEN"),
    ],
    "tenancy.require_access(regclass,text)": [
        ("a.table_name = require_access.table_name AND ", ""),
        (" AND a.command = require_access.command", " AND a.command <> 'SELECT'"),
        ("    PERFORM tenancy.current_workspace_id();\n", ""),
        ("PERFORM tenancy_private.refuse_permission(format('%s on %s', command, table_name));", "NULL;"),
        ("PERFORM tenancy_private.refuse_permission(wanted.permission);", "NULL;"),
        ("IF wanted.person THEN", "IF false THEN"),
        ("IF wanted.workspace = 'organization'", "IF false"),
    ],
    "tenancy.check_permission()": [
        ("IF row_security_active(tg_relid)", "IF false"),
        ("row_security_active(tg_relid)", "true"),
        ("'tenancy_credentialed'", "'tenancy_auditor'"),
        ("place, 1) IS DISTINCT FROM '1'", "place, 1) <> '1'"),
        ("PERFORM tenancy.require_access(tg_relid, tg_op);", "NULL;"),
        ("WHEN 'UPDATE' THEN 1", "WHEN 'UPDATE' THEN 0"),
        ("ELSE 2 END", "ELSE 1 END"),
    ],
    "tenancy_private.set_permission_trigger(regclass)": [
        ("BEFORE INSERT OR UPDATE OR DELETE", "BEFORE INSERT OR UPDATE"),
        ("BEFORE INSERT OR UPDATE OR DELETE", "BEFORE INSERT OR DELETE"),
        ("BEFORE INSERT OR UPDATE OR DELETE", "BEFORE UPDATE OR DELETE"),
        ("ENABLE ALWAYS TRIGGER", "ENABLE TRIGGER"),
        ("AND NOT a.person", ""),
        (" AND a.workspace IS NULL", ""),
        ("AND a.command = c.command", ""),
        ("72 + p.number", "71 + p.number"),
        ("['INSERT', 'UPDATE', 'DELETE']", "['UPDATE', 'INSERT', 'DELETE']"),
        ("['INSERT', 'UPDATE', 'DELETE']", "['INSERT', 'DELETE', 'UPDATE']"),
        ("CALL tenancy_private.record_triggers(table_name, trigger_name);", ""),
    ],
    "tenancy_private.add_policy(regclass,text,text,text,text,text)": [
        ("format(' WITH CHECK (%s)', condition)", "' WITH CHECK (true)'"),
        ("CASE WHEN command <> 'INSERT' THEN", "CASE WHEN command <> 'SELECT' THEN"),
    ],
    "tenancy_private.set_floor(tenancy_private.protected_tables,text,text)": [
        ("'RESTRICTIVE'", "'PERMISSIVE'"),
        ("suffix, 'RESTRICTIVE', command", "suffix, 'RESTRICTIVE', 'SELECT'"),
        ("protected.shape = 'catalogue' AND command = 'SELECT'", "protected.shape = 'catalogue'"),
        ("protected.shape = 'catalogue' AND command = 'SELECT'", "false"),
        ("WHEN protected.shape = 'self'", "WHEN false"),
        ("WHEN protected.shape = 'members'", "WHEN false"),
        ("catalogue_floor(protected.key, may)", "catalogue_floor(protected.key)"),
        ("members_floor(protected.key, may)", "members_floor(protected.key)"),
        ("tenancy_private.claimed_user(), may", "tenancy_private.claimed_user()"),
        ("tenancy_private.claimed_workspace(), may", "tenancy_private.claimed_workspace()"),
        ("'tenancy.current_user_id()', ", "tenancy_private.claimed_user(), "),
        ("'tenancy.current_workspace_id()', ", "tenancy_private.claimed_workspace(), "),
    ],
    "tenancy_private.add_readers_of_all(regclass)": [
        ("format('tenancy.record_read(%L) IS NOT NULL', table_name::text)", "'true'"),
        ("'tenancy_service, tenancy_owner, tenancy_writer'", "'tenancy_owner, tenancy_writer'"),
    ],
    "tenancy_private.close_protected(tenancy_private.protected_tables)": [
        (
            "REVOKE ALL ON %s FROM PUBLIC, tenancy_app, tenancy_credentialed, tenancy_auditor",
            "REVOKE ALL ON %s FROM PUBLIC",
        ),
        ("CALL tenancy_private.close_table(protected.table_name, protected.key);", ""),
        ("ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']", "ARRAY['SELECT']"),
        ("CALL tenancy_private.grant_schema(protected.table_name);", ""),
        ("CALL tenancy_private.require_closed_partitions(protected.table_name);", ""),
        ("CALL tenancy_private.warn_of_views(protected.table_name);", ""),
        ("CALL tenancy_private.add_readers_of_all(protected.table_name);", ""),
    ],
    PROTECT: [
        ("table_name <> 'public.users'::regclass OR ", ""),
        (" OR people NOT IN ('self', 'members')", ""),
        ("shared IS NOT NULL AND author IS NULL OR ", ""),
        (" OR num_nonnulls(parent, author, nullif(catalogue, false), people) > 1", ""),
        ("CALL tenancy_private.check_adoptable(table_name);", ""),
        ("ARRAY[nullif(key, 'workspace_id'), parent, author, shared]", "ARRAY[parent, author, shared]"),
        ("ARRAY[nullif(key, 'workspace_id'), parent, author, shared]", "ARRAY[nullif(key, 'workspace_id')]"),
        ("CALL tenancy_private.require_type(table_name, ARRAY[key, author], 'uuid');", ""),
        ("CALL tenancy_private.require_type(table_name, ARRAY[shared], 'boolean');", ""),
        ("CALL tenancy_private.set_floor(protected, command);", "NULL;"),
        *(
            ("ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] LOOP", f"ARRAY[{commands}] LOOP")
            for commands in (
                "'INSERT', 'UPDATE', 'DELETE'",
                "'SELECT', 'UPDATE', 'DELETE'",
                "'SELECT', 'INSERT', 'DELETE'",
                "'SELECT', 'INSERT', 'UPDATE'",
            )
        ),
        ("IF protected.shape = 'author' THEN", "IF false THEN"),
        ("'tenant_author', 'RESTRICTIVE'", "'tenant_author', 'PERMISSIVE'"),
        ("'tenant_author', 'RESTRICTIVE'", "'author', 'RESTRICTIVE'"),
        ("coalesce(quote_ident(shared), 'false')", "'false'"),
        ("coalesce(quote_ident(shared), 'false')", "'true'"),
        ("CALL tenancy_private.set_permission_trigger(table_name);", ""),
        ("CALL tenancy_private.record_contract(table_name);", ""),
    ],
    "tenancy_private.check_adoptable(regclass)": [("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION")],
    "tenancy_private.require_columns(regclass,name[])": [("IF missing IS NOT NULL THEN", "IF false THEN")],
    "tenancy_private.require_type(regclass,name[],regtype)": [("IF wrong IS NOT NULL THEN", "IF false THEN")],
    ALLOW: [
        ("IF NOT FOUND THEN", "IF false THEN"),
        ("IF command IS NULL OR command NOT IN", "IF command NOT IN"),
        ("IF permission IS NOT NULL AND NOT EXISTS", "IF false AND NOT EXISTS"),
        ("IF permission IS NULL AND command <> 'SELECT' THEN", "IF false THEN"),
        ("CALL tenancy_private.require_named(table_name, command, named);", ""),
        ("CALL tenancy_private.require_own_references(table_name, protected.key, named);", ""),
        ("CALL tenancy_private.default_to_workspace(table_name, protected.key);", ""),
        ("(a.table_name, a.command) = (allow.table_name, allow.command)", "false"),
        ("IF command <> 'SELECT' AND protected.key = ANY(named) THEN", "IF false THEN"),
        ("CALL tenancy_private.require_columns(table_name, named);", ""),
        ("IF command IN ('INSERT', 'UPDATE') AND numbered IS NOT NULL THEN", "IF false THEN"),
        ("allow.person OR protected.shape = 'author' AND allow.command <> 'SELECT'", "false"),
        ("OR protected.shape = 'author' AND allow.command <> 'SELECT'", ""),
        ('allow."for"\n    );', "NULL\n    );"),
        ('CALL tenancy_private.set_floor(protected, command, tenancy_private.may(permission, person, "for"));', ""),
        ("tenancy_private.may(permission, person,", "tenancy_private.may(permission, false,"),
        ('may(permission, person, "for")', "may(permission, person, NULL)"),
        ("'%I = ANY((SELECT tenancy.visible_user_ids())::uuid[])'", "'%I IS NOT NULL'"),
        ("IF protected.shape = 'author' AND command <> 'SELECT' THEN", "IF false THEN"),
        ("IF command <> 'INSERT' AND protected.shared IS NOT NULL", "IF protected.shared IS NOT NULL"),
        ("'%I AND %I = ANY(ARRAY[(SELECT %s)])'", "'%I OR %I = ANY(ARRAY[(SELECT %s)])'"),
        ("condition := 'false';", "condition := 'true';"),
        (
            "'tenant_' || lower(command) || '_author', 'RESTRICTIVE'",
            "'tenant_' || lower(command) || '_author', 'PERMISSIVE'",
        ),
        ("'tenant_' || lower(command) || '_author'", "'author_' || lower(command)"),
        ('tenancy_private.may(moderation, true, "for")', 'tenancy_private.may(moderation, false, "for")'),
        ("'%I AND %I = ANY(ARRAY[(SELECT %s)])'", "'%1$I AND (SELECT %3$s IS NOT NULL)'"),
        ("IF command = 'INSERT' THEN\n        CALL", "IF false THEN\n        CALL"),
        ("CALL tenancy_private.record_contract(table_name);", ""),
        ("CALL tenancy_private.set_permission_trigger(table_name);", "NULL;"),
    ],
    "tenancy.publish(regclass,text)": [
        ("CALL tenancy_private.require_columns(table_name, named);", ""),
        ("'tenancy.current_workspace_id() IS NOT NULL'", "'true'"),
        ("CALL tenancy_private.close_protected(published);", ""),
        ("CALL tenancy_private.record_contract(table_name);", ""),
    ],
    "tenancy.unprotect(regclass)": [
        ("IF NOT FOUND THEN", "IF false THEN"),
        ("EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, table_name);", ""),
        ("CALL tenancy_private.reopen_table(table_name);", ""),
        ("CALL tenancy_private.release_table(table_name, protected.parent);", ""),
        ("CALL tenancy_private.close_own_table(table_name);", ""),
    ],
    ADOPT: [
        ("IF NOT refers AND NOT has_column THEN", "IF false THEN"),
        (
            "add_workspace_column(table_name, 'tenancy.default_workspace_id()')",
            "add_workspace_column(table_name, '''00000000-0000-0000-0000-000000000000''')",
        ),
        ("WHERE p.%I = t.%I AND t.workspace_id <> p.%2$I", "WHERE p.%I = t.%I AND false AND t.workspace_id <> p.%2$I"),
        ("CALL tenancy_private.return_workspaces(table_name);", ""),
        (" ON DELETE CASCADE'", "'"),
        (
            "'ALTER TABLE %s DROP CONSTRAINT %I, ADD",
            "'ALTER TABLE %s RENAME CONSTRAINT %I TO old; ALTER TABLE %1$s ADD",
        ),
        ("' ON UPDATE CASCADE ON DELETE %s%s'", "' ON DELETE %s%s'"),
        ("WHEN 'c' THEN 'CASCADE'", "WHEN 'c' THEN 'NO ACTION'"),
        (
            "'AND NOT (pg_has_role(''tenancy_credentialed'', ''USAGE'') AND row_security_active(%4$L::regclass))) '",
            "') '",
        ),
        ("CALL tenancy_private.grant_rights(foreign_key.referred, 'tenancy_owner', ARRAY['SELECT']);", ""),
        ("'tenancy.default_author_id()'", "'NULL'"),
        ("indisunique AND i.indimmediate", "indisunique IS NOT NULL AND i.indimmediate"),
    ],
    "tenancy_private.set_child_workspace()": [
        ("coalesce(parents_workspace, new.workspace_id)", "new.workspace_id"),
        ("coalesce(parents_workspace, new.workspace_id)", "parents_workspace"),
    ],
    "tenancy_private.release_table(regclass,name)": [
        ("IF child IS NOT NULL THEN", "IF false THEN"),
        ("CALL tenancy_private.keep_workspaces_of(table_name, parent);", "NULL;"),
        ("AND p.change IS NULL", ""),
    ],
    "tenancy_private.drop_parts(regclass,text)": [
        ("DELETE FROM tenancy_private.adopted_parts AS a\n", "PERFORM FROM tenancy_private.adopted_parts AS a\n"),
    ],
    "tenancy_private.return_workspaces(regclass)": [
        ("IF ownerless > 0 THEN", "IF false THEN"),
        ("CALL tenancy_private.drop_archived(archive);", ""),
    ],
    "tenancy_private.keep_workspaces_of(regclass,name)": [("IF columns IS NULL THEN", "IF false THEN")],
    "tenancy_private.reopen_table(regclass)": [
        ("CALL tenancy.drop_policies(table_name);", ""),
        ("REVOKE ALL ON %s FROM tenancy_credentialed, tenancy_auditor", "REVOKE ALL ON %s FROM tenancy_auditor"),
        ("EXECUTE format('GRANT %s ON %s TO PUBLIC', was.public_privileges, table_name);", ""),
        ("IF was.row_security IS NOT TRUE THEN", "IF false THEN"),
        ("IF was.row_security IS NOT TRUE THEN", "IF true THEN"),
        ("IF was.is_forced IS NOT TRUE THEN", "IF false THEN"),
        ("CALL tenancy_private.forget_contract(table_name);", ""),
    ],
    "tenancy_private.close_table(regclass,name)": [
        ("IF foreign_policies IS NOT NULL THEN", "IF false THEN"),
        ("SELECT c.oid, c.relrowsecurity, c.relforcerowsecurity", "SELECT c.oid, true, true"),
    ],
    "tenancy_private.grant_sequences(regclass,name)": [
        ("EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', missing, grantee);", ""),
    ],
    "tenancy_private.grant_rights(regclass,name,text[])": [
        ("EXECUTE format('GRANT %s ON %s TO %I', missing, table_name, grantee);", ""),
    ],
    "tenancy_private.grant_schema(regclass)": [
        ("EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', schema_name, grantee);", ""),
        ("'tenancy_credentialed', 'tenancy_service', ", "'tenancy_service', "),
    ],
    "tenancy_private.require_closed_partitions(regclass)": [
        ("IF FOUND THEN", "IF false THEN"),
        ("acl.grantee = 0 OR ", ""),
        ("'tenancy_credentialed'::regrole", "'tenancy_auditor'::regrole"),
        ("'tenancy_app'::regrole", "'tenancy_auditor'::regrole"),
    ],
    "tenancy_private.warn_of_views(regclass)": [("IF views IS NOT NULL THEN", "IF false THEN")],
    "tenancy_private.require_named(regclass,text,name[])": [
        ("IF command <> 'DELETE' AND", "IF false AND"),
        ("IF command = 'DELETE' AND", "IF false AND"),
    ],
    "tenancy_private.require_own_references(regclass,name,name[])": [
        ("IF FOUND THEN", "IF false THEN"),
        ("AND p.key <> r.attname", ""),
        ("AND a.attname = ANY(columns)", ""),
        ("AND cardinality(o.conkey) > 1 AND a.attnum = ANY(o.conkey)", "AND false"),
    ],
    "tenancy_private.default_to_workspace(regclass,name)": [
        ("SET DEFAULT tenancy.default_workspace_id()", "SET DEFAULT NULL")
    ],
    "tenancy_private.forget_table(regclass)": [
        ("DELETE FROM tenancy_private.contracts AS c WHERE", "PERFORM FROM tenancy_private.contracts AS c WHERE"),
        (
            "DELETE FROM tenancy_private.adopted_parts AS a WHERE",
            "PERFORM FROM tenancy_private.adopted_parts AS a WHERE",
        ),
        (
            "DELETE FROM tenancy_private.closed_tables AS c WHERE",
            "PERFORM FROM tenancy_private.closed_tables AS c WHERE",
        ),
    ],
    "tenancy_private.verify_protected(regclass[])": [("IF wrong IS NOT NULL THEN", "IF false THEN")],
    "tenancy.writable_columns(regclass)": [
        ("((a.table_name)::oid = (writable_columns.table_name)::oid) AND ", ""),
    ],
}

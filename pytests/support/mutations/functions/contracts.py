"""Contracts of tables: a difference is found, named and repaired."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.contract_of(regclass)": [
        ("CASE WHEN c.relrowsecurity THEN 'enabled' ELSE 'disabled' END", "'enabled'"),
        ("CASE WHEN c.relforcerowsecurity THEN ', forced' ELSE ', not forced' END", "', forced'"),
        ("CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END", "'PERMISSIVE'"),
        ("CASE p.polcmd\n            WHEN 'r' THEN", "CASE 'r'\n            WHEN 'r' THEN"),
        ("CASE r.role WHEN 0 THEN 'public' ELSE r.role::regrole::text END", "'public'"),
        ("coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')", "''"),
        ("coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')", "''"),
        ("coalesce(' (' || g.columns || ')', '')", "''"),
        ("CASE WHEN g.is_grantable THEN ' with grant option' ELSE '' END", "''"),
        (
            "g.grantee IN ('public', 'tenancy_app', 'tenancy_credentialed', 'tenancy_auditor')",
            "g.grantee IN ('public', 'tenancy_app', 'tenancy_credentialed')",
        ),
        (
            "g.grantee IN ('public', 'tenancy_app', 'tenancy_credentialed', 'tenancy_auditor')",
            "g.grantee IN ('public', 'tenancy_credentialed', 'tenancy_auditor')",
        ),
        (
            "g.grantee IN ('public', 'tenancy_app', 'tenancy_credentialed', 'tenancy_auditor')",
            "g.grantee IN ('public', 'tenancy_app', 'tenancy_auditor')",
        ),
        (
            "g.grantee IN ('public', 'tenancy_app', 'tenancy_credentialed', 'tenancy_auditor')",
            "g.grantee IN ('tenancy_app', 'tenancy_credentialed', 'tenancy_auditor')",
        ),
        ("OR g.relnamespace = 'tenancy'::regnamespace AND g.grantee = 'tenancy_service'", ""),
        ("OR g.relnamespace = 'tenancy_private'::regnamespace", ""),
    ],
    "tenancy_private.triggers_of(regclass)": [
        ("WHEN p.proname LIKE", "WHEN false AND p.proname LIKE"),
        ("CASE t.tgenabled\n        WHEN 'O' THEN ''", "CASE 'O'\n        WHEN 'O' THEN ''"),
        (
            "AND p.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)",
            "AND p.pronamespace = 'tenancy'::regnamespace",
        ),
    ],
    "tenancy_private.record_contract(regclass)": [
        ("IF NOT (SELECT c.relrowsecurity", "IF false AND (SELECT c.relrowsecurity"),
        (" AND NOT (c.kind = 'privileges' AND c.name = 'public')", ""),
        (
            "c.table_name = record_contract.table_name AND c.kind <> 'trigger'",
            "c.table_name = record_contract.table_name",
        ),
    ],
    "tenancy_private.record_triggers(regclass,name[])": [
        ("IF missing IS NOT NULL THEN", "IF false THEN"),
        ("WHERE t.name = ANY(names)", ""),
    ],
    "tenancy_private.broken_contracts(regclass)": [
        ("x.wanted IS DISTINCT FROM x.found", "x.wanted <> x.found"),
        ("t.table_name = only_table", "t.table_name <> only_table"),
        ("WHERE c.relkind IN ('r', 'p') AND", "WHERE false AND"),
        ("WHERE n.former <> n.table_name::text", "WHERE false"),
    ],
    "tenancy_private.require_no_problems(regproc,text,text,text)": [("IF problems IS NOT NULL THEN", "IF false THEN")],
    "tenancy_private.verify_contracts()": [("broken_contracts", "unchecked_keys")],
    "tenancy_private.close_own_table(regclass)": [
        ("EXECUTE format('REVOKE ALL ON %s FROM %s', table_name, grantee);", "NULL;"),
        (
            "aclexplode(a.attacl) AS x WHERE a.attrelid = c.oid",
            "aclexplode(a.attacl) AS x WHERE false",
        ),
        ("CALL tenancy.drop_policies(table_name);", ""),
        ("EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', table_name);", ""),
        ("EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', table_name);", ""),
        ("CALL tenancy_private.record_contract(table_name);", ""),
    ],
    "tenancy.drop_policies(regclass)": [("EXECUTE format('DROP POLICY %I ON %s', policy, table_name);", "NULL;")],
}

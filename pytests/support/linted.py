"""A small, well isolated application without pg-tenancy, and faults to plant in it."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PLANTS", "WELL_MADE", "Plant"]

# {app} is the group of the application's logins, {login} and {other} are two of these, {owner} owns everything and
# cannot log in, {outside} is a login without any rights.
WELL_MADE = """
CREATE SCHEMA app AUTHORIZATION {owner};
GRANT USAGE ON SCHEMA app TO {app};
SET ROLE {owner};

CREATE FUNCTION app.tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.tenant', true), '')::uuid;

CREATE TABLE app.organizations (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.projects (
    org_id uuid NOT NULL REFERENCES app.organizations ON DELETE CASCADE,
    id uuid NOT NULL, name text, budget numeric, settings jsonb,
    PRIMARY KEY (org_id, id)
);
CREATE TABLE app.tasks (
    org_id uuid NOT NULL REFERENCES app.organizations ON DELETE CASCADE,
    id uuid NOT NULL, project_id uuid, title text,
    PRIMARY KEY (org_id, id),
    CONSTRAINT tasks_project FOREIGN KEY (org_id, project_id) REFERENCES app.projects ON DELETE CASCADE
);
CREATE INDEX tasks_project_idx ON app.tasks (org_id, project_id);
CREATE TABLE app.countries (code text PRIMARY KEY, name text);

ALTER TABLE app.organizations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY organizations_select ON app.organizations FOR SELECT TO {app} USING (id = (SELECT app.tenant()));
ALTER TABLE app.projects ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY projects_floor ON app.projects AS RESTRICTIVE TO {app} USING (org_id = (SELECT app.tenant()));
CREATE POLICY projects_app ON app.projects TO {app} USING (org_id = (SELECT app.tenant()));
ALTER TABLE app.tasks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tasks_floor ON app.tasks AS RESTRICTIVE TO {app} USING (org_id = (SELECT app.tenant()));
CREATE POLICY tasks_app ON app.tasks TO {app} USING (org_id = (SELECT app.tenant()));

GRANT SELECT ON app.organizations, app.countries TO {app};
GRANT SELECT, INSERT (org_id, id, name), UPDATE (name), DELETE ON app.projects TO {app};
GRANT SELECT, INSERT (org_id, id, project_id, title), UPDATE (project_id, title), DELETE ON app.tasks TO {app};
RESET ROLE;
"""

# The same table without a floor, with only a permissive policy.
WITHOUT_FLOORS = "DROP POLICY tasks_floor ON app.tasks; DROP POLICY projects_floor ON app.projects;"

# The beginning of a definer function in PL/pgSQL.
DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
PIN = "SET search_path = pg_catalog, pg_temp"

# The policies of a partition or a child.
PROTECTED_PART = """
ALTER TABLE app.part ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY part_app ON app.part TO {app} USING (org_id = (SELECT app.tenant()));
"""

# A definer function with a fixed search_path that reads a table.
PEEK = """
CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'SELECT count(*) FROM app.tasks';
"""

# One whose search_path begins with the schema of its owner's name, which does not exist.
PEEK_USER = """
CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = "$user", pg_temp
AS 'SELECT 1::bigint';
"""

FAR = "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far;"

# A trigger that everybody's inserts fire.
NOTED = """
CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql {how} AS 'BEGIN RETURN new; END';
CREATE TRIGGER noted BEFORE INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.note();
"""


@dataclass(frozen=True)
class Plant:
    """A fault, and something similar without it.

    Attributes:
        rule: the rule that finds it.
        fault: SQL that plants it, as the superuser.
        object: the object in the finding.
        severity: the finding's severity.
        right: SQL in which the rule finds nothing above info, or nothing at all if the fault itself is only info.

    """

    rule: str
    fault: str
    object: str
    severity: str
    right: str


PLANTS = [
    # -- tables
    Plant(
        "rls_disabled",
        "ALTER TABLE app.tasks DISABLE ROW LEVEL SECURITY",
        "table app.tasks",
        "error",
        "REVOKE ALL ON app.tasks FROM {app}; ALTER TABLE app.tasks DISABLE ROW LEVEL SECURITY",
    ),
    Plant(
        "rls_disabled",
        "CREATE TABLE app.steps (task_id uuid, org uuid, FOREIGN KEY (org, task_id) REFERENCES app.tasks);"
        "GRANT SELECT ON app.steps TO {app}",
        "table app.steps",
        "warning",
        "CREATE TABLE app.cities (country text REFERENCES app.countries); GRANT SELECT ON app.cities TO {app}",
    ),
    Plant(
        "rls_disabled",
        "CREATE TABLE app.files (org_id uuid NOT NULL); GRANT SELECT ON app.files TO PUBLIC;"
        "GRANT USAGE ON SCHEMA app TO PUBLIC",
        "table app.files",
        "error",
        "CREATE TABLE app.files (org_id uuid NOT NULL); GRANT SELECT ON app.files TO tenancy_service_{app}",
    ),
    Plant(
        "rls_not_forced",
        "ALTER TABLE app.tasks NO FORCE ROW LEVEL SECURITY",
        "table app.tasks",
        "error",
        # Enabled without policies and grants: closed to everybody but its owner.
        "CREATE TABLE app.secrets (org_id uuid NOT NULL); ALTER TABLE app.secrets ENABLE ROW LEVEL SECURITY",
    ),
    Plant(
        "partition_open",
        "CREATE TABLE app.tasks_old () INHERITS (app.tasks); GRANT SELECT ON app.tasks_old TO {app}",
        "table app.tasks_old",
        "error",
        "CREATE TABLE app.tasks_old () INHERITS (app.tasks);"
        "ALTER TABLE app.tasks_old ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    ),
    Plant(
        "partition_open",
        "CREATE TABLE app.events (org_id uuid NOT NULL, day date) PARTITION BY RANGE (day);"
        "ALTER TABLE app.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE TABLE app.events_old PARTITION OF app.events DEFAULT; GRANT DELETE ON app.events_old TO {login}",
        "table app.events_old",
        "error",
        "CREATE TABLE app.events (org_id uuid NOT NULL, day date) PARTITION BY RANGE (day);"
        "ALTER TABLE app.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE TABLE app.events_old PARTITION OF app.events DEFAULT;",
    ),
    Plant(
        "foreign_table_open",
        FAR + "CREATE FOREIGN TABLE app.far (org_id uuid) SERVER far; GRANT SELECT ON app.far TO {app}",
        "table app.far",
        "warning",
        FAR + "CREATE FOREIGN TABLE app.far (org_id uuid) SERVER far",
    ),
    Plant(
        "tenant_column_nullable",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_pkey, ALTER COLUMN org_id DROP NOT NULL",
        "table app.tasks",
        "warning",
        "ALTER TABLE app.tasks ALTER COLUMN project_id DROP NOT NULL",
    ),
    Plant(
        "tenant_column_updatable",
        WITHOUT_FLOORS + "GRANT UPDATE (org_id) ON app.tasks TO {app}",
        "table app.tasks",
        "warning",
        "GRANT UPDATE (org_id) ON app.tasks TO {app}",
    ),
    Plant("grant_too_wide", "GRANT TRUNCATE ON app.tasks TO {app}", "table app.tasks", "error", ""),
    Plant(
        "grant_too_wide",
        "GRANT REFERENCES, TRIGGER ON app.tasks TO PUBLIC",
        "table app.tasks",
        "warning",
        "GRANT REFERENCES ON app.countries TO PUBLIC",
    ),
    Plant(
        "column_grant_void",
        "GRANT UPDATE ON app.tasks TO {app}",
        "table app.tasks",
        "warning",
        "GRANT UPDATE ON app.tasks TO {outside}",
    ),
    Plant(
        "column_grant_void",
        "GRANT UPDATE (title) ON app.tasks TO {login}; REVOKE UPDATE ON app.tasks FROM {app};"
        "REVOKE UPDATE (project_id, title) ON app.tasks FROM {app}; GRANT UPDATE ON app.tasks TO {app}",
        "table app.tasks",
        "warning",
        "GRANT UPDATE (title) ON app.tasks TO {login}",
    ),
    Plant(
        "column_grant_void",
        "GRANT SELECT (code) ON app.countries TO PUBLIC; GRANT SELECT ON app.countries TO PUBLIC",
        "table app.countries",
        "warning",
        # The application's own right is wider than everybody's.
        "GRANT SELECT (code) ON app.countries TO PUBLIC",
    ),
    Plant(
        "column_grant_void",
        "GRANT UPDATE ON app.tasks TO {login}",
        "table app.tasks",
        "info",
        "GRANT UPDATE ON app.tasks TO {outside}; GRANT UPDATE ON app.tasks TO tenancy_service_{app}",
    ),
    *(
        Plant(
            "column_grant_void",
            child + "GRANT UPDATE ON app.part TO {app}",
            "table app.part",
            "warning",
            child + "GRANT UPDATE (title) ON app.part TO {app}; GRANT DELETE ON app.part TO {app}",
        )
        for child in (
            "CREATE TABLE app.part () INHERITS (app.tasks);" + PROTECTED_PART,
            "CREATE TABLE app.whole (LIKE app.tasks, PRIMARY KEY (org_id, id)) PARTITION BY LIST (org_id);"
            "CREATE TABLE app.part PARTITION OF app.whole DEFAULT; GRANT UPDATE (title) ON app.whole TO {app};"
            + PROTECTED_PART,
        )
    ),
    Plant(
        "default_privileges",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA app GRANT SELECT ON TABLES TO {app}",
        "default privileges of {owner} in schema app",
        "warning",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA app GRANT EXECUTE ON FUNCTIONS TO {app}",
    ),
    Plant(
        "owner_column_unused",
        "ALTER TABLE app.tasks ADD COLUMN author_id uuid",
        "table app.tasks",
        "info",
        "ALTER TABLE app.tasks ADD COLUMN author_id uuid;"
        "CREATE POLICY tasks_author ON app.tasks AS RESTRICTIVE TO {app} USING (author_id = (SELECT app.tenant()))",
    ),
    Plant(
        "tenants_not_found",
        "DROP SCHEMA app CASCADE; CREATE TABLE public.things (company integer)",
        "database {database}",
        "warning",
        "DROP TABLE app.countries",
    ),
    # -- policies
    Plant(
        "policy_always_true",
        WITHOUT_FLOORS + "CREATE POLICY open ON app.tasks FOR SELECT TO {app} USING (true)",
        "policy open on app.tasks",
        "error",
        # The floor holds whatever is permitted.
        "CREATE POLICY open ON app.tasks FOR SELECT TO {app} USING (true)",
    ),
    Plant(
        "policy_always_true",
        WITHOUT_FLOORS + "CREATE POLICY open ON app.tasks FOR SELECT USING (1 = 1)",
        "policy open on app.tasks",
        "error",
        "CREATE POLICY open ON app.tasks FOR SELECT TO tenancy_service_{app} USING (true);"
        "GRANT SELECT ON app.tasks TO tenancy_service_{app}",
    ),
    Plant(
        "policy_always_true",
        WITHOUT_FLOORS + "ALTER POLICY tasks_app ON app.tasks USING (org_id IS NOT NULL)",
        "policy tasks_app on app.tasks",
        "error",
        "ALTER POLICY tasks_app ON app.tasks USING (org_id IS NOT NULL)",
    ),
    Plant(
        "policy_always_true",
        "CREATE POLICY open ON app.tasks FOR SELECT TO {outside} USING (true);"
        "GRANT USAGE ON SCHEMA app TO {outside}; GRANT SELECT ON app.tasks TO {outside}",
        "policy open on app.tasks",
        # The role has no other policies: it is probably a service, and should be declared trusted.
        "warning",
        "CREATE POLICY everybody ON app.countries USING (true); ALTER TABLE app.countries ENABLE ROW LEVEL SECURITY",
    ),
    Plant(
        "policy_check_open",
        WITHOUT_FLOORS + "ALTER POLICY tasks_app ON app.tasks WITH CHECK (true)",
        "policy tasks_app on app.tasks",
        "error",
        "ALTER POLICY tasks_app ON app.tasks WITH CHECK (true)",
    ),
    Plant(
        "policy_check_open",
        WITHOUT_FLOORS + "CREATE POLICY inserting ON app.tasks FOR INSERT TO {app} WITH CHECK (true)",
        "policy inserting on app.tasks",
        "error",
        WITHOUT_FLOORS
        + "CREATE POLICY inserting ON app.tasks FOR INSERT TO {app} WITH CHECK (org_id = (SELECT app.tenant()))",
    ),
    Plant(
        "policy_check_lax",
        WITHOUT_FLOORS + "ALTER POLICY tasks_app ON app.tasks WITH CHECK (title <> '')",
        "policy tasks_app on app.tasks",
        "warning",
        WITHOUT_FLOORS
        + "ALTER POLICY tasks_app ON app.tasks WITH CHECK (org_id = (SELECT app.tenant()) AND title <> '')",
    ),
    Plant(
        "policy_ignores_tenant",
        WITHOUT_FLOORS + "CREATE POLICY templates ON app.tasks TO {app} USING (title LIKE 'org_id template%')",
        "policy templates on app.tasks",
        "warning",
        "CREATE POLICY templates ON app.tasks TO {app} USING (title LIKE 'org_id template%')",
    ),
    Plant(
        "floor_missing",
        "DROP POLICY tasks_floor ON app.tasks",
        "table app.tasks",
        "error",
        # If no table has a floor, there is no similar table to compare with.
        WITHOUT_FLOORS,
    ),
    Plant(
        "floor_missing",
        "DROP POLICY tasks_floor ON app.tasks;"
        "CREATE POLICY tasks_floor ON app.tasks AS RESTRICTIVE FOR SELECT TO {app}"
        " USING (org_id = (SELECT app.tenant()))",
        "table app.tasks",
        "error",
        "DROP POLICY tasks_floor ON app.tasks; REVOKE ALL ON app.tasks FROM {app}",
    ),
    Plant(
        "floor_misses_role",
        "GRANT USAGE ON SCHEMA app TO {outside}; GRANT SELECT ON app.tasks TO {outside};"
        "CREATE POLICY outside ON app.tasks FOR SELECT TO {outside} USING (org_id = (SELECT app.tenant()))",
        "table app.tasks",
        "error",
        "GRANT USAGE ON SCHEMA app TO {outside}; GRANT SELECT ON app.tasks TO {outside};"
        "ALTER POLICY tasks_floor ON app.tasks TO {app}, {outside};"
        "CREATE POLICY outside ON app.tasks FOR SELECT TO {outside} USING (org_id = (SELECT app.tenant()))",
    ),
    Plant(
        "command_without_policy",
        "DROP POLICY tasks_app ON app.tasks;"
        "CREATE POLICY tasks_app ON app.tasks FOR SELECT TO {app} USING (org_id = (SELECT app.tenant()))",
        "table app.tasks",
        "warning",
        "DROP POLICY tasks_app ON app.tasks;"
        "REVOKE INSERT (org_id, id, project_id, title), UPDATE (project_id, title), DELETE ON app.tasks FROM {app};"
        "CREATE POLICY tasks_app ON app.tasks FOR SELECT TO {app} USING (org_id = (SELECT app.tenant()))",
    ),
    Plant(
        # Who can read the tenant's column alone finds nothing that they do not know.
        "command_without_policy",
        "DROP POLICY tasks_app ON app.tasks; REVOKE ALL ON app.tasks FROM {app};"
        "GRANT SELECT (org_id, id) ON app.tasks TO {app}",
        "table app.tasks",
        "warning",
        "DROP POLICY tasks_app ON app.tasks; REVOKE ALL ON app.tasks FROM {app};"
        "REVOKE SELECT (org_id, id, project_id, title), INSERT (org_id, id, project_id, title),"
        " UPDATE (project_id, title) ON app.tasks FROM {app};"
        "GRANT SELECT (org_id) ON app.tasks TO {app}",
    ),
    Plant(
        "policies_joined_by_or",
        WITHOUT_FLOORS + "CREATE POLICY more ON app.tasks FOR SELECT TO {app} USING (org_id = (SELECT app.tenant()))",
        "table app.tasks",
        "warning",
        "CREATE POLICY more ON app.tasks FOR SELECT TO {outside} USING (org_id = (SELECT app.tenant()))",
    ),
    Plant(
        "policy_distinct_from",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_pkey, ALTER COLUMN org_id DROP NOT NULL;"
        "ALTER POLICY tasks_app ON app.tasks USING (org_id IS NOT DISTINCT FROM (SELECT app.tenant()))",
        "policy tasks_app on app.tasks",
        "error",
        "ALTER POLICY tasks_app ON app.tasks USING (org_id IS NOT DISTINCT FROM (SELECT app.tenant()))",
    ),
    Plant(
        "policy_trusts_setting",
        "ALTER POLICY tasks_app ON app.tasks"
        " USING (org_id = (SELECT app.tenant()) OR current_setting('app.bypass', true) = 'on')",
        "policy tasks_app on app.tasks",
        "error",
        "ALTER POLICY tasks_app ON app.tasks USING (org_id::text = (SELECT current_setting('app.tenant', true)))",
    ),
    Plant(
        "policy_setting_unguarded",
        "ALTER POLICY tasks_app ON app.tasks USING (org_id = (SELECT current_setting('app.tenant')::uuid))",
        "policy tasks_app on app.tasks",
        "info",
        "ALTER POLICY tasks_app ON app.tasks"
        " USING (org_id = (SELECT nullif(current_setting('app.tenant', true), '')::uuid))",
    ),
    Plant(
        "policy_any_tenant",
        "CREATE TABLE app.members (org_id uuid NOT NULL, person text);"
        "ALTER POLICY tasks_app ON app.tasks"
        " USING (org_id = (SELECT m.org_id FROM app.members AS m WHERE m.person = CURRENT_USER LIMIT 1))",
        "policy tasks_app on app.tasks",
        "warning",
        "CREATE TABLE app.members (org_id uuid NOT NULL, person text);"
        "ALTER POLICY tasks_app ON app.tasks"
        " USING (org_id IN (SELECT m.org_id FROM app.members AS m WHERE m.person = CURRENT_USER))",
    ),
    Plant(
        "policy_any_tenant",
        "CREATE TABLE app.members (org_id uuid NOT NULL, person text);"
        "CREATE FUNCTION app.mine() RETURNS uuid LANGUAGE sql STABLE AS"
        " 'SELECT org_id FROM app.members WHERE person = CURRENT_USER';"
        "ALTER POLICY tasks_app ON app.tasks USING (org_id = (SELECT app.mine()))",
        "policy tasks_app on app.tasks",
        "warning",
        "",
    ),
    Plant(
        "policy_reads_open_table",
        "CREATE TABLE app.members (org_id uuid NOT NULL, person text); GRANT SELECT, INSERT ON app.members TO {app};"
        "ALTER POLICY tasks_app ON app.tasks USING (org_id IN (SELECT m.org_id FROM app.members AS m))",
        "policy tasks_app on app.tasks",
        "error",
        "CREATE TABLE app.members (org_id uuid NOT NULL, person text); GRANT SELECT ON app.members TO {app};"
        "ALTER TABLE app.members ENABLE ROW LEVEL SECURITY;"
        "ALTER POLICY tasks_app ON app.tasks USING (org_id IN (SELECT m.org_id FROM app.members AS m))",
    ),
    Plant(
        "policy_call_per_row",
        "ALTER POLICY tasks_app ON app.tasks USING (org_id = app.tenant())",
        "policy tasks_app on app.tasks",
        "warning",
        # A function of a column must be called for each row.
        "CREATE FUNCTION app.is_mine(uuid) RETURNS boolean LANGUAGE sql STABLE RETURN $1 = app.tenant();"
        "ALTER POLICY tasks_app ON app.tasks USING (app.is_mine(org_id))",
    ),
    Plant(
        "policy_function_volatile",
        "CREATE FUNCTION app.is_mine(uuid) RETURNS boolean LANGUAGE sql RETURN $1 = app.tenant();"
        "ALTER POLICY tasks_app ON app.tasks USING (app.is_mine(org_id))",
        "policy tasks_app on app.tasks",
        "warning",
        "CREATE FUNCTION app.is_mine(uuid) RETURNS boolean LANGUAGE sql STABLE RETURN $1 = app.tenant();"
        "ALTER POLICY tasks_app ON app.tasks USING (app.is_mine(org_id))",
    ),
    Plant(
        "policy_function_not_parallel",
        "ALTER FUNCTION app.tenant() PARALLEL UNSAFE",
        "function app.tenant()",
        "info",
        "ALTER FUNCTION app.tenant() PARALLEL RESTRICTED",
    ),
    Plant(
        "policy_list_of_tenants",
        "CREATE FUNCTION app.tenants() RETURNS uuid[] LANGUAGE sql STABLE RETURN ARRAY[app.tenant()];"
        "ALTER POLICY tasks_floor ON app.tasks USING (org_id = ANY(app.tenants()))",
        "policy tasks_floor on app.tasks",
        "warning",
        "ALTER POLICY tasks_floor ON app.tasks USING (org_id = (SELECT app.tenant())"
        " AND CASE WHEN org_id = ANY(ARRAY[(SELECT app.tenant())]) THEN true ELSE false END)",
    ),
    Plant(
        "policy_list_of_tenants",
        "CREATE TABLE app.members (org_id uuid NOT NULL, person text);"
        "ALTER POLICY tasks_app ON app.tasks USING (org_id IN (SELECT m.org_id FROM app.members AS m))",
        "policy tasks_app on app.tasks",
        "warning",
        "ALTER POLICY tasks_app ON app.tasks USING (org_id = (SELECT app.tenant())"
        " AND project_id IN (SELECT p.id FROM app.projects AS p))",
    ),
    Plant(
        "context_function_immutable",
        "CREATE FUNCTION app.now() RETURNS text LANGUAGE sql IMMUTABLE"
        " AS 'SELECT current_setting(''app.tenant'', true)'",
        "function app.now()",
        "error",
        "CREATE FUNCTION app.now() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''current_setting('''",
    ),
    # -- doors
    Plant(
        "view_as_owner",
        "CREATE VIEW app.all_tasks AS SELECT * FROM app.tasks; GRANT SELECT ON app.all_tasks TO {app}",
        "view app.all_tasks",
        "error",
        "CREATE VIEW app.all_tasks WITH (security_invoker) AS SELECT * FROM app.tasks;"
        "GRANT SELECT ON app.all_tasks TO {app}",
    ),
    Plant(
        "view_as_owner",
        "CREATE VIEW app.inner_tasks AS SELECT * FROM app.tasks;"
        "CREATE VIEW app.outer_tasks WITH (security_invoker = on) AS SELECT * FROM app.inner_tasks;"
        "GRANT SELECT ON app.inner_tasks, app.outer_tasks TO {app}",
        "view app.outer_tasks",
        "error",
        "CREATE VIEW app.all_tasks AS SELECT * FROM app.tasks",
    ),
    Plant(
        "view_as_owner",
        "SET ROLE {owner}; CREATE VIEW app.all_tasks AS SELECT * FROM app.tasks;"
        "GRANT SELECT ON app.all_tasks TO {app};"
        "RESET ROLE",
        "view app.all_tasks",
        # Forced: the owner is subject to policies, though not to those of the caller.
        "warning",
        "CREATE VIEW app.all_countries AS SELECT * FROM app.countries; GRANT SELECT ON app.all_countries TO {app}",
    ),
    Plant(
        "materialized_view_open",
        "CREATE MATERIALIZED VIEW app.totals AS SELECT org_id, count(*) FROM app.tasks GROUP BY org_id;"
        "GRANT SELECT ON app.totals TO {app}",
        "view app.totals",
        "error",
        "CREATE MATERIALIZED VIEW app.totals AS SELECT org_id, count(*) FROM app.tasks GROUP BY org_id",
    ),
    Plant(
        "definer_public",
        PEEK + "GRANT USAGE ON SCHEMA app TO PUBLIC",
        "function app.peek()",
        "error",
        PEEK + "GRANT USAGE ON SCHEMA app TO PUBLIC; REVOKE ALL ON FUNCTION app.peek() FROM PUBLIC",
    ),
    Plant(
        "definer_reads_tenants",
        PEEK + "REVOKE ALL ON FUNCTION app.peek() FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.peek() TO {app}",
        "function app.peek()",
        "warning",
        PEEK + "REVOKE ALL ON FUNCTION app.peek() FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.peek() TO {app};"
        "ALTER FUNCTION app.peek() OWNER TO {owner}",
    ),
    *(
        Plant(
            "definer_reads_tenants",
            f"CREATE VIEW app.listed AS SELECT * FROM app.{table};"
            f"CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER {PIN} {body};"
            "REVOKE ALL ON FUNCTION app.peek() FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.peek() TO {app}",
            "function app.peek()",
            "warning",
            "CREATE VIEW app.listed AS SELECT * FROM app.countries;"
            f"CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER {PIN} {body};"
            "REVOKE ALL ON FUNCTION app.peek() FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.peek() TO {app}",
        )
        for table, body in (
            ("tasks", "AS 'SELECT count(*) FROM app.listed'"),
            ("organizations", "RETURN (SELECT count(*) FROM app.listed)"),
        )
    ),
    Plant(
        # A member of a trusted role sees all rows; the role itself may have such functions by decision.
        "definer_reads_tenants",
        PEEK + "REVOKE ALL ON FUNCTION app.peek() FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.peek() TO {app};"
        "ALTER FUNCTION app.peek() OWNER TO {outside}; GRANT tenancy_service_{app} TO {outside}",
        "function app.peek()",
        "warning",
        PEEK + "REVOKE ALL ON FUNCTION app.peek() FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.peek() TO {app};"
        "ALTER FUNCTION app.peek() OWNER TO tenancy_service_{app}",
    ),
    Plant(
        "definer_search_path",
        "CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM app.tasks'",
        "function app.peek()",
        "error",
        "CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " BEGIN ATOMIC SELECT count(*) FROM app.tasks; END",
    ),
    Plant(
        "definer_search_path",
        "GRANT CREATE ON SCHEMA app TO {app};"
        "CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " SET search_path = app, pg_temp AS 'SELECT 1'",
        "function app.peek()",
        "error",
        "CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " SET search_path = app, pg_temp AS 'SELECT 1'",
    ),
    Plant(
        "definer_search_path",
        "CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'",
        "function app.peek()",
        "warning",
        "CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY INVOKER AS 'SELECT 1'",
    ),
    Plant(
        "definer_search_path",
        PEEK_USER + "GRANT CREATE ON DATABASE {database} TO {app}",
        "function app.peek()",
        "error",
        PEEK_USER,
    ),
    Plant(
        "definer_search_path",
        "CREATE SCHEMA AUTHORIZATION {owner}; GRANT CREATE ON SCHEMA {owner} TO {login};"
        + PEEK_USER
        + "ALTER FUNCTION app.peek() OWNER TO {owner}",
        "function app.peek()",
        "error",
        PEEK_USER + "GRANT CREATE ON DATABASE {database} TO tenancy_service_{app}",
    ),
    Plant(
        "trigger_privileged",
        "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
        + PIN
        + " AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER noted BEFORE INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.note()",
        "trigger noted on app.tasks",
        "warning",
        "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
        + PIN
        + " AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER noted BEFORE INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.note();"
        "ALTER FUNCTION app.note() OWNER TO {owner}",
    ),
    Plant(
        "trigger_privileged",
        "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
        + PIN
        + " AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER noted BEFORE INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.note();"
        "ALTER FUNCTION app.note() OWNER TO {outside}; GRANT tenancy_service_{app} TO {outside}",
        "trigger noted on app.tasks",
        "warning",
        "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
        + PIN
        + " AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER noted BEFORE INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.note();"
        "ALTER FUNCTION app.note() OWNER TO tenancy_service_{app}",
    ),
    Plant(
        "trigger_of_another",
        "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER noted BEFORE INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.note();"
        "GRANT CREATE ON SCHEMA app TO {outside}; ALTER FUNCTION app.note() OWNER TO {outside}",
        "trigger noted on app.tasks",
        "warning",
        "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER noted BEFORE INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.note();"
        "ALTER FUNCTION app.note() OWNER TO {owner}",
    ),
    Plant(
        "trigger_of_another",
        NOTED.replace("{how}", f"SECURITY DEFINER {PIN}") + "ALTER FUNCTION app.note() OWNER TO {outside}",
        "trigger noted on app.tasks",
        "warning",
        NOTED.replace("{how}", f"SECURITY DEFINER {PIN}") + "ALTER FUNCTION app.note() OWNER TO {owner}",
    ),
    Plant(
        "trigger_of_another",
        # The owner cannot log in, but a login can assume it.
        NOTED.replace("{how}", "") + "ALTER FUNCTION app.note() OWNER TO {app}",
        "trigger noted on app.tasks",
        "warning",
        # Whoever can assume the table's owner may do more.
        NOTED.replace("{how}", "") + "ALTER FUNCTION app.note() OWNER TO {owner}; GRANT {owner} TO {login}",
    ),
    Plant(
        "trigger_disabled",
        "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER noted BEFORE INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.note();"
        "ALTER TABLE app.tasks DISABLE TRIGGER noted",
        "trigger noted on app.tasks",
        "warning",
        "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER noted BEFORE INSERT ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.note();",
    ),
    Plant(
        "rule_on_table",
        "CREATE RULE copied AS ON INSERT TO app.tasks DO ALSO INSERT INTO app.countries VALUES (new.title)",
        "rule copied on app.tasks",
        "warning",
        "CREATE VIEW app.v AS SELECT * FROM app.tasks",
    ),
    Plant(
        "function_leakproof",
        "CREATE FUNCTION app.same(text) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true'",
        "function app.same(text)",
        "error",
        "CREATE FUNCTION app.same(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    ),
    # -- roles
    Plant("login_bypasses", "ALTER ROLE {login} BYPASSRLS", "role {login}", "error", "ALTER ROLE {login} NOBYPASSRLS"),
    Plant("login_bypasses", "ALTER ROLE {outside} BYPASSRLS; GRANT {outside} TO {login}", "role {login}", "error", ""),
    Plant("login_bypasses", "ALTER ROLE {login} REPLICATION", "role {login}", "error", ""),
    Plant(
        "login_trusted", "GRANT tenancy_service_{app} TO {login}", "role {login}", "error", "GRANT {outside} TO {login}"
    ),
    Plant(
        "login_trusted",
        "GRANT tenancy_service_{app} TO {outside}",
        "role {outside}",
        "info",
        "REVOKE {app} FROM {outside}",
    ),
    Plant(
        # It may grant the role that has policies, as whoever created it, but not use it.
        "login_trusted",
        "GRANT tenancy_service_{app} TO {outside}; DO $$ BEGIN"
        " IF current_setting('server_version_num')::integer >= 160000 THEN"
        " EXECUTE 'GRANT {app} TO {outside} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE'; END IF; END $$",
        "role {outside}",
        "info",
        "REVOKE {app} FROM {outside}",
    ),
    Plant("login_owns_tables", "ALTER TABLE app.tasks OWNER TO {outside}", "role {outside}", "warning", ""),
    Plant("login_owns_tables", "GRANT {owner} TO {login}", "role {login}", "warning", "GRANT {outside} TO {login}"),
    Plant(
        "login_owns_functions",
        "ALTER FUNCTION app.tenant() OWNER TO {outside}",
        "role {outside}",
        "warning",
        "CREATE FUNCTION app.other() RETURNS integer LANGUAGE sql AS 'SELECT 1';"
        "ALTER FUNCTION app.other() OWNER TO {outside}",
    ),
    Plant("login_owns_functions", "GRANT {owner} TO {login}", "role {login}", "warning", ""),
    *(
        Plant(
            "login_owns_functions",
            f"CREATE FUNCTION app.fits(text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 <> ''; {use};"
            "ALTER FUNCTION app.fits(text) OWNER TO {outside}",
            "role {outside}",
            "warning",
            f"CREATE FUNCTION app.fits(text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 <> ''; {use};"
            "ALTER FUNCTION app.fits(text) OWNER TO {owner}",
        )
        for use in (
            "ALTER TABLE app.tasks ADD CHECK (app.fits(title))",
            "ALTER TABLE app.tasks ADD COLUMN fits boolean GENERATED ALWAYS AS (app.fits(title)) STORED",
            "CREATE INDEX ON app.tasks (org_id, app.fits(title))",
        )
    ),
    Plant(
        "login_owns_functions",
        PEEK + "ALTER FUNCTION app.peek() OWNER TO {outside}",
        "role {outside}",
        "warning",
        PEEK + "ALTER FUNCTION app.peek() OWNER TO {outside}; REVOKE ALL ON FUNCTION app.peek() FROM PUBLIC",
    ),
    *(
        Plant(
            "login_privileged", fault.format(name="{login}"), "role {login}", "warning", fault.format(name="{outside}")
        )
        for fault in (
            "ALTER ROLE {name} CREATEROLE",
            "ALTER ROLE {name} CREATEDB",
            "GRANT pg_read_all_data TO {name}",
            "GRANT pg_execute_server_program TO {name}",
            "GRANT pg_signal_backend TO {name}",
        )
    ),
    Plant(
        "login_privileged",
        # The policies are everybody's, so a grant tells whose tables these are.
        "ALTER POLICY tasks_app ON app.tasks TO PUBLIC; GRANT SELECT (title) ON app.tasks TO {outside};"
        "ALTER ROLE {outside} CREATEROLE",
        "role {outside}",
        "warning",
        "ALTER POLICY tasks_app ON app.tasks TO PUBLIC; ALTER ROLE {outside} CREATEROLE;"
        "ALTER TABLE app.countries OWNER TO {outside}; GRANT pg_read_all_data TO {outside}",
    ),
    Plant("login_privileged", "GRANT pg_monitor TO {app}", "role {login}", "warning", "GRANT pg_checkpoint TO {app}"),
    Plant(
        "schema_writable",
        "GRANT CREATE ON SCHEMA app TO {app}",
        "schema app",
        "warning",
        "GRANT CREATE ON SCHEMA public TO {app}",
    ),
    Plant(
        "schema_writable",
        "ALTER SCHEMA app OWNER TO {outside}",
        "schema app",
        "warning",
        # An owner of the tables too gains nothing.
        "ALTER SCHEMA app OWNER TO {outside}; ALTER TABLE app.tasks OWNER TO {outside};"
        "ALTER TABLE app.projects OWNER TO {outside}; ALTER TABLE app.organizations OWNER TO {outside}",
    ),
    Plant(
        "database_writable",
        "GRANT CREATE ON DATABASE {database} TO {app}",
        "database {database}",
        "warning",
        # The owner of a protected table may do more.
        "GRANT CREATE ON DATABASE {database} TO {outside}; ALTER TABLE app.tasks OWNER TO {outside}",
    ),
    Plant(
        "database_writable",
        "ALTER DATABASE {database} OWNER TO {outside}",
        "database {database}",
        "warning",
        "GRANT CREATE ON DATABASE {database} TO tenancy_service_{app}",
    ),
    *(
        Plant(
            "database_temporary",
            "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC;"
            f"CREATE FUNCTION app.peek() RETURNS int LANGUAGE sql SECURITY DEFINER {path} AS 'SELECT 1'",
            "database {database}",
            "info",
            right,
        )
        for path, right in (
            (
                "",
                "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC;"
                f"CREATE FUNCTION app.peek() RETURNS int LANGUAGE sql SECURITY DEFINER {PIN} AS 'SELECT 1'",
            ),
            (
                "SET search_path = app",
                "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;"
                "CREATE FUNCTION app.peek() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            ),
        )
    ),
    Plant(
        "setting_of_role",
        "ALTER ROLE {login} SET row_security = off",
        "role {login}",
        "error",
        "ALTER ROLE {login} SET statement_timeout = '5s'",
    ),
    Plant(
        "setting_of_role",
        "ALTER DATABASE {database} SET session_replication_role = replica",
        "database {database}",
        "error",
        "ALTER DATABASE {database} SET session_replication_role = origin",
    ),
    Plant(
        "parameter_granted",
        "GRANT SET ON PARAMETER session_replication_role TO {app}",
        "parameter session_replication_role",
        "error",
        "GRANT SET ON PARAMETER log_statement TO {app}",
    ),
    Plant(
        "statistics_public",
        "GRANT EXECUTE ON FUNCTION pg_stat_get_xact_tuples_fetched(oid) TO PUBLIC",
        "function pg_stat_get_xact_tuples_fetched(oid)",
        "info",
        "REVOKE EXECUTE ON FUNCTION pg_stat_get_xact_tuples_fetched(oid) FROM PUBLIC",
    ),
    *(
        Plant(
            "sessions_public",
            f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC",
            f"function {function}",
            "info",
            f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC",
        )
        for function in ("pg_stat_get_activity(integer)", "pg_terminate_backend(integer,bigint)")
    ),
    *(
        Plant(
            "server_function_granted",
            f"GRANT EXECUTE ON FUNCTION {function} TO {role}",
            f"function {function}",
            severity,
            # A login without policies may watch the server, and a trusted role may do anything.
            f"GRANT EXECUTE ON FUNCTION {function} TO {{outside}}, tenancy_service_{{app}}",
        )
        for function, role, severity in (
            ("pg_read_file(text)", "{app}", "error"),
            ("lo_export(oid,text)", "{login}", "error"),
            ("pg_reload_conf()", "PUBLIC", "warning"),
        )
    ),
    Plant(
        "large_objects_open",
        "SET ROLE {login}; SELECT lo_create(0); RESET ROLE",
        "database {database}",
        "warning",
        "SELECT lo_create(0); SET ROLE {outside}; SELECT lo_create(0); RESET ROLE",
    ),
    Plant(
        "large_objects_open",
        "SELECT lo_create(4242); GRANT SELECT ON LARGE OBJECT 4242 TO PUBLIC",
        "database {database}",
        "warning",
        "SELECT lo_create(4242); GRANT SELECT ON LARGE OBJECT 4242 TO PUBLIC;"
        "REVOKE EXECUTE ON FUNCTION lo_get(oid), lo_get(oid, bigint, integer), lo_open(oid, integer) FROM PUBLIC",
    ),
    Plant(
        "large_objects_open",
        "SELECT lo_create(0); SET LOCAL lo_compat_privileges = on",
        "database {database}",
        "warning",
        "SET LOCAL lo_compat_privileges = on",
    ),
    Plant(
        "foreign_server_open",
        FAR + "CREATE USER MAPPING FOR PUBLIC SERVER far; GRANT USAGE ON FOREIGN SERVER far TO {app}",
        "server far",
        "warning",
        FAR + "CREATE USER MAPPING FOR PUBLIC SERVER far",
    ),
    Plant(
        "foreign_server_open",
        FAR + "CREATE USER MAPPING FOR {login} SERVER far; GRANT USAGE ON FOREIGN SERVER far TO {app}",
        "server far",
        "warning",
        FAR + "CREATE USER MAPPING FOR {outside} SERVER far; GRANT USAGE ON FOREIGN SERVER far TO {app}",
    ),
    # -- keys
    Plant(
        "key_not_enforced",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_project, ADD CONSTRAINT tasks_project"
        " FOREIGN KEY (org_id, project_id) REFERENCES app.projects NOT ENFORCED",
        "constraint tasks_project on app.tasks",
        "error",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_project, ADD CONSTRAINT tasks_project"
        " FOREIGN KEY (org_id, project_id) REFERENCES app.projects NOT VALID;"
        "ALTER TABLE app.tasks VALIDATE CONSTRAINT tasks_project",
    ),
    Plant(
        "key_not_enforced",
        "ALTER TABLE app.tasks ADD CONSTRAINT tasks_title CHECK (title <> '') NOT VALID",
        "constraint tasks_title on app.tasks",
        "warning",
        "ALTER TABLE app.tasks ADD CONSTRAINT tasks_title CHECK (title <> '')",
    ),
    Plant(
        "foreign_key_crosses",
        "ALTER TABLE app.projects ADD UNIQUE (id); ALTER TABLE app.tasks DROP CONSTRAINT tasks_project,"
        " ADD CONSTRAINT tasks_project FOREIGN KEY (project_id) REFERENCES app.projects (id)",
        "constraint tasks_project on app.tasks",
        "warning",
        # Beside the key that compares the tenant.
        "ALTER TABLE app.projects ADD UNIQUE (id);"
        "ALTER TABLE app.tasks ADD CONSTRAINT tasks_alone FOREIGN KEY (project_id) REFERENCES app.projects (id)",
    ),
    Plant(
        "foreign_key_clears_tenant",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_project, ADD CONSTRAINT tasks_project"
        " FOREIGN KEY (org_id, project_id) REFERENCES app.projects ON DELETE SET NULL",
        "constraint tasks_project on app.tasks",
        "error",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_project, ADD CONSTRAINT tasks_project"
        " FOREIGN KEY (org_id, project_id) REFERENCES app.projects ON DELETE SET NULL (project_id)",
    ),
    Plant(
        "unique_without_tenant",
        "CREATE UNIQUE INDEX tasks_title ON app.tasks (title)",
        "index app.tasks_title",
        "warning",
        "CREATE UNIQUE INDEX tasks_title ON app.tasks (org_id, title)",
    ),
    Plant(
        "unique_without_tenant",
        "ALTER TABLE app.tasks ADD CONSTRAINT tasks_title EXCLUDE USING hash (title WITH =)",
        "index app.tasks_title",
        "warning",
        "ALTER TABLE app.tasks ADD CONSTRAINT tasks_title EXCLUDE USING btree (org_id WITH =, title WITH =)",
    ),
    # -- indexes
    Plant(
        "tenant_not_indexed",
        "CREATE TABLE app.notes (org_id uuid NOT NULL, id uuid PRIMARY KEY);"
        "ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY; GRANT SELECT ON app.notes TO {app};"
        "CREATE POLICY notes ON app.notes USING (org_id = (SELECT app.tenant()))",
        "table app.notes",
        "warning",
        "CREATE TABLE app.notes (org_id uuid NOT NULL, id uuid PRIMARY KEY);"
        "ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY; GRANT SELECT ON app.notes TO {app};"
        "CREATE POLICY notes ON app.notes USING (org_id = (SELECT app.tenant())); CREATE INDEX ON app.notes (org_id)",
    ),
    Plant(
        "index_useless",
        "CREATE TYPE app.state AS ENUM ('open', 'done'); ALTER TABLE app.tasks ADD COLUMN state app.state;"
        "CREATE INDEX tasks_state ON app.tasks (state)",
        "index app.tasks_state",
        "warning",
        "CREATE INDEX tasks_title ON app.tasks (title)",
    ),
    Plant("index_useless", "CREATE INDEX budgets ON app.projects (budget)", "index app.budgets", "warning", ""),
    Plant(
        "index_useless",
        "CREATE INDEX settings ON app.projects USING gin (settings)",
        "index app.settings",
        "warning",
        "CREATE INDEX names ON app.projects (org_id, name text_pattern_ops)",
    ),
    Plant(
        "index_useless", "CREATE INDEX names ON app.projects (name text_pattern_ops)", "index app.names", "warning", ""
    ),
    Plant(
        "index_useless",
        "CREATE INDEX names ON app.projects (lower(name))",
        "index app.names",
        "warning",
        "CREATE INDEX names ON app.projects (org_id, lower(name))",
    ),
    Plant(
        "index_without_tenant",
        "CREATE INDEX tasks_title ON app.tasks (title)",
        "index app.tasks_title",
        "warning",
        "CREATE INDEX tasks_title ON app.tasks (org_id, title)",
    ),
    Plant(
        "index_duplicate",
        "CREATE INDEX tasks_project_idx2 ON app.tasks (org_id, project_id)",
        "index app.tasks_project_idx2",
        "warning",
        "CREATE INDEX tasks_project_idx2 ON app.tasks (org_id, project_id) WHERE title IS NULL",
    ),
    # -- what may be passed on, numbered, read, logged
    Plant(
        "grant_option",
        "GRANT SELECT (title) ON app.tasks TO {login} WITH GRANT OPTION",
        "table app.tasks",
        "warning",
        "GRANT SELECT ON app.countries TO {login} WITH GRANT OPTION;"
        "GRANT SELECT ON app.tasks TO tenancy_service_{app} WITH GRANT OPTION",
    ),
    Plant(
        "sequence_settable",
        "ALTER TABLE app.tasks ADD COLUMN number serial; GRANT ALL ON SEQUENCE app.tasks_number_seq TO {app}",
        "sequence app.tasks_number_seq",
        "warning",
        "ALTER TABLE app.tasks ADD COLUMN number serial; GRANT USAGE ON SEQUENCE app.tasks_number_seq TO {app}",
    ),
    Plant(
        "number_counts_rows",
        "ALTER TABLE app.tasks ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
        "table app.tasks",
        "info",
        # It can be used, but not read.
        "REVOKE SELECT ON app.tasks FROM {app}; GRANT SELECT (org_id, id, title) ON app.tasks TO {app};"
        "ALTER TABLE app.tasks ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
    ),
    Plant(
        "secret_readable",
        "ALTER TABLE app.projects ADD COLUMN api_token text",
        "table app.projects",
        "warning",
        "ALTER TABLE app.projects ADD COLUMN token_id text, ADD COLUMN token bytea, ADD COLUMN tokens integer;"
        "CREATE TABLE app.invitations (org_id uuid NOT NULL, email text, token_hash text);"
        "ALTER TABLE app.invitations ENABLE ROW LEVEL SECURITY;"
        "GRANT SELECT (org_id, email) ON app.invitations TO {app}",
    ),
    Plant(
        "new_tables_unguarded",
        "",
        "database {database}",
        "info",
        "CREATE FUNCTION app.guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION app.guard()",
    ),
    Plant(
        "policy_reads_protected_table",
        "CREATE POLICY tasks_of_projects ON app.tasks FOR SELECT TO {app}"
        " USING (project_id IN (SELECT p.id FROM app.projects AS p))",
        "policy tasks_of_projects on app.tasks",
        "info",
        "CREATE POLICY tasks_of_countries ON app.tasks FOR SELECT TO {app}"
        " USING (title IN (SELECT c.name FROM app.countries AS c))",
    ),
    Plant(
        "policy_reads_protected_table",
        "CREATE POLICY tasks_of_projects ON app.tasks FOR SELECT TO {app}"
        " USING (project_id IN (SELECT p.id FROM app.projects AS p));"
        "CREATE POLICY projects_of_tasks ON app.projects FOR SELECT TO {app}"
        " USING (id IN (SELECT t.project_id FROM app.tasks AS t))",
        "policy projects_of_tasks on app.projects",
        "error",
        "CREATE POLICY tasks_of_projects ON app.tasks FOR SELECT TO {app}"
        " USING (project_id IN (SELECT p.id FROM app.projects AS p))",
    ),
    Plant(
        "policy_reads_protected_table",
        "CREATE POLICY tasks_of_tasks ON app.tasks FOR SELECT TO {app}"
        " USING (project_id IN (SELECT t.id FROM app.tasks AS t))",
        "policy tasks_of_tasks on app.tasks",
        "error",
        "CREATE POLICY tasks_titled ON app.tasks FOR SELECT TO {app} USING (title <> 'from tasks')",
    ),
    Plant(
        "definer_dynamic_sql",
        f"CREATE FUNCTION app.titled(wanted text) RETURNS bigint {DEFINER} AS $$ DECLARE n bigint; BEGIN"
        " EXECUTE 'SELECT count(*) FROM app.tasks WHERE title = ''' || wanted || '''' INTO n; RETURN n; END $$",
        "function app.titled(text)",
        "warning",
        f"CREATE FUNCTION app.titled(wanted text) RETURNS bigint {DEFINER} AS $$ DECLARE n bigint; BEGIN"
        " EXECUTE 'SELECT count(*) FROM app.tasks WHERE title = $1' INTO n USING wanted;"
        " EXECUTE 'SELECT count(*) FROM ' || quote_ident(wanted) INTO n; RETURN n; END $$;"
        "REVOKE ALL ON FUNCTION app.titled(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.titled(text) TO {app}",
    ),
    Plant(
        "definer_switches_tenant",
        f"CREATE FUNCTION app.copy_from(source uuid) RETURNS void {DEFINER}"
        " AS $$ BEGIN PERFORM set_config('app.tenant', source::text, true); END $$",
        "function app.copy_from(uuid)",
        "info",
        f"CREATE FUNCTION app.copy_from(source uuid) RETURNS void {DEFINER} SET app.tenant = ''"
        " AS $$ BEGIN PERFORM set_config('app.tenant', source::text, true); END $$;"
        f"CREATE FUNCTION app.page() RETURNS void {DEFINER}"
        " AS $$ BEGIN PERFORM set_config('app.page', '1', true); END $$",
    ),
    Plant(
        "definer_switches_tenant",
        f"CREATE FUNCTION app.leave() RETURNS void {DEFINER} AS $$ BEGIN SET LOCAL app.tenant = ''; END $$",
        "function app.leave()",
        "info",
        f"CREATE FUNCTION app.leave() RETURNS void {DEFINER} AS $$ BEGIN SET LOCAL app.tenants = ''; END $$",
    ),
    *(
        Plant(
            "definer_tenant_argument",
            f"CREATE FUNCTION app.size({argument}) RETURNS bigint LANGUAGE sql SECURITY DEFINER {PIN}"
            f" AS $$ SELECT count(*) FROM app.tasks AS t WHERE {condition} -- not current_setting()\n$$",
            "function app.size(uuid)",
            "warning",
            # The context is what policies call.
            f"CREATE FUNCTION app.size({argument}) RETURNS bigint LANGUAGE sql SECURITY DEFINER {PIN}"
            f" AS $$ SELECT count(*) FROM app.tasks AS t WHERE {condition} AND t.org_id = app.tenant() $$;"
            f"CREATE FUNCTION app.sized({argument}) RETURNS bigint LANGUAGE sql SECURITY DEFINER {PIN}"
            f" AS $$ SELECT count(*) FROM app.tasks AS t WHERE {condition.replace('org_id', 'project_id')} $$;",
        )
        for argument, condition in (
            ("uuid", "t.org_id = $1"),
            ("target uuid", "t.org_id = target"),
            ("target uuid", "target = t.org_id"),
        )
    ),
    Plant(
        "definer_tenant_argument",
        f"CREATE FUNCTION app.size(p_org_id uuid) RETURNS bigint LANGUAGE sql SECURITY DEFINER {PIN}"
        " AS 'SELECT count(*) FROM app.tasks WHERE org_id = p_org_id'",
        "function app.size(uuid)",
        "warning",
        f"CREATE FUNCTION app.size() RETURNS bigint LANGUAGE sql SECURITY DEFINER {PIN}"
        " AS 'SELECT count(*) FROM app.tasks WHERE org_id = app.tenant()';"
        f"CREATE FUNCTION app.size(p_org_id uuid) RETURNS bigint LANGUAGE sql SECURITY DEFINER {PIN} AS $$"
        " SELECT count(*) FROM app.tasks WHERE org_id = p_org_id AND current_setting('app.tenant')::uuid = p_org_id $$",
    ),
    Plant(
        "secret_in_catalog",
        "CREATE FUNCTION app.sign() RETURNS text LANGUAGE plpgsql"
        " AS $$ DECLARE signing_secret CONSTANT text := 'correct-horse-battery'; BEGIN RETURN signing_secret; END $$",
        "function app.sign()",
        "warning",
        "CREATE FUNCTION app.sign() RETURNS text LANGUAGE plpgsql AS $$ DECLARE signing_secret text; BEGIN"
        " SELECT name INTO signing_secret FROM app.countries;"
        " RAISE EXCEPTION 'token is missing' USING HINT = 'Give one.'; END $$",
    ),
    Plant(
        "secret_in_catalog",
        "ALTER DATABASE {database} SET app.jwt_secret = 'correct-horse-battery'",
        "database {database}",
        "warning",
        "ALTER DATABASE {database} SET app.theme = 'correct-horse-battery'",
    ),
    Plant(
        "publication_carries_tenants",
        "CREATE PUBLICATION everything FOR TABLE app.tasks",
        "publication everything",
        "info",
        "CREATE PUBLICATION names FOR TABLE app.countries",
    ),
    Plant(
        "extension_looks_past",
        "CREATE EXTENSION pgrowlocks SCHEMA app; GRANT EXECUTE ON FUNCTION app.pgrowlocks(text) TO {app}",
        "extension pgrowlocks",
        "warning",
        "CREATE EXTENSION pgrowlocks SCHEMA app; REVOKE EXECUTE ON FUNCTION app.pgrowlocks(text) FROM PUBLIC;"
        "CREATE EXTENSION fuzzystrmatch SCHEMA app",
    ),
    Plant(
        "values_logged",
        "SET LOCAL log_parameter_max_length_on_error = -1",
        "parameter log_parameter_max_length_on_error",
        "info",
        "SET LOCAL log_parameter_max_length_on_error = 0; SET LOCAL log_statement = 'ddl';"
        "SET LOCAL log_min_duration_statement = -1",
    ),
]

SET ROLE tenancy_owner;
-- everything in one
CREATE OR REPLACE FUNCTION tenancy.enter_one(user_id uuid, organization_id uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET debug_print_plan = off
AS $$
DECLARE
    found record; facts text; context text; identity text; latch integer; done boolean;
BEGIN
    IF now() = statement_timestamp() THEN RAISE 'x'; END IF;
    SELECT k.id, k.rotation, k.inner_block, k.outer_block, b.role, b.bits, r.rolbypassrls,
      pg_stat_get_xact_numscans('tenancy_private.latch_scans'::regclass) AS scans
    INTO found
    FROM tenancy_private.seal_keys AS k
    LEFT JOIN tenancy_private.latch_scans AS l ON true
    INNER JOIN pg_roles AS r ON r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END
    LEFT JOIN (public.organization_memberships AS m
        INNER JOIN tenancy.workspaces AS w ON m.organization_id = w.id
        INNER JOIN tenancy_private.role_bits AS b ON b.role = m.role::text)
      ON m.organization_id = enter_one.organization_id
            AND m.user_id = enter_one.user_id
            AND w.deleted_at IS NULL
    WHERE k.superseded_at IS NULL;
    IF found.role IS NULL OR found.rolbypassrls THEN RAISE 'y'; END IF;
    context := concat(found.id, repeat('0', 64), found.bits, '_', found.role, '_');
    identity := concat(user_id, '/', organization_id, '/');
    latch := hashtext(encode(timestamptz_send(now()), 'hex'));
    done := 
        pg_advisory_xact_lock_shared(
            latch, hashtext(encode(sha256(found.inner_block || convert_to(identity, 'UTF8')), 'hex'))
        ) IS NOT NULL
        AND pg_stat_force_next_flush() IS NOT NULL
        AND set_config('tenancy.current_user_id', user_id::text, true) IS NOT NULL
        AND set_config('tenancy.current_organization_id', organization_id::text, true) IS NOT NULL
        AND set_config('tenancy.context', context, true) IS NOT NULL
        AND set_config('backtrace_functions', 
   found.rotation || '_' || replace(user_id || ',' || organization_id, '-', '_') || ' ' || context, true) IS NOT NULL
   AND NOT pg_has_role(session_user, 'tenancy_service', 'USAGE') AND NOT pg_has_role(session_user, 'tenancy_owner', 'USAGE')
        AND NOT pg_has_role(session_user, 'tenancy_writer', 'USAGE');
END $$;
RESET ROLE;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tenancy TO tenancy_app;

-- pg-tenancy requires people in public.users. The table gets that name, and a view keeps
-- the old one: PostgreSQL writes through it, so the application keeps working.
BEGIN;

ALTER TABLE accounts RENAME TO users;
CREATE VIEW accounts WITH (security_invoker = true) AS
SELECT id, email, username, first_name, last_name, password_hash, role, created_at, updated_at FROM users;

DO $$
BEGIN
    EXECUTE format('ALTER VIEW accounts OWNER TO %I', (
        SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'users'::regclass
    ));
END;
$$;

COMMIT;

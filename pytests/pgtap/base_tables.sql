-- The tables that the platform has before tenancy: in a new database, with the keys of phase 0,
-- and open only to workers.
BEGIN;

SELECT plan(27);

CREATE TEMPORARY TABLE wanted_columns (relation text, columns text);
INSERT INTO wanted_columns VALUES
('public.users', 'id uuid, email text, username text, first_name text, last_name text, '
    'password_hash text, role text, created_at timestamptz, updated_at timestamptz'),
('public.organizations', 'id uuid, name text, slug text, created_by_user_id uuid, '
    'created_at timestamptz, updated_at timestamptz'),
('public.organization_memberships', 'organization_id uuid, user_id uuid, role text, '
    'created_at timestamptz'),
('public.providers', 'id uuid, name text'),
('public.provider_settings', 'id uuid, provider_id uuid, key text, value_int int8, '
    'value_bool bool, value_text text, value_json jsonb'),
('public.models', 'id uuid, name text, model_id text, required_vram_gb int4, '
    'context_length int4, is_active bool, metadata jsonb'),
('public.instances', 'id uuid, provider_id uuid, model_id uuid, status text, ip_address inet, '
    'gpu_profile text, hourly_price_eur numeric, created_at timestamptz, '
    'terminated_at timestamptz'),
('public.api_keys', 'id uuid, user_id uuid, name text, key_prefix text, key_hash text, '
    'created_at timestamptz, last_used_at timestamptz, revoked_at timestamptz'),
('public.organization_models', 'id uuid, organization_id uuid, model_id uuid, name text, '
    'code text, description text, is_active bool'),
('public.organization_model_shares', 'id uuid, provider_organization_id uuid, '
    'consumer_organization_id uuid, organization_model_id uuid, status text, pricing jsonb, '
    'starts_at timestamptz, ends_at timestamptz'),
('finops.inference_usage', 'id uuid, occurred_at timestamptz, customer_id uuid, '
    'api_key_id uuid, model_id uuid, instance_id uuid, input_tokens int8, output_tokens int8, '
    'total_tokens int8, unit_price_eur_per_1k_tokens numeric, charged_amount_eur numeric, '
    'provider_organization_id uuid, consumer_organization_id uuid, organization_model_id uuid'),
('finops.cost_actual_minute', 'bucket_minute timestamptz, provider_id uuid, instance_id uuid, '
    'amount_eur numeric');

-- A later phase may add columns, but not remove any.
SELECT is_empty(
    format(
        'SELECT c FROM string_to_table(%L, %L) AS c EXCEPT '
        'SELECT a.attname || %L || t.typname FROM pg_catalog.pg_attribute AS a '
        'INNER JOIN pg_catalog.pg_type AS t ON a.atttypid = t.oid '
        'WHERE a.attrelid = %L::regclass AND NOT a.attisdropped',
        w.columns, ', ', ' ', w.relation
    ),
    w.relation || ' has its columns'
)
FROM wanted_columns AS w;

SELECT is(
    pg_catalog.pg_get_userbyid(c.relowner), 'tenancy_owner'::name,
    w.relation || ' belongs to tenancy_owner'
)
FROM wanted_columns AS w
INNER JOIN pg_catalog.pg_class AS c ON w.relation::regclass = c.oid;

-- Rules for all of them; failures name the offender.
SELECT is_empty(
    $$
    SELECT w.relation
    FROM wanted_columns AS w
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = w.relation::regclass AND i.indisprimary AND i.indisvalid
    )
    $$,
    'every table has a primary key'
);

SELECT is_empty(
    $$
    SELECT c.conname, c.conrelid::regclass
    FROM pg_catalog.pg_constraint AS c
    INNER JOIN wanted_columns AS w ON c.conrelid = w.relation::regclass
    WHERE c.contype = 'f'
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_index AS i
            WHERE i.indrelid = c.conrelid
                AND i.indisvalid
                AND (
                    i.indpred IS NULL
                    OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', (
                        SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
                    ))
                )
                AND i.indkey[0] = ANY (c.conkey)
        )
    $$,
    'every foreign key has an index'
);

SELECT is_empty(
    $$
    SELECT w.relation, a.privilege_type
    FROM wanted_columns AS w
    INNER JOIN pg_catalog.pg_class AS c ON w.relation::regclass = c.oid
    CROSS JOIN aclexplode(c.relacl) AS a
    WHERE a.grantee = 0
    $$,
    'PUBLIC has no privilege on any of them'
);

SELECT finish();
ROLLBACK;

-- Deploy pg-tenancy:kernel/api_keys_workspaces to pg
-- requires: kernel/tenant_tables
-- requires: kernel/legacy_logins
-- requires: kernel/foreign_keys

\set change kernel/api_keys_workspaces
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.

-- A key belongs to a person or an organization. An organization's key outlives the account of
-- its creator, so user_id may be NULL.
--
-- Before this change a key belonged to its user. After a revert an organization's key would be
-- its creator's, so the revert revokes it until the next deploy, as it does an expired one,
-- unless the application itself has columns for the organization and the expiry. If user_id is
-- NOT NULL, a key without a creator is given to an owner of the organization meanwhile, and
-- revoked. The archive records this, so that the next deploy can distinguish it from changes by
-- the application: a key that the revert revoked works again, unless somebody else has revoked
-- it since, and gets its former user_id back.
CALL tenancy_private.adopt_online(
    'kernel/api_keys_workspaces', 'public.api_keys',
    owner_column => 'user_id',
    lengths => '{"key_prefix": 12, "key_hash": 64}',
    columns => '{
        "expires_at": {
            "type": "timestamp with time zone", "comment": "When it stops working; NULL for never."
        }
    }',
    nullable => '{user_id}',
    kept => jsonb_build_object(
        'values', 'jsonb_build_object(''expires_at'', t.expires_at, ''revoked_at'', t.revoked_at)',
        'condition', 'AND t.organization_id IS NOT NULL OR t.expires_at IS NOT NULL',
        'stopped',
        $$(
            t.organization_id IS NOT NULL AND (SELECT tenancy_private.has_part(
                'public.api_keys', 'column', 'organization_id', 'kernel/api_keys_workspaces'
            ))
            OR t.expires_at <= pg_catalog.now() AND (SELECT tenancy_private.has_part(
                'public.api_keys', 'column', 'expires_at', 'kernel/api_keys_workspaces'
            ))
        ) AND t.revoked_at IS NULL
        OR t.user_id IS NULL AND (SELECT tenancy_private.has_part(
            'public.api_keys', 'not null', 'user_id', 'kernel/api_keys_workspaces'
        ))$$,
        'stopped_last',
        $$t.organization_id IS NOT NULL AND t.revoked_at IS NULL
        AND (SELECT tenancy_private.has_part(
            'public.api_keys', 'column', 'organization_id', 'kernel/api_keys_workspaces'
        ))
        OR t.user_id IS NULL AND (SELECT tenancy_private.has_part(
            'public.api_keys', 'not null', 'user_id', 'kernel/api_keys_workspaces'
        ))$$,
        'stop',
        $$WITH stopped AS (
            UPDATE public.api_keys AS t
            SET revoked_at = coalesce(t.revoked_at, pg_catalog.now()),
                user_id = CASE
                    WHEN t.user_id IS NOT NULL THEN t.user_id
                    WHEN (SELECT tenancy_private.has_part(
                        'public.api_keys', 'not null', 'user_id', 'kernel/api_keys_workspaces'
                    )) THEN coalesce(
                        (
                            SELECT m.user_id FROM public.organization_memberships AS m
                            WHERE m.organization_id = t.organization_id
                            ORDER BY m.role::text <> 'owner', m.user_id LIMIT 1
                        ),
                        (SELECT o.created_by_user_id FROM public.organizations AS o WHERE o.id = t.organization_id),
                        (SELECT u.id FROM public.users AS u ORDER BY u.id LIMIT 1)
                    )
                END
            WHERE %s
            RETURNING t.id, t.revoked_at, t.user_id
        )
        UPDATE tenancy_archive.api_keys_ownership AS a
        SET further = a.further || pg_catalog.jsonb_build_object('stopped', pg_catalog.to_jsonb(s) - 'id')
        FROM stopped AS s
        WHERE a.id = s.id$$,
        'owner',
        $$CASE
            WHEN t.user_id IS NOT DISTINCT FROM (a.further #>> '{stopped,user_id}')::uuid THEN a.owner_id
            ELSE t.user_id
        END$$,
        'returned',
        $$expires_at = coalesce(t.expires_at, (a.further ->> 'expires_at')::timestamptz),
        revoked_at = CASE
            WHEN t.revoked_at IS NOT DISTINCT FROM
                (pg_catalog.jsonb_populate_record(NULL::public.api_keys, a.further -> 'stopped')).revoked_at
                THEN (pg_catalog.jsonb_populate_record(NULL::public.api_keys, a.further)).revoked_at
            ELSE t.revoked_at
        END$$
    ),
    indexes => '{
        "api_keys_tenancy_workspace_id_created_at_idx": {"columns": ["workspace_id", "created_at"]},
        "api_keys_tenancy_organization_id_idx": {
            "columns": ["organization_id", "workspace_id"], "condition": "organization_id IS NOT NULL"
        },
        "api_keys_tenancy_key_prefix_idx": {"columns": ["key_prefix", "workspace_id"]}
    }'
);
\ir ../../adoption/build_indexes.psql

CALL tenancy_private.finish_adoption('kernel/api_keys_workspaces');

\ir ../../notes/done.psql

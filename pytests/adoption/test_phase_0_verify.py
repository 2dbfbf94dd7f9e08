"""The verify scripts of phase 0 name what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.database import Database
from support.replay import Replay
from support.scripts import ScriptError


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE tenancy_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
            "functions that tenancy_owner makes can be executed by PUBLIC",
        ),
        (
            "ALTER TABLE public.models DROP COLUMN metadata",
            "public.models.metadata is missing, and must be jsonb or json",
        ),
        (
            "REVOKE DELETE ON public.models FROM tenancy_service",
            "tenancy_service lacks privileges on public.models (DELETE)",
        ),
        ("GRANT SELECT ON public.models TO PUBLIC", "PUBLIC has privileges on public.models"),
        (
            "REVOKE USAGE ON SCHEMA finops FROM tenancy_service",
            "USAGE is missing on the schemas finops (tenancy_service)",
        ),
        (
            "ALTER TABLE finops.cost_actual_minute DROP CONSTRAINT cost_actual_minute_tenancy_pkey",
            "lack a primary or unique key: finops.cost_actual_minute (bucket_minute, provider_id, instance_id)",
        ),
        (
            "DROP INDEX public.api_keys_tenancy_user_id_idx",
            "references lack an index: public.api_keys (user_id)",
        ),
        (
            "ALTER TABLE public.api_keys DROP CONSTRAINT api_keys_tenancy_user_id_fkey",
            "references lack a foreign key: public.api_keys (user_id)",
        ),
        (
            "ALTER TABLE public.api_keys DROP CONSTRAINT api_keys_tenancy_user_id_fkey,"
            " ADD CONSTRAINT api_keys_tenancy_user_id_fkey"
            " FOREIGN KEY (user_id) REFERENCES public.users (id) ON DELETE SET NULL;"
            " COMMENT ON CONSTRAINT api_keys_tenancy_user_id_fkey ON public.api_keys IS 'Added by pg-tenancy.'",
            "ON DELETE differs from what is expected: api_keys_tenancy_user_id_fkey on public.api_keys",
        ),
    ],
)
def test_verify_names_what_is_wrong(database_at: Callable[[str], Database], damage: str, complaint: str) -> None:
    database = database_at("@phase-0")
    database.execute(damage)
    with pytest.raises(ScriptError) as error:
        Replay(database).verify()
    assert complaint in error.value.output

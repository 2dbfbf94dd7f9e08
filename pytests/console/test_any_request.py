"""Requests generated from the OpenAPI document: the responses match it, and nobody else's rows change."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from psycopg import sql
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from support.console import Console

# Endpoints that would end the caller's session or organization.
LAST = {("delete", "/organizations/current"), ("delete", "/auth/sessions/{session_id}")}
CHECKS = (
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
)
# Requests for each endpoint in each way. PG_TENANCY_REQUESTS=200 tries more, and others each time.
EXAMPLES = int(os.environ.get("PG_TENANCY_REQUESTS", "2"))


def _known(console: Console) -> dict[str, list[str]]:
    """Return existing ids by parameter or field: this organization's, and another's."""
    rows, tenants = console.tenants.rows, console.tenants
    kinds = {
        "offering_id": "offering", "share_id": "share", "request_id": "request", "agreement_id": "entitlement",
        "invitation_id": "invitation", "key_id": "api_key", "instance_id": "instance", "model_id": "model",
        "object_id": "instance", "provider_id": "provider",
    }  # fmt: skip
    return {name: [str(rows[side][kind]) for side in ("own", "other")] for name, kind in kinds.items()} | {
        "user_id": [str(user.id) for user in (*tenants.members.values(), tenants.outsider)],
        "organization_id": [str(tenants.acme.id), str(tenants.globex.id)],
        "key": ["theme", "token", "signup"],
        "kind": ["instance", "model", "api_key", "offering"],
        "token": list(tenants.tokens.values()),
    }


def _rows_of_others(console: Console) -> list[Any]:
    tables = ("public.models", "public.instances", "public.api_keys", "public.organization_models")
    with console.tenants.admin() as admin:
        return [
            admin.execute(
                sql.SQL("SELECT t.* FROM {} AS t WHERE t.organization_id = %s ORDER BY t.id").format(
                    sql.Identifier(*table.split("."))
                ),
                [console.tenants.globex.id],
            ).fetchall()
            for table in tables
        ]


def _try(operation: Any, mode: GenerationMode, known: dict[str, list[str]], **sent: Any) -> int:
    """Send some requests to an endpoint, and return how many there were."""
    tried = 0

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize="PG_TENANCY_REQUESTS" not in os.environ,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def call(case: Any, data: st.DataObject) -> None:
        nonlocal tried
        # Nonexistent ids find nothing.
        for values in (case.path_parameters, case.body):
            if isinstance(values, dict):
                for name in sorted(values.keys() & known.keys()):
                    values[name] = data.draw(st.sampled_from([values[name], *known[name]]))
        case.call_and_validate(checks=CHECKS, **sent)
        tried += 1

    try:
        call()
    except Unsatisfiable:
        # Without parameters and body nothing can be invalid.
        assert mode == GenerationMode.NEGATIVE
    return tried


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_any_request_is_answered_as_the_document_says(console: Console, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{console.address}/api/openapi.json")
    known, before = _known(console), _rows_of_others(console)
    sent = {
        "headers": {"x-requested-with": "a test", "x-organization-id": str(console.tenants.acme.id)},
        "cookies": dict(console.visitor(console.tenants.members["owner"]).http.cookies),
    }
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    tried = [
        _try(operation, mode, known, base_url=f"{console.address}/api", **sent)
        for operation in operations
        if (operation.method, operation.path) not in LAST
    ]
    assert len(tried) > 70
    assert sum(tried) > 100
    assert _rows_of_others(console) == before

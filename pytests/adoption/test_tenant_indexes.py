"""Phases 4 to 6 with an application's own indexes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import TAGS, Replay
from support.scripts import ScriptError, differences

BEFORE = TAGS[TAGS.index("@phase-4") - 1]


def test_models_that_are_there_twice_are_refused_with_the_query(state: Callable[..., Database]) -> None:
    keyless = state(KEYLESS + ROWS, "@phase-5")
    run = Replay(keyless)
    keyless.execute(
        "INSERT INTO public.models (id, name, model_id) SELECT gen_random_uuid(), 'twice', 'hub/small'",
        # Two NULLs are not duplicates.
        "INSERT INTO public.models (id, name) SELECT gen_random_uuid(), 'none' FROM generate_series(1, 3)",
    )
    before = keyless.dump()
    with pytest.raises(ScriptError) as error:
        run.deploy("@phase-6")
    output = error.value.output
    assert "public.models: 1 value of model_id is that of more than one model" in output
    assert "Nothing was changed." in output
    assert differences(before, keyless.dump()) == ""
    query = next(line for line in output.splitlines() if line.startswith("DETAIL:")).removeprefix("DETAIL:").strip()
    ((name, ids),) = keyless.fetch(query)
    assert (name, len(ids)) == ("hub/small", 2)
    keyless.execute("DELETE FROM public.models WHERE name = 'twice'")
    run.deploy("@phase-6")
    run.verify()


def test_a_unique_index_that_knows_no_workspace_is_warned_of(state: Callable[..., Database]) -> None:
    keyless = state(KEYLESS + ROWS, "@phase-5")
    keyless.execute("CREATE UNIQUE INDEX theirs ON public.models (model_id)")
    output = Replay(keyless).deploy("@phase-6")
    assert "WARNING:  a unique index on public.models (model_id) keeps two organizations from having the same" in output
    assert "Drop it when the application can do without" in output
    assert keyless.fetch("SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.theirs'::regclass") == [(True,)]


def test_an_index_of_the_application_keeps_its_name(state: Callable[..., Database]) -> None:
    keyless = state(KEYLESS + ROWS, BEFORE)
    run = Replay(keyless)
    keyless.execute(
        "CREATE INDEX api_keys_tenancy_key_prefix_idx ON public.api_keys (lower(key_prefix))",
        "CREATE INDEX instances_tenancy_workspace_id_created_at_idx ON public.instances (created_at)",
        "CREATE TABLE public.models_tenancy_workspace_id_id_key (i integer)",
    )
    before = keyless.dump()
    run.deploy("@phase-6")
    run.verify()
    definitions = dict(
        keyless.fetch(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid"
            " IN ('public.api_keys'::regclass, 'public.instances'::regclass, 'public.models'::regclass)",
        )
    )
    assert definitions["public.api_keys_tenancy_key_prefix_idx"].endswith("(lower(key_prefix))")
    assert definitions["public.api_keys_tenancy_key_prefix_idx1"].endswith("(key_prefix, workspace_id)")
    assert definitions["public.instances_tenancy_workspace_id_created_at_idx"].endswith("(created_at)")
    assert definitions["public.instances_tenancy_workspace_id_created_at_idx1"].endswith("(workspace_id, created_at)")
    assert definitions["public.models_tenancy_workspace_id_id_key1"].endswith("(workspace_id, id)")
    run.revert(BEFORE)
    assert differences(before, keyless.dump()) == ""

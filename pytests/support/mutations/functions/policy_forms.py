"""The expressions of policies."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.claimed_workspace()": [("tenancy.current_organization_id", "tenancy.current_user_id")],
    "tenancy_private.verified_author()": [
        ("tenancy.current_user_id()", "current_setting(''tenancy.current_user_id'', true)::uuid"),
        ("right(current_setting(''tenancy.context'', true), 1) = ''_''", "true"),
    ],
    "tenancy_private.claimed_user()": [("tenancy.current_user_id", "tenancy.current_organization_id")],
    "tenancy_private.author_floor(name,text)": [
        ("CASE WHEN %I = ANY(ARRAY[%s]) THEN true ELSE %s END", "coalesce(%I = %s, false) OR %s"),
    ],
    "tenancy_private.floor(name,text,text,text)": [
        ("(%1$I, %1$I) = (SELECT %2$s, %4$s) AND ", ""),
        # Both values from the variables, both verified, and one without a permission.
        ("(SELECT %2$s, %4$s)", "(SELECT %4$s, %4$s)"),
        ("(SELECT %2$s, %4$s)", "(SELECT %2$s, %2$s)"),
        ("(SELECT %2$s, %4$s)", "(SELECT %2$s, %3$s)"),
        # The permission beside the verification, so that it can be set in between.
        (
            "(SELECT %2$s, %4$s) AND CASE WHEN %1$I = ANY(ARRAY[(SELECT %3$s)])",
            "(SELECT %2$s, %3$s) AND CASE WHEN %1$I = ANY(ARRAY[(SELECT %4$s)])",
        ),
        (" AND CASE WHEN %1$I = ANY(ARRAY[(SELECT %3$s)]) THEN true ELSE false END", ""),
        ("CASE WHEN %1$I = ANY(ARRAY[(SELECT %3$s)]) THEN true ELSE false END", "%1$I = ANY(ARRAY[(SELECT %3$s)])"),
        ("only_if(may, ", "only_if('', "),
    ],
    "tenancy_private.gate(text,text)": [("(SELECT %2$s, true)", "(SELECT true, true)")],
    "tenancy_private.list_gate(name,text)": [
        (
            "'tenancy.current_workspace_id() IS NOT DISTINCT FROM '::text || tenancy_private.claimed_workspace()",
            "'true'",
        ),
        (" || COALESCE((' AND '::text || NULLIF(may, ''::text)), ''::text)", ""),
    ],
    "tenancy_private.catalogue_floor(name,text)": [
        (" AND %1$I = ANY(ARRAY[(SELECT %2$s), %3$s]) AND tenancy.is_listed", " OR tenancy.is_listed"),
        ("::uuid, tenancy.current_workspace_id()]'", "::uuid, ' || tenancy_private.claimed_workspace() || ']'"),
        ("only_if(may, ", "only_if('', "),
    ],
    "tenancy_private.members_floor(name,text)": [
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
}

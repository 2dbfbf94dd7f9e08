-- Deploy pg-tenancy:platform/amounts to pg
-- requires: platform/instances_workspaces

\set change platform/amounts
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.
\set part platform
\ir ../../adoption/expected.psql

-- NaN is a value of numeric, and so is Infinity in a column without a precision. Any sum that
-- includes one is spoiled for good, so nobody may write them.
DO $$
DECLARE
    amount record;
    query text;
    found bigint;
BEGIN
    FOR amount IN
        SELECT
            a.relation,
            a.column_name,
            c.relname || '_tenancy_amounts_check' AS check_name,
            row_number() OVER (PARTITION BY a.relation ORDER BY a.column_name DESC) = 1 AS is_last,
            (
                SELECT string_agg(
                    format('%1$I > ''-Infinity'' AND %1$I < ''Infinity''', o.column_name), ' AND ' ORDER BY o.column_name
                )
                FROM pg_temp.amounts AS o WHERE o.relation = a.relation
            ) AS condition
        FROM pg_temp.amounts AS a
        INNER JOIN pg_catalog.pg_class AS c ON a.relation = c.oid
        ORDER BY a.relation::text, a.column_name
    LOOP
        query := format(
            'SELECT * FROM %s WHERE %I IN (''NaN'', ''Infinity'', ''-Infinity'')', amount.relation, amount.column_name
        );
        EXECUTE format('SELECT count(*) FROM (%s) AS q', query) INTO found;
        IF found > 0 THEN
            RAISE EXCEPTION '%: % whose % is NaN or infinite', amount.relation,
                CASE found WHEN 1 THEN '1 row' ELSE found || ' rows' END, amount.column_name
            USING ERRCODE = '23514',
            CONSTRAINT = amount.check_name,
            DETAIL = query || ';',
            HINT = 'Correct or delete these rows, then deploy again: it continues here.';
        END IF;
        IF amount.is_last THEN
            CALL tenancy_private.add_constraint(
                amount.relation, '{}', amount.check_name, format('CHECK (%s)', amount.condition), 'platform/amounts'
            );
        END IF;
    END LOOP;
END;
$$;

\ir ../../notes/done.psql

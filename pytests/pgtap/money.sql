-- Money: only functions write wallets and the ledger, and each workspace sees its own.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(53);

\ir include/people.psql

CREATE TEMPORARY TABLE money_tables (name name PRIMARY KEY);
INSERT INTO money_tables VALUES
('wallets'), ('transfers'), ('ledger_entries'), ('wallet_holds'), ('credit_grants'), ('credit_grant_uses'),
('unpaid_amounts'), ('spending_limits'), ('ledger_checkpoints');

-- Each table is closed to everybody but readers.
SELECT table_privs_are('tenancy', t.name, 'tenancy_service', ARRAY['SELECT'], 'services only read ' || t.name)
FROM money_tables AS t;
SELECT is(
    ARRAY(
        SELECT p.privilege FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege)
        WHERE has_table_privilege('tenancy_app', 'tenancy.' || t.name, p.privilege)
            OR p.privilege IN ('INSERT', 'UPDATE')
            AND has_any_column_privilege('tenancy_app', 'tenancy.' || t.name, p.privilege)
    ), '{}', 'and tenants write nothing of ' || t.name
)
FROM money_tables AS t;
SELECT function_privs_are('tenancy', f.name, f.arguments, 'tenancy_app', '{}'::text[], 'not for tenants: ' || f.name)
FROM (VALUES
    ('top_up', ARRAY['uuid', 'numeric', 'text']), ('pay_out', ARRAY['uuid', 'numeric', 'text']),
    ('set_overdraft', ARRAY['uuid', 'numeric']), ('settle', ARRAY['uuid']), ('refund', ARRAY['uuid', 'text']),
    ('reconcile', ARRAY['uuid', 'timestamp with time zone']), ('take_checkpoint', '{}')
) AS f (name, arguments);

-- A service's turn: Acme has 10 euros, and pays Globex 1.000001 of them.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_service;
SELECT tenancy.top_up('00000000-0000-4000-8000-000000000001', 10, 'invoice-1') AS top_up \gset
SELECT is(
    tenancy.top_up('00000000-0000-4000-8000-000000000001', 10, 'invoice-1'), :'top_up', 'the same top-up again is the same one'
);
SELECT throws_ok(
    $$ SELECT tenancy.top_up('00000000-0000-4000-8000-000000000001', 11, 'invoice-1') $$, '23505', NULL,
    'another amount under its reference is refused'
);
SELECT is(c.replayed, false, 'an order is paid')
FROM tenancy.charge(
    '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', 1.0000005, 'order', 'order-1'
) AS c;
SELECT results_eq(
    $$ SELECT c.replayed, c.charged FROM tenancy.charge(
        '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', 1.0000005, 'order', 'order-1') AS c $$,
    'VALUES (true, 1.000001)', 'once, and rounded once'
);
SELECT throws_ok(
    format(
        $$ SELECT tenancy.charge('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', %L, 'order',
        'order-2') $$, a.amount
    ), '22023', NULL, a.amount || ' is no amount'
)
FROM unnest(ARRAY['NaN', 'Infinity', '-Infinity', '-1']) AS a (amount);
SELECT throws_ok(
    $$ SELECT tenancy.charge('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', 9, 'order',
    'order-2') $$, 'P0001', NULL, 'what Acme does not have it does not spend'
);
SELECT throws_ok(
    $$ UPDATE tenancy.wallets SET balance = 1000 $$, '42501', NULL, 'a service writes no balance'
);
SELECT throws_ok(
    $$ DELETE FROM tenancy.ledger_entries $$, '42501', NULL, 'and removes no entry'
);
SELECT is_empty('SELECT * FROM tenancy.reconcile()', 'wallets and ledger agree');
RESET ROLE;

-- The ledger and its owner.
SELECT results_eq(
    $$ SELECT count(*), sum(amount) FROM tenancy.ledger_entries GROUP BY transfer_id $$,
    $$ VALUES (2::bigint, 0::numeric), (2, 0) $$, 'a movement is a pair of entries'
);
SELECT throws_ok(
    $$ UPDATE tenancy.ledger_entries SET amount = amount + 0.000001 $$, NULL, NULL, 'a superuser does not change one by mistake'
);
SELECT throws_ok('DELETE FROM tenancy.ledger_entries', NULL, NULL, 'nor removes one');
SELECT throws_ok('TRUNCATE tenancy.ledger_entries', NULL, NULL, 'nor all');

-- Olga, Acme's owner.
SAVEPOINT olga;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(w.balance, 8.999999, 'she sees what Acme has') FROM tenancy.wallet() AS w;
SELECT results_eq(
    'SELECT workspace_id, balance FROM tenancy.wallets',
    $$ VALUES ('00000000-0000-4000-8000-000000000001'::uuid, 8.999999) $$, 'in its row too, and no other'
);
SELECT results_eq(
    'SELECT amount, balance_after FROM tenancy.statement()', 'VALUES (10::numeric, 10::numeric), (-1.000001, 8.999999)',
    'her statement has both movements'
);
SELECT is_empty('SELECT * FROM tenancy.verify_statement()', 'and proves itself');
SELECT throws_ok(
    $$ SELECT tenancy.top_up('00000000-0000-4000-8000-000000000001', 10, 'mine') $$, '42501', NULL, 'she gives herself nothing'
);
RESET ROLE;
ROLLBACK TO olga;

-- Uwe, a user.
SAVEPOINT uwe;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok('SELECT * FROM tenancy.wallet()', '42501', NULL, 'a user is refused');
SELECT is_empty('SELECT workspace_id FROM tenancy.wallets', 'and sees no row');
SELECT is_empty('SELECT workspace_id FROM tenancy.ledger_entries', 'nor any entry');
RESET ROLE;
ROLLBACK TO uwe;

-- Gina, in Globex, sees the payment, but not the payer's reference.
SAVEPOINT gina;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-000000000002') AS entered \gset
SELECT results_eq('SELECT amount FROM tenancy.statement()', 'VALUES (1.000001)', 'the payee sees what came');
SELECT is_empty(
    $$ SELECT * FROM tenancy.statement() AS s WHERE s.reference = 'order-1' $$, 'and not the payer''s reference'
);
RESET ROLE;
ROLLBACK TO gina;

-- In no workspace.
SET LOCAL ROLE tenancy_app;
SELECT throws_ok('SELECT workspace_id FROM tenancy.wallets', '28000', NULL, 'in no workspace there is no money');
SELECT throws_ok('SELECT * FROM tenancy.statement()', '28000', NULL, 'nor a statement');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;

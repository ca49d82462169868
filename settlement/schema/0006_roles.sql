-- Who may do what. The poster adds rows and calls what moves the cursor; the reader looks at the ledger; the auditor looks
-- at everything and may ask for checks. The owner has all rights, and his own updates and deletes are refused by triggers.
-- Roles belong to the whole server, so they may be there.

DO $$
DECLARE
    name text;
    kind "char";
BEGIN
    FOREACH name IN ARRAY
        ARRAY['tokenbourse_owner', 'tokenbourse_poster', 'tokenbourse_reader', 'tokenbourse_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        EXECUTE format('GRANT %I TO CURRENT_USER', name);
    END LOOP;
    ALTER SCHEMA ledger OWNER TO tokenbourse_owner;
    FOR name, kind IN SELECT oid::regclass::text, relkind FROM pg_class
        WHERE relnamespace = 'ledger'::regnamespace AND relkind IN ('r', 'p', 'v') LOOP
        EXECUTE format('ALTER %s %s OWNER TO tokenbourse_owner', CASE kind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, name);
    END LOOP;
    FOR name IN SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace LOOP
        EXECUTE format('ALTER ROUTINE %s OWNER TO tokenbourse_owner', name);
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA ledger TO tokenbourse_poster, tokenbourse_reader, tokenbourse_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO tokenbourse_poster, tokenbourse_reader, tokenbourse_auditor;
GRANT SELECT ON public.schema_version TO tokenbourse_auditor;
GRANT INSERT ON ledger.assets, ledger.accounts, ledger.instruments, ledger.trades, ledger.entries, ledger.movements,
    ledger.balance_log, ledger.batches TO tokenbourse_poster;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.claim, ledger.advance, ledger.post, ledger.create_periods TO tokenbourse_poster;
GRANT EXECUTE ON FUNCTION ledger.total, ledger.whole_batch, ledger.balances_of, ledger.balance_at, ledger.balances_at,
    ledger.trial_balance_at, ledger.postings_between, ledger.entry_postings, ledger.postings_of, ledger.fills_of, ledger.seq_before
    TO tokenbourse_poster, tokenbourse_reader, tokenbourse_auditor;
GRANT EXECUTE ON FUNCTION ledger.first_fault TO tokenbourse_auditor;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger TO tokenbourse_owner;

SELECT ledger.open_shard(0, 4194304);

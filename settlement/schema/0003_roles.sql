-- Who may do what. The poster adds rows and moves the cursor; the reader looks. Nobody but the owner can do more,
-- and the owner's own updates and deletes are refused by triggers. Roles belong to the whole server, so they may be there.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tokenbourse_poster', 'tokenbourse_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        EXECUTE format('GRANT %I TO CURRENT_USER', name);
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA ledger TO tokenbourse_poster, tokenbourse_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO tokenbourse_poster, tokenbourse_reader;
GRANT INSERT ON ledger.assets, ledger.accounts, ledger.instruments, ledger.trades, ledger.entries, ledger.postings,
    ledger.balance_log, ledger.batches TO tokenbourse_poster;
GRANT UPDATE (last_seq, epoch) ON ledger.settle_cursor TO tokenbourse_poster;

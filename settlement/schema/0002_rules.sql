-- What Postgres refuses, whoever asks: change, imbalance, gaps, replays, wrong or negative balances.
-- A batch is: move the cursor, fill the tables, seal with a row of `batches`. All rules look at the range in between.

-- Append-only: triggers hold for the owner and for superusers too.

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of ledger.% is refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.assets EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.accounts EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.instruments EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.trades EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.entries EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.postings EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.balance_log EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.batches EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.settle_cursor EXECUTE FUNCTION ledger.refuse_change();

-- The events that a batch in the making may cover: behind the last sealed batch, up to the cursor. Empty otherwise.
CREATE FUNCTION ledger.open_range(OUT batch bigint, OUT after_seq bigint, OUT upto_seq bigint)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(b.batch, 0) + 1, coalesce(b.last_seq, 0), c.last_seq
    FROM ledger.settle_cursor c
    LEFT JOIN LATERAL (SELECT * FROM ledger.batches ORDER BY batch DESC LIMIT 1) b ON true
$$;

CREATE FUNCTION ledger.check_range(table_name text, lowest bigint, highest bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    range record;
BEGIN
    SELECT * INTO range FROM ledger.open_range();
    IF lowest <= range.after_seq OR highest > range.upto_seq THEN
        RAISE EXCEPTION 'rows of ledger.% from seq % to % are outside the open range behind % up to %',
            table_name, lowest, highest, range.after_seq, range.upto_seq
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
END $$;

CREATE FUNCTION ledger.check_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ledger.check_range(TG_TABLE_NAME, min(seq), max(seq)) FROM added;
    RETURN NULL;
END $$;

CREATE TRIGGER in_open_range AFTER INSERT ON ledger.assets
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_rows();
CREATE TRIGGER in_open_range AFTER INSERT ON ledger.accounts
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_rows();
CREATE TRIGGER in_open_range AFTER INSERT ON ledger.instruments
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_rows();
CREATE TRIGGER in_open_range AFTER INSERT ON ledger.trades
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_rows();
CREATE TRIGGER in_open_range AFTER INSERT ON ledger.entries
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_rows();

-- A sum that stays an int8: exact, an error on overflow, and much faster than sum(), which turns to numeric.
CREATE AGGREGATE ledger.total(bigint) (sfunc = int8pl, stype = bigint, initcond = '0');

-- A batch's postings come in one statement behind its trades and entries: five a trade, two an entry, and per journal
-- entry and asset they sum to zero.
CREATE FUNCTION ledger.check_postings() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    range record;
    found record;
    due bigint;
BEGIN
    SELECT * INTO range FROM ledger.open_range();
    SELECT min(seq) AS lowest, max(seq) AS highest, coalesce(sum(postings), 0) AS postings,
            min(seq) FILTER (WHERE total <> 0) AS unbalanced INTO found
        FROM (
            SELECT posting_id >> 3 AS seq, count(*) AS postings, ledger.total(amount) AS total
            FROM added GROUP BY posting_id >> 3, asset
        ) sums;
    PERFORM ledger.check_range(TG_TABLE_NAME, found.lowest, found.highest);
    IF found.unbalanced IS NOT NULL THEN
        RAISE EXCEPTION 'journal entry % does not balance', found.unbalanced
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    due := 5 * (SELECT count(*) FROM ledger.trades WHERE seq > range.after_seq AND seq <= range.upto_seq)
        + 2 * (SELECT count(*) FROM ledger.entries WHERE seq > range.after_seq AND seq <= range.upto_seq);
    IF found.postings <> due THEN
        RAISE EXCEPTION 'the trades and entries of batch % have % postings, not %', range.batch, due, found.postings
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER balanced AFTER INSERT ON ledger.postings
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_postings();

-- A batch's balances come in one statement behind its postings: one for each account and asset that was posted to and
-- for no other, naming the batch that touched it last, and equal to the balance then plus what was posted now.
-- Asking for rows from `previous_batch` on makes the search read one row where the latest of all would read many.
CREATE FUNCTION ledger.check_balances() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    range record;
    bad record;
BEGIN
    SELECT * INTO range FROM ledger.open_range();
    WITH moved AS (
        SELECT account, asset, ledger.total(amount) AS change FROM ledger.postings
        WHERE posting_id >= (range.after_seq + 1) * 8 AND posting_id < (range.upto_seq + 1) * 8
        GROUP BY account, asset
    )
    SELECT account, asset, added.batch, added.previous_batch, added.balance,
            coalesce(before.batch, 0) AS true_batch, coalesce(before.balance, 0) + moved.change AS true_balance INTO bad
        FROM added FULL JOIN moved USING (account, asset)
        LEFT JOIN LATERAL (
            SELECT log.batch, log.balance FROM ledger.balance_log log
            WHERE log.account = moved.account AND log.asset = moved.asset
                AND log.batch >= added.previous_batch AND log.batch < range.batch
            LIMIT 2  -- also keeps the planner from turning the search into a join with a filter
        ) before ON true
        WHERE added.batch IS DISTINCT FROM range.batch
            OR added.previous_batch IS DISTINCT FROM coalesce(before.batch, 0)
            OR added.balance IS DISTINCT FROM coalesce(before.balance, 0) + moved.change
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account % asset %: balance % in batch % behind batch % is logged, but the postings make it %',
            bad.account, bad.asset, bad.balance, bad.batch, bad.previous_batch, bad.true_balance
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER follows_postings AFTER INSERT ON ledger.balance_log
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_balances();

-- The seal: next number, next range, the hash before, as many rows as it says, and all of them posted and logged.
CREATE FUNCTION ledger.check_batch() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
DECLARE
    range record;
    last_hash bytea := coalesce(
        (SELECT hash FROM ledger.batches ORDER BY batch DESC LIMIT 1), decode(repeat('00', 32), 'hex'));
    found record;
BEGIN
    SELECT * INTO range FROM ledger.open_range();
    IF (NEW.batch, NEW.first_seq, NEW.last_seq, NEW.previous_hash)
        IS DISTINCT FROM (range.batch, range.after_seq + 1, range.upto_seq, last_hash) THEN
        RAISE EXCEPTION 'batch % from seq % to % does not follow: batch % from seq % to % is next',
            NEW.batch, NEW.first_seq, NEW.last_seq, range.batch, range.after_seq + 1, range.upto_seq
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT (SELECT count(*) FROM ledger.trades WHERE seq BETWEEN NEW.first_seq AND NEW.last_seq) AS trades,
        (SELECT count(*) FROM ledger.entries WHERE seq BETWEEN NEW.first_seq AND NEW.last_seq) AS entries,
        EXISTS (
            -- one is enough to look for: the balances of a batch come all or not at all
            SELECT FROM (SELECT account, asset FROM ledger.postings ORDER BY posting_id DESC LIMIT 1) last
            JOIN ledger.balance_log log USING (account, asset) WHERE log.batch = NEW.batch
        ) AS logged
        INTO found;
    IF (found.trades, found.entries) <> (NEW.trade_count, NEW.entry_count)
        OR found.logged <> (NEW.trade_count + NEW.entry_count > 0) THEN
        RAISE EXCEPTION 'batch % says % trades and % entries, but there are % and %, balances logged: %',
            NEW.batch, NEW.trade_count, NEW.entry_count, found.trades, found.entries, found.logged
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER follows BEFORE INSERT ON ledger.batches FOR EACH ROW EXECUTE FUNCTION ledger.check_batch();

-- The cursor moves forward only, by the poster of the newest epoch, and never without a sealed batch.
CREATE FUNCTION ledger.check_cursor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.shard <> OLD.shard OR NEW.last_seq < OLD.last_seq OR NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'the cursor never goes back: from seq % epoch % to seq % epoch %',
            OLD.last_seq, OLD.epoch, NEW.last_seq, NEW.epoch USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER forward BEFORE UPDATE ON ledger.settle_cursor FOR EACH ROW EXECUTE FUNCTION ledger.check_cursor();

CREATE FUNCTION ledger.check_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last_seq <> coalesce((SELECT last_seq FROM ledger.batches ORDER BY batch DESC LIMIT 1), 0) THEN
        RAISE EXCEPTION 'the cursor is at seq % but no batch ends there', NEW.last_seq
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER sealed AFTER UPDATE ON ledger.settle_cursor
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.check_sealed();

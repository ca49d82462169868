-- What Postgres refuses, whoever asks: change, imbalance, gaps, replays, wrong or negative balances.
-- A batch is: move the cursor, fill the tables, balances last, and seal with a row of `batches`.
-- The rules run with the owner's rights, for they count in the cursor, which nobody else may touch.

-- Append-only: triggers hold for the owner and for superusers too.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of ledger.% is refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- Rows belong to the batch in the making: behind the last sealed one, up to the cursor, before its postings.

CREATE FUNCTION ledger.refuse_range(table_name text, lowest bigint, highest bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    cursor_row ledger.settle_cursor;
BEGIN
    SELECT * INTO cursor_row FROM ledger.settle_cursor WHERE shard = lowest >> 48;
    RAISE EXCEPTION 'rows of ledger.% from seq % to % are outside the open range behind % up to %',
        table_name, lowest, highest, cursor_row.sealed_seq, cursor_row.last_seq
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION ledger.check_register() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added_rows record;
BEGIN
    SELECT min(seq) AS lowest, max(seq) AS highest INTO added_rows FROM added;
    PERFORM FROM ledger.settle_cursor WHERE shard = added_rows.lowest >> 48
        AND added_rows.lowest > sealed_seq AND added_rows.highest <= last_seq;
    IF NOT FOUND AND added_rows.lowest IS NOT NULL THEN
        PERFORM ledger.refuse_range(TG_TABLE_NAME, added_rows.lowest, added_rows.highest);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION ledger.check_trades() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added_rows record;
BEGIN
    SELECT min(seq) AS lowest, max(seq) AS highest, count(*) AS count INTO added_rows FROM added;
    UPDATE ledger.settle_cursor SET trades = trades + added_rows.count WHERE shard = added_rows.lowest >> 48
        AND added_rows.lowest > sealed_seq AND added_rows.highest <= last_seq AND postings = 0;
    IF NOT FOUND AND added_rows.count > 0 THEN
        PERFORM ledger.refuse_range(TG_TABLE_NAME, added_rows.lowest, added_rows.highest);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION ledger.check_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added_rows record;
BEGIN
    SELECT min(seq) AS lowest, max(seq) AS highest, count(*) AS count, count(*) FILTER (WHERE kind = 23) AS busts
        INTO added_rows FROM added;
    UPDATE ledger.settle_cursor SET entries = entries + added_rows.count, busts = busts + added_rows.busts
        WHERE shard = added_rows.lowest >> 48
            AND added_rows.lowest > sealed_seq AND added_rows.highest <= last_seq AND postings = 0;
    IF NOT FOUND AND added_rows.count > 0 THEN
        PERFORM ledger.refuse_range(TG_TABLE_NAME, added_rows.lowest, added_rows.highest);
    END IF;
    RETURN NULL;
END $$;

-- A sum that stays an int8: exact, an error on overflow, and much faster than sum(), which turns to numeric.
CREATE AGGREGATE ledger.total(bigint) (sfunc = int8pl, stype = bigint, initcond = '0');

-- A batch's postings come in one statement behind its trades and entries. Part by part they have the legs of a trade's cash (1 + 2 + 4 of
-- three), of its units (16 + 32 of two), or of another entry (1 + 2 of two), one asset, and the sum zero.
CREATE FUNCTION ledger.check_parts(range ledger.settle_cursor, table_name text, found record) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    postings bigint := 3 * found.cash + 2 * found.units + 2 * found.pairs;
    due bigint := 5 * (range.trades + range.busts) + 2 * (range.entries - range.busts);
BEGIN
    IF found.lowest <= range.sealed_seq OR found.highest > range.last_seq OR range.shard IS NULL THEN
        PERFORM ledger.refuse_range(table_name, found.lowest, found.highest);
    END IF;
    IF found.wrong IS NOT NULL THEN
        RAISE EXCEPTION 'journal entry % does not balance, or has other legs than its kind', found.wrong
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (found.cash, found.units, found.pairs) IS DISTINCT FROM
        (range.trades + range.busts, range.trades + range.busts, range.entries - range.busts) OR range.postings <> 0 THEN
        RAISE EXCEPTION 'the trades and entries of batch % have % postings, not %', range.batch + 1, postings, due
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
END $$;

CREATE FUNCTION ledger.check_postings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET jit = off AS $$
DECLARE
    range ledger.settle_cursor;
    parts record;
BEGIN
    SELECT min(part) >> 1 AS lowest, max(part) >> 1 AS highest,
            count(*) FILTER (WHERE legs = 7) AS cash, count(*) FILTER (WHERE legs = 48) AS units,
            count(*) FILTER (WHERE legs = 3) AS pairs,
            min(part >> 1) FILTER (WHERE total <> 0 OR asset <> other_asset
                OR CASE legs WHEN 7 THEN 3 WHEN 48 THEN 2 WHEN 3 THEN 2 END IS DISTINCT FROM count) AS wrong INTO parts
        FROM (
            SELECT posting_id >> 2 AS part, ledger.total(amount) AS total, min(asset) AS asset, max(asset) AS other_asset,
                count(*) AS count, ledger.total(1::bigint << (posting_id & 7)::integer) AS legs
            FROM added GROUP BY posting_id >> 2
        ) grouped;
    IF parts.lowest IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO range FROM ledger.settle_cursor WHERE shard = parts.lowest >> 48;
    PERFORM ledger.check_parts(range, TG_TABLE_NAME, parts);
    UPDATE ledger.settle_cursor SET postings = 3 * parts.cash + 2 * parts.units + 2 * parts.pairs
        WHERE shard = range.shard;
    RETURN NULL;
END $$;

-- A batch's balances come in one statement behind its postings: one for each account and asset that was posted to and
-- for no other, naming the batch that touched it last, and equal to the balance then plus what was posted now.
-- Asking for rows from `previous_batch` on makes the search read one row where the latest of all would read many.
CREATE FUNCTION ledger.check_balances() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off SET jit = off AS $$
DECLARE
    range ledger.settle_cursor;
    base bigint;
    bad record;
BEGIN
    SELECT * INTO range FROM ledger.settle_cursor WHERE shard = (SELECT min(batch) FROM added) >> 48;
    base := range.shard::bigint << 48;
    WITH moved AS (
        SELECT account, asset, ledger.total(amount) AS change FROM ledger.postings
        WHERE posting_id >= (range.sealed_seq + 1) * 8 AND posting_id < (range.last_seq + 1) * 8
        GROUP BY account, asset
    )
    SELECT account, asset, added.batch, added.previous_batch, added.balance,
            coalesce(before.batch, base) AS true_batch, coalesce(before.balance, 0) + moved.change AS true_balance INTO bad
        FROM added FULL JOIN moved USING (account, asset)
        LEFT JOIN LATERAL (
            SELECT log.batch, log.balance FROM ledger.balance_log log
            WHERE log.account = moved.account AND log.asset = moved.asset
                AND log.batch >= greatest(added.previous_batch, base) AND log.batch <= range.batch
            LIMIT 2  -- also keeps the planner from turning the search into a join with a filter
        ) before ON true
        WHERE added.batch IS DISTINCT FROM range.batch + 1
            OR added.previous_batch IS DISTINCT FROM coalesce(before.batch, base)
            OR added.balance IS DISTINCT FROM coalesce(before.balance, 0) + moved.change
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account % asset %: balance % in batch % behind batch % is logged, but the postings make it %',
            bad.account, bad.asset, bad.balance, bad.batch, bad.previous_batch, bad.true_balance
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE ledger.settle_cursor SET balances = (SELECT count(*) FROM added) WHERE shard = range.shard;
    RETURN NULL;
END $$;

-- The seal: next number, next range within one period and one block of the chain, the hash before, as many rows as it says,
-- and all of them posted.
CREATE FUNCTION ledger.check_batch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    range ledger.settle_cursor;
    base bigint := NEW.batch >> 48 << 48;
    due bigint;
BEGIN
    SELECT * INTO range FROM ledger.settle_cursor WHERE shard = NEW.batch >> 48;
    IF (NEW.batch, NEW.first_seq, NEW.last_seq, NEW.previous_hash, NEW.epoch)
            IS DISTINCT FROM (range.batch + 1, range.sealed_seq + 1, range.last_seq, range.hash, range.epoch)
        OR (NEW.first_seq - base - 1) / range.period_events <> (NEW.last_seq - base - 1) / range.period_events
        OR (NEW.first_seq - 1) >> 16 <> (NEW.last_seq - 1) >> 16 THEN
        RAISE EXCEPTION 'batch % from seq % to % does not follow: batch % from seq % to % is next',
            NEW.batch, NEW.first_seq, NEW.last_seq, range.batch + 1, range.sealed_seq + 1, range.last_seq
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (range.trades, range.entries) <> (NEW.trade_count, NEW.entry_count) THEN
        RAISE EXCEPTION 'batch % says % trades and % entries, but there are % and %',
            NEW.batch, NEW.trade_count, NEW.entry_count, range.trades, range.entries
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    due := 5 * (range.trades + range.busts) + 2 * (range.entries - range.busts);
    IF range.postings <> due OR (due = 0) <> (range.balances = 0) THEN
        RAISE EXCEPTION 'the trades and entries of batch % have % postings, not %, and % balances logged',
            NEW.batch, range.postings, due, range.balances USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE ledger.settle_cursor SET batch = NEW.batch, sealed_seq = NEW.last_seq, hash = NEW.hash
        WHERE shard = range.shard;
    PERFORM ledger.summarize(range.shard, (NEW.last_seq - base - 1) / range.period_events, range.postings);
    RETURN NEW;
END $$;

-- The cursor moves forward only, and never without a sealed batch.
CREATE FUNCTION ledger.check_cursor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.shard <> OLD.shard OR NEW.last_seq < OLD.last_seq OR NEW.epoch < OLD.epoch OR NEW.batch < OLD.batch
        OR NEW.sealed_seq < OLD.sealed_seq OR NEW.period_events <> OLD.period_events THEN
        RAISE EXCEPTION 'the cursor never goes back: from seq % epoch % to seq % epoch %',
            OLD.last_seq, OLD.epoch, NEW.last_seq, NEW.epoch USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER forward BEFORE UPDATE ON ledger.settle_cursor FOR EACH ROW EXECUTE FUNCTION ledger.check_cursor();

CREATE FUNCTION ledger.check_sealed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM ledger.settle_cursor c JOIN ledger.batches b ON b.batch = c.batch
        WHERE c.shard = NEW.shard AND c.last_seq = c.sealed_seq AND (b.last_seq, b.hash) = (c.sealed_seq, c.hash);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the cursor is at seq % but no batch ends there', NEW.last_seq
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

-- only where it has moved: that is once a batch, not at each of the rules' counts
CREATE CONSTRAINT TRIGGER sealed AFTER UPDATE ON ledger.settle_cursor
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.last_seq <> NEW.last_seq OR OLD.sealed_seq <> NEW.sealed_seq)
    EXECUTE FUNCTION ledger.check_sealed();

CREATE TRIGGER follows BEFORE INSERT ON ledger.batches FOR EACH ROW EXECUTE FUNCTION ledger.check_batch();

-- Put a table under its rules; partitions are put under those of their parent.
CREATE FUNCTION ledger.guard(table_name text, rule text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.%I
        EXECUTE FUNCTION ledger.refuse_change()', table_name);
    IF rule <> '' THEN
        EXECUTE format('CREATE TRIGGER checked AFTER INSERT ON ledger.%I REFERENCING NEW TABLE AS added
            FOR EACH STATEMENT EXECUTE FUNCTION ledger.%I()', table_name, rule);
    END IF;
END $$;

SELECT ledger.guard(table_name, rule) FROM (VALUES
    ('assets', 'check_register'),
    ('accounts', 'check_register'),
    ('instruments', 'check_register'),
    ('trades', 'check_trades'),
    ('entries', 'check_entries'),
    ('balance_log', 'check_balances'),
    ('postings', 'check_postings'),
    ('batches', ''),
    ('kinds', ''),
    ('periods', ''),
    ('closings', '')
) guarded (table_name, rule);

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.settle_cursor EXECUTE FUNCTION ledger.refuse_change();

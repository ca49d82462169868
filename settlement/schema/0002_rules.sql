-- What Postgres refuses, whoever asks: change, imbalance, gaps, replays, wrong or negative balances.
-- A batch is: move the cursor, fill the tables, balances last, and seal with a row of `batches`.
-- The rules run with the owner's rights, for they count in the cursor, which nobody else may touch.

-- Append-only: triggers hold for the owner and for superusers too.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of ledger.% is refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- Rows belong to the batch in the making: behind the last sealed one, up to the cursor, before its movements.

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
        AND added_rows.lowest > sealed_seq AND added_rows.highest <= last_seq AND movements = 0;
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
            AND added_rows.lowest > sealed_seq AND added_rows.highest <= last_seq AND movements = 0;
    IF NOT FOUND AND added_rows.count > 0 THEN
        PERFORM ledger.refuse_range(TG_TABLE_NAME, added_rows.lowest, added_rows.highest);
    END IF;
    RETURN NULL;
END $$;

-- A sum that stays an int8: exact, an error on overflow, and much faster than sum(), which turns to numeric.
CREATE AGGREGATE ledger.total(bigint) (sfunc = int8pl, stype = bigint, initcond = '0');

-- A batch's movements come in one statement behind its trades and entries: none twice, and one of cash and one of units for each
-- trade and each that is undone, one for each other entry. That each sums to zero is a constraint of the row.
CREATE FUNCTION ledger.check_movements() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET jit = off AS $$
DECLARE
    range ledger.settle_cursor;
    found record;
BEGIN
    SELECT min(movement_id) >> 1 AS lowest, max(movement_id) >> 1 AS highest, count(*) AS count,
            count(DISTINCT movement_id) AS different, count(*) FILTER (WHERE movement_id & 1 = 1) AS units INTO found FROM added;
    IF found.lowest IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO range FROM ledger.settle_cursor WHERE shard = found.lowest >> 48;
    IF found.lowest <= range.sealed_seq OR found.highest > range.last_seq OR range.shard IS NULL THEN
        PERFORM ledger.refuse_range(TG_TABLE_NAME, found.lowest, found.highest);
    END IF;
    IF found.different <> found.count THEN
        RAISE EXCEPTION 'a movement of batch % is there twice', range.batch + 1
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (found.count - found.units, found.units, 0) IS DISTINCT FROM
        (range.trades + range.entries, range.trades + range.busts, range.movements) THEN
        RAISE EXCEPTION 'the trades and entries of batch % have % movements, % of units, not % and %',
            range.batch + 1, found.count, found.units,
            2 * range.trades + range.entries + range.busts, range.trades + range.busts
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE ledger.settle_cursor SET movements = found.count WHERE shard = range.shard;
    RETURN NULL;
END $$;

-- Where the rows of the last two batches begin in the balance log, as far as its size tells; behind its end where few rows are
-- new or most follow upon older ones. What is read from there is no less true if the place is wrong.
CREATE FUNCTION ledger.recent_place(new_rows bigint, recent_rows bigint) RETURNS tid LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN new_rows < 256 OR recent_rows < new_rows / 2 THEN '(4294967294,0)'::tid
        ELSE format('(%s,0)', greatest(0, pg_relation_size('ledger.balance_log') / 8192 - 3 * new_rows / 110 - 16))::tid END
$$;

-- A batch's balances come in one statement behind its movements: one for each account and asset that was posted to and
-- for no other, naming the batch that touched it last, and equal to the balance then plus what was posted now.
-- The row before has the highest `previous_batch` below the batch that is named. Where most rows follow upon one of the last
-- two batches, those are read once from the end of the table, and only what is not found there is searched one by one.
CREATE FUNCTION ledger.check_balances() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET enable_sort = off SET jit = off AS $$
DECLARE
    range ledger.settle_cursor;
    base bigint;
    given record;
    place tid;
    bad record;
BEGIN
    SELECT min(batch) AS batch, count(*) AS count, count(*) FILTER (WHERE previous_batch >= batch - 2) AS recent
        INTO given FROM added;
    IF given.count = 0 THEN
        RETURN NULL;
    END IF;
    SELECT * INTO range FROM ledger.settle_cursor WHERE shard = given.batch >> 48;
    base := range.shard::bigint << 48;
    place := ledger.recent_place(given.count, given.recent);
    WITH posted AS MATERIALIZED (  -- looked for once: three times would cost a batch of few rows more than all else
        SELECT asset, account, contra_account, amount, contra_amount, fee FROM ledger.movements
        WHERE movement_id >= (range.sealed_seq + 1) * 2 AND movement_id < (range.last_seq + 1) * 2
    ), moved AS (
        SELECT account, asset, ledger.total(amount) AS change FROM (
            SELECT account, asset, amount FROM posted
            UNION ALL SELECT contra_account, asset, contra_amount FROM posted
            UNION ALL SELECT 0, asset, ledger.total(fee) FROM posted WHERE fee <> 0 GROUP BY asset
        ) legs
        GROUP BY account, asset
    ), recent AS (
        SELECT account, asset, batch, balance FROM ledger.balance_log
        WHERE ctid >= place AND batch <= range.batch
    ), unproved AS (
        SELECT told.account, told.asset, told.batch, told.previous_batch, told.balance, told.change
        FROM (added FULL JOIN moved USING (account, asset)) told LEFT JOIN recent
            ON (recent.account, recent.asset, recent.batch) = (told.account, told.asset, told.previous_batch)
        WHERE told.batch IS DISTINCT FROM range.batch + 1 OR told.balance IS DISTINCT FROM recent.balance + told.change
    )
    SELECT unproved.*, coalesce(before.batch, base) AS true_batch, coalesce(before.balance, 0) + change AS true_balance INTO bad
        FROM unproved LEFT JOIN LATERAL (
            SELECT log.batch, log.balance FROM ledger.balance_log log
            WHERE log.account = unproved.account AND log.asset = unproved.asset
                AND log.previous_batch >= base AND log.previous_batch < unproved.previous_batch
            ORDER BY log.previous_batch DESC LIMIT 1
        ) before ON true
        WHERE unproved.batch IS DISTINCT FROM range.batch + 1
            OR unproved.previous_batch IS DISTINCT FROM coalesce(before.batch, base)
            OR unproved.balance IS DISTINCT FROM coalesce(before.balance, 0) + change
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account % asset %: balance % in batch % behind batch % is logged, but the movements make it %',
            bad.account, bad.asset, bad.balance, bad.batch, bad.previous_batch, bad.true_balance
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE ledger.settle_cursor SET balances = given.count WHERE shard = range.shard;
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
    due := 2 * range.trades + range.entries + range.busts;
    IF range.movements <> due OR (due = 0) <> (range.balances = 0) THEN
        RAISE EXCEPTION 'the trades and entries of batch % have % movements, not %, and % balances logged',
            NEW.batch, range.movements, due, range.balances USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE ledger.settle_cursor SET batch = NEW.batch, sealed_seq = NEW.last_seq, hash = NEW.hash
        WHERE shard = range.shard;
    PERFORM ledger.summarize(range.shard, (NEW.last_seq - base - 1) / range.period_events, range.movements);
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
    ('movements', 'check_movements'),
    ('batches', ''),
    ('kinds', ''),
    ('periods', ''),
    ('closings', '')
) guarded (table_name, rule);

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.settle_cursor EXECUTE FUNCTION ledger.refuse_change();

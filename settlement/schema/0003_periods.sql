-- Periods: so many events of a shard each. Their partitions are made before they are needed; once all their events are
-- posted they are indexed, checked as a whole and sealed.

CREATE FUNCTION ledger.partition(parent text, which integer, period bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT parent || '_' || which || '_' || period
$$;

-- A new shard, of periods of so many events.
CREATE FUNCTION ledger.open_shard(which integer, events bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.settle_cursor (shard, last_seq, epoch, period_events, batch, sealed_seq, hash)
        VALUES (which, which::bigint << 48, 0, events, which::bigint << 48, which::bigint << 48,
            decode(repeat('00', 32), 'hex'));
    PERFORM ledger.create_periods(which, 1);
END $$;

-- Make every period that is missing up to `ahead` behind that of the shard's next event; return how many that was.
-- Attaching leaves readers of the parent alone, where CREATE TABLE ... PARTITION OF would wait for them.
CREATE FUNCTION ledger.create_periods(which integer, ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    range ledger.settle_cursor;
    base bigint := which::bigint << 48;
    made integer := 0;
    first bigint;
    next bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7465268, which);  -- two posters that start at once make each period once
    SELECT * INTO range FROM ledger.settle_cursor WHERE shard = which;
    FOR number IN coalesce((SELECT max(period) + 1 FROM ledger.periods WHERE shard = which), 0)
        .. (range.last_seq - base) / range.period_events + least(ahead, 16) LOOP
        first := base + number * range.period_events + 1;
        next := first + range.period_events;
        PERFORM ledger.create_partition('trades', 'check_trades', ledger.partition('trades', which, number), first, next);
        PERFORM ledger.create_partition(
            'movements', 'check_movements', ledger.partition('movements', which, number), first * 2, next * 2);
        INSERT INTO ledger.periods VALUES (which, number, first, next - 1);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

CREATE FUNCTION ledger.create_partition(parent text, rule text, name text, low bigint, high bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- nothing is ever dead there, and a vacuum would stand in the way of the block-range index
    EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.%I INCLUDING ALL) WITH (autovacuum_enabled = off)', name, parent);
    EXECUTE format('ALTER TABLE ledger.%I ATTACH PARTITION ledger.%I FOR VALUES FROM (%s) TO (%s)',
        parent, name, low, high);
    PERFORM ledger.guard(name, rule);
    EXECUTE format('GRANT SELECT ON ledger.%I TO tokenbourse_poster, tokenbourse_reader, tokenbourse_auditor', name);
    EXECUTE format('GRANT INSERT ON ledger.%I TO tokenbourse_poster', name);
END $$;

-- Bring the block-range index of a period's movements up to date, but for the last range, which still grows: a summary that
-- is there would have to be updated with every row. `added` says how many movements may be new.
CREATE FUNCTION ledger.summarize(which integer, period bigint, added bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    leaf regclass := 'ledger.' || ledger.partition('movements', which, period);
    index regclass;
    ranges bigint := pg_relation_size(leaf) / 8192 / 16;
BEGIN
    IF ranges = (pg_relation_size(leaf) / 8192 - added / 90) / 16 THEN
        RETURN;
    END IF;
    SELECT indexrelid INTO index FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_am ON pg_am.oid = relam WHERE indrelid = leaf AND amname = 'brin';
    FOR number IN greatest(0, (pg_relation_size(leaf) / 8192 - added / 90) / 16 - 1) .. ranges - 1 LOOP
        PERFORM brin_summarize_range(index, number * 16);
    END LOOP;
END $$;

-- Close a period: index it, check it as a whole, write the chain's head down, take the right to add away.
CREATE FUNCTION ledger.close_period(which integer, number bigint) RETURNS ledger.closings LANGUAGE plpgsql AS $$
DECLARE
    bounds ledger.periods;
    seal ledger.batches;
    closing ledger.closings;
    movements text := ledger.partition('movements', which, number);
    trades text := ledger.partition('trades', which, number);
    wrong text;
BEGIN
    SELECT * INTO bounds FROM ledger.periods WHERE shard = which AND period = number;
    SELECT * INTO seal FROM ledger.batches WHERE first_seq <= bounds.last_seq ORDER BY first_seq DESC LIMIT 1;
    IF bounds.last_seq IS NULL OR seal.last_seq IS DISTINCT FROM bounds.last_seq THEN
        RAISE EXCEPTION 'period % of shard % is not complete', number, which USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('CREATE UNIQUE INDEX ON ledger.%I (movement_id)', movements);
    EXECUTE format('CREATE INDEX ON ledger.%I (account, asset, movement_id)', movements);
    EXECUTE format('CREATE INDEX ON ledger.%I (contra_account, asset, movement_id)', movements);
    EXECUTE format('ANALYZE ledger.%I', movements);
    EXECUTE format('ANALYZE ledger.%I', trades);
    wrong := ledger.first_fault(bounds.first_seq, bounds.last_seq);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'period % of shard % does not close: %', number, which, wrong
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    EXECUTE format('REVOKE INSERT ON ledger.%I, ledger.%I FROM tokenbourse_poster', trades, movements);
    INSERT INTO ledger.closings
        SELECT which, number, seal.batch, seal.hash,
            (SELECT count(*) FROM ledger.trades WHERE seq BETWEEN bounds.first_seq AND bounds.last_seq),
            (SELECT count(*) FROM ledger.movements
                WHERE movement_id >= bounds.first_seq * 2 AND movement_id < (bounds.last_seq + 1) * 2)
        RETURNING * INTO closing;
    RETURN closing;
END $$;

-- The first thing in a range of events that contradicts itself, in words: movements that are not those of their trades,
-- that no trade or entry means or that do not sum to zero, batches that do not follow each other.
CREATE FUNCTION ledger.first_fault(from_seq bigint, upto_seq bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    wrong text;
BEGIN
    SELECT format('movement %s is not what trade %s makes it', due.movement_id, due.seq) INTO wrong
        FROM (
            SELECT t.seq, t.seq * 2 + part AS movement_id, due.asset, t.buyer, t.seller, due.amount, due.contra_amount, due.fee
            FROM ledger.trades t JOIN ledger.instruments i ON i.instrument = t.instrument AND i.shard = t.seq >> 48,
            LATERAL (VALUES
                (0, i.quote, -t.price_ticks * t.quantity_lots * i.tick_value - t.buyer_fee,
                    t.price_ticks * t.quantity_lots * i.tick_value - t.seller_fee, t.buyer_fee + t.seller_fee),
                (1, i.base, t.quantity_lots * i.lot_units, -t.quantity_lots * i.lot_units, 0)
            ) due (part, asset, amount, contra_amount, fee)
            WHERE t.seq BETWEEN from_seq AND upto_seq
        ) due
        LEFT JOIN (
            SELECT * FROM ledger.movements WHERE movement_id >= from_seq * 2 AND movement_id < (upto_seq + 1) * 2
        ) m ON m.movement_id = due.movement_id
        WHERE (m.asset, m.account, m.contra_account, m.amount, m.contra_amount, m.fee)
            IS DISTINCT FROM (due.asset, due.buyer, due.seller, due.amount, due.contra_amount, due.fee)
        ORDER BY due.movement_id LIMIT 1;
    IF wrong IS NULL THEN
        SELECT format('movement %s is of no trade or entry, or does not sum to zero', movement_id) INTO wrong
        FROM ledger.movements m
            LEFT JOIN (SELECT seq FROM ledger.trades WHERE seq BETWEEN from_seq AND upto_seq) t ON t.seq = m.movement_id >> 1
            LEFT JOIN (SELECT seq, kind FROM ledger.entries WHERE seq BETWEEN from_seq AND upto_seq) e
                ON e.seq = m.movement_id >> 1
        WHERE m.movement_id >= from_seq * 2 AND m.movement_id < (upto_seq + 1) * 2
            AND (m.amount + m.contra_amount + m.fee <> 0
                OR t.seq IS NULL AND (e.seq IS NULL OR e.kind <> 23 AND (m.movement_id & 1 <> 0 OR m.fee <> 0)))
        ORDER BY movement_id LIMIT 1;
    END IF;
    IF wrong IS NULL THEN
        SELECT format('batch %s does not follow the one before', batch) INTO wrong FROM (
            SELECT batch, first_seq, previous_hash, lag(last_seq) OVER whole AS last_before, lag(hash) OVER whole AS hash_before
            FROM ledger.batches WHERE first_seq BETWEEN from_seq AND upto_seq WINDOW whole AS (ORDER BY batch)
        ) linked WHERE last_before + 1 <> first_seq OR hash_before <> previous_hash ORDER BY batch LIMIT 1;
    END IF;
    RETURN wrong;
END $$;

-- What the poster calls. It owns nothing and updates nothing: the cursor moves by these functions alone.

-- Become the only poster of a shard: raise its epoch and return it, null where there is no such shard.
CREATE FUNCTION ledger.claim(which integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE ledger.settle_cursor SET epoch = epoch + 1 WHERE shard = which RETURNING epoch
$$;

-- Begin a batch: move the cursor, if it stands at `after_seq` and nobody has claimed the shard since; tell whether it did.
CREATE FUNCTION ledger.advance(which integer, after_seq bigint, upto_seq bigint, own_epoch bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE ledger.settle_cursor
        SET last_seq = upto_seq, trades = 0, entries = 0, busts = 0, balances = 0, movements = 0
        WHERE shard = which AND last_seq = after_seq AND sealed_seq = after_seq AND epoch = own_epoch;
    RETURN FOUND;
END $$;

-- A whole batch of trades alone, in one call: what COPY does in several turns. The header is shard, epoch, batch, first and
-- last event, command and time of the last; the tables are their columns one after the other, row by row. For few rows any
-- plan will do, and none is made anew: this holds for the rules that run meanwhile too.
CREATE FUNCTION ledger.post(
    header bigint[], previous_hash bytea, hash bytea, trades bigint[], movements bigint[], balances bigint[]
) RETURNS boolean LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    IF NOT ledger.advance(header[1]::integer, header[4] - 1, header[5], header[2]) THEN
        RETURN false;
    END IF;
    INSERT INTO ledger.trades
        SELECT trades[i], trades[i + 1], trades[i + 2], trades[i + 3], trades[i + 4], trades[i + 5], trades[i + 6],
            trades[i + 7], trades[i + 8], trades[i + 9], trades[i + 10], trades[i + 11], trades[i + 12]
        FROM generate_series(1, cardinality(trades), 13) i;
    INSERT INTO ledger.movements
        SELECT movements[i], movements[i + 1], movements[i + 2], movements[i + 3], movements[i + 4], movements[i + 5],
            movements[i + 6]
        FROM generate_series(1, cardinality(movements), 7) i;
    INSERT INTO ledger.balance_log
        SELECT balances[i], balances[i + 1], balances[i + 2], balances[i + 3], balances[i + 4]
        FROM generate_series(1, cardinality(balances), 5) i;
    INSERT INTO ledger.batches VALUES (header[3], header[4], header[5], header[6], header[7],
        cardinality(trades) / 13, 0, previous_hash, hash, header[2]);
    RETURN true;
END $$;

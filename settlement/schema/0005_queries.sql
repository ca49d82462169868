-- What readers ask. Views and functions only: whoever can use psql sees what the service sees.
-- An account has a balance in each shard; what names no shard adds them up.

-- Rows of an account and asset are in the same order by the batch and by the batch before; the key has the latter.
-- The latest balance of every account and asset in every shard. Jumps from one to the next, so the length of the log does
-- not matter.
CREATE VIEW ledger.shard_balances AS
WITH RECURSIVE latest AS (
    (SELECT * FROM ledger.balance_log ORDER BY account DESC, asset DESC, previous_batch DESC LIMIT 1)
    UNION ALL
    SELECT following.* FROM latest, LATERAL (
        SELECT log.* FROM ledger.balance_log log
        WHERE (log.account, log.asset, log.previous_batch) < (latest.account, latest.asset, latest.batch >> 48 << 48)
        ORDER BY log.account DESC, log.asset DESC, log.previous_batch DESC LIMIT 1
    ) following
)
SELECT account, asset, batch, previous_batch, balance FROM latest;

CREATE VIEW ledger.balances AS
SELECT account, asset, sum(balance)::bigint AS balance FROM ledger.shard_balances GROUP BY account, asset;

CREATE FUNCTION ledger.balances_of(who integer) RETURNS TABLE (asset integer, balance bigint)
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE latest AS (
        (SELECT log.asset, log.batch, log.balance FROM ledger.balance_log log
            WHERE log.account = who ORDER BY log.asset DESC, log.previous_batch DESC LIMIT 1)
        UNION ALL
        SELECT following.* FROM latest, LATERAL (
            SELECT log.asset, log.batch, log.balance FROM ledger.balance_log log
            WHERE log.account = who AND (log.asset, log.previous_batch) < (latest.asset, latest.batch >> 48 << 48)
            ORDER BY log.asset DESC, log.previous_batch DESC LIMIT 1
        ) following
    )
    SELECT latest.asset, sum(latest.balance)::bigint FROM latest GROUP BY latest.asset ORDER BY latest.asset
$$;

-- The last batch of a shard that ends at or before an event of it.
CREATE FUNCTION ledger.whole_batch(at_seq bigint, OUT batch bigint, OUT last_seq bigint) LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(found.batch), at_seq >> 48 << 48), coalesce(max(found.last_seq), at_seq >> 48 << 48) FROM (
        SELECT CASE WHEN b.last_seq <= at_seq THEN b.batch ELSE b.batch - 1 END AS batch,
            CASE WHEN b.last_seq <= at_seq THEN b.last_seq ELSE b.first_seq - 1 END AS last_seq
        FROM ledger.batches b WHERE b.first_seq > at_seq >> 48 << 48 AND b.first_seq <= at_seq
        ORDER BY b.first_seq DESC LIMIT 1
    ) found
$$;

-- The postings of a range of events of a shard.
CREATE FUNCTION ledger.postings_between(from_seq bigint, upto_seq bigint) RETURNS SETOF ledger.postings LANGUAGE sql STABLE AS $$
    SELECT movement_id * 4 + leg, legs.account, asset, legs.amount
    FROM ledger.movements m, LATERAL (VALUES (0, m.account, m.amount), (1, contra_account, contra_amount), (2, 0, fee))
        legs (leg, account, amount)
    WHERE movement_id >= from_seq * 2 AND movement_id < (upto_seq + 1) * 2 AND (leg < 2 OR legs.amount <> 0)
$$;

-- One account's balance of one asset in a shard behind one of its events: the log up to the last whole batch, and postings
-- from there.
CREATE FUNCTION ledger.balance_at(who integer, what integer, at_seq bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    whole record;
BEGIN
    SELECT * INTO whole FROM ledger.whole_batch(at_seq);
    RETURN coalesce((
            SELECT log.balance FROM ledger.balance_log log
            WHERE log.account = who AND log.asset = what AND log.previous_batch >= at_seq >> 48 << 48
                AND log.previous_batch < whole.batch AND log.batch <= whole.batch
            ORDER BY log.previous_batch DESC LIMIT 1
        ), 0) + (
            SELECT ledger.total(p.amount) FROM ledger.postings_between(whole.last_seq + 1, at_seq) p
            WHERE p.account = who AND p.asset = what
        );
END $$;

-- All balances of a shard behind one of its events.
CREATE FUNCTION ledger.balances_at(at_seq bigint) RETURNS TABLE (account integer, asset integer, balance bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    whole record;
BEGIN
    SELECT * INTO whole FROM ledger.whole_batch(at_seq);
    RETURN QUERY
        SELECT parts.account, parts.asset, sum(parts.amount)::bigint FROM (
            SELECT known.account, known.asset, settled.balance AS amount
            FROM ledger.shard_balances known, LATERAL (
                SELECT log.balance FROM ledger.balance_log log
                WHERE log.account = known.account AND log.asset = known.asset
                    AND log.previous_batch >= at_seq >> 48 << 48 AND log.previous_batch < whole.batch
                    AND log.batch <= whole.batch
                ORDER BY log.previous_batch DESC LIMIT 1
            ) settled
            WHERE known.batch >> 48 = at_seq >> 48
            UNION ALL
            SELECT p.account, p.asset, p.amount FROM ledger.postings_between(whole.last_seq + 1, at_seq) p
        ) parts GROUP BY parts.account, parts.asset ORDER BY parts.account, parts.asset;
END $$;

-- Per asset: what participants hold, what the exchange has earned, what came from outside or is owed as issued.
-- The total is zero: nothing appears or vanishes.
CREATE VIEW ledger.trial_balance AS
SELECT asset,
    coalesce(sum(balance) FILTER (WHERE account > 0), 0)::bigint AS participants,
    coalesce(sum(balance) FILTER (WHERE account = 0), 0)::bigint AS exchange,
    coalesce(sum(balance) FILTER (WHERE account = -1), 0)::bigint AS outside,
    coalesce(sum(balance) FILTER (WHERE account = -2), 0)::bigint AS issuance,
    sum(balance)::bigint AS total
FROM ledger.shard_balances GROUP BY asset;

CREATE FUNCTION ledger.trial_balance_at(at_seq bigint) RETURNS SETOF ledger.trial_balance LANGUAGE sql STABLE AS $$
    SELECT asset,
        coalesce(sum(balance) FILTER (WHERE account > 0), 0)::bigint,
        coalesce(sum(balance) FILTER (WHERE account = 0), 0)::bigint,
        coalesce(sum(balance) FILTER (WHERE account = -1), 0)::bigint,
        coalesce(sum(balance) FILTER (WHERE account = -2), 0)::bigint,
        sum(balance)::bigint
    FROM ledger.balances_at(at_seq) GROUP BY asset
$$;

-- The public tape: every trade without its parties, and the event that undid it, if one did.
CREATE VIEW ledger.tape AS
SELECT t.seq, t.time_ns, t.trade_id, t.instrument, t.price_ticks, t.quantity_lots, t.taker_side,
    coalesce((SELECT e.seq FROM ledger.entries e WHERE e.kind = 23 AND e.instrument = t.instrument
        AND e.trade_id = t.trade_id AND e.seq >> 48 = t.seq >> 48), 0) AS busted_seq
FROM ledger.trades t;

-- The postings of one journal entry.
CREATE FUNCTION ledger.entry_postings(of_seq bigint) RETURNS SETOF ledger.postings
LANGUAGE sql STABLE SET enable_seqscan = off AS $$
    SELECT * FROM ledger.postings_between(of_seq, of_seq) ORDER BY posting_id
$$;

-- The postings of one account in one asset behind event `after_seq` up to `upto_seq` of the same shard, at most `most`,
-- oldest first. The log says which batches to look into.
CREATE FUNCTION ledger.postings_of(who integer, what integer, after_seq bigint, upto_seq bigint, most integer)
RETURNS TABLE (
    posting_id bigint, amount bigint, time_ns bigint, kind smallint, purpose smallint,
    instrument integer, price_ticks bigint, quantity_lots bigint
) LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    touched bigint;
    bounds record;
    given integer;
    here bigint := coalesce(
        (SELECT b.batch FROM ledger.batches b WHERE b.first_seq > after_seq >> 48 << 48 AND b.first_seq <= after_seq
            ORDER BY b.first_seq DESC LIMIT 1), (after_seq >> 48 << 48) + 1) - 1;
    left_over integer := most;
BEGIN
    LOOP
        SELECT log.batch INTO touched FROM (
            SELECT * FROM ledger.balance_log
            WHERE account = who AND asset = what AND previous_batch <= here ORDER BY previous_batch DESC LIMIT 1
        ) log WHERE log.batch > here;
        SELECT b.first_seq, b.last_seq INTO bounds FROM ledger.batches b WHERE b.batch = touched;
        EXIT WHEN touched IS NULL OR bounds.first_seq > upto_seq OR left_over <= 0;
        RETURN QUERY
            SELECT p.posting_id, p.amount, coalesce(t.time_ns, e.time_ns), coalesce(e.kind, 5::smallint),
                coalesce(e.purpose, 0::smallint), coalesce(t.instrument, e.instrument, 0),
                coalesce(t.price_ticks, 0), coalesce(t.quantity_lots, 0)
            FROM ledger.postings_between(greatest(bounds.first_seq, after_seq + 1), least(bounds.last_seq, upto_seq)) p
            LEFT JOIN ledger.trades t ON t.seq = p.posting_id >> 3
            LEFT JOIN ledger.entries e ON e.seq = p.posting_id >> 3
            WHERE p.account = who AND p.asset = what
            ORDER BY p.posting_id LIMIT left_over;
        GET DIAGNOSTICS given = ROW_COUNT;
        left_over := left_over - given;
        here := touched;
    END LOOP;
END $$;

-- The fills of one account in a shard before event `before_seq`, at most `most`, newest first; `what` is an instrument, 0
-- for all. A trade touches the buyer's and the seller's balance of both assets, so the log of either says where to look.
CREATE FUNCTION ledger.fills_of(who integer, what integer, before_seq bigint, most integer)
RETURNS SETOF ledger.trades LANGUAGE plpgsql STABLE AS $$
DECLARE
    base bigint := (before_seq - 1) >> 48 << 48;
    assets integer[] := CASE WHEN what = 0 THEN ARRAY(SELECT DISTINCT i.quote FROM ledger.instruments i)
        ELSE ARRAY(SELECT DISTINCT i.base FROM ledger.instruments i WHERE i.instrument = what) END;
    here bigint := coalesce(
        (SELECT b.batch FROM ledger.batches b WHERE b.first_seq > base AND b.first_seq < before_seq
            ORDER BY b.first_seq DESC LIMIT 1), base) + 1;
    bounds record;
    given integer;
    left_over integer := most;
BEGIN
    WHILE left_over > 0 LOOP
        SELECT max(newest.batch) INTO here FROM unnest(assets) AS wanted (asset), LATERAL (
            SELECT log.batch FROM ledger.balance_log log
            WHERE log.account = who AND log.asset = wanted.asset
                AND log.previous_batch >= base AND log.previous_batch < here AND log.batch < here
            ORDER BY log.previous_batch DESC LIMIT 1
        ) newest;
        EXIT WHEN here IS NULL;
        SELECT b.first_seq, b.last_seq INTO bounds FROM ledger.batches b WHERE b.batch = here;
        RETURN QUERY
            SELECT * FROM ledger.trades t
            WHERE t.seq BETWEEN bounds.first_seq AND least(bounds.last_seq, before_seq - 1)
                AND (t.buyer = who OR t.seller = who) AND (what = 0 OR t.instrument = what)
            ORDER BY t.seq DESC LIMIT left_over;
        GET DIAGNOSTICS given = ROW_COUNT;
        left_over := left_over - given;
    END LOOP;
END $$;

-- The last event of a shard with a time before `at_ns`, by the batch that holds it: the shard's number 0 if there is none.
CREATE FUNCTION ledger.seq_before(at_ns bigint, which integer) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    holder record;
BEGIN
    SELECT * INTO holder FROM ledger.batches b WHERE b.batch >> 48 = which AND b.last_time_ns >= at_ns
        ORDER BY b.batch >> 48, b.last_time_ns, b.batch LIMIT 1;
    IF NOT FOUND THEN
        RETURN (SELECT sealed_seq FROM ledger.settle_cursor WHERE shard = which);
    END IF;
    RETURN greatest(
        holder.first_seq - 1,
        (SELECT max(t.seq) FROM ledger.trades t
            WHERE t.seq BETWEEN holder.first_seq AND holder.last_seq AND t.time_ns < at_ns),
        (SELECT max(e.seq) FROM ledger.entries e
            WHERE e.seq BETWEEN holder.first_seq AND holder.last_seq AND e.time_ns < at_ns)
    );
END $$;

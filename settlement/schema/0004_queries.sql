-- What readers ask. Views and functions only: whoever can use psql sees what the service sees.

-- The balance of every account and asset. Jumps from one pair to the next, so the length of the log does not matter.
CREATE VIEW ledger.balances AS
WITH RECURSIVE latest AS (
    (SELECT * FROM ledger.balance_log ORDER BY account DESC, asset DESC, batch DESC LIMIT 1)
    UNION ALL
    SELECT following.* FROM latest, LATERAL (
        SELECT log.* FROM ledger.balance_log log
        WHERE (log.account, log.asset) < (latest.account, latest.asset)
        ORDER BY log.account DESC, log.asset DESC, log.batch DESC LIMIT 1
    ) following
)
SELECT account, asset, batch, previous_batch, balance FROM latest;

CREATE FUNCTION ledger.balances_of(who integer) RETURNS TABLE (asset integer, balance bigint)
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE latest AS (
        (SELECT log.asset, log.balance FROM ledger.balance_log log
            WHERE log.account = who ORDER BY log.asset DESC, log.batch DESC LIMIT 1)
        UNION ALL
        SELECT following.* FROM latest, LATERAL (
            SELECT log.asset, log.balance FROM ledger.balance_log log
            WHERE log.account = who AND log.asset < latest.asset
            ORDER BY log.asset DESC, log.batch DESC LIMIT 1
        ) following
    )
    SELECT latest.asset, latest.balance FROM latest ORDER BY latest.asset
$$;

-- Per asset: what participants hold, what the exchange has earned, what came from outside or is owed as issued.
-- The total is zero: nothing appears or vanishes.
CREATE VIEW ledger.trial_balance AS
SELECT asset,
    coalesce(sum(balance) FILTER (WHERE account > 0), 0)::bigint AS participants,
    coalesce(sum(balance) FILTER (WHERE account = 0), 0)::bigint AS exchange,
    coalesce(sum(balance) FILTER (WHERE account = -1), 0)::bigint AS outside,
    coalesce(sum(balance) FILTER (WHERE account = -2), 0)::bigint AS issuance,
    sum(balance)::bigint AS total
FROM ledger.balances GROUP BY asset;

-- One account's balance of one asset behind event `at_seq`: the log up to the last whole batch, and postings from there.
CREATE FUNCTION ledger.balance_at(who integer, what integer, at_seq bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    whole record;
BEGIN
    SELECT b.batch, b.last_seq INTO whole FROM ledger.batches b WHERE b.first_seq <= at_seq AND b.last_seq <= at_seq
        ORDER BY b.first_seq DESC LIMIT 1;
    RETURN coalesce((
            SELECT log.balance FROM ledger.balance_log log
            WHERE log.account = who AND log.asset = what AND log.batch <= coalesce(whole.batch, 0)
            ORDER BY log.batch DESC LIMIT 1
        ), 0) + (
            SELECT ledger.total(p.amount) FROM ledger.postings p
            WHERE p.posting_id >= (coalesce(whole.last_seq, 0) + 1) * 8 AND p.posting_id < (at_seq + 1) * 8
                AND p.account = who AND p.asset = what
        );
END $$;

-- The postings of one account in one asset behind event `after_seq` up to `upto_seq`, at most `most`, oldest first.
-- The log says which batches to look into.
CREATE FUNCTION ledger.postings_of(who integer, what integer, after_seq bigint, upto_seq bigint, most integer)
RETURNS TABLE (
    posting_id bigint, amount bigint, time_ns bigint, kind smallint,
    instrument integer, price_ticks bigint, quantity_lots bigint
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    touched bigint;
    bounds record;
    given integer;
    here bigint := coalesce(
        (SELECT b.batch FROM ledger.batches b WHERE b.first_seq <= after_seq ORDER BY b.first_seq DESC LIMIT 1), 1) - 1;
    left_over integer := most;
BEGIN
    LOOP
        SELECT min(log.batch) INTO touched FROM ledger.balance_log log
            WHERE log.account = who AND log.asset = what AND log.batch > here;
        SELECT b.first_seq, b.last_seq INTO bounds FROM ledger.batches b WHERE b.batch = touched;
        EXIT WHEN touched IS NULL OR bounds.first_seq > upto_seq OR left_over <= 0;
        RETURN QUERY
            SELECT p.posting_id, p.amount, coalesce(t.time_ns, e.time_ns), coalesce(e.kind, 5::smallint),
                coalesce(t.instrument, 0), coalesce(t.price_ticks, 0), coalesce(t.quantity_lots, 0)
            FROM ledger.postings p
            LEFT JOIN ledger.trades t ON t.seq = p.posting_id >> 3
            LEFT JOIN ledger.entries e ON e.seq = p.posting_id >> 3
            WHERE p.posting_id >= greatest(bounds.first_seq, after_seq + 1) * 8
                AND p.posting_id < (least(bounds.last_seq, upto_seq) + 1) * 8
                AND p.account = who AND p.asset = what
            ORDER BY p.posting_id LIMIT left_over;
        GET DIAGNOSTICS given = ROW_COUNT;
        left_over := left_over - given;
        here := touched;
    END LOOP;
END $$;

-- The fills of one account before event `before_seq`, at most `most`, newest first; `what` is an instrument, 0 for all.
-- A trade touches the buyer's and the seller's balance of both assets, so the log of either says where to look.
CREATE FUNCTION ledger.fills_of(who integer, what integer, before_seq bigint, most integer)
RETURNS SETOF ledger.trades LANGUAGE plpgsql STABLE AS $$
DECLARE
    assets integer[] := CASE WHEN what = 0 THEN ARRAY(SELECT DISTINCT i.quote FROM ledger.instruments i)
        ELSE ARRAY(SELECT i.base FROM ledger.instruments i WHERE i.instrument = what) END;
    here bigint := coalesce(
        (SELECT b.batch FROM ledger.batches b WHERE b.first_seq < before_seq ORDER BY b.first_seq DESC LIMIT 1), 0) + 1;
    bounds record;
    given integer;
    left_over integer := most;
BEGIN
    WHILE left_over > 0 LOOP
        SELECT max(newest.batch) INTO here FROM unnest(assets) AS wanted (asset), LATERAL (
            SELECT max(log.batch) AS batch FROM ledger.balance_log log
            WHERE log.account = who AND log.asset = wanted.asset AND log.batch < here
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

-- The last event with a time before `at_ns`, by the batch that holds it: 0 if there is none.
CREATE FUNCTION ledger.seq_before(at_ns bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    holder record;
BEGIN
    SELECT * INTO holder FROM ledger.batches b WHERE b.last_time_ns >= at_ns ORDER BY b.last_time_ns, b.batch LIMIT 1;
    IF NOT FOUND THEN
        RETURN coalesce((SELECT max(last_seq) FROM ledger.batches), 0);
    END IF;
    RETURN greatest(
        holder.first_seq - 1,
        (SELECT max(t.seq) FROM ledger.trades t
            WHERE t.seq BETWEEN holder.first_seq AND holder.last_seq AND t.time_ns < at_ns),
        (SELECT max(e.seq) FROM ledger.entries e
            WHERE e.seq BETWEEN holder.first_seq AND holder.last_seq AND e.time_ns < at_ns)
    );
END $$;

GRANT SELECT ON ledger.balances, ledger.trial_balance TO tokenbourse_poster, tokenbourse_reader;

-- One account's balances in a shard behind one of its events: as ledger.balances_at, without looking at anybody else.
CREATE FUNCTION ledger.balances_of_at(who integer, at_seq bigint) RETURNS TABLE (asset integer, balance bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    whole record;
BEGIN
    SELECT * INTO whole FROM ledger.whole_batch(at_seq);
    RETURN QUERY
        SELECT parts.asset, sum(parts.amount)::bigint FROM (
            SELECT known.asset, settled.balance AS amount
            FROM ledger.balances_of(who) known, LATERAL (
                SELECT log.balance FROM ledger.balance_log log
                WHERE log.account = who AND log.asset = known.asset
                    AND log.previous_batch >= at_seq >> 48 << 48 AND log.previous_batch < whole.batch
                    AND log.batch <= whole.batch
                ORDER BY log.previous_batch DESC LIMIT 1
            ) settled
            UNION ALL
            SELECT p.asset, p.amount FROM ledger.postings_between(whole.last_seq + 1, at_seq) p WHERE p.account = who
        ) parts GROUP BY parts.asset ORDER BY parts.asset;
END $$;
ALTER FUNCTION ledger.balances_of_at OWNER TO tokenbourse_owner;
REVOKE EXECUTE ON FUNCTION ledger.balances_of_at FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.balances_of_at TO tokenbourse_poster, tokenbourse_reader, tokenbourse_auditor;

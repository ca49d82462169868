-- The ledger: what the exchange has decided, recorded once and never changed.
-- The numbers come from events; the rules in the next file refuse whatever cannot be a true record of them.
-- Every event has a number, `seq`: its place in its shard's event log, with the shard in the bits from 48 on.

CREATE SCHEMA ledger;

-- What may happen to money and units. Accounts below 1 are the exchange's own: 0 earns fees, -1 is the world outside
-- from which cash comes and to which it goes, -2 owes what was issued and is not yet used up.
CREATE TABLE ledger.kinds (
    kind smallint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    movements smallint NOT NULL,
    meaning text NOT NULL
);

INSERT INTO ledger.kinds VALUES
    (5, 'traded', 2, 'buyer pays notional and fee, seller receives notional less fee, units change hands, 0 earns both fees'),
    (11, 'deposited', 1, 'an account receives cash, -1 gives it'),
    (12, 'withdrawn', 1, 'an account gives cash, -1 receives it'),
    (13, 'issued', 1, 'an issuer receives units, -2 owes them'),
    (14, 'redeemed', 1, 'an account uses units up, -2 owes them no more'),
    (22, 'transferred', 1, 'an account gives, another receives; the purpose says why'),
    (23, 'trade_busted', 2, 'the two movements of an earlier trade with opposite signs'),
    (24, 'units_expired', 1, 'an account loses units that are too old, -2 owes them no more');

-- What the events have told of assets, accounts and instruments of a shard.

CREATE TABLE ledger.assets (
    asset integer NOT NULL CHECK (asset > 0),
    kind smallint NOT NULL,  -- 1 cash, 2 token allowance, 3 licence
    issuer integer NOT NULL,
    seq bigint NOT NULL,
    shard bigint GENERATED ALWAYS AS (seq >> 48) STORED,
    PRIMARY KEY (shard, asset)
);

CREATE TABLE ledger.accounts (
    account integer NOT NULL CHECK (account > 0),
    account_group integer NOT NULL,
    seq bigint NOT NULL,
    shard bigint GENERATED ALWAYS AS (seq >> 48) STORED,
    PRIMARY KEY (shard, account)
);

CREATE TABLE ledger.instruments (
    instrument integer NOT NULL CHECK (instrument > 0),
    base integer NOT NULL,
    quote integer NOT NULL,
    lot_units bigint NOT NULL CHECK (lot_units > 0),
    tick_value bigint NOT NULL CHECK (tick_value > 0),
    seq bigint NOT NULL,
    shard bigint GENERATED ALWAYS AS (seq >> 48) STORED,
    PRIMARY KEY (shard, instrument),
    FOREIGN KEY (shard, base) REFERENCES ledger.assets (shard, asset),
    FOREIGN KEY (shard, quote) REFERENCES ledger.assets (shard, asset)
);

-- Each trade is a journal entry of two movements, cash and units, each row of `entries` one of one, or of two if it undoes
-- a trade. A movement is in one asset, and its postings sum to zero: what `account` gets or gives, what `contra_account` does,
-- and the fee that account 0 gets of it. So no row can be there that does not balance, whoever adds it.
-- A movement's id is seq * 2 + part: part 0, and part 1 for the units of a trade. Of a trade `account` is the buyer.
-- A posting's id is movement_id * 4 + leg: leg 0 of the account, 1 of the contra account, 2 of the fee where there is one.

CREATE TABLE ledger.trades (
    seq bigint PRIMARY KEY,
    time_ns bigint NOT NULL,
    trade_id bigint NOT NULL,
    instrument integer NOT NULL,
    price_ticks bigint NOT NULL CHECK (price_ticks > 0),
    quantity_lots bigint NOT NULL CHECK (quantity_lots > 0),
    buyer integer NOT NULL,
    seller integer NOT NULL,
    buyer_order_id bigint NOT NULL,
    seller_order_id bigint NOT NULL,
    buyer_fee bigint NOT NULL,
    seller_fee bigint NOT NULL,
    taker_side smallint NOT NULL CHECK (taker_side IN (0, 1))  -- 0 buy, 1 sell
) PARTITION BY RANGE (seq);

CREATE TABLE ledger.entries (
    seq bigint PRIMARY KEY,
    time_ns bigint NOT NULL,
    kind smallint NOT NULL REFERENCES ledger.kinds CHECK (kind <> 5),
    purpose smallint NOT NULL CHECK ((purpose <> 0) = (kind = 22)),  -- of a transfer
    instrument integer NOT NULL CHECK ((instrument <> 0) = (kind = 23)),  -- of the trade that is undone
    trade_id bigint NOT NULL,
    reference uuid NOT NULL  -- usage id of a redemption, idempotency id of a transfer, otherwise zero
);

CREATE UNIQUE INDEX busts ON ledger.entries (instrument, trade_id, (seq >> 48)) WHERE kind = 23;

-- No key while rows come in: the rules below refuse a movement that is there twice, and a block-range index finds it by its
-- place. Closing the period adds the indexes.
CREATE TABLE ledger.movements (
    movement_id bigint NOT NULL,
    asset integer NOT NULL,
    account integer NOT NULL,
    contra_account integer NOT NULL,
    amount bigint NOT NULL,
    contra_amount bigint NOT NULL,
    fee bigint NOT NULL,
    CONSTRAINT sums_to_zero CHECK (amount + contra_amount + fee = 0),
    CONSTRAINT fees_of_trades CHECK (fee = 0 OR (movement_id & 1 = 0 AND account > 0 AND contra_account > 0))
) PARTITION BY RANGE (movement_id);

CREATE INDEX movements_by_place ON ledger.movements USING brin (movement_id) WITH (pages_per_range = 16);

-- The postings that movements are made of, one row for each account that they touch.
CREATE VIEW ledger.postings AS
SELECT movement_id * 4 + leg AS posting_id, legs.account, asset, legs.amount
FROM ledger.movements, LATERAL (VALUES
    (0, movements.account, movements.amount), (1, contra_account, contra_amount), (2, 0, fee)
) legs (leg, account, amount)
WHERE leg < 2 OR legs.amount <> 0;

-- The balance of each account and asset behind each batch that touched it: a new row, never an update. Each names the batch
-- of the row before it, and no row has two successors: so an account's balances are one line, whose end is the present.
-- It tells in which batches to look for an account's movements, so these need no index by account.
CREATE TABLE ledger.balance_log (
    account integer NOT NULL,
    asset integer NOT NULL,
    batch bigint NOT NULL,
    previous_batch bigint NOT NULL,  -- that touched it; the shard's number 0 for none
    balance bigint NOT NULL,
    CONSTRAINT one_successor PRIMARY KEY (account, asset, previous_batch),
    CONSTRAINT no_negative_balance CHECK (balance >= 0 OR account <= 0)
);

-- One row a transaction of the poster: the events it covers, and the hash of all that was posted up to its last event.
-- Batches are numbered within their shard, with the shard in the bits from 48 on.
CREATE TABLE ledger.batches (
    batch bigint PRIMARY KEY,
    first_seq bigint NOT NULL UNIQUE,
    last_seq bigint NOT NULL,
    command_sequence bigint NOT NULL,
    last_time_ns bigint NOT NULL,
    trade_count integer NOT NULL,
    entry_count integer NOT NULL,
    previous_hash bytea NOT NULL CHECK (length(previous_hash) = 32),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    epoch bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (last_seq >= first_seq)
);

CREATE INDEX batches_by_time ON ledger.batches ((batch >> 48), last_time_ns);

-- How far a shard's events are posted, which poster may go on (each one that starts raises the epoch), the last sealed
-- batch, and what the batch in the making has so far.
CREATE TABLE ledger.settle_cursor (
    shard integer PRIMARY KEY CHECK (shard BETWEEN 0 AND 4095),
    last_seq bigint NOT NULL,
    epoch bigint NOT NULL CHECK (epoch >= 0),
    period_events bigint NOT NULL CHECK (period_events > 0),
    batch bigint NOT NULL,
    sealed_seq bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    trades bigint NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0,
    busts bigint NOT NULL DEFAULT 0,
    balances bigint NOT NULL DEFAULT 0,
    movements bigint NOT NULL DEFAULT 0,
    CHECK (last_seq >> 48 = shard AND sealed_seq >> 48 = shard AND batch >> 48 = shard)
) WITH (fillfactor = 20);

-- Periods: the partitions of trades and movements, made ahead of the events that go into them, and closed behind them.
CREATE TABLE ledger.periods (
    shard integer NOT NULL,
    period bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    PRIMARY KEY (shard, period)
);

CREATE TABLE ledger.closings (
    shard integer NOT NULL,
    period bigint NOT NULL,
    batch bigint NOT NULL,
    hash bytea NOT NULL,
    trades bigint NOT NULL,
    movements bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard, period),
    FOREIGN KEY (shard, period) REFERENCES ledger.periods
);

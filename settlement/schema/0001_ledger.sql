-- The ledger: what the exchange has decided, recorded once and never changed.
-- The numbers come from events; the rules here refuse whatever cannot be a true record of them.

CREATE SCHEMA ledger;

-- What the events have told of assets, accounts and instruments. `seq` is the number of that event.

CREATE TABLE ledger.assets (
    asset integer PRIMARY KEY CHECK (asset > 0),
    kind smallint NOT NULL,  -- 1 cash, 2 token allowance, 3 licence
    issuer integer NOT NULL,
    seq bigint NOT NULL
);

CREATE TABLE ledger.accounts (
    account integer PRIMARY KEY CHECK (account > 0),
    account_group integer NOT NULL,
    seq bigint NOT NULL
);

CREATE TABLE ledger.instruments (
    instrument integer PRIMARY KEY CHECK (instrument > 0),
    base integer NOT NULL REFERENCES ledger.assets,
    quote integer NOT NULL REFERENCES ledger.assets,
    lot_units bigint NOT NULL CHECK (lot_units > 0),
    tick_value bigint NOT NULL CHECK (tick_value > 0),
    seq bigint NOT NULL
);

-- Each trade is a journal entry of five postings, each row of `entries` one of two.
-- A posting's id is seq * 8 + leg. Legs of a trade: 0 buyer cash, 1 seller cash, 2 buyer units, 3 seller units, 4 fees.

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
);

CREATE TABLE ledger.entries (
    seq bigint PRIMARY KEY,
    time_ns bigint NOT NULL,
    kind smallint NOT NULL CHECK (kind IN (11, 12, 13, 14)),  -- deposited, withdrawn, issued, redeemed
    usage_id uuid NOT NULL  -- of a redemption, otherwise zero
);

CREATE TABLE ledger.postings (
    posting_id bigint PRIMARY KEY,
    account integer NOT NULL,  -- 0 the exchange, -1 outside cash, -2 issuance obligations
    asset integer NOT NULL,
    amount bigint NOT NULL
);

-- The balance of each account and asset behind each batch that touched it: a new row, never an update.
-- It tells in which batches to look for an account's postings, so these need no index of their own.
CREATE TABLE ledger.balance_log (
    account integer NOT NULL,
    asset integer NOT NULL,
    batch bigint NOT NULL,
    previous_batch bigint NOT NULL,  -- that touched it, 0 for none
    balance bigint NOT NULL,
    PRIMARY KEY (account, asset, batch),
    CONSTRAINT no_negative_balance CHECK (balance >= 0 OR account <= 0)
);

-- One row a transaction of the poster: the events it covers, and a hash over them that includes the one before.
CREATE TABLE ledger.batches (
    batch bigint PRIMARY KEY,
    first_seq bigint NOT NULL UNIQUE,
    last_seq bigint NOT NULL,
    command_sequence bigint NOT NULL,
    last_time_ns bigint NOT NULL,
    trade_count integer NOT NULL,
    entry_count integer NOT NULL,
    previous_hash bytea NOT NULL CHECK (length(previous_hash) = 32),
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    epoch bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (last_seq >= first_seq)
);

CREATE INDEX batches_by_time ON ledger.batches (last_time_ns);

-- How far the events are posted, and which poster may go on: each one that starts raises the epoch.
CREATE TABLE ledger.settle_cursor (
    shard integer PRIMARY KEY CHECK (shard = 0),
    last_seq bigint NOT NULL CHECK (last_seq >= 0),
    epoch bigint NOT NULL CHECK (epoch >= 0)
);

INSERT INTO ledger.settle_cursor VALUES (0, 0, 0);

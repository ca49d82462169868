-- The dataset register and what follows a trade of its licences: documents beside the ledger, not money.
-- Histories are appended to and never changed; what stands in a table of its own besides (datasets, escrows, meters) is
-- their fold, kept by their triggers alone.

CREATE SCHEMA register;

CREATE FUNCTION register.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of register.% is refused: the register is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION register.refuse_stale(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% has changed meanwhile', what USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- registration

CREATE SEQUENCE register.numbers MINVALUE 1 MAXVALUE 9999999999;

-- One row, the end of the chain: whoever appends waits here for the one before.
CREATE TABLE register.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    entry bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO register.head VALUES (true, 0, '\x0000000000000000000000000000000000000000000000000000000000000000');

-- Every move of every entry, with the whole document after it. `previous` is the entry's move before, 0 for none.
CREATE TABLE register.history (
    entry bigint PRIMARY KEY,
    dataset bigint NOT NULL CHECK (dataset BETWEEN 1 AND 9999999999),
    previous bigint NOT NULL,
    act text NOT NULL,
    move text NOT NULL,
    state text NOT NULL,
    holder integer NOT NULL,
    account integer NOT NULL,
    time_ns bigint NOT NULL,
    document text NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE INDEX history_by_dataset ON register.history (dataset, entry);

CREATE TABLE register.datasets (
    dataset bigint PRIMARY KEY,
    entry bigint NOT NULL,
    state text NOT NULL,
    holder integer NOT NULL,
    since_ns bigint NOT NULL,  -- when it came into this state
    time_ns bigint NOT NULL,
    document text NOT NULL,
    origin text UNIQUE,  -- venue and number of a certificate that was taken over
    scenarios text[] NOT NULL,
    search tsvector NOT NULL
);
CREATE INDEX datasets_by_text ON register.datasets USING gin (search);
CREATE INDEX datasets_by_state ON register.datasets (state, dataset);

CREATE FUNCTION register.line(moved register.history) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT concat_ws(E'\n', moved.entry, moved.dataset, moved.previous, moved.act, moved.move, moved.state, moved.holder, moved.account,
        moved.time_ns, moved.document)
$$;

-- Number and chain a move, and keep the fold.
CREATE FUNCTION register.chain() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head register.head;
    said jsonb := NEW.document::jsonb -> 'entry';
BEGIN
    SELECT * INTO head FROM register.head FOR UPDATE;
    NEW.entry := head.entry + 1;
    NEW.previous_hash := head.hash;
    NEW.hash := sha256(head.hash || convert_to(register.line(NEW), 'UTF8'));
    IF NEW.previous = 0 THEN
        INSERT INTO register.datasets VALUES (NEW.dataset, 0, '', 0, 0, 0, '', said ->> 'origin', '{}', '');
    END IF;
    UPDATE register.datasets SET entry = NEW.entry, state = NEW.state, holder = NEW.holder,
        since_ns = CASE state WHEN NEW.state THEN since_ns ELSE NEW.time_ns END, time_ns = NEW.time_ns,
        document = NEW.document,
        scenarios = ARRAY(SELECT jsonb_array_elements_text(said -> 'scenarios')),
        search = setweight(to_tsvector('simple', said ->> 'title'), 'A')
            || to_tsvector('simple', concat_ws(' ', said ->> 'description', said ->> 'publisher', said ->> 'licence',
                said ->> 'keywords', said ->> 'languages', said ->> 'scenarios', to_char(NEW.dataset, 'FM0000000000')))
        WHERE dataset = NEW.dataset AND entry = NEW.previous;
    IF NOT FOUND THEN
        PERFORM register.refuse_stale('the register entry');
    END IF;
    UPDATE register.head SET entry = NEW.entry, hash = NEW.hash;
    RETURN NEW;
END $$;
CREATE TRIGGER chained BEFORE INSERT ON register.history FOR EACH ROW EXECUTE FUNCTION register.chain();

-- Whose signatures count: evaluators of quality and other venues. A later row of a name takes the place of an earlier.
CREATE TABLE register.signers (
    signer bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('evaluator', 'venue')),
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    time_ns bigint NOT NULL
);

-- licences

CREATE TABLE register.series (
    instrument integer PRIMARY KEY,
    symbol text NOT NULL UNIQUE,
    dataset bigint NOT NULL REFERENCES register.datasets,
    issuer integer NOT NULL,
    scenario text NOT NULL,
    terms text NOT NULL,
    root text NOT NULL,
    time_ns bigint NOT NULL
);
CREATE INDEX series_by_dataset ON register.series (dataset);

CREATE TABLE register.clearances (
    clearance bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instrument integer NOT NULL REFERENCES register.series,
    account integer NOT NULL,
    is_cleared boolean NOT NULL,
    declaration text NOT NULL,
    by_account integer NOT NULL,
    time_ns bigint NOT NULL
);

-- One row a licence trade, by the number of its event; `royalty` is part of the proceeds.
CREATE TABLE register.escrows (
    trade bigint PRIMARY KEY,
    trade_id bigint NOT NULL,
    sequence bigint NOT NULL,
    time_ns bigint NOT NULL,
    instrument integer NOT NULL REFERENCES register.series,
    buyer integer NOT NULL,
    seller integer NOT NULL,
    lots bigint NOT NULL,
    quote integer NOT NULL,
    proceeds bigint NOT NULL,
    royalty bigint NOT NULL,
    holder integer NOT NULL,  -- of the dataset, who earns the royalty
    state text NOT NULL,
    since_ns bigint NOT NULL,
    CHECK (royalty BETWEEN 0 AND greatest(proceeds, 0))
);
CREATE INDEX escrows_open ON register.escrows (state, trade) WHERE state NOT IN ('released', 'refunded', 'void');
CREATE UNIQUE INDEX escrows_by_trade_id ON register.escrows (instrument, trade_id);
CREATE INDEX escrows_by_buyer ON register.escrows (buyer, trade);
CREATE INDEX escrows_by_seller ON register.escrows (seller, trade);

CREATE TABLE register.steps (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade bigint NOT NULL REFERENCES register.escrows,
    step text NOT NULL,
    source text NOT NULL,
    state text NOT NULL,
    account integer NOT NULL,
    time_ns bigint NOT NULL,
    note text NOT NULL
);
CREATE INDEX steps_by_trade ON register.steps (trade, number);
CREATE INDEX steps_busts ON register.steps (trade) WHERE step = 'bust';

CREATE FUNCTION register.move_escrow() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE register.escrows SET state = NEW.state, since_ns = NEW.time_ns,
        royalty = CASE NEW.step WHEN 'bust' THEN 0 ELSE royalty END
        WHERE trade = NEW.trade AND state = NEW.source;
    IF NOT FOUND THEN
        PERFORM register.refuse_stale('the escrow');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER moves AFTER INSERT ON register.steps FOR EACH ROW EXECUTE FUNCTION register.move_escrow();

-- The transfers that belong to an escrow, as the journal's events told them.
CREATE TABLE register.legs (
    trade bigint NOT NULL REFERENCES register.escrows,
    leg smallint NOT NULL,
    event bigint NOT NULL,
    PRIMARY KEY (trade, leg)
);

CREATE TABLE register.entitlements (
    entitlement bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    instrument integer NOT NULL REFERENCES register.series,
    holder integer NOT NULL,
    seats bigint NOT NULL CHECK (seats > 0),
    quota bigint,  -- tokens; null: without a limit
    valid_until_ns bigint NOT NULL,
    trade bigint NOT NULL REFERENCES register.escrows,
    time_ns bigint NOT NULL,
    token text NOT NULL
);
CREATE INDEX entitlements_by_holder ON register.entitlements (holder, instrument, entitlement);
CREATE INDEX entitlements_by_trade ON register.entitlements (trade);

CREATE TABLE register.revocations (
    entitlement bigint PRIMARY KEY REFERENCES register.entitlements,
    time_ns bigint NOT NULL,
    reason text NOT NULL
);

CREATE TABLE register.meters (
    entitlement bigint PRIMARY KEY REFERENCES register.entitlements,
    quota bigint,
    used bigint NOT NULL DEFAULT 0,
    CONSTRAINT within_quota CHECK (used BETWEEN 0 AND coalesce(quota, used))
);

CREATE TABLE register.reads (
    reporter integer NOT NULL,
    record text NOT NULL,
    entitlement bigint NOT NULL REFERENCES register.entitlements,
    tokens bigint NOT NULL CHECK (tokens > 0),
    time_ns bigint NOT NULL,
    PRIMARY KEY (reporter, record)
);

CREATE FUNCTION register.start_meter() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO register.meters VALUES (NEW.entitlement, NEW.quota);
    RETURN NULL;
END $$;
CREATE TRIGGER metered AFTER INSERT ON register.entitlements FOR EACH ROW EXECUTE FUNCTION register.start_meter();

CREATE FUNCTION register.count_reads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE register.meters m SET used = m.used + sums.tokens
        FROM (SELECT entitlement, sum(tokens)::bigint AS tokens FROM added GROUP BY entitlement) sums
        WHERE m.entitlement = sums.entitlement;
    RETURN NULL;
END $$;
CREATE TRIGGER counted AFTER INSERT ON register.reads REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION register.count_reads();

-- How far the event log was followed; moved in the transaction of what was found there.
CREATE TABLE register.cursor (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    event bigint NOT NULL
);
INSERT INTO register.cursor VALUES (true, 0);

CREATE FUNCTION register.check_cursor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.event < OLD.event THEN
        PERFORM register.refuse_stale('the cursor');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER forward BEFORE UPDATE ON register.cursor FOR EACH ROW EXECUTE FUNCTION register.check_cursor();

-- what may not change, and who may do what

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['history', 'signers', 'series', 'clearances', 'steps', 'legs', 'entitlements',
        'revocations', 'reads'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON register.%I
            EXECUTE FUNCTION register.refuse_change()', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['head', 'datasets', 'escrows', 'meters', 'cursor'] LOOP
        EXECUTE format('CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON register.%I
            EXECUTE FUNCTION register.refuse_change()', name);
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tokenbourse_registrar') THEN
        CREATE ROLE tokenbourse_registrar NOLOGIN;
    END IF;
    GRANT tokenbourse_registrar TO CURRENT_USER;
    ALTER SCHEMA register OWNER TO tokenbourse_owner;
    FOR name IN SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace = 'register'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO tokenbourse_owner', name);
    END LOOP;
    ALTER SEQUENCE register.numbers OWNER TO tokenbourse_owner;
    FOR name IN SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'register'::regnamespace LOOP
        EXECUTE format('ALTER ROUTINE %s OWNER TO tokenbourse_owner', name);
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA register TO tokenbourse_registrar, tokenbourse_reader, tokenbourse_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA register TO tokenbourse_registrar, tokenbourse_reader, tokenbourse_auditor;
GRANT INSERT ON register.history, register.signers, register.series, register.clearances, register.escrows,
    register.steps, register.legs, register.entitlements, register.revocations, register.reads TO tokenbourse_registrar;
GRANT UPDATE ON register.cursor TO tokenbourse_registrar;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA register TO tokenbourse_registrar;

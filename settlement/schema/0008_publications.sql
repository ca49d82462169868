-- What was published about prices: each version once and for good; a correction is a row of the next version.

CREATE TABLE ledger.publications (
    kind text NOT NULL CHECK (kind IN ('index', 'settlement')),
    name text NOT NULL, -- of an index, or an instrument's symbol
    quote integer NOT NULL, -- asset of an index; 0 for a settlement price
    day integer NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    body text NOT NULL, -- JSON, byte for byte as computed
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, name, quote, day, version)
);
CREATE INDEX publications_by_day ON ledger.publications (kind, day, name);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.publications
    EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ledger.publications OWNER TO tokenbourse_owner;
GRANT SELECT, INSERT ON ledger.publications TO tokenbourse_poster;
GRANT SELECT ON ledger.publications TO tokenbourse_reader, tokenbourse_auditor;

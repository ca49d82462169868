-- Entitlements whose term is over and whose seats were burned, with the event that says so.
CREATE TABLE register.ends (
    entitlement bigint PRIMARY KEY REFERENCES register.entitlements,
    event bigint NOT NULL UNIQUE,
    time_ns bigint NOT NULL
);
CREATE INDEX entitlements_by_end ON register.entitlements (valid_until_ns);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON register.ends
    EXECUTE FUNCTION register.refuse_change();
ALTER TABLE register.ends OWNER TO tokenbourse_owner;
GRANT SELECT ON register.ends TO tokenbourse_registrar, tokenbourse_reader, tokenbourse_auditor;
GRANT INSERT ON register.ends TO tokenbourse_registrar;

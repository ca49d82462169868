-- A bust of what was paid out, or is on its way, leaves the royalty as it was paid. And words of scripts that are written
-- without blanks are found: each of their characters is a word of the index.

CREATE OR REPLACE FUNCTION register.move_escrow() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE register.escrows SET state = NEW.state, since_ns = NEW.time_ns,
        royalty = CASE WHEN NEW.step = 'bust' AND NEW.source NOT IN ('releasing', 'released') THEN 0 ELSE royalty END
        WHERE trade = NEW.trade AND state = NEW.source;
    IF NOT FOUND THEN
        PERFORM register.refuse_stale('the escrow');
    END IF;
    RETURN NULL;
END $$;

-- Kana, Han characters (of the supplementary planes too) and their compatibility forms, each between blanks.
CREATE FUNCTION register.spaced(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_catalog.regexp_replace(said, '([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])', ' \1 ', 'g')
$$;

-- What is asked for: a run of such characters is a phrase, unless phrases are marked already.
CREATE FUNCTION register.asked(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT register.spaced(CASE WHEN said LIKE '%"%' THEN said
        ELSE pg_catalog.regexp_replace(said, '([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+)', '"\1"', 'g') END)
$$;

CREATE FUNCTION register.words(dataset bigint, said jsonb) RETURNS tsvector LANGUAGE sql IMMUTABLE AS $$
    SELECT setweight(to_tsvector('simple', register.spaced(said ->> 'title')), 'A')
        || to_tsvector('simple', register.spaced(concat_ws(' ', said ->> 'description', said ->> 'publisher',
            said ->> 'licence', said ->> 'keywords', said ->> 'languages', said ->> 'scenarios',
            to_char(dataset, 'FM0000000000'))))
$$;

CREATE OR REPLACE FUNCTION register.chain() RETURNS trigger
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
        search = register.words(NEW.dataset, said)
        WHERE dataset = NEW.dataset AND entry = NEW.previous;
    IF NOT FOUND THEN
        PERFORM register.refuse_stale('the register entry');
    END IF;
    UPDATE register.head SET entry = NEW.entry, hash = NEW.hash;
    RETURN NEW;
END $$;

UPDATE register.datasets SET search = register.words(dataset, document::jsonb -> 'entry');

ALTER FUNCTION register.spaced(text) OWNER TO tokenbourse_owner;
ALTER FUNCTION register.asked(text) OWNER TO tokenbourse_owner;
ALTER FUNCTION register.words(bigint, jsonb) OWNER TO tokenbourse_owner;

"""The limits of settlement, each with a name."""

# embedded Postgres
POLL_SECONDS = 0.005  # between two looks at whether Postgres is ready or gone
START_POLLS_MAX = 12_000  # a minute: after a crash the write-ahead log is replayed first
START_ATTEMPTS_MAX = 100  # while processes of a killed Postgres still hold its shared memory
STOP_SECONDS_MAX = 30.0  # for each way to stop, from polite to final
SOCKET_PATH_BYTES_MAX = 100  # a unix socket's path has room for 107 bytes, its name included
LOG_TAIL_BYTES = 4_000  # of Postgres' own log, in the error that says why it did not start

# poster
BATCH_EVENTS_MAX = 20_000  # read, encoded and committed at once
BLOCK_EVENTS = 65_536  # of the chain of hashes: a start reads as many events again; the schema knows the number
SMALL_BATCH_TRADES = 128  # up to so many trades and nothing else, one call of a stored function is faster than COPY
PERIOD_EVENTS = 1 << 22  # of shard 0: one partition; chosen when a shard is opened
PERIODS_AHEAD = 2  # made before their first event
PAUSE_SECONDS = 0.02  # between two batches while less than a full one waits
IDLE_SECONDS = 1.0  # the longest wait for a sign that the event log has grown
LAG_LOG_SECONDS = 5.0  # between two lines that say how far behind the ledger is
QUIET_PAUSES_MAX = 10  # events that mean nothing to the ledger wait this long for company, then move the cursor alone
RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # waits before each attempt to reach Postgres again, the last repeated
CONNECT_SECONDS_MAX = 10.0
STATEMENT_SECONDS_MAX = 60.0

# queries
TAPE_MAX = 1_000
TRIAL_ROWS_MAX = 1_000
POOL_CONNECTIONS_MAX = 4
FILLS_MAX = 1_000
STATEMENT_LINES_MAX = 100_000

# reconciliation
REPLAY_RECORDS_MAX = 4_096  # of the journal, applied with one call
COMPARED_EVENTS_MAX = 65_536  # of whole batches, fetched and compared at once
COMPARED_BALANCE_BYTES_MAX = 128 << 20  # of the balance log held in memory and compared at once
COMPARED_BATCHES_MAX = 4_096  # the same, for small batches

# the register
REGISTER_CONNECTIONS_MAX = 4
REGISTER_ROWS_MAX = 201  # of one page of 200, and the row that says there is another
CHAIN_ROWS = 1_000  # of the register's history, checked at once
ESCROWS_MAX = 500  # looked at in one round of the clerk

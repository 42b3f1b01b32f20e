-- The whole schema of a tollgate database, version 1. The first file to read.
--
-- Times are Unix milliseconds, UTC. Flags are 0 or 1. Lists and maps are JSON text.
-- No raw key, password, token or code is in here: keys and tokens are SHA-256.

-- The plans of auth.toml, mirrored at each start, for whoever reads the database from outside.
CREATE TABLE plans (
  name       TEXT PRIMARY KEY,
  title      TEXT NOT NULL,
  definition TEXT NOT NULL                -- JSON
) STRICT, WITHOUT ROWID;

-- Who owns keys, a plan and a balance.
CREATE TABLE accounts (
  id           TEXT PRIMARY KEY,          -- acc_ULID: sorts by creation
  name         TEXT NOT NULL,             -- may repeat
  kind         TEXT NOT NULL CHECK (kind IN ('personal', 'organization')),
  plan         TEXT NOT NULL,             -- plans.name; one that the config no longer has counts as ended
  plan_until   INTEGER,                   -- then the default plan takes its place
  limits       TEXT NOT NULL,             -- overrides: {"minute": 600}
  disabled     INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  created_at   INTEGER NOT NULL,          -- its billing day
  plan_tokens  INTEGER NOT NULL,          -- left of the plan's tokens of the month that `period` starts
  bonus_tokens INTEGER NOT NULL,          -- stay, and are used after them
  period       INTEGER NOT NULL,
  version      INTEGER NOT NULL           -- counts every change; the newer of two readings wins
) STRICT, WITHOUT ROWID;

-- API keys. By their hash, because that is what a cold check knows: one primary-key read.
-- A revoked key stays: some APIs tell it from an unknown one.
CREATE TABLE keys (
  hash         BLOB PRIMARY KEY CHECK (length(hash) = 32),
  id           TEXT NOT NULL UNIQUE,      -- key_ULID
  account      TEXT NOT NULL REFERENCES accounts (id),
  name         TEXT NOT NULL,
  environment  TEXT NOT NULL,
  prefix       TEXT NOT NULL,             -- the prefix and the four characters after it, for display
  plan         TEXT,                      -- its own plan
  limits       TEXT NOT NULL,             -- its own overrides
  scopes       TEXT NOT NULL,
  ips          TEXT NOT NULL,             -- ranges it may be used from; none: anywhere
  metadata     TEXT NOT NULL,             -- whatever the operator keeps with it
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER,
  revoked_at   INTEGER,
  disabled     INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  last_used_at INTEGER,
  replaced_by  TEXT                       -- the key that a rotation made in its place
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_of_account ON keys (account, id);

-- Service tokens: what the app, or the operator's scripts, use to talk to tollgate.
CREATE TABLE tokens (
  hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
  id         TEXT NOT NULL UNIQUE,        -- tok_ULID
  name       TEXT NOT NULL,
  scopes     TEXT NOT NULL,               -- ["verify"]
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- What limits remember of a key, an account or an address. Of a fixed window `written` is what may have been handed out:
-- memory spends only what stands here. Rolling and sliding windows are saved each quarter second.
CREATE TABLE windows (
  subject TEXT NOT NULL,                  -- key_…, acc_… or an address
  name    TEXT NOT NULL,                  -- the limit's, with its window, shape and unit
  shape   TEXT NOT NULL CHECK (shape IN ('rolling', 'sliding', 'fixed')),
  start   INTEGER NOT NULL,               -- fixed: the window's start
  until   INTEGER NOT NULL,               -- from then on there is nothing worth remembering
  written INTEGER NOT NULL,               -- fixed: how much is written off
  state   BLOB NOT NULL,                  -- rolling: arrival and interval in nanoseconds; sliding: the log
  PRIMARY KEY (subject, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX windows_to_tidy ON windows (until);

-- How many requests got which verdict, by hour. Nobody recognised: empty account and key.
CREATE TABLE usage (
  hour    INTEGER NOT NULL,               -- its start
  account TEXT NOT NULL,
  key     TEXT NOT NULL,
  verdict TEXT NOT NULL,
  count   INTEGER NOT NULL,
  PRIMARY KEY (hour, account, key, verdict)
) STRICT, WITHOUT ROWID;

-- What was done under an Idempotency-Key, so that it is done once. Kept for a day.
CREATE TABLE idempotency (
  operation  TEXT NOT NULL,
  key        TEXT NOT NULL,
  request    BLOB NOT NULL,               -- SHA-256 of the request: the same key with another request is refused
  result     TEXT NOT NULL,               -- the id of what was made, or JSON; never a raw key
  created_at INTEGER NOT NULL,
  PRIMARY KEY (operation, key)
) STRICT, WITHOUT ROWID;

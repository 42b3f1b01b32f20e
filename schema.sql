-- The whole schema of a tollgate database, version 1. The first file to read.
--
-- Times are Unix milliseconds, UTC. Flags are 0 or 1. Lists and maps are JSON text.
-- No raw key, password, token or code is in here: keys and tokens are SHA-256, passwords Argon2id, codes HMAC-SHA256, secrets of a
-- second factor encrypted. The secret of those two stands beside this file, in DATABASE.secret, or in the configuration.

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
  version      INTEGER NOT NULL,          -- counts every change; the newer of two readings wins
  revision     INTEGER NOT NULL           -- counts changes of what can be set, not charges: its ETag
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
  replaced_by  TEXT,                      -- the key that a rotation made in its place
  revision     INTEGER NOT NULL           -- counts changes of what can be set: its ETag
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_of_account ON keys (account, id);
CREATE INDEX keys_lasting ON keys (account, replaced_by IS NOT NULL, coalesce(expires_at, 9223372036854775807)) WHERE revoked_at IS NULL;
CREATE INDEX keys_to_expire ON keys (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;

-- People who sign in. Each has a personal account, made with them.
CREATE TABLE users (
  id                INTEGER PRIMARY KEY AUTOINCREMENT, -- shown to people; never given twice
  name              TEXT NOT NULL,
  email             TEXT UNIQUE,          -- in lower case; whoever has it must prove it before they sign in
  email_verified_at INTEGER,
  phone             TEXT UNIQUE,          -- E.164
  phone_verified_at INTEGER,
  proven_at         INTEGER,              -- when they first proved who they are, by an address or by others: stays when that goes
  password          TEXT,                 -- PHC string: Argon2id, or as it was imported until the next sign-in; none: signs in otherwise
  picture           TEXT,                 -- a URL, from a provider
  account           TEXT NOT NULL UNIQUE REFERENCES accounts (id), -- the personal one
  is_admin          INTEGER NOT NULL CHECK (is_admin IN (0, 1)), -- may administrate the whole server
  disabled          INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  agreement         TEXT,                 -- the version of the agreement that was accepted last
  created_at        INTEGER NOT NULL,
  deleted_at        INTEGER,              -- from then on they are nobody: the id stays, and nothing personal
  revision          INTEGER NOT NULL      -- counts changes of what can be set: its ETag
) STRICT;

CREATE INDEX users_by_time ON users (created_at);
CREATE INDEX users_administrating ON users (id) WHERE is_admin = 1;

-- Who belongs to which account. An organization that anybody belongs to has at least one owner, always.
CREATE TABLE members (
  account   TEXT NOT NULL REFERENCES accounts (id),
  user      INTEGER NOT NULL REFERENCES users (id),
  role      TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  joined_at INTEGER NOT NULL,
  PRIMARY KEY (account, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_user ON members (user, account);

-- How users sign in by others: the provider's own id of them, never a name or an address.
CREATE TABLE identities (
  provider   TEXT NOT NULL,               -- the issuer's URL; of the Login Widget: telegram
  subject    TEXT NOT NULL,               -- what the provider calls them
  user       INTEGER NOT NULL REFERENCES users (id),
  label      TEXT NOT NULL,               -- for people: an address, a @name
  created_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL,
  PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX identities_of_user ON identities (user);

-- Where users are signed in.
CREATE TABLE sessions (
  id         TEXT PRIMARY KEY,            -- ses_ULID
  user       INTEGER NOT NULL REFERENCES users (id),
  account    TEXT NOT NULL REFERENCES accounts (id), -- the one that its next access token names
  method     TEXT NOT NULL,               -- password, code, link, invitation, or the provider's name: telegram, google, …
  origin     TEXT NOT NULL,               -- the address it was last refreshed from
  agent      TEXT NOT NULL,               -- the User-Agent, cut short
  created_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL,            -- when it was last refreshed
  expires_at INTEGER NOT NULL,
  ended_at   INTEGER,
  ended_by   TEXT,                        -- why: signed_out, revoked, password, reuse, …
  page       BLOB CHECK (length(page) = 32) -- the hash of what the dashboard knows its browser by
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX sessions_of_page ON sessions (page) WHERE page IS NOT NULL;
CREATE INDEX sessions_lasting ON sessions (user, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_of_origin ON sessions (user, origin);
CREATE INDEX sessions_to_tidy ON sessions (min(expires_at, coalesce(ended_at, expires_at)));

-- Refresh tokens: a family is a session. One that was used is replaced; used again later, it ends the family.
CREATE TABLE refresh_tokens (
  hash        BLOB PRIMARY KEY CHECK (length(hash) = 32),
  session     TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  created_at  INTEGER NOT NULL,
  replaced_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session, replaced_at);

-- What somebody was sent, by mail or SMS, to prove that an address is theirs, and what they are to have for it. What was sent is
-- worked out of the id and the server's secret, so that a try to send it again sends the same.
CREATE TABLE proofs (
  id         TEXT PRIMARY KEY,            -- prf_ULID
  hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32), -- of the token: SHA-256; of the code: HMAC-SHA256 of it and this id
  purpose    TEXT NOT NULL CHECK (purpose IN ('register', 'verify', 'change', 'reset', 'second_factor')),
  channel    TEXT NOT NULL CHECK (channel IN ('email', 'phone', 'none')),
  address    TEXT NOT NULL,               -- exactly where it was sent; of a second factor, and once it counts no more: empty
  user       INTEGER REFERENCES users (id), -- of a registration: none yet
  payload    TEXT NOT NULL,               -- JSON: of a registration name and password, as a PHC string; of a second factor the first one's method; once it counts no more: {}
  origin     TEXT NOT NULL,               -- the address that it was asked for from; of a second factor, and once it counts no more: empty
  tries      INTEGER NOT NULL,            -- wrong codes so far from there
  tries_elsewhere INTEGER NOT NULL,       -- and from anywhere else
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX proofs_of_address ON proofs (address, purpose);
CREATE INDEX proofs_of_user ON proofs (user);
CREATE INDEX proofs_to_wipe ON proofs (expires_at) WHERE address <> '';
CREATE INDEX proofs_to_tidy ON proofs (expires_at);
CREATE INDEX proofs_of_waits ON proofs (expires_at) WHERE purpose = 'second_factor';

-- TOTP (RFC 6238).
CREATE TABLE second_factors (
  user         INTEGER PRIMARY KEY REFERENCES users (id),
  secret       BLOB NOT NULL,             -- encrypted: nonce, ciphertext, tag
  confirmed_at INTEGER,                   -- none: was begun, and is not asked for yet
  last_step    INTEGER NOT NULL,          -- the last time step that was used: none up to it counts again
  created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE recovery_codes (
  user    INTEGER NOT NULL REFERENCES users (id),
  hash    BLOB NOT NULL CHECK (length(hash) = 32),
  used_at INTEGER,
  PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

-- What may be used once in its time, and was: a signed login of a widget, a nonce.
CREATE TABLE spent (
  hash  BLOB PRIMARY KEY CHECK (length(hash) = 32),
  until INTEGER NOT NULL                  -- from then on it is refused anyhow
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_to_tidy ON spent (until);

-- Who accepted which version of the agreement.
CREATE TABLE agreements (
  user    INTEGER NOT NULL REFERENCES users (id),
  version TEXT NOT NULL,
  at      INTEGER NOT NULL,
  origin  TEXT NOT NULL,                  -- the address it came from; of a deleted user: empty
  PRIMARY KEY (user, version)
) STRICT, WITHOUT ROWID;

-- Who was asked to join an account.
CREATE TABLE invitations (
  id          TEXT PRIMARY KEY,           -- inv_ULID
  hash        BLOB NOT NULL UNIQUE CHECK (length(hash) = 32), -- of the token in the mail
  account     TEXT NOT NULL REFERENCES accounts (id),
  email       TEXT NOT NULL,              -- in lower case: for whoever has this address, verified
  role        TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  invited_by  INTEGER NOT NULL REFERENCES users (id),
  created_at  INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  accepted_at INTEGER,
  ended_at    INTEGER                     -- taken back
) STRICT, WITHOUT ROWID;

CREATE INDEX invitations_of_account ON invitations (account, id);
CREATE INDEX invitations_of_email ON invitations (email);

-- Who asks for a plan that is granted by review.
CREATE TABLE applications (
  id         TEXT PRIMARY KEY,            -- app_ULID
  account    TEXT NOT NULL REFERENCES accounts (id),
  user       INTEGER NOT NULL REFERENCES users (id),
  plan       TEXT NOT NULL,
  use_case   TEXT NOT NULL,
  volume     TEXT NOT NULL,               -- what they expect, in their words
  created_at INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'withdrawn')),
  decided_at INTEGER,
  decided_by TEXT,                        -- as in audit
  note       TEXT NOT NULL                -- what the applicant is told with the decision
) STRICT, WITHOUT ROWID;

CREATE INDEX applications_of_account ON applications (account, id);
CREATE INDEX applications_by_state ON applications (state, id);
CREATE UNIQUE INDEX applications_open ON applications (account, plan) WHERE state = 'open';

-- Mails and SMS on their way: written with what they tell of, tried until somebody takes them. Without any token or code.
CREATE TABLE mails (
  id         TEXT PRIMARY KEY,            -- eml_ULID
  channel    TEXT NOT NULL CHECK (channel IN ('email', 'phone')),
  address    TEXT NOT NULL,
  template   TEXT NOT NULL,               -- verify, reset, invitation, …
  fields     TEXT NOT NULL,               -- JSON: what the template speaks of
  secret_of  TEXT,                        -- the proof or invitation whose token or code stands in it
  created_at INTEGER NOT NULL,
  due_at     INTEGER,                     -- when it is tried next; none: taken, or given up
  tries      INTEGER NOT NULL,
  fault      TEXT,
  taken_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX mails_due ON mails (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mails_of_address ON mails (address, created_at);
CREATE INDEX mails_given_up ON mails (created_at) WHERE due_at IS NULL AND taken_at IS NULL;
CREATE INDEX mails_to_tidy ON mails (created_at) WHERE due_at IS NULL;

-- Service tokens: what the app, or the operator's scripts, use to talk to tollgate.
CREATE TABLE tokens (
  hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
  id         TEXT NOT NULL UNIQUE,        -- tok_ULID
  name       TEXT NOT NULL,
  scopes     TEXT NOT NULL,               -- ["verify"]
  account    TEXT REFERENCES accounts (id), -- the one account that it reaches; none: all
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- What limits remember of a key, an account or an address. Of a fixed window `written` is what may have been handed out:
-- memory spends only what stands here. Rolling and sliding windows are saved each quarter second.
CREATE TABLE windows (
  subject TEXT NOT NULL,                  -- key_…, acc_…, 'user_42 acc_…' or an address
  name    TEXT NOT NULL,                  -- the limit's, with its window, shape and unit
  shape   TEXT NOT NULL CHECK (shape IN ('rolling', 'sliding', 'fixed')),
  start   INTEGER NOT NULL,               -- fixed: the window's start
  until   INTEGER NOT NULL,               -- from then on there is nothing worth remembering
  written INTEGER NOT NULL,               -- fixed: how much is written off
  state   BLOB NOT NULL,                  -- rolling: arrival and interval in nanoseconds; sliding: the log
  PRIMARY KEY (subject, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX windows_to_tidy ON windows (until);

-- How many requests got which verdict, by hour. Nobody recognised: empty account and key. The hour first: what is counted now lies
-- together, and saving it four times a second writes few pages; what is read by time, and what is old, lies together too.
CREATE TABLE usage (
  hour    INTEGER NOT NULL,               -- its start
  account TEXT NOT NULL,
  key     TEXT NOT NULL,                  -- key_…, or user_42 where it was the user's access token; empty too where the account alone is known
  verdict TEXT NOT NULL,
  count   INTEGER NOT NULL,
  PRIMARY KEY (hour, account, key, verdict)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_of_key ON usage (account, key, hour);

-- The same by day, UTC, written at once with the hours: a month of a key is thirty rows, and stays when its hours go.
CREATE TABLE usage_days (
  day     INTEGER NOT NULL,               -- its start, UTC
  account TEXT NOT NULL,
  key     TEXT NOT NULL,
  verdict TEXT NOT NULL,
  count   INTEGER NOT NULL,
  PRIMARY KEY (day, account, key, verdict)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_days_of_key ON usage_days (account, key, day);

-- The same of the whole server: what it does is told at once, however many keys there are.
CREATE TABLE usage_totals (
  hour    INTEGER NOT NULL,               -- its start
  verdict TEXT NOT NULL,
  count   INTEGER NOT NULL,
  PRIMARY KEY (hour, verdict)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_totals_days (
  day     INTEGER NOT NULL,               -- its start, UTC
  verdict TEXT NOT NULL,
  count   INTEGER NOT NULL,
  PRIMARY KEY (day, verdict)
) STRICT, WITHOUT ROWID;

-- How balances came to be what they are, each row on the one before it. Requests at the gate are summed up, one row an account and
-- hour, and a new one after any other movement.
CREATE TABLE balance_history (
  id         TEXT PRIMARY KEY,            -- bal_ULID
  account    TEXT NOT NULL,
  at         INTEGER NOT NULL,            -- of 'used': the hour's start
  kind       TEXT NOT NULL CHECK (kind IN ('charged', 'credited', 'set', 'plan', 'refilled', 'used')),
  tokens     INTEGER NOT NULL,            -- what came (positive) or went (negative)
  balance    INTEGER NOT NULL,            -- the whole of it afterwards
  reason     TEXT NOT NULL,               -- as given; may be empty
  actor      TEXT NOT NULL,               -- as in audit; of 'used' and 'refilled': tollgate
  request_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX balance_history_of_account ON balance_history (account, id);
CREATE INDEX balance_history_to_tidy ON balance_history (at);

-- Who did what to whom, from where, when, with what before and after. Append-only: nothing changes a row, and none goes before
-- its time.
CREATE TABLE audit (
  id         TEXT PRIMARY KEY,            -- aud_ULID: sorts by time
  at         INTEGER NOT NULL,
  actor      TEXT NOT NULL,               -- operator (the command line), tok_…, tollgate (by itself)
  origin     TEXT NOT NULL,               -- the address it came from; of the operator: control
  request_id TEXT NOT NULL,
  action     TEXT NOT NULL,               -- key.revoked
  target     TEXT NOT NULL,               -- key_…; empty where it is the whole server
  account    TEXT,                        -- whose it is
  before     TEXT NOT NULL,               -- JSON: what a change changed, as it was; null where something was made
  after      TEXT NOT NULL                -- JSON: the same, as it is now
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_of_target ON audit (target, id);
CREATE INDEX audit_of_account ON audit (account, id);
CREATE INDEX audit_of_actor ON audit (actor, id);

CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- [history] audit is two days at the least.
CREATE TRIGGER audit_goes_in_its_time BEFORE DELETE ON audit WHEN OLD.at > (unixepoch() - 86400) * 1000
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- Webhooks on their way: written with the change that they tell of, sent until somebody takes them.
CREATE TABLE outbox (
  id         TEXT PRIMARY KEY,            -- msg_ULID: webhook-id
  endpoint   TEXT NOT NULL,               -- [webhooks.NAME]
  event      TEXT NOT NULL,               -- key.revoked
  body       TEXT NOT NULL,               -- JSON, as it is signed
  created_at INTEGER NOT NULL,
  due_at     INTEGER,                     -- when it is tried next; none: taken, or given up
  tries      INTEGER NOT NULL,
  fault      TEXT,                        -- what went wrong the last time
  taken_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_due ON outbox (endpoint, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_given_up ON outbox (endpoint) WHERE due_at IS NULL AND taken_at IS NULL;
CREATE INDEX outbox_to_tidy ON outbox (created_at) WHERE due_at IS NULL;

-- What was told of already: a quota's 80 % in this window, a key's coming end.
CREATE TABLE notices (
  subject TEXT NOT NULL,                  -- key_… or acc_…
  notice  TEXT NOT NULL,                  -- key.expiring, balance.low, quota 80 and the window's name
  about   INTEGER NOT NULL,               -- the window's start, the key's end; of a balance: 0
  until   INTEGER NOT NULL,               -- from then on there is no need to remember it
  PRIMARY KEY (subject, notice, about)
) STRICT, WITHOUT ROWID;

CREATE INDEX notices_to_tidy ON notices (until);

-- What was done under an Idempotency-Key, so that it is done once. Kept for 7 days.
CREATE TABLE idempotency (
  operation  TEXT NOT NULL,
  key        TEXT NOT NULL,               -- a hash of the Idempotency-Key and of the account that who sent it is bound to
  request    BLOB NOT NULL,               -- SHA-256 of the request: the same key with another request is refused
  result     TEXT NOT NULL,               -- the id of what was made, or JSON; never a raw key
  created_at INTEGER NOT NULL,
  PRIMARY KEY (operation, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_to_tidy ON idempotency (created_at);

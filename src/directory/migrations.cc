#include "directory/migrations.h"

namespace pga::directory {
namespace {

// Times are microseconds since 1970. Ids are never reused (AUTOINCREMENT), because the store keeps rows under them.
constexpr const char* kSteps[] = {
    R"sql(
CREATE TABLE tenants (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT NOT NULL UNIQUE,
  created_us INTEGER NOT NULL
) STRICT;
INSERT INTO tenants (id, name, created_us) VALUES (1, 'default', 0);

CREATE TABLE users (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id     INTEGER NOT NULL REFERENCES tenants (id),
  name          TEXT NOT NULL UNIQUE,
  role          TEXT NOT NULL CHECK (role IN ('administrator', 'viewer')),
  password_hash TEXT NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
  created_us    INTEGER NOT NULL,
  disabled_us   INTEGER
) STRICT;

CREATE TABLE sessions (
  token_sha256 TEXT PRIMARY KEY,
  user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  csrf         TEXT NOT NULL,
  created_us   INTEGER NOT NULL,
  last_used_us INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE enrolment_tokens (
  secret_sha256 TEXT PRIMARY KEY,
  tenant_id     INTEGER NOT NULL REFERENCES tenants (id),
  created_us    INTEGER NOT NULL,
  expires_us    INTEGER NOT NULL,
  uses_left     INTEGER NOT NULL CHECK (uses_left >= 0)
) STRICT;

CREATE TABLE collectors (
  id                     INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid                   TEXT NOT NULL UNIQUE,
  tenant_id              INTEGER NOT NULL REFERENCES tenants (id),
  name                   TEXT NOT NULL,
  version                TEXT NOT NULL DEFAULT '',
  certificate_serial     TEXT NOT NULL DEFAULT '',
  previous_serial        TEXT NOT NULL DEFAULT '',
  certificate_expires_us INTEGER NOT NULL DEFAULT 0,
  enrolled_us            INTEGER NOT NULL,
  last_seen_us           INTEGER,
  clock_skew_us          INTEGER,
  frames                 INTEGER NOT NULL DEFAULT 0,
  rows_accepted          INTEGER NOT NULL DEFAULT 0,
  duplicates             INTEGER NOT NULL DEFAULT 0,
  refused                INTEGER NOT NULL DEFAULT 0,
  revoked_us             INTEGER
) STRICT;

CREATE TABLE servers (
  id                INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id         INTEGER NOT NULL REFERENCES tenants (id),
  kind              TEXT NOT NULL,
  system_identifier TEXT NOT NULL,
  name              TEXT NOT NULL,
  version           TEXT NOT NULL DEFAULT '',
  collector_id      INTEGER NOT NULL REFERENCES collectors (id),
  first_seen_us     INTEGER NOT NULL,
  UNIQUE (tenant_id, kind, system_identifier, name)
) STRICT;
CREATE INDEX servers_collector ON servers (collector_id);

CREATE TABLE stream_ranges (
  collector_id   INTEGER NOT NULL REFERENCES collectors (id),
  epoch          TEXT NOT NULL,
  first_sequence INTEGER NOT NULL,
  last_sequence  INTEGER NOT NULL CHECK (last_sequence >= first_sequence),
  PRIMARY KEY (collector_id, epoch, first_sequence)
) STRICT;

CREATE TABLE rollup_windows (
  resolution      INTEGER NOT NULL,
  window_us       INTEGER NOT NULL,
  touched_through INTEGER NOT NULL,
  rolled_through  INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (resolution, window_us)
) STRICT;
CREATE INDEX rollup_windows_due ON rollup_windows (resolution, window_us) WHERE touched_through > rolled_through;

CREATE TABLE rollup_steps (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  resolution      INTEGER NOT NULL,
  window_us       INTEGER NOT NULL,
  after_segment   INTEGER NOT NULL,
  through_segment INTEGER NOT NULL,
  UNIQUE (resolution, window_us, after_segment, through_segment)
) STRICT;

CREATE TABLE audit (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  at_us     INTEGER NOT NULL,
  tenant_id INTEGER,
  actor     TEXT NOT NULL,
  action    TEXT NOT NULL,
  outcome   TEXT NOT NULL,
  address   TEXT NOT NULL,
  detail    TEXT NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at_us);
)sql",
    // A certificate's generation, when its collector first used the newest one, and why the collector is locked out.
    R"sql(
ALTER TABLE collectors ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
ALTER TABLE collectors ADD COLUMN certificate_used_us INTEGER;
ALTER TABLE collectors ADD COLUMN locked_why TEXT;
)sql",
    // What collectors are told to do, what each made of it; who waits for a person's approval; and which authority signed whom and is
    // known to whom, while one follows another.
    R"sql(
CREATE TABLE collector_configurations (
  version      INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id    INTEGER NOT NULL REFERENCES tenants (id),
  collector_id INTEGER REFERENCES collectors (id),  -- null: for all of the tenant that have none of their own
  yaml         TEXT,                                -- null: withdrawn
  created_us   INTEGER NOT NULL
) STRICT;
CREATE INDEX collector_configurations_newest ON collector_configurations (tenant_id, collector_id, version);
CREATE VIEW wanted_configurations AS
SELECT id AS collector_id,
       coalesce((SELECT iif(yaml IS NULL, NULL, version) FROM collector_configurations AS own
                 WHERE own.tenant_id = c.tenant_id AND own.collector_id = c.id ORDER BY version DESC LIMIT 1),
                (SELECT iif(yaml IS NULL, NULL, version) FROM collector_configurations AS common
                 WHERE common.tenant_id = c.tenant_id AND common.collector_id IS NULL ORDER BY version DESC LIMIT 1), 0) AS version
FROM collectors AS c;
ALTER TABLE collectors ADD COLUMN configuration_seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collectors ADD COLUMN configuration_refused TEXT;
ALTER TABLE collectors ADD COLUMN waits_for_approval INTEGER NOT NULL DEFAULT 0;
ALTER TABLE enrolment_tokens ADD COLUMN needs_approval INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collectors ADD COLUMN signed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE collectors ADD COLUMN knows TEXT NOT NULL DEFAULT '';
)sql",
};

}  // namespace

std::span<const char* const> migrations() { return kSteps; }

}  // namespace pga::directory

-- The role that the collector uses. PostgreSQL 12 to 18. Run it as a superuser, once per server, with any client:
--
--   psql -X -v ON_ERROR_STOP=1 -d postgres -f monitoring-role.sql
--
-- It may be run again: what is there stays, what is missing is added. Nothing in it lets the role read a row of your tables or change
-- anything. For a role of another name replace pganalytics everywhere.

BEGIN;

-- 1. The role. It has no password yet: set one with  \password pganalytics  (which never sends it in clear), or let the collector log in with a
--    certificate or over a Unix socket. The collector holds one connection per database, and no more than its
--    connections_max (10) together.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pganalytics') THEN
    CREATE ROLE pganalytics LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT;
  END IF;
END
$$;

-- 2. Needed. pg_monitor is: pg_read_all_stats (sessions and statements of other users), pg_read_all_settings (settings that only
--    superusers see, such as shared_preload_libraries), pg_stat_scan_tables (pgstattuple, when you install it), and the right to list
--    the files of pg_wal and of the log folder by name and size.
--    Without it: sessions and texts of other users are hidden, so activity, statements and replication are refused by the collector
--    (outcome "privilege") instead of being shown incomplete.
GRANT pg_monitor TO pganalytics;

-- 3. Wanted on 16 and later: the role may use the connections that reserved_connections keeps back (default 0; changing it needs a
--    restart), so that you can still see what happens when all others are taken.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pg_use_reserved_connections') THEN
    GRANT pg_use_reserved_connections TO pganalytics;
  END IF;
END
$$;

-- 4. Wanted: whatever else is set for the role or the database, monitoring does not write and does not wait. The collector sets the
--    same for its own sessions; this is for you, when you log in as this role.
ALTER ROLE pganalytics SET default_transaction_read_only = on;
ALTER ROLE pganalytics SET lock_timeout = '80ms';
ALTER ROLE pganalytics SET statement_timeout = '15s';
ALTER ROLE pganalytics SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE pganalytics SET search_path = pg_catalog;

COMMIT;

-- 5. Query statistics. The library has to be in shared_preload_libraries (see the end), the extension in one database: the one that the
--    collector connects to. Run this part there:   psql -X -d postgres -c 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements'
--    Without it: postgres.statements and postgres.statement_texts are absent.

-- 6. Optional grants. Each is commented out; take out the dashes of those that you want. What helper-schema.sql offers is narrower.
--
--    14 and later: read every table. It gives column statistics (for bloat and index advice) and a look at the data itself. The helper
--    schema gives the first without the second, so prefer it.
-- GRANT pg_read_all_data TO pganalytics;
--
--    Read the server's log through SQL, for collectors that do not run on the server's machine. With this alone the role can read every
--    file that the server can read; pganalytics.read_log() of the helper schema reads the log folder only.
-- GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO pganalytics;
-- GRANT EXECUTE ON FUNCTION pg_catalog.pg_current_logfile(text) TO pganalytics;
--
--    Access rules and errors in the configuration files: who may log in how, and which lines of the files are wrong. The rules can hold
--    secrets of LDAP and RADIUS, which helper-schema.sql leaves out.
-- GRANT SELECT ON pg_catalog.pg_hba_file_rules, pg_catalog.pg_file_settings TO pganalytics;
-- GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules(), pg_catalog.pg_show_all_file_settings() TO pganalytics;
--
--    How far logical replication has come in.
-- GRANT SELECT ON pg_catalog.pg_replication_origin_status TO pganalytics;
-- GRANT EXECUTE ON FUNCTION pg_catalog.pg_show_replication_origin_status() TO pganalytics;

-- 7. Settings without which there is nothing to read. Reload is enough unless it says restart.
--    ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements';   -- restart; keep what is in the list already
--    ALTER SYSTEM SET track_io_timing = on;           -- times of reads and writes
--    ALTER SYSTEM SET track_wal_io_timing = on;       -- 14 and later: times of WAL writes and syncs
--    ALTER SYSTEM SET track_functions = 'pl';         -- postgres.functions; costs a little with very many short functions
--    ALTER SYSTEM SET track_cost_delay_timing = on;   -- 18: how long VACUUM slept
--    SELECT pg_reload_conf();

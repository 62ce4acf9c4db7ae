-- Optional: what pg_monitor cannot read, in functions that give exactly that and nothing more. PostgreSQL 12 to 18. Run it as a
-- superuser in each database that is watched (the functions of section 2 are needed in the collector's own database only):
--
--   psql -X -v ON_ERROR_STOP=1 -d DATABASE -f helper-schema.sql
--
-- It may be run again, also after an upgrade of the server, and removed with  DROP SCHEMA pganalytics CASCADE.
--
-- Each function runs with the rights of its owner (SECURITY DEFINER), therefore: the search_path is pinned, every name is qualified,
-- nobody but the monitoring role may execute it, none takes a text that becomes SQL, none writes, and none returns a value of a
-- column, a password or a connection string. For a role of another name replace it in section 3.

BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;

-- A schema of this name that somebody else made could hold functions that we would be calling: refuse it.
DO $$
DECLARE
  owner text := (SELECT r.rolname FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
                  WHERE n.nspname = 'pganalytics' AND NOT r.rolsuper);
BEGIN
  IF owner IS NOT NULL THEN
    RAISE EXCEPTION 'the schema pganalytics belongs to %, who is no superuser: look at it, then drop it', owner;
  END IF;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    RAISE EXCEPTION 'run this as a superuser: the functions read what only a superuser may';
  END IF;
END
$$;

DROP SCHEMA IF EXISTS pganalytics CASCADE;
CREATE SCHEMA pganalytics;
COMMENT ON SCHEMA pganalytics IS 'Read-only helpers of the monitoring role, version 1';

-- 1. Per database ------------------------------------------------------------------------------------------------------------------

-- Statistics of columns and of indexed expressions without a value in them: no most common values, no bounds of histograms.
--   top_frequency    share of the most common value, whatever it is
--   common_values    how many values the most-common list holds
-- Used by: postgres.column_statistics, postgres.table_bloat, postgres.index_bloat.
CREATE FUNCTION pganalytics.column_statistics()
RETURNS TABLE (starelid oid, staattnum smallint, stainherit boolean, stanullfrac real, stawidth integer, stadistinct real,
               correlation real, top_frequency real, common_values integer, histogram boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10000
AS $$
  SELECT s.starelid, s.staattnum, s.stainherit, s.stanullfrac, s.stawidth, s.stadistinct,
         CASE 3 WHEN s.stakind1 THEN s.stanumbers1[1] WHEN s.stakind2 THEN s.stanumbers2[1] WHEN s.stakind3 THEN s.stanumbers3[1]
                WHEN s.stakind4 THEN s.stanumbers4[1] WHEN s.stakind5 THEN s.stanumbers5[1] END,
         CASE 1 WHEN s.stakind1 THEN s.stanumbers1[1] WHEN s.stakind2 THEN s.stanumbers2[1] WHEN s.stakind3 THEN s.stanumbers3[1]
                WHEN s.stakind4 THEN s.stanumbers4[1] WHEN s.stakind5 THEN s.stanumbers5[1] END,
         CASE 1 WHEN s.stakind1 THEN cardinality(s.stanumbers1) WHEN s.stakind2 THEN cardinality(s.stanumbers2)
                WHEN s.stakind3 THEN cardinality(s.stanumbers3) WHEN s.stakind4 THEN cardinality(s.stanumbers4)
                WHEN s.stakind5 THEN cardinality(s.stanumbers5) END,
         2 IN (s.stakind1, s.stakind2, s.stakind3, s.stakind4, s.stakind5)
    FROM pg_catalog.pg_statistic s
$$;

-- Extended statistics: how many distinct combinations of columns there are and which column follows from which. Numbers of columns
-- and shares only; the most common combinations stay where they are.
-- Used by: postgres.extended_statistics.
CREATE FUNCTION pganalytics.extended_statistics()
RETURNS TABLE (stxoid oid, ndistinct text, dependencies text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT d.stxoid, max(d.stxdndistinct::text), max(d.stxddependencies::text) FROM pg_catalog.pg_statistic_ext_data d GROUP BY d.stxoid $$;

-- Where a sequence stands; null if it was never used. Used by: postgres.sequences.
CREATE FUNCTION pganalytics.sequence_last_value(sequence oid) RETURNS bigint
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT pg_catalog.pg_sequence_last_value(sequence::regclass) $$;

-- 2. Per server ---------------------------------------------------------------------------------------------------------------------

-- The rules of pg_hba.conf. Of options that are not known to be harmless the value is kept back (secrets of LDAP and RADIUS), and of
-- errors what they quote. Before 16 there is neither a file nor a number. Used by: postgres.access_rules.
DO $do$
DECLARE
  place text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'h.rule_number, h.file_name' ELSE 'NULL::int, NULL::text' END;
BEGIN
  EXECUTE format($create$
    CREATE FUNCTION pganalytics.hba_file_rules()
    RETURNS TABLE (rule_number integer, file_name text, line_number integer, type text, database text[], user_name text[], address text,
                   netmask text, auth_method text, options text[], error text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $body$
      SELECT %s, h.line_number, h.type, h.database, h.user_name, h.address, h.netmask, h.auth_method,
             (SELECT array_agg(CASE WHEN split_part(o, '=', 1) IN ('clientcert', 'clientname', 'map', 'include_realm', 'krb_realm',
                                       'compat_realm', 'upn_username', 'ldapscheme', 'ldaptls', 'ldapport', 'issuer', 'scope', 'validator',
                                       'delegate_ident_mapping') THEN o ELSE split_part(o, '=', 1) || '=***' END)
                FROM unnest(h.options) AS o),
             regexp_replace(h.error, '"[^"]*"', '"***"', 'g')
        FROM pg_catalog.pg_hba_file_rules h
    $body$ $create$, place);
END
$do$;

-- The maps of pg_ident.conf, which 15 and later can show. Used by: postgres.ident_mappings.
DO $do$
DECLARE
  place text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'm.map_number, m.file_name' ELSE 'NULL::int, NULL::text' END;
BEGIN
  IF to_regclass('pg_catalog.pg_ident_file_mappings') IS NULL THEN
    RETURN;
  END IF;
  EXECUTE format($create$
    CREATE FUNCTION pganalytics.ident_file_mappings()
    RETURNS TABLE (map_number integer, file_name text, line_number integer, map_name text, sys_name text, pg_username text, error text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $body$
      SELECT %s, m.line_number, m.map_name, m.sys_name, m.pg_username, regexp_replace(m.error, '"[^"]*"', '"***"', 'g')
        FROM pg_catalog.pg_ident_file_mappings m
    $body$ $create$, place);
END
$do$;

-- Lines of the configuration files and what is wrong with them; never a value that they set. Used by: postgres.setting_errors.
CREATE FUNCTION pganalytics.file_settings()
RETURNS TABLE (sourcefile text, sourceline integer, seqno integer, name text, applied boolean, error text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT f.sourcefile, f.sourceline, f.seqno, f.name, f.applied, regexp_replace(f.error, ' near token .*$|: ".*$', '')
    FROM pg_catalog.pg_file_settings f
$$;

-- Subscriptions of all databases without their connection strings; before 14 nobody else can see their oids.
-- Used by: postgres.subscriptions.
CREATE FUNCTION pganalytics.subscriptions()
RETURNS TABLE (oid oid, subdbid oid, subname name, subowner oid, subenabled boolean, subslotname name, subpublications text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.oid, s.subdbid, s.subname, s.subowner, s.subenabled, s.subslotname, s.subpublications FROM pg_catalog.pg_subscription s
$$;

-- How far each replication origin has come. Used by: postgres.replication_origins.
CREATE FUNCTION pganalytics.replication_origin_status()
RETURNS TABLE (local_id oid, external_id text, remote_lsn pg_lsn, local_lsn pg_lsn)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT o.local_id, o.external_id, o.remote_lsn, o.local_lsn FROM pg_catalog.pg_replication_origin_status o $$;

-- The server's log, for a collector on another machine. Only files directly in the log folder, at most 1 MiB at a time.
--   format      stderr, csvlog or jsonlog; null: whichever is written
CREATE FUNCTION pganalytics.current_log(format text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN format IS NULL THEN pg_catalog.pg_current_logfile() ELSE pg_catalog.pg_current_logfile(format) END $$;

CREATE FUNCTION pganalytics.log_files() RETURNS TABLE (name text, size bigint, modification timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT f.name, f.size, f.modification FROM pg_catalog.pg_ls_logdir() f $$;

-- Null: there is no such file (any more). Fewer bytes than asked for: the end of the file.
CREATE FUNCTION pganalytics.read_log(file text, start bigint, length bigint) RETURNS bytea
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF file ~ '[/\\]' OR file IN ('', '.', '..') OR start < 0 OR length NOT BETWEEN 1 AND 1048576 THEN
    RAISE EXCEPTION 'read_log takes the name of a file in the log folder, an offset, and a length of at most 1048576 bytes'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Only what pg_ls_logdir lists: regular files, none that is hidden.
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_ls_logdir() f WHERE f.name = file) THEN
    RETURN NULL;
  END IF;
  RETURN pg_catalog.pg_read_binary_file(pg_catalog.current_setting('log_directory') || '/' || file, start, length, true);
END
$$;

-- 3. Who may call them ----------------------------------------------------------------------------------------------------------------

REVOKE ALL ON SCHEMA pganalytics FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pganalytics FROM PUBLIC;
GRANT USAGE ON SCHEMA pganalytics TO pganalytics;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pganalytics TO pganalytics;

COMMIT;

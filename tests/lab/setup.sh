#!/usr/bin/env bash
# Installs what a fresh Debian 12 lacks. Three parts, each skipped when it is complete:
#   1. Debian packages, as root, from the apt sources as they are;
#   2. pinned npm packages, unpacked into the cache: the engine library (chDB) and PostgreSQL test servers;
#   3. the web UI's own npm packages, from web/package-lock.json.
# The cache is written so that an interrupted run is repaired by the next: everything is unpacked beside its
# place and renamed into it, the marker file is part of what is renamed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

CHDB_VERSION=26.7.3-stable.1
CHDB_SHA256=c0d32b129e988f2b9a9a31c9141aecf5e1e2453f9a079efc4d36ab8e3f92b2ad
CHDB_LIBRARY_SHA256=36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5
CHDB_LIBRARY_BYTES=566330096

# PostgreSQL major, package version, SHA-256 of the package
POSTGRES_PINS='12 12.22.0-beta.15 09e329491684bd4780ff5687b28dc3509343c5e4fe7c00579ea5218a06ae0168
13 13.23.0-beta.16 4c5ddc30ff58286e4c5eca4eb3466ef834bf58f86baadc2ae4b726346753c7f1
14 14.23.0-beta.17 4bfb69335cb48a5243fef0938602b4b7a3f2cfa6f5474cc432ce1e8a10ee519c
15 15.18.0-beta.17 6f52b7139cbbd6e5a354c4213a6993b6d400f17a90f21bc9ed4ca38b230cc182
16 16.14.0-beta.17 dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551
17 17.10.0-beta.17 5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b
18 18.4.0-beta.17 795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2'

CPP_PACKAGES='build-essential cmake ninja-build ccache pkg-config git ca-certificates mold python3
libboost1.81-dev libboost-json1.81-dev libssl-dev libzstd-dev libxxhash-dev libpq-dev libsqlite3-dev libyaml-cpp-dev
libcli11-dev libspdlog-dev libfmt-dev libexpected-dev doctest-dev libbenchmark-dev libargon2-dev libsimdjson-dev
libsnappy-dev zlib1g-dev'
TEST_PACKAGES='testssl.sh iproute2 nftables clang-19 libclang-rt-19-dev lld-19 clang-tidy-19 clang-format-19
python3-psycopg2 python3-yaml python3-zstandard python3-xxhash python3-jsonschema postgresql-client-15 postgresql-15
postgresql-15-pg-stat-kcache postgresql-15-pg-qualstats postgresql-15-pg-wait-sampling pgbouncer chromium fonts-dejavu-core prometheus-postgres-exporter victoria-metrics'

usage() {
  cat <<'HELP'
usage: ./run setup [--cpp-only] [--postgres LIST] [--dry-run]

Installs what is missing, and says what before it does. A second run finds nothing to do and takes a second.

  --cpp-only        only what the C++ build needs: no Node, no web UI, no engine library, no test servers
  --postgres LIST   PostgreSQL test servers by major version: 14,18 (default), all (12 to 18), or none
  --dry-run         print what would be installed and stop

environment:
  PGA_CACHE         where the engine library and the test servers go; default /var/cache/pganalytics for root,
                    ~/.cache/pganalytics otherwise

examples:
  ./run setup
  ./run setup --dry-run --postgres all
  ./run setup --cpp-only
HELP
}

cpp_only= dry= brief= postgres=14,18
while [ $# -gt 0 ]; do
  case "$1" in
    --cpp-only) cpp_only=yes ;;
    --dry-run) dry=yes ;;
    --brief) brief=yes ;;                       # silent when complete: called by another verb
    --postgres) postgres=${2:?--postgres wants a list}; shift ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; echo "./run setup: unknown option '$1'" >&2; exit 2 ;;
  esac
  shift
done
case "$postgres" in
  all) postgres=12,13,14,15,16,17,18 ;;
  none) postgres= ;;
esac
[ -n "$cpp_only" ] && postgres=

log() { printf '[setup] %s\n' "$*"; }
die() { printf '[setup] %s\n' "$@" >&2; exit 1; }
root() { [ "$(id -u)" -eq 0 ]; }

if [ -z "${PGA_CACHE:-}" ]; then
  if root; then PGA_CACHE=/var/cache/pganalytics; else PGA_CACHE=${HOME:?}/.cache/pganalytics; fi
fi
arch=$(uname -m)
case "$arch" in
  x86_64) npm_arch=x64 ;;
  aarch64) npm_arch=arm64 ;;
  *) npm_arch= ;;
esac
chdb_name=@chdb/lib-linux-$npm_arch-gnu
postgres_name=@embedded-postgres/linux-$npm_arch

# --- 1. Debian packages ---------------------------------------------------------------------------------------------

missing_packages() {
  local wanted=$CPP_PACKAGES have
  if [ -z "$cpp_only" ]; then
    wanted="$wanted $TEST_PACKAGES"
    # Node may come from elsewhere, and then Debian's npm conflicts with it: what counts is that both commands are there.
    command -v node >/dev/null && command -v npm >/dev/null || wanted="$wanted nodejs npm"
  fi
  # shellcheck disable=SC2086
  have=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' | tr '\n' ' ') "
  for package in $wanted; do
    case "$have" in *" $package "*) ;; *) printf '%s ' "$package" ;; esac
  done
}

# apt-get with one progress line per tenth; its own output goes to a file that is shown on failure.
apt_progress() {
  local out
  out=$(mktemp)
  if ! { apt-get -q -o DPkg::Lock::Timeout=600 -o APT::Status-Fd=3 "$@" >"$out" 2>&1 3>&4 </dev/null; } 4>&1 |
      awk -F: '$1 == "dlstatus" || $1 == "pmstatus" { d = $1 int($3 / 10); if (d != last) { last = d;
                 printf "[setup]   %s %d %%\n", $1 == "dlstatus" ? "fetched" : "installed", $3; fflush() } }'; then
    tail -n 20 "$out" >&2
    rm -f "$out"
    return 1
  fi
  rm -f "$out"
}

install_packages() {
  local made=() status=0
  # Nothing may start a service, and postgresql-15 may not make a cluster, just because we need the binaries.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    made+=(/usr/sbin/policy-rc.d)
  fi
  if [ ! -e /etc/postgresql-common/createcluster.d/pganalytics-setup.conf ]; then
    mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/pganalytics-setup.conf
    made+=(/etc/postgresql-common/createcluster.d/pganalytics-setup.conf)
  fi
  # shellcheck disable=SC2064
  trap "rm -f ${made[*]}" EXIT
  DEBIAN_FRONTEND=noninteractive apt_progress install -y --no-install-recommends "$@" || status=$?
  rm -f "${made[@]}"
  trap - EXIT
  return $status
}

packages=$(missing_packages)
if [ -n "$packages" ]; then
  command -v apt-get >/dev/null || die "this is not Debian: install these by hand, then run again:" "  $packages"
  if root && [ -z "$dry" ]; then
    log "apt-get update"
    apt_progress update || die "apt-get update failed: are the apt sources reachable?"
  fi
  log "Debian packages to install: $packages"
  # shellcheck disable=SC2086
  apt-get install -s --no-install-recommends $packages 2>/dev/null |
    awk '/^Inst /{n++} END { if (n) printf "[setup]   %d packages with what they depend on\n", n }'
  if [ -z "$dry" ]; then
    root || die "not root, so the Debian packages cannot be installed here. As root run:" \
      "  apt-get update && apt-get install -y --no-install-recommends $packages" "and then ./run setup again."
    # shellcheck disable=SC2086
    install_packages $packages || die "apt-get install failed"
    packages=$(missing_packages)
    [ -z "$packages" ] || die "still missing after the installation: $packages"
  fi
elif [ -z "$brief" ]; then
  log "Debian packages: nothing missing"
fi

# --- 2. pinned npm packages -----------------------------------------------------------------------------------------

# fetch NAME VERSION SHA256 DIRECTORY: the package's files are in DIRECTORY, or the script ends.
fetch() {
  local name=$1 version=$2 sha=$3 dir=$4 tgz got
  tgz=$(cd "$dir" && npm pack --loglevel=error "$name@$version" 2>"$dir/npm.log" | tail -n 1) ||
    { tail -n 5 "$dir/npm.log" >&2; die "npm pack $name@$version failed"; }
  got=$(sha256sum "$dir/$tgz" | cut -d' ' -f1)
  [ "$got" = "$sha" ] || die "$name@$version has SHA-256 $got, pinned is $sha: not used"
  tar -xzf "$dir/$tgz" -C "$dir" --strip-components=1
  rm -f "$dir/$tgz" "$dir/npm.log"
}

# A new directory beside its final place, open to the user who will run what is in it.
beside() {
  mkdir -p "$(dirname "$1")"
  rm -rf "$1".new.*
  mkdir -m 755 "$1.new.$$"
  echo "$1.new.$$"
}

put() {      # put NEW PLACE MARKER: the marker belongs to what is renamed, so a half-made directory never has one
  echo "$3" >"$1/.installed"
  rm -rf "$2"
  mv "$1" "$2"
}

marked() { [ "$(cat "$1/.installed" 2>/dev/null)" = "$2" ]; }

chdb_complete() {
  local file=$PGA_CACHE/chdb/libchdb.so
  [ -f "$file" ] && [ "$(stat -c %s "$file")" = "$CHDB_LIBRARY_BYTES" ] || return 1
  marked "$PGA_CACHE/chdb" "$CHDB_SHA256" && return 0
  # A library that was put there by hand is as good, if it is the same.
  [ -z "$dry" ] && [ "$(sha256sum "$file" | cut -d' ' -f1)" = "$CHDB_LIBRARY_SHA256" ] && [ -w "$PGA_CACHE/chdb" ] &&
    echo "$CHDB_SHA256" >"$PGA_CACHE/chdb/.installed"
}

install_chdb() {
  local new
  new=$(beside "$PGA_CACHE/chdb")
  fetch "$chdb_name" "$CHDB_VERSION" "$CHDB_SHA256" "$new"
  find "$new" -mindepth 2 -name libchdb.so -exec mv {} "$new/" \;
  chmod 755 "$new/libchdb.so"
  put "$new" "$PGA_CACHE/chdb" "$CHDB_SHA256"
}

pin() { awk -v major="$1" -v field="$2" '$1 == major { print $field }' <<<"$POSTGRES_PINS"; }

postgres_complete() {
  local dir=$PGA_CACHE/postgres/$1
  marked "$dir" "$(pin "$1" 3)" && [ -x "$dir/native/bin/postgres" ] && [ -x "$dir/native/bin/initdb" ]
}

install_postgres() {
  local new
  new=$(beside "$PGA_CACHE/postgres/$1")
  fetch "$postgres_name" "$(pin "$1" 2)" "$(pin "$1" 3)" "$new"
  (cd "$new" && node scripts/hydrate-symlinks.js)      # npm packs no symbolic links
  chmod -R go+rX "$new"
  chmod 755 "$new"/native/bin/*
  "$new/native/bin/postgres" --version >/dev/null || die "PostgreSQL $1 from $postgres_name does not start"
  put "$new" "$PGA_CACHE/postgres/$1" "$(pin "$1" 3)"
}

if [ -z "$cpp_only" ]; then
  todo=()
  chdb_complete || todo+=(chdb)
  for major in ${postgres//,/ }; do
    [ -n "$(pin "$major" 2)" ] || die "no PostgreSQL $major among the test servers; there are: 12 13 14 15 16 17 18"
    postgres_complete "$major" || todo+=("postgres-$major")
  done
  if [ ${#todo[@]} -gt 0 ] && [ "$arch" != x86_64 ]; then
    die "no pinned checksum for ${chdb_name:-this architecture} or $postgres_name yet: refused on $arch." \
      "Put libchdb.so into $PGA_CACHE/chdb yourself, or build with ./run setup --cpp-only."
  fi
  for item in "${todo[@]}"; do
    case "$item" in
      chdb) log "npm package $chdb_name@$CHDB_VERSION (178 MB, 566 MB unpacked) to $PGA_CACHE/chdb"
            [ -n "$dry" ] || install_chdb ;;
      *)    major=${item#postgres-}
            log "npm package $postgres_name@$(pin "$major" 2) (23 MB, 60 MB unpacked) to $PGA_CACHE/postgres/$major"
            [ -n "$dry" ] || install_postgres "$major" ;;
    esac
  done
  [ ${#todo[@]} -gt 0 ] || [ -n "$brief" ] || log "engine library and PostgreSQL test servers: nothing missing"

# --- 3. the web UI's packages ---------------------------------------------------------------------------------------

  if [ -f web/package-lock.json ]; then
    lock=$(sha256sum web/package-lock.json | cut -d' ' -f1)
    if [ "$(cat web/node_modules/.installed 2>/dev/null)" != "$lock" ]; then
      log "npm packages of the web UI: $(grep -c '^    "node_modules/' web/package-lock.json) in web/package-lock.json"
      if [ -z "$dry" ]; then
        (cd web && npm ci --ignore-scripts --no-progress --loglevel=error) || die "npm ci in web/ failed"
        echo "$lock" >web/node_modules/.installed
      fi
    elif [ -z "$brief" ]; then
      log "npm packages of the web UI: nothing missing"
    fi
  fi
fi
[ -n "$brief" ] || log "done"

#!/usr/bin/env bash
# Runs one benchmark program of bench/ in the release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'HELP'
usage: ./run bench NAME [options of the program]
       ./run bench              lists the names

examples:
  ./run bench wire --interval 60
  ./run bench journal --benchmark_repetitions=7
  ./run bench fuzz --seconds 600
HELP
  echo
  echo "benchmarks:"
  for file in bench/*.cc bench/*/main.cc; do
    [ -e "$file" ] && sed 's#^bench/#  #; s#/main##; s#\.cc$##' <<<"$file"
  done
  echo "  fuzz            the fuzz targets, for longer than ./run test does"
}

case "${1:-}" in ''|-h|--help) usage; exit 0 ;; esac
name=$1; shift
[ "$name" != fuzz ] || PYTHONPATH=tests exec /usr/bin/python3 -B -m lab.fuzz "$@"
[ -e "bench/$name.cc" ] || [ -e "bench/$name/main.cc" ] || { usage >&2; echo "./run bench: there is no benchmark '$name'" >&2; exit 2; }
tests/lab/build.sh --preset release --target "bench_$name" --no-web >&2
exec "build/release/bin/bench_$name" "$@"

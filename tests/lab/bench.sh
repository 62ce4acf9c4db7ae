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
  ./run bench reconnect --collectors 1000
  ./run bench outage --seconds 600
  ./run bench agent --json agent.json
  ./run bench load --collectors 500 --html load.html
HELP
  echo
  echo "benchmarks:"
  for file in bench/*.cc bench/*/main.cc; do
    [ -e "$file" ] && sed 's#^bench/#  #; s#/main##; s#\.cc$##' <<<"$file"
  done
  echo "  outage          a collector whose server is away: its memory, and what arrives afterwards"
  echo "  agent           what it costs a server to be watched, and what watching it costs; beside other agents"
  echo "  load            many collectors with everything on, beside published figures: latency, bytes, rows acknowledged and stored"
  echo "  scale           10,000 connections with certificates on one server: memory of each, latency, a restart under them"
  echo "  ingest          how much a server takes and what a row costs it, beside VictoriaMetrics"
  echo "  overload        three times what a server takes: what it still takes then, its memory, and what was lost"
  echo "  full_disk       what the engine makes of a disk that is full for a moment: parts that are not whole"
  echo "  fuzz            the fuzz targets, for longer than ./run test does"
}

case "${1:-}" in ''|-h|--help) usage; exit 0 ;; esac
name=$1; shift
[ "$name" != fuzz ] || PYTHONPATH=tests exec /usr/bin/python3 -B -m lab.fuzz "$@"
case "$name" in
  reconnect|outage|agent|load|scale|ingest|overload|full_disk)   # with real servers; PGA_BIN names programs that are there already
    [ -n "${PGA_BIN:-}" ] || case " $* " in *" --help "*|*" -h "*) ;;
      *) tests/lab/setup.sh --brief; tests/lab/build.sh --preset release --target "bench_$name" --no-web >&2 ;; esac
    PGA_BIN=${PGA_BIN:-$PWD/build/release/bin} PYTHONPATH=tests exec /usr/bin/python3 -B -m "lab.$name" "$@" ;;
esac
[ -e "bench/$name.cc" ] || [ -e "bench/$name/main.cc" ] || { usage >&2; echo "./run bench: there is no benchmark '$name'" >&2; exit 2; }
tests/lab/build.sh --preset release --target "bench_$name" --no-web >&2
exec "build/release/bin/bench_$name" "$@"

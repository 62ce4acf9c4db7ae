#!/usr/bin/env bash
# Builds the web UI (when node is there and something changed) and then the programs of one CMake preset.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'HELP'
usage: ./run build [--preset NAME] [--target NAME] [--no-web]

  --preset NAME   dev (default), release, asan, tsan, fuzz; the result is in build/NAME, programs in build/NAME/bin
  --target NAME   build only this CMake target
  --no-web        leave the UI as it is; without node this is what happens anyway

examples:
  ./run build
  ./run build --preset release
  ./run build --preset asan --target journal_test --no-web
HELP
}

preset=dev target=() web=yes brief=
while [ $# -gt 0 ]; do
  case "$1" in
    --preset) preset=${2:?--preset wants a name}; shift ;;
    --target) target=(--target "${2:?--target wants a name}"); shift ;;
    --no-web) web= ;;
    --brief) brief=yes ;;                       # say little: called by another verb
    -h|--help) usage; exit 0 ;;
    *) usage >&2; echo "./run build: unknown option '$1'" >&2; exit 2 ;;
  esac
  shift
done
log() { printf '[build] %s\n' "$*" >&2; }

web_changed() {
  [ -f web/dist/index.html ] || return 0
  [ -n "$(find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -newer web/dist/index.html -print -quit)" ]
}

if [ -n "$web" ] && [ -f web/package.json ]; then
  if ! command -v node >/dev/null || [ ! -d web/node_modules ]; then
    log "no node or no web/node_modules: the server will serve a page that says there is no UI"
  elif web_changed; then
    log "web UI"
    (cd web && npm run --silent build) || { log "web build failed"; exit 1; }
    touch web/dist/index.html
  fi
fi

[ -f "build/$preset/build.ninja" ] || { log "configure preset $preset"; cmake --preset "$preset" >&2; }
log "programs, preset $preset"
if [ -n "$brief" ] && [ ${#target[@]} -eq 0 ]; then
  out=$(mktemp)
  trap 'rm -f "$out"' EXIT
  # One line per 10 %: ninja's own progress is [done/total].
  if ! cmake --build --preset "$preset" 2>&1 | tee "$out" |
      awk 'match($0, /^\[[0-9]+\/[0-9]+\]/) { split(substr($0, 2, RLENGTH - 2), n, "/"); d = int(10 * n[1] / n[2]);
             if (d != last) { last = d; printf "[build] %d of %d\n", n[1], n[2]; fflush() } }' >&2; then
    cat "$out" >&2
    log "build failed"
    exit 1
  fi
else
  cmake --build --preset "$preset" "${target[@]}"
fi

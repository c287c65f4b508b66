#!/usr/bin/env bash
# Prometheus's own tool, for the tests of metrics and alert rules.
#
#   promtool.sh install    make sure that there is one: from Debian's package, of which nothing is installed or started
#   promtool.sh path       print its path
#
# SESSIONGATE_SERVICES_DIR (target/services) holds it.
set -euo pipefail

scripts_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(dirname "$scripts_dir")
services_dir=${SESSIONGATE_SERVICES_DIR:-$repo_dir/target/services}
mkdir -p "$services_dir"
services_dir=$(cd "$services_dir" && pwd)
own=$services_dir/promtool

fail() {
  printf '\n!! %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '!!   %s\n' "$line" >&2; done
  exit 1
}

path() {
  if command -v promtool; then return; fi
  [ -x "$own" ] && printf '%s\n' "$own"
}

install() {
  if path >/dev/null; then return; fi
  local remedy='remedy: put promtool (of Prometheus) into PATH'
  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || fail "promtool is missing, and without $tool it cannot be fetched." "$remedy"
  done
  printf 'fetching promtool with apt-get into %s\n' "$own"
  work=$(mktemp -d "$services_dir/promtool.XXXXXX")
  # shellcheck disable=SC2064 # the path as it is now
  trap "rm -rf '$work'" EXIT
  # The package would start a Prometheus: it is unpacked, and the one file is taken.
  if ! (cd "$work" && apt-get -qq download prometheus && dpkg-deb -x prometheus_*.deb .) >"$work/log" 2>&1 </dev/null ||
    ! [ -x "$work/usr/bin/promtool" ]; then
    tail -n 20 "$work/log" >&2
    fail "apt-get could not fetch promtool (the end of its output is above)." "$remedy"
  fi
  # It arrives whole, whoever fetches it at the same time.
  mv "$work/usr/bin/promtool" "$own"
}

case "${1:-}" in
install) install ;;
path) path || fail "promtool is missing." "remedy: $0 install" ;;
*)
  sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 64
  ;;
esac

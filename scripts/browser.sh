#!/usr/bin/env bash
# A Chromium for the tests of the console.
#
#   browser.sh install    make sure that there is one (Debian's, with apt-get, when this user may)
#   browser.sh path       print its path
set -euo pipefail

fail() {
  printf '\n!! %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '!!   %s\n' "$line" >&2; done
  exit 1
}

path() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name"; then return; fi
  done
  return 1
}

install() {
  if path >/dev/null; then return; fi
  local remedy='remedy: as root, apt-get install chromium'
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    fail "Chromium is missing, and this user cannot install it." "$remedy"
  fi
  printf 'installing chromium with apt-get\n'
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=120) log
  log=$(mktemp)
  # A list that could not be refreshed may still be good enough; the installation itself decides.
  if ! { "${apt[@]}" update || true; "${apt[@]}" install --no-install-recommends chromium; } >"$log" 2>&1 </dev/null ||
    ! path >/dev/null; then
    tail -n 20 "$log" >&2
    fail "apt-get could not install chromium (the end of its output is above)." "$remedy"
  fi
  rm -f "$log"
}

case "${1:-}" in
install) install ;;
path) path || fail "Chromium is missing." "remedy: $0 install" ;;
*)
  sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 64
  ;;
esac

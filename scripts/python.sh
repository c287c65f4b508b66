#!/usr/bin/env bash
# A Python of the tests' own: an environment with what tests/python/requirements.txt names, from PyPI.
#
#   python.sh install     make it, if it is not there as it should be (safe in parallel)
#   python.sh path        print the path of its interpreter
#
# SESSIONGATE_SERVICES_DIR (target/services) holds it.
set -euo pipefail

scripts_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(dirname "$scripts_dir")
requirements=$repo_dir/tests/python/requirements.txt
services_dir=${SESSIONGATE_SERVICES_DIR:-$repo_dir/target/services}
mkdir -p "$services_dir"
services_dir=$(cd "$services_dir" && pwd)
environment=$services_dir/python

fail() {
  printf '\n!! %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '!!   %s\n' "$line" >&2; done
  exit 1
}

install() {
  if [ -x "$environment/bin/python" ] && cmp -s "$requirements" "$environment/.installed-from"; then return; fi
  command -v python3 >/dev/null || fail "Python is missing." "remedy: as root, apt-get install python3 python3-venv"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$(python3 --version) is too old: 3.10 or newer is needed." "remedy: install a newer one and put it first in PATH"
  printf 'fetching what the tests need of Python into %s\n' "$environment"
  rm -rf "$environment"
  python3 -m venv "$environment" ||
    fail "Python could not make an environment (its output is above)." "remedy: as root, apt-get install python3-venv"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$requirements" </dev/null ||
    fail "pip could not fetch what tests/python/requirements.txt names (its output is above)." \
      "remedy: give this machine access to PyPI or a mirror of it (pip config), then try again"
  # It arrives last: an environment without it is made anew.
  cp "$requirements" "$environment/.installed-from"
}

case "${1:-}" in
install)
  command -v flock >/dev/null || fail "flock is missing." "remedy: apt-get install util-linux"
  exec 9>"$services_dir/python.lock"
  flock 9
  install
  ;;
path) printf '%s\n' "$environment/bin/python" ;;
*)
  sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 64
  ;;
esac

#!/usr/bin/env bash
# Every test, with a real Kafka and a real Redis started for this run. Arguments go to `cargo test`.
#
# When the services cannot be installed nothing is run and the status is 1, unless
# SESSIONGATE_TEST_WITHOUT_SERVICES=1 says that the tests which need none are enough for now.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

warn() { printf '!! %s\n' "$@" >&2; }

# Outputs that the integration tests read are kept here until a validator has seen them.
outputs=$(mktemp -d "${TMPDIR:-/tmp}/sessiongate-outputs.XXXXXX")
output=$(mktemp "${TMPDIR:-/tmp}/sessiongate-test.XXXXXX")
trap 'rm -rf "$output" "$outputs"' EXIT

launcher=(scripts/services.sh run --)
targets=()
if ! scripts/services.sh install; then
  if [ "${SESSIONGATE_TEST_WITHOUT_SERVICES:-}" != 1 ]; then
    warn "No test was run: the integration tests need the Kafka and the Redis that could not be installed (see above)." \
      "SESSIONGATE_TEST_WITHOUT_SERVICES=1 $0 runs the tests that need neither."
    exit 1
  fi
  launcher=()
  targets=(--lib --bins)
  for path in tests/*.rs tests/*/main.rs; do
    name=${path#tests/}
    name=${name%/main.rs}
    [ "$name" = it ] || targets+=(--test "${name%.rs}")
  done
fi

# The example sender, typed readers and the validator of outputs are Python's.
if [ ${#launcher[@]} -gt 0 ]; then
  if [ "${SESSIONGATE_TEST_WITHOUT_PYTHON:-}" = 1 ]; then
    :
  elif scripts/python.sh install; then
    SESSIONGATE_TEST_PYTHON=$(scripts/python.sh path)
    export SESSIONGATE_TEST_PYTHON SESSIONGATE_TEST_OUTPUTS=$outputs
  else
    warn "No test was run: what they need of Python could not be installed (see above)." \
      "SESSIONGATE_TEST_WITHOUT_PYTHON=1 $0 runs the tests that need none of it."
    exit 1
  fi
fi

# The console is looked at in a real browser.
if [ "${SESSIONGATE_TEST_WITHOUT_BROWSER:-}" != 1 ]; then
  if scripts/browser.sh install; then
    SESSIONGATE_TEST_BROWSER=$(scripts/browser.sh path)
    export SESSIONGATE_TEST_BROWSER
  else
    warn "No test was run: the browser for the console could not be installed (see above)." \
      "SESSIONGATE_TEST_WITHOUT_BROWSER=1 $0 runs the tests that need none."
    exit 1
  fi
fi

# Prometheus's own tool reads the metrics and the alert rules where it can be had; a strict reader of the tests' always.
if scripts/promtool.sh install; then
  SESSIONGATE_TEST_PROMTOOL=$(scripts/promtool.sh path)
  export SESSIONGATE_TEST_PROMTOOL
else
  warn "There is no promtool (see above): metrics and alert rules are read by the tests alone."
fi

status=0
${launcher[@]+"${launcher[@]}"} cargo test --locked --no-fail-fast ${targets[@]+"${targets[@]}"} "$@" 2>&1 | tee "$output" || status=$?

# Cargo names each test binary before it runs, and the binary ends with its result: take that of tests/it/main.rs.
ran=$(sed 's/\x1b\[[0-9;]*m//g' "$output" | awk '
  /^ *(Running|Doc-tests) / { is_it = index($0, "tests/it/main.rs") > 0 }
  is_it && /^test result: / { for (i = 2; i <= NF; i++) if ($i ~ /^(passed|failed);$/) ran += $(i - 1) }
  END { print ran + 0 }')

echo
if [ ${#launcher[@]} -eq 0 ]; then
  warn "0 tests ran on the real Kafka and Redis: there are none here, and SESSIONGATE_TEST_WITHOUT_SERVICES=1 is set." \
    "What only they can show is NOT tested: transactions, rebalances, crashes, the scripts inside Redis."
else
  echo "$ran tests ran on the real Kafka and Redis"
  # A whole run in which the integration tests did not take part must not look like a good one.
  if [ $# -eq 0 ] && [ -f tests/it/main.rs ] && [ "$ran" -eq 0 ] && [ "$status" -eq 0 ]; then
    warn "tests/it/main.rs is there, but none of its tests ran."
    status=1
  fi
  if [ "${SESSIONGATE_TEST_WITHOUT_PYTHON:-}" = 1 ]; then
    warn "SESSIONGATE_TEST_WITHOUT_PYTHON=1 is set: typed readers, the example sender and outputs against schemas/" \
      "are NOT tested."
  elif [ $# -eq 0 ]; then
    "$SESSIONGATE_TEST_PYTHON" -B tests/python/validate_outputs.py "$outputs" schemas || status=1
  fi
fi
if [ "${SESSIONGATE_TEST_WITHOUT_BROWSER:-}" = 1 ]; then
  warn "SESSIONGATE_TEST_WITHOUT_BROWSER=1 is set: the console is NOT tested."
fi
exit "$status"

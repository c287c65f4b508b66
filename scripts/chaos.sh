#!/usr/bin/env bash
# Every fault in turn under traffic, each for CHAOS_SECONDS=30, and one table of what came out. Fails when anything in
# it is not as it should be. Arguments go to `cargo test`, before its `--`: --release, for example.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/sessiongate-chaos.XXXXXX")
trap 'rm -rf "$work"' EXIT
export SESSIONGATE_TEST_CHAOS_TABLE=$work/table
export SESSIONGATE_TEST_CHAOS_SECONDS=${CHAOS_SECONDS:-30}

# One at a time: two faults at once would be another test, and the waits are those of an idle machine.
status=0
scripts/services.sh run -- cargo test --locked --no-fail-fast --test it "$@" faults:: -- \
  --skip faults::scale --test-threads=1 || status=$?

{
  printf 'fault\tverdicts\tlost\tduplicate\tfalse closed\tclosed without proof\tfalse open\tdead letters\twrong windows\t'
  printf 'longest wait closed, ms\tlongest wait open, ms\n'
  cat "$SESSIONGATE_TEST_CHAOS_TABLE" 2>/dev/null || true
} >"$work/whole"
echo
# The heading is long and the numbers are short: a column is as wide as its longest word.
awk -F '\t' '
  NR == 1 { for (i = 1; i <= NF; i++) rows = (n = split($i, word, " ")) > rows ? n : rows
            for (i = 1; i <= NF; i++) { n = split($i, word, " "); for (r = 1; r <= n; r++) head[rows - n + r, i] = word[r] }
            next }
  { for (i = 1; i <= NF; i++) body[NR, i] = $i; columns = NF > columns ? NF : columns }
  END {
    for (i = 1; i <= columns; i++) {
      for (r = 1; r <= rows; r++) if (length(head[r, i]) > width[i]) width[i] = length(head[r, i])
      for (r = 2; r <= NR; r++) if (length(body[r, i]) > width[i]) width[i] = length(body[r, i])
    }
    for (r = 1; r <= rows; r++) line(head, r)
    for (r = 2; r <= NR; r++) line(body, r)
  }
  function line(from, r, i, text) {
    text = sprintf("%-" width[1] "s", from[r, 1])
    for (i = 2; i <= columns; i++) text = text sprintf("  %" width[i] "s", from[r, i])
    print text
  }' "$work/whole"
echo
if [ "$status" -ne 0 ]; then
  echo "!! chaos failed: what went wrong is above the table" >&2
fi
exit "$status"

#!/bin/sh
# Grants a Kafka user what sessiongate needs, and no more. A test grants exactly these rights, and runs a worker with them.
#
#   BOOTSTRAP=kafka:9093 PRINCIPAL=User:sessiongate ./kafka-acls.sh --command-config admin.properties
#
# Arguments go to kafka-acls.sh (KAFKA_ACLS names another command). GROUP and TRANSACTIONAL_ID are kafka.group_id and
# kafka.transactional_id, the others the topics.
#
# TEMPLATE_STATUS and DELIVERY_STATUS are to be named when they are read.
#
#   Read, Write         carry Describe with them
#   DescribeConfigs     only for `check` and the start: retention and sizes stay unchecked without it
set -eu

: "${BOOTSTRAP:=127.0.0.1:9092}" "${PRINCIPAL:=User:sessiongate}" "${KAFKA_ACLS:=kafka-acls.sh}"
: "${GROUP:=sessiongate}" "${TRANSACTIONAL_ID:=$GROUP}"
: "${INBOUND_MESSAGE:=inbound-message}" "${OUTBOUND_INTENT:=outbound-intent}"
: "${SESSION_SEND:=session-send}" "${TEMPLATE_REQUIRED:=template-required}"
: "${WINDOW_EVENT:=window-event}" "${DEAD_LETTER:=dead-letter}"

grant() {
  "$KAFKA_ACLS" --bootstrap-server "$BOOTSTRAP" --add --allow-principal "$PRINCIPAL" "$@"
}

grant --operation Read --operation DescribeConfigs --topic "$INBOUND_MESSAGE" --topic "$OUTBOUND_INTENT" "$@"
for topic in ${TEMPLATE_STATUS:-} ${DELIVERY_STATUS:-}; do
  # What is learnt of a template is written again under the template's own key; and the group is one beside the shards'.
  grant --operation Read --operation Write --operation DescribeConfigs --topic "$topic" "$@"
  grant --operation Read --resource-pattern-type prefixed --group "$GROUP-" "$@"
done
if [ -n "${TEMPLATE_STATUS:-}${DELIVERY_STATUS:-}" ]; then
  # What customers did may stand in a webhook there, and is passed on.
  grant --operation Write --topic "$INBOUND_MESSAGE" "$@"
fi
grant --operation Write --operation DescribeConfigs --topic "$SESSION_SEND" --topic "$TEMPLATE_REQUIRED" \
  --topic "$WINDOW_EVENT" --topic "$DEAD_LETTER" "$@"
grant --operation Read --group "$GROUP" "$@"
# Every shard has ids of its own, which begin with the configured one.
grant --operation Write --resource-pattern-type prefixed --transactional-id "$TRANSACTIONAL_ID" "$@"

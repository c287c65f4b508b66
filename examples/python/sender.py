"""A sender: takes session-send from Kafka and hands each message to the provider once, while its window is open.

    sender.py --brokers 127.0.0.1:9092 --ledger sender.db

docs/senders.md says why each step is there. Needs confluent-kafka.
"""

import argparse
import json
import sqlite3
import sys
from datetime import datetime, timedelta, timezone

from confluent_kafka import Consumer, KafkaError, Producer

# The call to the provider takes a moment too: a window that ends within it counts as over.
TIME_TO_SEND = timedelta(seconds=10)


def send(verdict: dict) -> None:
    """Put the call to the provider here; it raises when the provider may not have taken the message."""
    print("sent", verdict["intent_id"], json.dumps(verdict["message"], sort_keys=True), flush=True)


class Ledger:
    """Which verdicts were begun and done, by `ce_id`. It must survive a crash, so it is a file."""

    def __init__(self, path: str):
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.execute("CREATE TABLE IF NOT EXISTS verdict (ce_id TEXT PRIMARY KEY, state TEXT NOT NULL)")

    def state(self, ce_id: str) -> str:
        found = self.database.execute("SELECT state FROM verdict WHERE ce_id = ?", (ce_id,)).fetchone()
        return found[0] if found else "new"

    def note(self, ce_id: str, state: str) -> None:
        self.database.execute("REPLACE INTO verdict VALUES (?, ?)", (ce_id, state))


class Sender:
    def __init__(self, producer: Producer, ledger: Ledger, intents: str):
        self.producer, self.ledger, self.intents = producer, ledger, intents

    def take(self, record) -> None:
        headers = dict(record.headers() or [])
        verdict, ce_id = json.loads(record.value()), headers["ce_id"].decode()
        state = self.ledger.state(ce_id)
        if state == "done":
            print("known", verdict["intent_id"], flush=True)
            return
        if state == "begun":
            # A crash between the call and its note: only the provider knows. Ask it, or choose between once too often
            # and not at all; this example chooses not at all.
            print("unclear", verdict["intent_id"], flush=True)
            return
        ends = datetime.fromisoformat(verdict["window"]["expires_at"].replace("Z", "+00:00"))
        if datetime.now(timezone.utc) + TIME_TO_SEND < ends:
            self.ledger.note(ce_id, "begun")
            send(verdict)
        else:
            self.ask_again(record, verdict, headers)
        self.ledger.note(ce_id, "done")

    def ask_again(self, record, verdict: dict, headers: dict) -> None:
        """The verdict was right when it was given, and came too late. Another intent gets another one."""
        again = verdict["intent_id"] + ".again"
        if again.endswith(".again.again"):
            print("given up", verdict["intent_id"], file=sys.stderr, flush=True)
            return
        # The id follows from the first one: whoever asks a second time asks for a duplicate.
        intent = {name: verdict[name] for name in ("channel", "business_id", "customer_id", "message")}
        intent = {"intent_id": again, **intent, "template": template_for(verdict)}
        trace = [(name, headers[name]) for name in ("traceparent", "tracestate") if name in headers]
        refused = []
        self.producer.produce(
            self.intents,
            key=record.key(),
            value=json.dumps(intent),
            headers=trace,
            on_delivery=lambda error, _: refused.append(error) if error else None,
        )
        # What the brokers refused is not outstanding any more: only its report tells. The verdict is not done then, and
        # comes again.
        if self.producer.flush(30) or refused:
            raise RuntimeError(f"the brokers did not take the new intent: {refused or 'no answer'}")
        print("too late", verdict["intent_id"], "asked again as", again, flush=True)


def template_for(verdict: dict) -> dict:
    """The template that says the same; a verdict does not carry the intent's."""
    return {"name": "order_update", "language": "en_US"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--brokers", required=True)
    options.add_argument("--group", default="sender")
    options.add_argument("--topic", default="session-send")
    options.add_argument("--intents", default="outbound-intent")
    options.add_argument("--ledger", default="sender.db")
    options.add_argument("--until-end", action="store_true", help="stop when everything there is was taken")
    arguments = options.parse_args()
    consumer = Consumer({
        "bootstrap.servers": arguments.brokers,
        "group.id": arguments.group,
        # What a transaction has not committed may never have happened.
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        # An offset is committed when its verdict is done, and not by a timer.
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    })
    producer = Producer({
        "bootstrap.servers": arguments.brokers,
        "enable.idempotence": True,
        # As Java clients do: a customer's intents stay in one partition.
        "partitioner": "murmur2_random",
    })
    sender = Sender(producer, Ledger(arguments.ledger), arguments.intents)
    consumer.subscribe([arguments.topic])
    ended: set = set()
    try:
        while not (arguments.until_end and ended and len(ended) == len(consumer.assignment())):
            record = consumer.poll(1)
            if record is None:
                continue
            if record.error() is None:
                sender.take(record)
                consumer.commit(record, asynchronous=False)
            elif record.error().code() == KafkaError._PARTITION_EOF:
                ended.add(record.partition())
            else:
                print(record.error(), file=sys.stderr, flush=True)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()

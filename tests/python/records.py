"""Records that the integration tests read, one JSON object a line, as values and headers."""

import json
from pathlib import Path


def parse(line: str) -> dict:
    """A record: value as text, headers as names and bytes in order."""
    record = json.loads(line)
    record["headers"] = [(name, bytes.fromhex(value)) for name, value in record["headers"]]
    return record


def headers(schema: dict, record: dict) -> dict:
    """The headers as the object that their schema speaks of; of a name that comes twice, the last one counts."""
    decoded = {}
    for name, value in record["headers"]:
        encoding = schema["properties"].get(name, {}).get("x-kafka-encoding")
        if encoding is None:
            decoded[name] = value.decode("utf-8", "surrogateescape")
        elif len(value) == int(encoding.removeprefix("big-endian-")):
            decoded[name] = int.from_bytes(value, "big", signed=True)
        else:
            decoded[name] = None
    return decoded


def parts(schemas: dict, record: dict):
    """Which schema is for which part of the record."""
    if record["topic"] == "dead-letter":
        yield "dead-letter-headers", headers(schemas["dead-letter-headers"], record)
    else:
        yield record["topic"], json.loads(record["value"])
        yield "event-headers", headers(schemas["event-headers"], record)


def schemas(folder: Path) -> dict:
    """The schemas by name."""
    files = [path for path in sorted(folder.glob("*.json")) if path.name != "asyncapi.json"]
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}

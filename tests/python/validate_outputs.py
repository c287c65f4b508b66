"""Validates every output that the integration tests read against schemas/, by a validator that is not ours.

    validate_outputs.py FOLDER SCHEMAS

FOLDER holds *.ndjson as the tests write them. Prints counts, and fails on an invalid record, on an output topic
without any record, and when there is none at all.
"""

import sys
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

import records
from jsonschema import Draft202012Validator, FormatChecker

OUTPUTS = ["session-send", "template-required", "window-event", "dead-letter"]
BATCH = 2_000
MOST_SHOWN = 10

schemas: dict = {}
validators: dict = {}


def prepare(folder: Path) -> None:
    """In each process: the schemas, which must be such themselves."""
    schemas.update(records.schemas(folder))
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        validators[name] = Draft202012Validator(schema, format_checker=FormatChecker())


def validate(batch) -> tuple[Counter, list[str]]:
    """How many records of each topic a batch of lines holds, and what is wrong with them."""
    seen, errors = Counter(), []
    for name, line in batch:
        record = records.parse(line)
        seen[record["topic"]] += 1
        for part, value in records.parts(schemas, record):
            found = validators[part].iter_errors(value)
            errors += [f"{name}: {part} {error.json_path}: {error.message}" for error in found]
    return seen, errors


def lines(folder: Path):
    for path in sorted(folder.glob("*.ndjson")):
        with open(path, encoding="utf-8") as file:
            yield from ((path.name, line) for line in file)


def batches(folder: Path):
    batch = []
    for line in lines(folder):
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def main(folder: Path, schemas_folder: Path) -> int:
    seen, errors = Counter(), []
    with Pool(initializer=prepare, initargs=(schemas_folder,)) as pool:
        for found, wrong in pool.imap_unordered(validate, batches(folder)):
            seen += found
            errors += wrong
    print("outputs of the worker that the Python package jsonschema held against schemas/:")
    for topic in OUTPUTS:
        print(f"  {topic:<18} {seen[topic]:>8} records")
    for error in errors[:MOST_SHOWN]:
        print(f"!! {error}", file=sys.stderr)
    missing = [topic for topic in OUTPUTS if not seen[topic]]
    if errors:
        print(f"!! {len(errors)} errors", file=sys.stderr)
    if missing:
        print(f"!! not one record of {', '.join(missing)} was read: nothing is shown of them", file=sys.stderr)
    return 1 if errors or missing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

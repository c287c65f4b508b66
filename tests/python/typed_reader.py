"""Generates types from the schemas with a public generator, and reads outputs of the worker with them.

    typed_reader.py SCHEMAS RECORDS

Prints one JSON object a record: what the types say of it. Fails when a type refuses a record.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import records

TYPES = {
    "session-send": "SessionSend",
    "template-required": "TemplateRequired",
    "window-event": "WindowEvent",
    "event-headers": "EventHeaders",
    "dead-letter-headers": "DeadLetterHeaders",
}


def generate(schema: Path, folder: Path):
    """The type of a schema, from a module that is written, loaded and never edited."""
    module_path = folder / f"{schema.stem.replace('-', '_')}.py"
    command = [Path(sys.executable).with_name("datamodel-codegen"), "--input", schema, "--output", module_path]
    command += ["--input-file-type", "jsonschema", "--output-model-type", "pydantic_v2.BaseModel"]
    command += ["--target-python-version", f"{sys.version_info.major}.{sys.version_info.minor}"]
    command += ["--formatters", "builtin", "--disable-timestamp"]
    subprocess.run(command, check=True)
    spec = importlib.util.spec_from_file_location(module_path.stem, module_path)
    module = importlib.util.module_from_spec(spec)
    # Types that are named before they are defined are looked up there.
    sys.modules[module_path.stem] = module
    spec.loader.exec_module(module)
    return getattr(module, TYPES[schema.stem])


def said(topic: str, read: dict) -> dict:
    """What a reader would go by, by attributes that only the generated types have."""
    if topic == "dead-letter":
        headers = read["dead-letter-headers"]
        return {"reason": headers.sessiongate_error_reason, "offset": headers.kafka_dlt_original_offset}
    value, headers = read[topic], read["event-headers"]
    assert headers.ce_subject == f"{value.business_id}:{value.customer_id}"
    if topic == "session-send":
        assert value.window.expires_at - value.window.last_inbound_at == timedelta(hours=24)
        return {"intent_id": value.intent_id, "send": value.message, "until": value.window.expires_at.isoformat()}
    if topic == "template-required":
        name = value.template.model_extra["name"] if value.template else None
        return {"intent_id": value.intent_id, "reason": value.reason.value, "template": name}
    return {"event": value.event.value, "message_id": value.cause.message_id}


def main(schemas_folder: Path, path: Path) -> None:
    schemas = records.schemas(schemas_folder)
    with tempfile.TemporaryDirectory() as folder:
        types = {name: generate(schemas_folder / f"{name}.json", Path(folder)) for name in TYPES}
        for line in path.read_text(encoding="utf-8").splitlines():
            record = records.parse(line)
            read = {name: types[name].model_validate(part) for name, part in records.parts(schemas, record)}
            print(json.dumps({"topic": record["topic"], **said(record["topic"], read)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

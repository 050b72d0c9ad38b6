"""The tables of a job as the text of a job file."""

import json


def toml_text(tables):
    """Return the TOML of {table: {key: value}}; values are texts, numbers, booleans and lists of them. Tables without keys are left out."""
    parts = [
        "\n".join([f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items() if value is not None)])
        for name, table in tables.items()
        if table
    ]
    return "\n\n".join(parts) + "\n"


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # the escapes of JSON are TOML's, which has one more
    return repr(value)

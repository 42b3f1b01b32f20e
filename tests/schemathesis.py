"""Hooks of tests/schemathesis."""

import json
import os

import schemathesis
from hypothesis import strategies

KEPT = set(os.environ["KEPT"].split())
NOBODY = "acc_00000000000000000000000000"

# When something ends lies in the future, which a schema cannot say.
years = strategies.integers(2100, 2900)
schemathesis.openapi.format("date", years.map(lambda year: f"{year}-02-03"))
schemathesis.openapi.format("date-time", years.map(lambda year: f"{year}-02-03T04:05:06Z"))


@schemathesis.serializer("application/jsonl")
def lines(context, value):
    """What is no text is a row."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    """What everything else stands on is neither revoked nor switched off, and no time of an answer is taken for an end."""
    if case.method.upper() != "GET" and (case.path_parameters or {}).get("id") in KEPT:
        case.path_parameters["id"] = NOBODY
    if isinstance(case.body, dict):
        for field in ("expires_at", "plan_until"):
            if str(case.body.get(field, "")).startswith("20"):
                case.body[field] = "2100-02-03T04:05:06Z"

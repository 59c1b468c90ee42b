"""GET /openapi.json: the track API as OpenAPI 3.1, with the schema and the limits that are enforced."""

from __future__ import annotations

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route as HttpRoute

from bridge import __version__, contract
from bridge.core import json_text
from bridge.core.json_text import Json

PATH = "/openapi.json"

_EVENT_ID = "evt_1704067200000_abc123"
_PURCHASE: Json = {
    "event_type": "purchase",
    "timestamp": "2024-01-15T14:30:45Z",
    "session_id": "sess_abc123",
    "user_id": "user_12345",
    "properties": {"order_id": "ORD-12345", "value": 99.99, "currency": "USD"},
    "user_data": {"email": "customer@example.com", "phone": "+1234567890"},
    "context": {
        "ip": "203.0.113.0",
        "user_agent": "Mozilla/5.0...",
        "page_url": "https://yoursite.com/checkout",
    },
}
_BATCH: Json = {
    "events": [
        {"event_type": "purchase", "properties": {"order_id": "ORD-001", "value": 99.99}},
        {"event_type": "purchase", "properties": {"order_id": "ORD-002", "value": 149.99}},
    ]
}


def openapi_document(prefix: str = "") -> dict[str, Json]:
    """The whole description, for a bridge below that prefix."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "trackbridge: track API",
            "version": __version__,
            "description": "Events go in by one address each or in batches. 200 means that all of them are on disk.",
        },
        "servers": [{"url": prefix or "/", "description": "This bridge."}],
        "security": [{"bearer": []}, {"query": []}],
        "paths": {
            "/v1/track": {
                "post": _describe_operation(
                    "track", "Track one event.", schema=_schema_ref("schemas/Event"), example=_PURCHASE, answer="Taken"
                )
            },
            "/v1/track/batch": {
                "post": _describe_operation(
                    "trackBatch",
                    f"Track 1 to {contract.BATCH_EVENTS} events: all of them are taken, or none.",
                    schema=_schema_ref("schemas/Batch"),
                    example=_BATCH,
                    answer="BatchTaken",
                )
            },
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The server API key. It wins."},
                "query": {"type": "apiKey", "in": "query", "name": "api_key", "description": "The same key."},
            },
            "parameters": {"IdempotencyKey": _IDEMPOTENCY_KEY},
            "headers": {"RetryAfter": {"description": "Whole seconds to wait.", "schema": {"type": "integer"}}},
            "schemas": {
                "Event": {name: part for name, part in contract.SCHEMA.items() if name != "$schema"},
                "Batch": _BATCH_SCHEMA,
                "Taken": _TAKEN,
                "BatchTaken": _BATCH_TAKEN,
                "Error": _ERROR,
            },
            "responses": _RESPONSES,
        },
    }


def openapi_routes(prefix: str = "") -> list[HttpRoute]:
    """The one route. It is public, for it shows none of this bridge's settings."""
    content = json_text.write_json(openapi_document(prefix))

    async def answer(_http: HttpRequest) -> Response:
        return Response(content, media_type="application/json")

    return [HttpRoute(PATH, answer)]


def _describe_operation(name: str, summary: str, *, schema: Json, example: Json, answer: str) -> dict[str, Json]:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [_schema_ref("parameters/IdempotencyKey")],
        "requestBody": {
            "required": True,
            "description": f"JSON in UTF-8, at most {contract.REQUEST_BYTES} bytes, without a Content-Encoding.",
            "content": {"application/json": {"schema": schema, "examples": {"purchase": {"value": example}}}},
        },
        "responses": {
            "200": {
                "description": "On disk.",
                "content": {"application/json": {"schema": _schema_ref(f"schemas/{answer}")}},
            },
            **{status: _schema_ref(f"responses/{status}") for status in _RESPONSES},
        },
    }


def _schema_ref(what: str) -> dict[str, str]:
    return {"$ref": f"#/components/{what}"}


def _error_response(description: str, error: str, **headers: Json) -> dict[str, Json]:
    example = {"success": False, "error": error}
    answer: dict[str, Json] = {
        "description": description,
        "content": {"application/json": {"schema": _schema_ref("schemas/Error"), "example": example}},
    }
    return answer | (
        {"headers": {name.replace("_", "-"): header for name, header in headers.items()}} if headers else {}
    )


_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "The same key and body, within 24 hours at least, get the first answer again and keep nothing new. The "
        "API keys of one scope share their Idempotency-Keys."
    ),
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
_BATCH_SCHEMA: Json = {
    "type": "object",
    "required": ["events"],
    "properties": {
        "events": {
            "type": "array",
            "minItems": 1,
            "maxItems": contract.BATCH_EVENTS,
            "items": _schema_ref("schemas/Event"),
        }
    },
}
_DUPLICATE_OF: Json = {
    "type": "string",
    "description": "The event that has this conversion already. The duplicate is kept and not forwarded.",
}
_GIVEN_EVENT_ID: Json = {
    "type": "string",
    "description": (
        "The id that the event was given, where another scope's event or a webhook's event has that id already. "
        "The event goes upstream by its event_id, and the same given id, sent again, gets the same event_id."
    ),
}
_TAKEN: Json = {
    "type": "object",
    "required": ["success", "event_id"],
    "properties": {
        "success": {"const": True},
        "event_id": {"type": "string"},
        "duplicate_of": _DUPLICATE_OF,
        "given_event_id": _GIVEN_EVENT_ID,
    },
    "examples": [{"success": True, "event_id": _EVENT_ID}],
}


def _some_of_them(description: str, why: str) -> Json:
    """A list of those events of a batch that have `why`."""
    return {
        "type": "array",
        "description": description,
        "items": {
            "type": "object",
            "required": ["index", "event_id", why],
            "properties": {
                "index": {"type": "integer", "description": "Its place in the request, from 0."},
                "event_id": {"type": "string"},
                "duplicate_of": _DUPLICATE_OF,
                "given_event_id": _GIVEN_EVENT_ID,
            },
        },
    }


_BATCH_TAKEN: Json = {
    "type": "object",
    "required": ["success", "event_ids"],
    "properties": {
        "success": {"const": True},
        "event_ids": {"type": "array", "items": {"type": "string"}, "description": "In the order of the request."},
        "duplicates": _some_of_them("The duplicates among them; absent where there is none.", "duplicate_of"),
        "given_event_ids": _some_of_them(
            "The events among them that got another id than they were given; absent where there is none.",
            "given_event_id",
        ),
    },
    "examples": [{"success": True, "event_ids": [_EVENT_ID, "evt_1704067200000_def456"]}],
}
_ERROR: Json = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False},
        "error": {"type": "string", "description": "What is wrong, and what to do about it."},
        "errors": {
            "type": "array",
            "description": "Of a batch: every event that cannot be taken.",
            "items": {
                "type": "object",
                "required": ["index", "error"],
                "properties": {"index": {"type": "integer"}, "error": {"type": "string"}},
            },
        },
    },
}
_RETRY_AFTER = _schema_ref("headers/RetryAfter")
_RESPONSES: dict[str, Json] = {
    "400": _error_response(
        "Not JSON, or not an event; nothing of a batch is kept. Change the request.",
        'properties.value must be a number, got "99.99" (a string)',
    ),
    "401": _error_response(
        "No key or an unknown one.",
        "Invalid API key",
        WWW_Authenticate={"description": "`Bearer`.", "schema": {"type": "string"}},
    ),
    "405": _error_response(
        "Another method than POST.",
        "this address takes POST",
        Allow={"description": "`POST`.", "schema": {"type": "string"}},
    ),
    "408": _error_response("The body took too long. Retry.", "the body took longer than 30 s; send it again"),
    "413": _error_response(
        "Too large a request. Send less.", f"the body is over {contract.REQUEST_BYTES} bytes; send less"
    ),
    "415": _error_response(
        "A Content-Encoding. Send it plain.", "a Content-Encoding is not taken; send the body as it is"
    ),
    "422": _error_response(
        "An Idempotency-Key seen with another body.",
        "this Idempotency-Key was sent with another body before; use a new key",
    ),
    "429": _error_response(
        "Over the rate. Back off, retry later.",
        "over the rate of requests a minute; send it again in 7 s",
        Retry_After=_RETRY_AFTER,
    ),
    "500": _error_response("Our fault. Retry with backoff.", "a fault of ours; send it again later"),
    "503": _error_response(
        "The store cannot take it now. Retry with backoff.",
        "cannot be kept now; send it again later",
        Retry_After=_RETRY_AFTER,
    ),
}

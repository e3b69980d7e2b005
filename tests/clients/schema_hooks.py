"""schemathesis' hooks: most requests are for the model that is there, or they would never come further than its name."""

import schemathesis


@schemathesis.hook
def map_body(context, body):
    for field in ("model", "source"):
        if isinstance(body, dict) and isinstance(body.get(field), str) and len(body[field]) % 4:
            body[field] = "demo"
    return body

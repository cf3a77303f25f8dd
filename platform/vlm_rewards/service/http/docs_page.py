"""The page at `/docs`: Swagger UI from an installed package.

Tokens are typed into it, so it runs and loads nothing that this gateway does not serve itself.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from fastapi import FastAPI
    from fastapi.responses import Response


_PACKAGE = "fastapi_offline"
_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon.png": "image/png",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>vlm_rewards</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});
"""

# Nothing from elsewhere, nothing to elsewhere, in nobody's frame. Swagger UI sets styles on its elements.
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def add_docs_page(app: FastAPI) -> None:
    """Add `/docs` and its files, which are open to everybody, to an application made without FastAPI's own."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(_PAGE, media_type="text/html", headers=_POLICY)

    @app.get("/docs/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers=_POLICY)

    for name in _ASSETS:
        app.add_api_route(f"/docs/{name}", _endpoint(name), include_in_schema=False)


def _endpoint(name: str) -> Callable[[], Awaitable[Response]]:
    async def asset() -> Response:
        headers = {**_POLICY, "Cache-Control": "max-age=86400"}
        return Response(_asset(name), media_type=_ASSETS[name], headers=headers)

    return asset


@cache
def _asset(name: str) -> bytes:
    return resources.files(_PACKAGE).joinpath("static", name).read_bytes()

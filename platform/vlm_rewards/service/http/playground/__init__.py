"""The page at `/playground`: words and pictures of one's own, and what the models here pay for them.

It computes rewards in the browser, from the embeddings that this gateway's API gives, and loads nothing from elsewhere.
The server of `vlm_rewards.playground` adds environments to step; a gateway on a cluster has none.
"""

import re
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse, Response

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet, packaged_task_sets
from vlm_rewards.goals.task_set import TASK_SETS
from vlm_rewards.service.http.errors import HttpError

_FILES = {
    "style.css": "text/css",
    **{
        f"{name}.js": "text/javascript"
        for name in (
            "actions",
            "api",
            "app",
            "copy",
            "curve",
            "lines",
            "pictures",
            "results",
            "reward",
            "scoring",
            "stage",
            "state",
            "task_sets",
        )
    },
}

# A goal as the packaged files write it, one a line.
_GOAL_ID = re.compile(r"^\s*- \{id: ([^,}]+),", re.MULTILINE)

# As the page at /docs, and stricter: no style but the file's. Pictures of the user's own are blobs.
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_playground_page(app: FastAPI) -> None:
    """Add `/playground`, its files and the library's task sets, all open to everybody, to an application."""

    @app.get("/playground", include_in_schema=False)
    async def playground() -> Response:
        return Response(_file("page.html"), media_type="text/html", headers=_POLICY)

    @app.get("/playground/task-sets", include_in_schema=False)
    async def task_sets() -> Response:
        return Response(_task_sets(), media_type="application/json", headers=_POLICY)

    @app.get("/playground/task-sets/{name}", include_in_schema=False)
    async def task_set(name: str) -> Response:
        try:
            found = TaskSet.named(name)
        except ConfigError as error:
            raise HttpError("not_found", f"there is no task set {name[:100]!r}", "see /playground/task-sets") from error
        goals = [{"id": goal.id, "subject": goal.subject} for goal in found.all_goals]
        body = {"name": found.name, "goals": goals, "unachieved_captions": found.unachieved_captions}
        return JSONResponse(body, headers=_POLICY)

    for name in _FILES:
        app.add_api_route(f"/playground/{name}", _endpoint(name), include_in_schema=False)


def _endpoint(name: str) -> Callable[[], Awaitable[Response]]:
    async def asset() -> Response:
        return Response(_file(name), media_type=_FILES[name], headers=_POLICY)

    return asset


@cache
def _file(name: str) -> bytes:
    return resources.files(__name__).joinpath(name).read_bytes()


@cache
def _task_sets() -> bytes:
    """Return what is needed to choose one, as JSON."""
    listed = []
    for name in packaged_task_sets():
        # Parsing them all takes seconds, for which a page that just opens would wait.
        ids = _GOAL_ID.findall((TASK_SETS / f"{name}.yaml").read_text(encoding="utf-8"))
        listed.append({"name": name, "goals": len(ids), "first": ids[0], "last": ids[-1]})
    return bytes(JSONResponse({"task_sets": listed}).body)

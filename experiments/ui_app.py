"""MLflow's web application behind a small doorman: the training view first, no assistant.

MLflow 3 opens on pages about chat traces and offers an assistant that runs commands on the host. The doorman shows the
model training pages by default (the switch in the page still works) and refuses every call to the assistant.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from cinchona.experiments.client import load_mlflow

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ASSISTANT: Final = "/ajax-api/3.0/mlflow/assistant"
NOBODY: Final = "/ajax-api/2.0/mlflow/users/current"
"""Pages ask who is logged in; without a login MLflow has no such route, and each page logs an error."""
COOKIE: Final = b"cinchona-view=1"
_CHOICES: Final = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
}
"""What MLflow's pages keep in the browser: the training view, and an assistant that does not open by itself."""
_JSON: Final = [(b"content-type", b"application/json")]
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>MLflow</title>
<noscript>MLflow's pages need JavaScript.</noscript>
<script nonce="{nonce}">
{choices}
document.cookie = "cinchona-view=1; path=/; SameSite=Strict";
if (!location.hash) history.replaceState(null, "", "/#/experiments?workflowType=machine_learning");
location.reload();
</script></html>
"""


class TrainingView:
    """Passes requests on to ``application``, except the first page of a new browser and the assistant's."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one ASGI connection."""
        path = str(scope.get("path", "")) if scope["type"] == "http" else ""
        if path.startswith(ASSISTANT):
            await _answer(send, *_no_assistant(path, scope["method"]))
        elif path == NOBODY:
            await _answer(send, 200, b"{}", _JSON)
        elif path == "/" and not _knows(scope):
            await _answer(send, 200, *_first_page())
        else:
            await self._application(scope, receive, send)


def create_app() -> Application:
    """Build the application from the environment that :func:`cinchona.experiments.ui.server_environment` made."""
    return TrainingView(load_mlflow("mlflow.server.fastapi_app").app)


def _knows(scope: Scope) -> bool:
    return any(name == b"cookie" and COOKIE in value for name, value in scope.get("headers", ()))


def _no_assistant(path: str, method: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    if method == "GET" and path == f"{ASSISTANT}/config":
        return 200, b'{"providers": {}, "projects": {}, "remote_access_allowed": false}', _JSON
    if method == "GET" and path == f"{ASSISTANT}/providers":
        return 200, b'{"providers": []}', _JSON
    return 403, b'{"detail": "the assistant is switched off"}', _JSON


def _first_page() -> tuple[bytes, list[tuple[bytes, bytes]]]:
    nonce = secrets.token_urlsafe(16)
    choices = "\n".join(
        f"if (localStorage.getItem('{key}') === null) localStorage.setItem('{key}', '{value}');"
        for key, value in _CHOICES.items()
    )
    return _PAGE.format(nonce=nonce, choices=choices).encode(), [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", f"default-src 'none'; script-src 'nonce-{nonce}'".encode()),
        (b"cache-control", b"no-store"),
    ]


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})

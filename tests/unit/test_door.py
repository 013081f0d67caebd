"""Who may come in: one request in, one refusal or none out."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from orchestration.pages.door import (
    GRAPHQL,
    Asked,
    Door,
    Guarded,
    Message,
    Proxy,
    Receive,
    Scope,
    Send,
    local_door,
    refusal_of,
    user_of,
)

TOKEN = "a-token-of-the-session"
LOCAL = local_door(3000, TOKEN)
PROXIED = Door(
    frozenset({"https://registry.example.org"}),
    "",
    proxy=Proxy("Remote-User", ipaddress.ip_network("10.0.0.0/24")),
)


def asked(
    method: str = "GET", path: str = "/", peer: str = "127.0.0.1", query: str = "", **headers: str
) -> Asked:
    """A request of the session, with some headers added or replaced; `""` leaves one out."""
    own = {"host": "127.0.0.1:3000", "cookie": f"myositis_3000={TOKEN}"}
    if method in ("POST", "WEBSOCKET"):
        own |= {"origin": "http://127.0.0.1:3000", "content-type": "application/json"}
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked(method, path, query, {n: (v,) for n, v in {**own, **changed}.items() if v}, peer)


def through_the_proxy(peer: str = "10.0.0.7", **headers: str) -> Asked:
    given = {
        "host": "registry.example.org",
        "cookie": "",
        "remote_user": "ada",
        "x_forwarded_for": "192.0.2.1",
    }
    return asked(peer=peer, **{**given, **headers})


def status(request: Asked, door: Door = LOCAL) -> int | None:
    found = refusal_of(request, door)
    return found.status if found else None


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "[::1]:3000"])
def test_the_session_reads_pages_under_each_name_of_this_machine(host: str) -> None:
    assert status(asked(host=host)) is None


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked("POST", GRAPHQL), None),
        (asked("POST", GRAPHQL, query="op=AssetRecordsQuery"), None),
        (asked("POST", GRAPHQL, query="query=mutation"), 415),
        (asked("POST", GRAPHQL, query="op=A&query=mutation"), 415),
        (asked("POST", GRAPHQL, content_type="text/plain"), 415),
        (asked("POST", GRAPHQL, origin=""), 403),
        (asked("POST", GRAPHQL, origin="http://127.0.0.1:3001"), 403),
        (asked("POST", GRAPHQL, origin="null"), 403),
        (asked("POST", "/dagster/report_asset_check/raw"), 405),
        (asked("GET", GRAPHQL), 405),
        (asked("HEAD", f"{GRAPHQL}/"), 405),
        (asked("WEBSOCKET", GRAPHQL), None),
        (asked("WEBSOCKET", GRAPHQL, origin=""), 403),
        (asked("WEBSOCKET", GRAPHQL, cookie=""), 401),
        (asked("WEBSOCKET", "/"), 404),
        (asked("DELETE"), 403),
        (asked("DELETE", origin="http://localhost:3000"), 405),
        (asked(origin="https://evil.example"), 403),
        (asked(host="evil.example:3000"), 421),
        (asked(host="127.0.0.1"), 421),
        (asked(cookie="myositis_3000=a-token-of-the-sessioN"), 401),
        (asked(cookie="myositis_3000="), 401),
        (asked(cookie=""), 401),
        (asked(sec_fetch_site="cross-site", sec_fetch_mode="no-cors"), 403),
        (asked(sec_fetch_site="same-site", sec_fetch_mode="cors"), 403),
        (asked(sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="document"), None),
        (asked(sec_fetch_site="same-origin", sec_fetch_mode="navigate", sec_fetch_dest="iframe"), 403),
        (asked(x_forwarded_for="192.0.2.1"), 403),
        (asked(x_http_method_override="POST"), 400),
        (asked(accept="x" * 40_000), 431),
    ],
)
def test_a_request_comes_in_only_if_all_of_it_is_in_order(request_: Asked, expected: int | None) -> None:
    assert status(request_) == expected


def test_a_header_that_stands_twice_is_no_header() -> None:
    request = asked()
    twice = replace(request, headers={**request.headers, "host": ("127.0.0.1:3000", "evil.example")})
    assert status(twice) == 421


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (through_the_proxy(), None),
        (through_the_proxy(host="registry.example.org:443"), None),
        (through_the_proxy(peer="::ffff:10.0.0.7"), None),
        (through_the_proxy(peer="10.0.1.7"), 403),
        (through_the_proxy(peer=""), 403),
        (through_the_proxy(remote_user=""), 401),
        (through_the_proxy(remote_user=" "), 401),
        (through_the_proxy(host="10.0.0.1:3000"), 421),
        (through_the_proxy(origin="http://registry.example.org"), 403),
        (through_the_proxy(origin="https://registry.example.org"), None),
    ],
)
def test_behind_a_proxy_its_address_and_the_user_that_it_names_count(
    request_: Asked, expected: int | None
) -> None:
    assert status(request_, PROXIED) == expected


def test_the_user_is_whom_the_proxy_names_and_nobody_else_names_one() -> None:
    assert user_of(through_the_proxy(), PROXIED) == "ada"
    assert user_of(asked(remote_user="ada"), LOCAL) == ""


def answer(query: str, path: str = "/report/", door: Door = LOCAL, **headers: str) -> dict[str, Any]:
    """The head of the answer to a request without a cookie, by way of the whole door."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"host": "127.0.0.1:3000", **headers}
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [(n.encode(), v.encode()) for n, v in given.items()],
        "client": ("127.0.0.1", 50_000),
    }
    asyncio.run(Guarded(app, door)(scope, receive, send))
    found = {n.decode(): v.decode() for n, v in sent[0]["headers"]}
    return {"status": sent[0]["status"], **found}


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address() -> None:
    found = answer(f"a=1&token={TOKEN}")
    assert found["status"] == 303
    assert found["location"] == "/report/?a=1"
    assert found["set-cookie"] == f"myositis_3000={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    assert found["referrer-policy"] == "no-referrer"
    assert found["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "///evil.example/a"])
def test_the_redirect_stays_on_this_machine(path: str) -> None:
    found = answer(f"token={TOKEN}", path)
    assert found["location"].startswith("/") and found["location"][1:2] not in ("/", "\\")


@pytest.mark.parametrize("query", ["token=", "token=wrong", f"token={TOKEN}&token={TOKEN}", f"Token={TOKEN}"])
def test_no_other_address_opens_a_session(query: str) -> None:
    found = answer(query)
    assert found["status"] == 401 and "set-cookie" not in found


def test_a_token_opens_no_session_under_a_foreign_name_nor_behind_a_proxy() -> None:
    assert answer(f"token={TOKEN}", host="evil.example")["status"] == 421
    assert "set-cookie" not in answer("token=", door=PROXIED, host="registry.example.org")

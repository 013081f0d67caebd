"""Who may come in: every request and every WebSocket passes here before anything else sees it.

Belongs here: Host, Origin, method, session, the user that a reverse proxy names, and the headers of each
answer. Does not belong here: what stands behind the door (`application.py`).

A request is refused unless all of it is in order:

- its headers are as short as a browser's;
- the peer is the reverse proxy of registry.yml, or there is none and nothing says that a proxy was between;
- Host is a name of ours (else a foreign name that resolves to this machine would do: DNS rebinding);
- Origin, if there is one, is ours; a POST or a WebSocket has one;
- the browser did not say that a page of another site asks, or that the answer goes into a frame;
- it only reads, or it is a POST of JSON to Dagster's GraphQL;
- it carries the session's token as a cookie, or the proxy's header names the user.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

DAGSTER = "/dagster"
GRAPHQL = f"{DAGSTER}/graphql"
HASHED = f"{DAGSTER}/_next/static/"  # files of Dagster's with a hash in their names
STATIC = "/static/"  # files of ours with a hash in their names
KEPT = (HASHED, STATIC)
LONGEST_HEADERS = 32 << 10  # all of them together, with the address
MOST_HEADERS = 100
READING = ("GET", "HEAD")
FRAMES = ("iframe", "frame", "object", "embed", "fencedframe")
OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
OWN_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
# a worker of Dagster's goes by the policy of its own file
HASHED_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"
NAME_OF_QUERY = re.compile(
    r"(op=\w{0,200})?"
)  # Dagster's UI writes it into the address; its server ignores it
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # "no-referrer" would make the Origin of a form "null"; to another site nothing is told either way
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=()",
}
SCHEME_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """The reverse proxy that is trusted to name the user."""

    header: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Door:
    """What is asked of a request. ``token`` counts where there is no ``proxy``."""

    origins: frozenset[str]
    token: str
    cookie: str = "myositis"
    proxy: Proxy | None = None

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(host for origin in self.origins for host in _hosts_of(origin))


@dataclass(frozen=True)
class Refusal:
    status: int
    told: str


@dataclass(frozen=True)
class Asked:
    """A request or a WebSocket, before its body."""

    method: str  # WEBSOCKET for one
    path: str
    query: str
    headers: dict[str, tuple[str, ...]]
    peer: str

    @classmethod
    def of(cls, scope: Scope) -> Asked:
        headers: dict[str, tuple[str, ...]] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            headers[key] = (*headers.get(key, ()), value.decode("latin-1"))
        method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
        peer = scope["client"][0] if scope.get("client") else ""
        return cls(method, scope["path"], scope["query_string"].decode("latin-1"), headers, peer)

    def header(self, name: str) -> str | None:
        """The only value of a header; None if there is none, or if several contradict each other."""
        values = self.headers.get(name, ())
        return values[0] if len(values) == 1 else None


def local_door(port: int, token: str) -> Door:
    """The door of a machine's own pages: for browsers on this machine, with the token that was printed."""
    names = ("127.0.0.1", "localhost", "[::1]")
    return Door(frozenset(f"http://{name}:{port}" for name in names), token, f"myositis_{port}")


def refusal_of(asked: Asked, door: Door) -> Refusal | None:
    """Why a request may not come in; None if it may."""
    return (
        _too_long(asked)
        or _misdirected(asked, door)
        or _foreign(asked, door)
        or _not_taken(asked)
        or _unknown(asked, door)
    )


def user_of(asked: Asked, door: Door) -> str:
    """Whom the proxy names; empty where the session's token is asked for."""
    return (asked.header(door.proxy.header.lower()) or "").strip() if door.proxy else ""


def _too_long(asked: Asked) -> Refusal | None:
    values = [(name, value) for name, several in asked.headers.items() for value in several]
    size = len(asked.path) + len(asked.query) + sum(len(name) + len(value) for name, value in values)
    if size > LONGEST_HEADERS or len(values) > MOST_HEADERS:
        return Refusal(431, "The headers of this request are longer than any browser's.")
    return None


def _misdirected(asked: Asked, door: Door) -> Refusal | None:
    if door.proxy:
        if not _is_in(asked.peer, door.proxy):
            return Refusal(403, "Only the reverse proxy that registry.yml names may send requests here.")
    elif any(name == "forwarded" or name.startswith("x-forwarded-") for name in asked.headers):
        return Refusal(
            403,
            "This request came through a proxy, and registry.yml names none. Open the page on this "
            "machine, or declare behind_proxy (SECURITY.md).",
        )
    if asked.header("host") not in door.hosts:
        return Refusal(421, f"Open {sorted(door.origins)[0]}; no page is served under another name or port.")
    return None


def _foreign(asked: Asked, door: Door) -> Refusal | None:
    """Whether a page of another site asks."""
    if "origin" in asked.headers:
        if asked.header("origin") not in door.origins:
            return Refusal(403, "A page of another site sent this request. Only pages of this address may.")
    elif asked.method not in READING:
        return Refusal(403, "This request does not say which page asks for it (header Origin).")
    is_opened = asked.method in READING and asked.header("sec-fetch-mode") == "navigate"
    if asked.header("sec-fetch-site") in ("cross-site", "same-site") and not is_opened:
        return Refusal(403, "A page of another site sent this request. Only pages of this address may.")
    if asked.header("sec-fetch-dest") in FRAMES:
        return Refusal(403, "These pages cannot be shown inside another page.")
    return None


def _not_taken(asked: Asked) -> Refusal | None:
    if any(name in asked.headers for name in OVERRIDES):
        return Refusal(400, "Headers that change the method of a request are not accepted.")
    at_graphql = asked.path.rstrip("/") == GRAPHQL
    if asked.method == "WEBSOCKET":
        return None if at_graphql else Refusal(404, "There is nothing here.")
    if asked.method == "POST" and at_graphql:
        kind = (asked.header("content-type") or "").partition(";")[0].strip().lower()
        if kind == "application/json" and NAME_OF_QUERY.fullmatch(asked.query):
            return None
        return Refusal(415, "Send the query as JSON in the body.")
    if asked.method not in READING or at_graphql:
        return Refusal(405, "Pages are read with GET; only Dagster's GraphQL takes POST, and only that.")
    return None


def _unknown(asked: Asked, door: Door) -> Refusal | None:
    if door.proxy:
        if not user_of(asked, door):
            return Refusal(401, f"The reverse proxy named no user (header {door.proxy.header}).")
        return None
    if is_token(_cookie(asked, door.cookie), door):
        return None
    return Refusal(
        401,
        "Open the address that `myositis ui` printed when it started; it ends in ?token=… and opens this"
        " browser's session.",
    )


def is_token(given: str, door: Door) -> bool:
    """Compared in constant time, so that the time of an answer tells nothing of the token."""
    return bool(door.token) and hmac.compare_digest(given.encode(), door.token.encode())


def _cookie(asked: Asked, name: str) -> str:
    try:
        found = SimpleCookie("; ".join(asked.headers.get("cookie", ()))).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _is_in(peer: str, proxy: Proxy) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in proxy.network


def _hosts_of(origin: str) -> Iterable[str]:
    """How a browser writes Host for an origin: without the port where it is the scheme's."""
    parts = urlsplit(origin)
    yield parts.netloc
    if parts.port is None:
        yield f"{parts.netloc}:{SCHEME_PORTS[parts.scheme]}"


@dataclass(frozen=True)
class Guarded:
    """An application behind a door."""

    app: App
    door: Door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        asked = Asked.of(scope)
        refusal = refusal_of(asked, self.door)
        if scope["type"] == "websocket":
            if refusal:
                await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
                return
            await self.app(scope, receive, send)
            return
        answer = _with_headers(send, asked)
        if (refusal is None or refusal.status == 401) and (opened := _session(asked, self.door)):
            await _answer(answer, 303, "", opened)
            return
        if refusal:
            await _answer(answer, refusal.status, f"{refusal.told}\n", [])
            return
        scope["myositis.user"] = user_of(asked, self.door)
        await self.app(scope, receive, answer)


def _session(asked: Asked, door: Door) -> Headers:
    """For an address with the token: the cookie, and the same address without it."""
    if door.proxy or asked.method != "GET":
        return []
    query = parse_qsl(asked.query, keep_blank_values=True)
    tokens = [value for name, value in query if name == "token"]
    if len(tokens) != 1 or not is_token(tokens[0], door):
        return []
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    path = "/" + asked.path.lstrip("/\\")  # `//elsewhere` would lead to another machine
    to = urlsplit(path)._replace(netloc="", scheme="").geturl() + (f"?{rest}" if rest else "")
    cookie = f"{door.cookie}={door.token}; Path=/; HttpOnly; SameSite=Strict"
    return [
        (b"location", to.encode("ascii", "replace")),
        (b"set-cookie", cookie.encode()),
    ]


async def _answer(send: Send, status: int, text: str, headers: Headers) -> None:
    body = text.encode()
    own = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send, asked: Asked) -> Send:
    """Every answer says what a browser may do with it; a page may state a policy of its own."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            is_kept = asked.path.startswith(KEPT) and message["status"] == 200
            said = dict(ALWAYS)
            said["cache-control"] = "private, max-age=604800, immutable" if is_kept else "no-store"
            given = {name.lower(): value for name, value in message["headers"]}
            policy = given.get(b"content-security-policy")
            by_default = HASHED_POLICY if is_kept else OWN_POLICY
            said["content-security-policy"] = policy.decode("latin-1") if policy else by_default
            if message["status"] == 303:  # from an address with the token
                said["referrer-policy"] = "no-referrer"
            kept = [(n, v) for n, v in message["headers"] if n.lower().decode("latin-1") not in said]
            message["headers"] = [*kept, *((n.encode(), v.encode("latin-1")) for n, v in said.items())]
        await send(message)

    return sending

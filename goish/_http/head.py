"""The head of a request: what may stand in it, and what it says of the body behind it. RFC 9112 and 9110, strictly.

A head that two parsers may read differently is refused, also where a parser may be lenient: that is how requests are
smuggled past a proxy. llhttp judges the same bytes (parser.py); what it lets pass, these checks find.

Invariants: a Fields object stands for a block of fields that has passed every check, so it may be shared by all
    requests that repeat the block.
Threads: any; nothing in here changes but for what is made lazily.
Not here: where a head ends in the stream, and the body (parser.py).
"""

from __future__ import annotations

import re

from .errors import BadRequest
from .fields import Headers, headers_of, view_of
from .limits import Limits
from .scan import scan_fields

__all__ = [
    "METHODS",
    "Fields",
    "all_fields",
    "check_sizes",
    "known_method",
    "malformation",
    "parse_fields",
    "parse_target",
    "request_line_error",
]


any_request_line = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ (HTTP/[0-9]\.[0-9])\r\n").match

# No userinfo, no path, no comma: a host name, an IPv4 address or an IPv6 one in brackets, and a port.
is_host = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+;=%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?").fullmatch
is_absolute = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE).fullmatch
is_length = re.compile(rb"[0-9]{1,18}").fullmatch

METHODS = {
    name.encode(): name
    for name in (
        *("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"),
        *("ACL", "BIND", "CHECKOUT", "COPY", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL"),
        *("MOVE", "NOTIFY", "PROPFIND", "PROPPATCH", "PURGE", "QUERY", "REBIND", "REPORT", "SEARCH", "SOURCE"),
        *("SUBSCRIBE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE"),
    )
}


class Fields:
    """A block of fields that is well-formed, and what it says of connection and body."""

    __slots__ = (
        "_headers",
        "_lower",
        "block",
        "chunked",
        "expects",
        "has_body",
        "host",
        "length",
        "minor",
        "persistent",
        "upgrade",
    )

    def __init__(self, block: bytes, minor: bytes) -> None:
        self.block = block
        self.minor = minor  # of the request line above it: the same block says other things in HTTP/1.0
        self.host = ""
        self.length: int | None = None
        self.chunked = False
        self.has_body = False
        self.persistent = minor == b"1"
        self.expects = False
        self.upgrade = ""
        self._headers: Headers | None = None
        self._lower: list[tuple[bytes, bytes]] | None = None

    def headers(self) -> Headers:
        """Those of a request, which may change them."""
        if self._headers is None:
            self._headers = headers_of(all_fields(self.block))
        return view_of(self._headers)

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Each field as it came: ``(name, value)``."""
        return all_fields(self.block)

    def lower_pairs(self) -> list[tuple[bytes, bytes]]:
        """The same with names in lower case, as ASGI has them: a list of the caller's own."""
        if self._lower is None:
            self._lower = [(name.lower(), value) for name, value in self.pairs()]
        return self._lower.copy()


def request_line_error(line: bytes) -> BadRequest:
    """Why a request line is none. ``line`` has its line end."""
    found = any_request_line(line)
    if found is None:
        return BadRequest(400, "malformed request line")
    if found[1] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return BadRequest(505, f"{found[1].decode()} is not supported")
    return BadRequest(400, "a request target has no fragment")


def all_fields(block: bytes) -> list[tuple[bytes, bytes]]:
    """Each field of a block that is well-formed: ``(name, value)`` as they came."""
    pairs: list[tuple[bytes, bytes]] = []
    for line in block.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        pairs.append((name, value.strip(b" \t")))
    return pairs


def parse_target(method: str, target: str) -> tuple[str, str]:
    """The authority of a target that is not a plain path, and the path. RFC 9112 section 3.2."""
    if target == "*":
        if method != "OPTIONS":
            raise BadRequest(400, f"the target * is for OPTIONS, not for {method}")
        return "", "*"
    absolute = is_absolute(target)
    if absolute is None:
        raise BadRequest(400, "a request target is a path, or an http or https URL")
    authority, path = absolute.groups()
    if not is_host(authority):
        raise BadRequest(400, "the authority of the target is a host and a port")
    return authority, path if path.startswith("/") else f"/{path}"


def known_method(method: bytes) -> str:
    found = METHODS.get(method)
    if found is None:
        raise BadRequest(501, f"the method {method.decode()} is not known")
    return found


def parse_fields(block: bytes, minor: bytes, limits: Limits) -> Fields:
    """Checks the block behind the request line; BadRequest."""
    check_sizes(block, limits)
    specials = scan_fields(block)
    if specials is None:
        raise BadRequest(400, malformation(block))
    fields = Fields(block, minor)
    seen: set[bytes] = set()
    options: list[bytes] = []
    for name, value in specials:
        if name == b"connection":
            options += (option.strip(b" \t") for option in value.lower().split(b","))
        elif name == b"upgrade":
            fields.upgrade = value.decode("latin-1")
        elif name in seen:
            raise BadRequest(400, f"two fields {name.decode()}")
        elif name == b"host":
            fields.host = checked_host(value)
        elif name == b"content-length":
            fields.length = content_length(value)
        elif name == b"transfer-encoding":
            check_coding(value, minor)
            fields.chunked = True
        elif value.lower() != b"100-continue":
            raise BadRequest(417, "the one expectation is 100-continue")
        else:
            fields.expects = minor == b"1"
        seen.add(name)
    if fields.chunked and fields.length is not None:
        raise BadRequest(400, "both Content-Length and Transfer-Encoding")
    if minor == b"1" and b"host" not in seen:
        raise BadRequest(400, "no Host")
    fields.has_body = fields.chunked or bool(fields.length)
    fields.persistent = b"close" not in options and (minor == b"1" or b"keep-alive" in options)
    return fields


def check_sizes(block: bytes, limits: Limits) -> None:
    if len(block) > limits.max_headers_size:
        raise BadRequest(431, f"more than {limits.max_headers_size} bytes of headers", "headers_size")
    if block.count(b"\r\n") > limits.max_headers:
        raise BadRequest(431, f"more than {limits.max_headers} headers", "headers")
    if len(block) > limits.max_header and max(map(len, block.split(b"\r\n"))) > limits.max_header:
        raise BadRequest(431, f"a header of more than {limits.max_header} bytes", "header")


def malformation(block: bytes) -> str:
    """What is wrong with a block that is no block."""
    for line in block[2:].split(b"\r\n"):
        name, colon, _ = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            return "a header that goes on in the next line"
        if b"\n" in line or b"\r" in line:
            return "a line that does not end in CR LF"
        if not colon:
            return "a header without a colon"
        if name.rstrip(b" \t") != name:
            return "a space before the colon of a header"
        if scan_fields(b"\r\n" + name + b":") is None:
            return "the name of a header is no token"
        if scan_fields(b"\r\n" + line) is None:
            return "a control character in a header"
    return "malformed headers"


def checked_host(value: bytes) -> str:
    host = value.decode("latin-1")
    if not is_host(host):
        raise BadRequest(400, "Host is a host and a port")
    return host


def content_length(value: bytes) -> int:
    if not is_length(value):
        raise BadRequest(400, "Content-Length is a number of at most 18 digits")
    if len(value) > 1 and value[:1] == b"0":
        raise BadRequest(400, "Content-Length begins with a zero")
    return int(value)


def check_coding(value: bytes, minor: bytes) -> None:
    if minor == b"0":
        raise BadRequest(400, "Transfer-Encoding in HTTP/1.0")
    if value == b"chunked":
        return
    codings = [coding.strip(b" \t") for coding in value.lower().split(b",")]
    if len(codings) > 1 and codings[-1] == b"chunked" and codings.count(b"chunked") == 1 and all(codings):
        raise BadRequest(501, "the one transfer coding is chunked")
    raise BadRequest(400, "Transfer-Encoding is chunked, and nothing else")

"""A certificate for the servers with TLS, made once by trustme."""

from __future__ import annotations

import ssl
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "build" / "certificate"
CERTIFICATE = FOLDER / "localhost.pem"  # the chain
KEY = FOLDER / "localhost.key"


def make() -> None:
    import trustme

    FOLDER.mkdir(parents=True, exist_ok=True)
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(KEY))
    CERTIFICATE.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, KEY)
    return context

"""Contexts for TLS, as a fixture."""

from __future__ import annotations

import ssl
from typing import TypeAlias

import pytest

Contexts: TypeAlias = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="session")
def contexts() -> Contexts:
    """Of a server for the name ``goish.test``, and of a client that trusts it."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("goish.test").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client

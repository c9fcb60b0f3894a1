"""redis-py's client as the writer and the status need it.

Its conveniences are off. It would retry on its own, which hides an outage that an observer exists to see. It would
introduce itself by CLIENT SETINFO and switch to RESP3 by HELLO, commands that the least-privilege users of
an access control list do not have.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider

from keydb_observer.nodes import Node
from keydb_observer.settings import Credentials, Settings


class PasswordFile(CredentialProvider):
    """Reads the password whenever a connection is made, so that a new password needs no restart."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Raises OSError when the file cannot be read."""
        password = read_password(self._credentials.password_file)
        return (self._credentials.username, password) if self._credentials.username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same; a file as small as this does not hold up the event loop."""
        return self.get_credentials()


def read_password(path: Path) -> str:
    """The file's content without the line end. Raises OSError, and ValueError when it is empty or not text."""
    password = path.read_text(encoding="utf-8").rstrip("\r\n")
    if not password:
        raise ValueError("it is empty")
    return password


def async_client(node: Node, settings: Settings) -> redis.asyncio.Redis:
    """A client for this node. Nothing is connected yet."""
    return redis.asyncio.Redis(**_arguments(node, settings), retry=Retry(NoBackoff(), 0, supported_errors=()))


async def drop_connections(client: redis.asyncio.Redis) -> None:
    """Closes what the client has open, so that its next command starts afresh. Takes a second at most.

    Saying goodbye in TLS waits for an answer, which a node that hangs never gives.
    """
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.connection_pool.disconnect(), timeout=1.0)


def _arguments(node: Node, settings: Settings) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "host": node.host,
        "port": node.port,
        "protocol": 2,
        "driver_info": None,
        "socket_timeout": settings.timeout,
        "socket_connect_timeout": settings.timeout,
        "socket_keepalive": True,
    }
    if settings.credentials:
        arguments["credential_provider"] = PasswordFile(settings.credentials)
    if settings.tls:
        arguments |= {
            "ssl": True,
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
            "ssl_ca_certs": str(settings.tls.ca) if settings.tls.ca else None,
            "ssl_certfile": str(settings.tls.certificate) if settings.tls.certificate else None,
            "ssl_keyfile": str(settings.tls.key) if settings.tls.key else None,
        }
    return arguments

"""References of OCI images: `registry/repository:tag` and `registry/repository@sha256:…`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}")
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain")


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image is. tag, digest: one of them may be empty; the digest counts."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The reference of a text that the model has found to be one; `latest` is the tag of one
        that has neither.
        """
        registry, _, rest = text.partition("/")
        named, _, digest = rest.partition("@")
        repository, _, tag = named.partition(":")
        return cls(registry, repository, tag if tag or digest else "latest", digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" * bool(self.digest))

    def pinned(self, digest: str) -> Reference:
        """The same image by its digest alone."""
        return Reference(self.registry, self.repository, digest=digest)

    @property
    def base(self) -> str:
        """The address that the API of its repository begins with: https, but for this host's own
        loopback address, where nothing passes a wire.
        """
        scheme = "http" if is_loopback(host_name(self.registry)) else "https"
        return f"{scheme}://{self.registry}/v2/{self.repository}"


def host_name(netloc: str) -> str:
    """The name or address in `host:port` or `[address]:port`."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.rpartition(":")[0] if re.search(r":\d+$", netloc) else netloc


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this host's own loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES


def is_digest(text: object) -> bool:
    """Whether a value has the form of a digest: `algorithm:hex`."""
    return isinstance(text, str) and bool(_DIGEST.fullmatch(text))

"""How images are had of registries on this host: logins, the cache, and who hears of the progress.

No registry's address is written in Dockyard: what publishes Azure Linux is named by the host.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.errors import DockyardError, Problem
from dockyard.model.family import ARCHITECTURES
from dockyard.model.input import AzureLinuxImage, OciPlatform
from dockyard.model.packages import PackageKind
from dockyard.packages.oci.credentials import Credentials
from dockyard.packages.oci.manifest import Platform
from dockyard.packages.oci.reference import Reference

if TYPE_CHECKING:
    from dockyard.packages.fetch import Progress
    from dockyard.packages.oci.image import FoundImage

AZURE_LINUX = "DOCKYARD_AZURE_LINUX"


def _unseen(title: str) -> AbstractContextManager[Progress | None]:
    return nullcontext()


@dataclass(frozen=True)
class Registries:
    """cache: the directory of fetched images. azure_linux: the registry and the path in it below
    which Azure Linux is published; "" where none is named. shown: shows one fetch, by its title.
    """

    cache: Path
    credentials: Credentials = field(default_factory=Credentials)
    azure_linux: str = ""
    shown: Callable[[str], AbstractContextManager[Progress | None]] = _unseen

    def find(self, asked: Reference, platform: OciPlatform | None) -> FoundImage:
        """The image that a reference means now. Raises DockyardError."""
        from dockyard.host.network import Network
        from dockyard.packages.oci.cache import Cache
        from dockyard.packages.oci.image import find
        from dockyard.packages.oci.registry import Registry

        with Network() as network:
            registry = Registry(asked, network, self.credentials)
            wanted = _platform(platform) if platform else None
            return find(asked, wanted, _platform(OciPlatform()), registry, Cache(self.cache))

    def bring(self, found: FoundImage) -> Path:
        """The disk of an image as a file of the cache. Raises DockyardError."""
        from dockyard.host.network import Network
        from dockyard.packages.oci.cache import Cache
        from dockyard.packages.oci.image import bring
        from dockyard.packages.oci.registry import Registry

        cache = Cache(self.cache)
        if (kept := cache.disk(found.digest)) is not None:
            return kept
        with self.shown(f"Fetch {found.pinned}") as progress, Network() as network:
            registry = Registry(found.pinned, network, self.credentials)
            return bring(found, registry, cache, progress)

    def azure_linux_reference(self, image: AzureLinuxImage) -> Reference:
        """Where a published Azure Linux image is. Raises DockyardError (`oci.no-azure-linux`)."""
        if not self.azure_linux:
            raise DockyardError(
                Problem(
                    "oci.no-azure-linux",
                    "no registry is known that publishes Azure Linux",
                    why=f"{AZURE_LINUX} is not set",
                    fix=f"set {AZURE_LINUX} to the registry and the path in it, such as "
                    "registry.example.com/azurelinux; or name the image as oci",
                )
            )
        major, minor, *_ = image.version.split(".")
        tag = image.version if image.version.count(".") > 1 else "latest"
        place = f"{self.azure_linux.strip('/')}/{major}.{minor}/image/{image.variant}:{tag}"
        return Reference.parse(place)


def _platform(named: OciPlatform) -> Platform:
    from dockyard.host.machine import architecture

    own = architecture()
    here = ARCHITECTURES[PackageKind.DEB][own] if own else ""
    wanted, _, variant = named.architecture.partition("/")
    return Platform(named.os or "linux", wanted or ("" if named.os else here), variant)

"""Who may talk to a scheduler: TLS with temporary or configured certificates, as the profile of the site says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cinchona.errors import ConfigError, InputError
from cinchona.screening.profile import BATCH_KINDS, SiteProfile

if TYPE_CHECKING:
    from distributed.security import Security

_WHY: Final = {
    "ssh": "temporary certificates cannot be brought to hosts by SSH without showing the key to all their users",
    "kubernetes": "the Dask operator starts schedulers and workers without TLS",
    "address": "the scheduler runs already, with certificates or without",
}


def security_of(site: SiteProfile) -> Security | None:
    """Certificates for scheduler, workers and driver; None where nothing is encrypted.

    Raises:
        ConfigError: if the site would talk in the clear and nobody has said that this is meant.
        InputError: if a certificate file is missing.
    """
    if site.tls.mode == "off" or site.kind == "local":
        return None
    from distributed.security import Security

    if site.tls.mode == "files":
        return Security(**_files(site))
    if site.kind in BATCH_KINDS:
        temporary: Security = Security.temporary()
        return temporary
    raise ConfigError(
        f"kind {site.kind} needs to be told how to encrypt: {_WHY[site.kind]}",
        where="tls.mode",
        expected="files with ca_file, cert_file and key_file, or off",
        remedy="make certificates and set tls.mode to files; off is for a network that nobody else reaches",
    )


def _files(site: SiteProfile) -> dict[str, str | bool]:
    tls = site.tls
    paths = {name: path for name in ("ca_file", "cert_file", "key_file") if (path := getattr(tls, name)) is not None}
    for name, path in paths.items():
        if not path.is_file():
            raise InputError(f"the certificate file {path} is missing", where=f"tls.{name}", expected="a PEM file")
    roles = {f"tls_{role}_{part}": str(paths[f"{part}_file"]) for role in ("client", "scheduler", "worker")
             for part in ("cert", "key")}  # fmt: skip
    return {"tls_ca_file": str(paths["ca_file"]), "require_encryption": True, **roles}

"""Speaks with an OCI registry: who may read, redirections, manifests, and blobs at an offset.

Only https is spoken, but to this host's own loopback address; a redirection is followed to https
alone, and no login or token goes with it to another host. A token is asked for as the registry
says (the Bearer scheme of the distribution project: `realm`, `service`, `scope`).
"""

from __future__ import annotations

import json
import re
import urllib.parse
from base64 import b64encode
from collections.abc import Mapping

from dockyard.errors import DockyardError, Problem
from dockyard.host.network import (
    Exchange,
    Network,
    Transfer,
    TransferFailed,
    host_of,
    read_whole,
    url_text,
)
from dockyard.packages.oci.credentials import Credentials, Login
from dockyard.packages.oci.reference import Reference, host_name, is_loopback

LARGEST_MANIFEST = 4 << 20
"""Bytes: what registries are asked to take at least (OCI Distribution 1.1), and take at most."""
_LARGEST_TOKEN = 1 << 20
_LARGEST_ERROR = 1 << 16
_MOST_REDIRECTIONS = 5
_REDIRECTIONS = (301, 302, 303, 307, 308)
_TRIES = 3
_FIELD = re.compile(r'([a-zA-Z]+)="([^"]*)"')


class Registry:
    """One repository of a registry, as a user of it. It can serve `packages.fetch` as a network."""

    def __init__(self, reference: Reference, network: Network, credentials: Credentials) -> None:
        self.reference = reference
        self._network = network
        self._credentials = credentials
        self._authorization = ""

    def blob_url(self, digest: str) -> str:
        return f"{self.reference.base}/blobs/{digest}"

    def manifest(self, which: str, accept: tuple[str, ...]) -> tuple[bytes, str]:
        """The bytes of a manifest and the media type that the server gives it. which: a tag or a
        digest. Raises DockyardError.
        """
        url = f"{self.reference.base}/manifests/{which}"
        headers = {"Accept": ", ".join(accept)}
        for left in reversed(range(_TRIES)):
            try:
                answer = self._ask(url, headers)
                with answer.transfer:
                    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
                    return read_whole(answer.transfer, LARGEST_MANIFEST), kind
            except TransferFailed as failure:
                if failure.gone or not left:
                    raise
        raise AssertionError

    def open(self, url: str, start: int = 0) -> Transfer:
        """Open a blob, at an offset where the server can. Raises TransferFailed."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            return self._ask(url, headers).transfer
        except _RangeRefused:
            return self._ask(url, {}).transfer

    def _ask(self, url: str, headers: Mapping[str, str]) -> Exchange:
        """The answer of a request that succeeded, logged in where the registry wants that."""
        answer, at = self._follow(url, headers)
        # Whom a redirection leads to may not say where a login is to be sent.
        if answer.status == 401 and host_of(at) == host_of(url):
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer.transfer.close()
            self._authorization = self._authorized(challenge, url)
            answer, _ = self._follow(url, headers)
        if answer.status in (200, 206):
            return answer
        if answer.status == 416 and "Range" in headers:
            answer.transfer.close()
            raise _RangeRefused
        raise self._failure(url, answer)

    def _follow(self, url: str, headers: Mapping[str, str]) -> tuple[Exchange, str]:
        """The last answer of a chain of redirections, and the address that gave it."""
        at = url
        for _ in range(_MOST_REDIRECTIONS + 1):
            sent = dict(headers)
            if self._authorization and host_of(at) == host_of(url):
                sent["Authorization"] = self._authorization
            answer = self._network.exchange(at, sent)
            if answer.status not in _REDIRECTIONS:
                return answer, at
            answer.transfer.close()
            try:
                target = urllib.parse.urljoin(at, answer.headers.get("Location", ""))
            except ValueError:
                target = ""  # which is not safe
            require_safe(target, at)
            at = target
        raise TransferFailed(url, f"it redirects more than {_MOST_REDIRECTIONS} times", gone=True)

    def _authorized(self, challenge: str, url: str) -> str:
        """The value of the header that answers a challenge (RFC 9110, 11.6.1)."""
        scheme, _, rest = challenge.partition(" ")
        login = self._credentials.login(self.reference)
        if scheme.lower() == "basic" and login is not None and not login.identity:
            return _basic(login)
        if scheme.lower() != "bearer":
            raise self._refused(url, login)
        fields = {name.lower(): value for name, value in _FIELD.findall(rest)}
        realm = fields.get("realm", "")
        require_safe(realm, url)
        return f"Bearer {self._token(realm, fields, login, url)}"

    def _token(self, realm: str, fields: Mapping[str, str], login: Login | None, url: str) -> str:
        scope = fields.get("scope") or f"repository:{self.reference.repository}:pull"
        asked = {"service": fields.get("service", ""), "scope": scope}
        if login is not None and login.identity:
            form = {"grant_type": "refresh_token", "refresh_token": login.identity,
                    "client_id": "dockyard", **asked}  # fmt: skip
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            body = urllib.parse.urlencode(form).encode()
            answer = self._network.exchange(realm, kind, method="POST", body=body)
        else:
            joined = "&" if urllib.parse.urlsplit(realm).query else "?"
            headers = {"Authorization": _basic(login)} if login else {}
            address = f"{realm}{joined}{urllib.parse.urlencode(asked)}"
            answer = self._network.exchange(address, headers)
        with answer.transfer as transfer:
            if answer.status in (401, 403):
                raise self._refused(url, login)
            if answer.status != 200:
                raise TransferFailed(realm, f"the server answered {answer.status} {answer.reason}")
            data = read_whole(transfer, _LARGEST_TOKEN)
        try:
            told = json.loads(data)
            token = told.get("token") or told.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
        # What could end a header early is no token (RFC 6750, 2.1).
        if not isinstance(token, str) or not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", token):
            raise TransferFailed(realm, "its answer has no token", gone=True)
        return token

    def _failure(self, url: str, answer: Exchange) -> DockyardError:
        said = _said(answer)
        if answer.status in (401, 403):
            return self._refused(url, self._credentials.login(self.reference), said)
        if answer.status == 404:
            return DockyardError(
                Problem(
                    "oci.not-there",
                    f"the registry has no {self.reference}",
                    url_text(url),
                    why=said or "it answered 404",
                    fix="check the repository and the tag or digest",
                )
            )
        why = f"the server answered {answer.status} {answer.reason}".rstrip()
        return TransferFailed(url, f"{why}: {said}" if said else why, gone=answer.status < 500)

    def _refused(self, url: str, login: Login | None, said: str = "") -> DockyardError:
        helper = self._credentials.helper(self.reference)
        why = said or (f"the login of {login.user} does not do" if login else "no login is known")
        fix = f"log in: docker login {self.reference.registry}, or oras login"
        if helper is not None and login is None:
            why += f"; {helper} leaves it to a program, which is not run"
            fix = (
                f"put a login into `auths` of {helper}, or of a file that REGISTRY_AUTH_FILE names"
            )
        what = f"the registry lets nobody read {self.reference} without a right to it"
        return DockyardError(Problem("oci.denied", what, url_text(url), why, fix))


class _RangeRefused(Exception):
    """The part that is there already is not the beginning of what the server has."""


def require_safe(url: str, asked: str) -> None:
    """Raise DockyardError (`oci.unsafe`) for an address that is neither https, nor of the loopback
    address as the one that was asked.
    """
    near = all(is_loopback(host_name(host_of(each))) for each in (url, asked))
    scheme = url.partition(":")[0].lower()
    if (scheme == "https" or (scheme == "http" and near)) and host_of(url):
        return
    raise DockyardError(
        Problem(
            "oci.unsafe",
            "the registry sends elsewhere than to an https address",
            url_text(asked),
            why=f"it names {url_text(url) or 'no address'}",
            fix="ask whoever runs the registry; nothing was sent there",
        )
    )


def _basic(login: Login) -> str:
    return f"Basic {b64encode(f'{login.user}:{login.password}'.encode()).decode()}"


def _said(answer: Exchange) -> str:
    """What a registry says of an error (OCI Distribution 1.1, "Error Codes"), on one line."""
    try:
        with answer.transfer as transfer:
            first = json.loads(read_whole(transfer, _LARGEST_ERROR))["errors"][0]
        text = f"{first.get('code', '')}: {first.get('message', '')}"
    except (DockyardError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    return " ".join("".join(each if each.isprintable() else " " for each in text[:300]).split())

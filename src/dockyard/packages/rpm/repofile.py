"""`.repo` files: INI sections that declare repositories, as dnf.conf(5) describes them.

Understands what shapes the choice and the trust of packages. Options that only tune a package
manager are passed over; an option that would change what is installed and that is not understood
is an error, as nothing may be ignored silently.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from dockyard.errors import DockyardError, Position, Problem, Problems
from dockyard.host.files import read_regular
from dockyard.model.packages import DEFAULT_COST, DEFAULT_PRIORITY, RpmRepository

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_TRUE = {"1", "yes", "true", "on"}
_FALSE = {"0", "no", "false", "off"}
_ADDRESSES = ("baseurl", "mirrorlist", "metalink", "gpgkey")
_KNOWN = {
    "baseurl", "mirrorlist", "metalink", "gpgkey", "gpgcheck", "repo_gpgcheck", "pkg_gpgcheck",
    "priority", "cost", "excludepkgs", "exclude", "includepkgs", "enabled", "name",
    "module_hotfixes",
}  # fmt: skip
# They say how a package manager fetches, shows or caches; the packages stay the same.
_WITHOUT_EFFECT = {
    "metadata_expire", "skip_if_unavailable", "countme", "type", "fastestmirror", "keepcache",
    "max_parallel_downloads", "minrate", "throttle", "bandwidth", "timeout", "retries", "deltarpm",
    "deltarpm_percentage", "enabled_metadata", "enablegroups", "failovermethod", "ip_resolve",
    "http_caching", "gpgcakey", "mirrorlist_expire", "autorefresh", "keeppackages", "rpmverbosity",
    "path", "protected_multilib", "fallback_baseurl", "mdpolicy", "retry_until_available",
}  # fmt: skip


def load(path: Path, variables: Mapping[str, str]) -> tuple[RpmRepository, ...]:
    """The enabled repositories of a file. variables: `releasever`, `basearch`, `arch`, ….

    Raises DockyardError (`repofile.…`) with every mistake.
    """
    try:
        text = read_regular(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        what = f"the repository file {path} cannot be read"
        raise DockyardError(Problem("repofile.unreadable", what, why=str(error))) from None
    return parse(text, path, variables)


def parse(
    text: str, path: Path, variables: Mapping[str, str], *, skip: Collection[str] = ()
) -> tuple[RpmRepository, ...]:
    """The enabled repositories of a file's text; `path` names it and anchors relative paths.
    skip: ids of those that do not count.
    """
    import configparser  # most images name no such file

    parser = configparser.ConfigParser(interpolation=None, strict=True, default_section="\0")
    try:
        parser.read_string(text, str(path))
    except configparser.Error as error:
        line = getattr(error, "lineno", 0) or 0
        if not line and getattr(error, "errors", None):
            line = error.errors[0][0]  # type: ignore[attr-defined]
        what = "the repository file is not well-formed"
        why = error.message.replace("\n", " ")
        where = Position(str(path), line)
        raise DockyardError(Problem("repofile.malformed", what, where, why)) from None
    reader = _Reader(text, path, variables)
    found = [
        reader.repository(name, dict(parser[name]))
        for name in parser.sections()
        if name not in skip
    ]
    reader.problems.raise_any()
    return tuple(repository for repository in found if repository)


def expanded(text: str, variables: Mapping[str, str]) -> tuple[str, list[str]]:
    """A text with `$name` and `${name}` replaced, and the names that have no value."""
    unknown: list[str] = []

    def value(match: re.Match[str]) -> str:
        name = (match[1] or match[2]).lower()
        if name not in variables:
            unknown.append(name)
        return variables.get(name, match[0])

    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, text), unknown


def address(text: str, directory: Path) -> str:
    """An address as it is, a path as a `file://` address below a directory."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return text
    return (directory.absolute() / text).as_uri()


class _Reader:
    def __init__(self, text: str, path: Path, variables: Mapping[str, str]) -> None:
        self.problems = Problems()
        self._lines = text.splitlines()
        self._path = path
        self._variables = variables

    def repository(self, name: str, options: dict[str, str]) -> RpmRepository | None:
        if name == "main":
            return None  # dnf.conf's own section, when a file carries both
        where = self._position(name)
        if not _ID.fullmatch(name):
            what = f"{name!r} is no id of a repository"
            why = "an id has letters, digits and - _ . : and begins with a letter or digit"
            self.problems.add("repofile.bad-id", what, where, why=why)
        # A disabled section may use variables and options of systems that are not this one.
        if not self._flag(name, options, "enabled", default=True):
            return None
        self._refuse_unknown(name, options)
        words = {
            key: self._words(name, key, options.get(key, ""))
            for key in (*_ADDRESSES, "excludepkgs", "exclude", "includepkgs")
        }
        below = self._path.parent
        places = {key: tuple(address(word, below) for word in words[key]) for key in _ADDRESSES}
        if not (words["baseurl"] or words["mirrorlist"] or words["metalink"]):
            what = f"repository {name!r} has neither baseurl nor mirrorlist nor metalink"
            self.problems.add("repofile.no-source", what, where)
        check, check_metadata = self._checks(name, options, bool(words["gpgkey"]))
        return RpmRepository(
            id=name,
            base_urls=places["baseurl"],
            mirror_list=next(iter(places["mirrorlist"]), None),
            metalink=next(iter(places["metalink"]), None),
            keys=places["gpgkey"],
            check_packages=check,
            check_metadata=check_metadata,
            priority=self._number(name, options, "priority", DEFAULT_PRIORITY),
            cost=self._number(name, options, "cost", DEFAULT_COST),
            exclude=words["excludepkgs"] + words["exclude"],
            include=words["includepkgs"],
            module_hotfixes=self._flag(name, options, "module_hotfixes", default=False),
            title=options.get("name", ""),
            position=where,
        )

    def _refuse_unknown(self, name: str, options: dict[str, str]) -> None:
        for key in sorted(options.keys() - _KNOWN - _WITHOUT_EFFECT):
            if key == "sslverify" and options[key].strip().lower() in _TRUE:
                continue  # it always is
            if key.startswith(("ssl", "proxy", "username", "password", "user_agent")):
                why = "secrets and proxies are taken from the environment and from addresses"
            else:
                why = "an option that is not understood might change what is installed"
            here = self._position(name, key)
            what = f"option {key!r} of repository {name!r} is not supported"
            self.problems.add("repofile.unsupported", what, here, why=why, fix="remove it")

    def _checks(self, name: str, options: dict[str, str], has_key: bool) -> tuple[bool, bool]:
        """Whether packages and metadata are to be verified."""
        # Distributions turn gpgcheck on in the package manager's own configuration; here a file
        # has to turn it off to do without.
        check = self._flag(name, options, "gpgcheck", default=True)
        check = self._flag(name, options, "pkg_gpgcheck", default=check)
        check_metadata = self._flag(name, options, "repo_gpgcheck", default=False)
        if (check or check_metadata) and not has_key:
            what = f"repository {name!r} is to be verified, but names no key"
            fix = "add gpgkey=, or say gpgcheck=0 to take packages unverified"
            self.problems.add("repofile.no-key", what, self._position(name), fix=fix)
        return check, check_metadata

    def _words(self, name: str, key: str, text: str) -> tuple[str, ...]:
        return tuple(self._expand(name, key, word) for word in re.split(r"[\s,]+", text) if word)

    def _expand(self, name: str, key: str, text: str) -> str:
        plain, unknown = expanded(text, self._variables)
        for variable in unknown:
            what = f"repository {name!r} uses ${variable}, which has no value"
            here = self._position(name, key)
            known = ", ".join(f"${each}" for each in sorted(self._variables)) or "none"
            self.problems.add("repofile.unknown-variable", what, here, why=f"known: {known}")
        return plain

    def _flag(self, name: str, options: dict[str, str], key: str, *, default: bool) -> bool:
        text = options.get(key, "1" if default else "0").strip().lower()
        if text not in _TRUE | _FALSE:
            what = f"{key} of repository {name!r} is {text!r}, neither 1 nor 0"
            self.problems.add("repofile.bad-value", what, self._position(name, key))
        return text in _TRUE

    def _number(self, name: str, options: dict[str, str], key: str, default: int) -> int:
        text = options.get(key, str(default)).strip()
        if not re.fullmatch(r"\d{1,6}", text):
            what = f"{key} of repository {name!r} is {text!r}, not a number"
            self.problems.add("repofile.bad-value", what, self._position(name, key))
            return default
        return int(text)

    def _position(self, section: str, key: str = "") -> Position:
        """The line of a section, or of an option in it."""
        inside = False
        for number, line in enumerate(self._lines, 1):
            if line.strip().startswith(f"[{section}]"):
                if not key:
                    return Position(str(self._path), number, 1)
                inside = True
            elif line.startswith("["):
                inside = False
            elif inside and re.match(rf"{re.escape(key)}\s*[=:]", line, re.IGNORECASE):
                return Position(str(self._path), number, 1)
        return Position(str(self._path))

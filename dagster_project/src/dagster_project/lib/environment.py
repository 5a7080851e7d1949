"""The environment of the engine's process: what it needs, and none of the daemon's other secrets. Pure."""

import re
from collections.abc import Iterable, Mapping

# Where things are, which time and language it is, how to reach the network.
_ALWAYS_TEXT = (
    "PATH HOME USER LOGNAME LANG LANGUAGE TZ TMPDIR TMP TEMP NO_COLOR NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR "
    "SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT USERPROFILE APPDATA LOCALAPPDATA"
)
_ALWAYS = frozenset(_ALWAYS_TEXT.split())
_PATTERNS = (re.compile(r"LC_[A-Z]+"), re.compile(r"ENRICHMENT__.+"))


def is_for_the_engine(name: str, allowed: Iterable[str]) -> bool:
    """Said to the engine by the user, and nothing about the machine it was said on."""
    return name in allowed or name.startswith("ENRICHMENT__")


def engine_environment(variables: Mapping[str, str], *, allowed: Iterable[str] = ()) -> dict[str, str]:
    """`allowed`: names of credentials and of whatever the user forwards. Dagster's own variables stay here."""
    names = _ALWAYS | frozenset(allowed)
    return {
        name: value for name, value in variables.items() if name in names or any(pattern.fullmatch(name) for pattern in _PATTERNS)
    }

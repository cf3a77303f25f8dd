"""Passwords in the addresses of stores: used to connect, and written nowhere.

An address without its password is what settings, records and messages hold. The whole one stays in the environment
variable MLFLOW_TRACKING_URI, which the processes of a run inherit.
"""

import os
import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

#: MLflow's own variable: names the store where nothing else does, and keeps the password where one is needed.
URI_VARIABLE = "MLFLOW_TRACKING_URI"

_USER_INFO = re.compile(r"(?P<scheme>[\w+.-]+://)(?P<user>[^\s/@:]*):[^\s/]*@")
_SECRET_KEY = re.compile(r"(?i)\b(?P<key>[\w.-]*(?:password|passwd|secret|token|credential)[\w.-]*)=[^\s&\"')]+")
_SECRET_NAMES = re.compile(r"(?i)password|passwd|secret|token|credential")


def without_password(uri: str) -> str:
    """Return an address without the password that it may hold, before the host or among its parameters."""
    if "://" not in uri:
        return uri
    try:
        parts = urlsplit(uri)
    except ValueError:  # no address at all: who asks for it says so
        return hide_passwords(uri)
    # By hand: `username` and `hostname` lower and decode what has to stay as it was.
    user_info, at, host = parts.netloc.rpartition("@")
    user, _, _ = user_info.partition(":")
    query = parts.query
    if _SECRET_NAMES.search(query):
        kept = [(key, value) for key, value in parse_qsl(query, True) if not _SECRET_NAMES.search(key)]
        query = urlencode(kept, quote_via=quote)
    if ":" not in user_info and query == parts.query:
        return uri
    # A user without a name had only a password, such as a token.
    return urlunsplit(parts._replace(netloc=f"{user}{at}{host}" if user else host, query=query))


def with_password(uri: str) -> str:
    """Return the whole address where the environment holds it with its password; else `uri` as it is."""
    known = os.environ.get(URI_VARIABLE, "")
    return known if known and without_password(known) == uri else uri


def remember(uri: str) -> str:
    """Keep an address with its password for this process and those that it starts, and return it without."""
    plain = without_password(uri)
    if plain != uri:
        os.environ[URI_VARIABLE] = uri
    return plain


def hide_passwords(text: str) -> str:
    """Return a message with the passwords of all addresses in it replaced by `***`."""
    return _SECRET_KEY.sub(r"\g<key>=***", _USER_INFO.sub(r"\g<scheme>\g<user>:***@", text))

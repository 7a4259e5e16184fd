"""Servers of the TLS versions that are not accepted."""

from __future__ import annotations

import ssl
import warnings

import pytest
from scripted_server import server_context

OTHER_VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name
)


def other_context(pki, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server that speaks this version only; OpenSSL serves the old ones at security level 0 alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that old versions are deprecated is the point
        context = server_context(pki.server_file, pki.ca_file, version)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context

"""Certificates of our own, for venues that have to prove their name."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import NamedTuple

import pytest


def write_certificate(path: Path, name: str | ipaddress.IPv4Address | ipaddress.IPv6Address) -> Path:
    """Write a certificate for `name`, trusted by itself alone, with its key in the same file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "venue")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    proved = x509.DNSName(name) if isinstance(name, str) else x509.IPAddress(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([proved]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Trust(NamedTuple):
    """What proves a venue's name, and who believes it."""

    theirs: ssl.SSLContext
    ours: ssl.SSLContext


def made_trust(path: Path, name: str | ipaddress.IPv4Address | ipaddress.IPv6Address) -> Trust:
    """Write a certificate for `name`, and return what serves and what believes it."""
    write_certificate(path, name)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(path)
    return Trust(theirs, ssl.create_default_context(cafile=path))

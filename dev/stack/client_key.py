"""The approval client's key pair: the private half for the gateway, the public for the issuer.

Run by itself (`python -m dev.stack.client_key --key FILE --jwks FILE`) it makes both, for
containers.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.client_key import read_client_key
from dev.issuer.files import write_text


def prepare(key: Path, jwks: Path) -> None:
    """Makes the private key if it is missing, and its public half anew.

    Raises:
        BadConfiguration: the key that is there cannot be used.
    """
    if not key.exists():
        pem = generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        write_text(key, pem.decode("ascii"))
    write_text(jwks, json.dumps({"keys": [read_client_key(key).public_jwk()]}, indent=1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the two files that are named."""
    parser = argparse.ArgumentParser(description="Makes the approval client's key pair.")
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--jwks", type=Path, required=True)
    options = parser.parse_args(arguments)
    prepare(options.key, options.jwks)
    return 0


if __name__ == "__main__":
    sys.exit(main())

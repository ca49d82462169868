"""Check an entitlement with nothing but the venue's public key: python verify_entitlement.py FILE KEY."""

import json
import sys
import time
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

sealed = json.loads(Path(sys.argv[1]).read_text())
said = sealed["document"]
signed = json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")
try:
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(sys.argv[2])).verify(bytes.fromhex(sealed["signature"]), signed)
except InvalidSignature:
    sys.exit("the signature is not the venue's")
if said["kind"] != "entitlement" or not said["valid_from"] <= time.time() * 1000 < said["valid_until"]:
    sys.exit("this is no entitlement, or not one that is valid now")
print(f"{said['buyer']} may read {said['root']}: {said['seats']} seats, {said['quota_tokens']} tokens")

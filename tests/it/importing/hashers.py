"""The hashes that Django, passlib and Werkzeug make of a password, one a scheme that the import accepts."""

import json
import sys

import django
import passlib.hash
from django.conf import settings
from django.contrib.auth import hashers
from werkzeug.security import generate_password_hash

settings.configure(PASSWORD_HASHERS=[
    f"django.contrib.auth.hashers.{name}PasswordHasher"
    for name in ("PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt")
])
django.setup()

DJANGO = ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt"]
PASSLIB = [
    "sha512_crypt", "sha256_crypt", "pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512", "bcrypt", "argon2", "scrypt",
    "django_pbkdf2_sha256", "django_pbkdf2_sha1", "django_bcrypt", "django_bcrypt_sha256", "md5_crypt", "apr_md5_crypt",
]
WERKZEUG = ["scrypt", "pbkdf2:sha1:1000", "pbkdf2:sha256:1000", "pbkdf2:sha512:1000"]

password = json.load(sys.stdin)
hashes = {f"django {name}": hashers.make_password(password, hasher=name) for name in DJANGO}
hashes |= {f"passlib {name}": getattr(passlib.hash, name).hash(password) for name in PASSLIB}
hashes |= {f"passlib argon2 type {kind}": passlib.hash.argon2.using(type=kind).hash(password) for kind in ("I", "ID")}
hashes |= {f"werkzeug {method}": generate_password_hash(password, method) for method in WERKZEUG}
json.dump(hashes, sys.stdout)

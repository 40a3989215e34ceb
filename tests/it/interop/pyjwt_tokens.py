import time

import jwt


def issue(secret, payload, expires_in):
    now = int(time.time())
    return jwt.encode({**payload, "iat": now, "exp": now + expires_in}, secret, algorithm="HS256")


def verify(secret, token):
    options = {"require": ["iat", "exp"]}
    whole = jwt.decode_complete(token, secret, algorithms=["HS256"], options=options)
    return whole["header"], whole["payload"]

# OPTIONS is above.
from itsdangerous import TimedJSONWebSignatureSerializer


def issue(secret, payload, expires_in):
    serializer = TimedJSONWebSignatureSerializer(secret, expires_in=expires_in, **OPTIONS)
    return serializer.dumps(payload).decode()


def verify(secret, token):
    serializer = TimedJSONWebSignatureSerializer(secret, **OPTIONS)
    payload, header = serializer.loads(token, return_header=True)
    return header, payload

# issue and verify stand above.
import base64


def answer(job):
    secret = job["secret"]
    secret = secret["text"] if "text" in secret else base64.b64decode(secret["base64"])
    if "payload" in job:
        return {"token": issue(secret, job["payload"], job["expires_in"])}
    try:
        header, payload = verify(secret, job["token"])
    except Exception as error:
        return {"error": type(error).__name__}
    return {"header": header, "payload": payload}

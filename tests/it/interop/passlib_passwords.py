from passlib.hash import scrypt


def answer(job):
    password = job["password"]
    if "hash" in job:
        return {
            "right": scrypt.verify(password, job["hash"]),
            "wrong": scrypt.verify(password + "x", job["hash"]),
            "written": scrypt.from_string(job["hash"]).to_string(),
        }
    maker = scrypt.using(rounds=job["ln"], block_size=job["r"], parallelism=job["p"])
    return {"hash": maker.hash(password)}

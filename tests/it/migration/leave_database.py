"""What follows article_app.py in one script: registers users, issues tokens, and leaves the app's database.

Reads {"database", "secret", "users": [[name, password]]}, as `job`; writes the tokens by name, and some more by what they are.
"""

import base64


def basic(username, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


client = app.test_client()
tokens = {}
for name, password in job["users"]:
    assert client.post("/api/users", json={"username": name, "password": password}).status_code == 201
    token = client.get("/api/token", headers=basic(name, password)).get_json()["token"]
    answer = client.get("/api/resource", headers=basic(token, "unused"))
    assert answer.get_json() == {"data": f"Hello, {name}!"}, answer.data
    tokens[name] = token

# What nothing in that database forbids: two registrations at the same moment, and a name that is missing.
first = User.query.get(1)
twin = User(username=first.username, password_hash=first.password_hash)
db.session.add_all([twin, User(username=None, password_hash=first.password_hash)])
db.session.commit()
serializer = Serializer(job["secret"], expires_in=600)
expired = Serializer(job["secret"], expires_in=-1)
more = {
    "twin": serializer.dumps({"id": twin.id}).decode(),
    "next": serializer.dumps({"id": twin.id + 2}).decode(),
    "expired": expired.dumps({"id": 1}).decode(),
    "foreign": Serializer("another secret that is long enough", expires_in=600).dumps({"id": 1}).decode(),
}
json.dump({"tokens": tokens, "more": more, "twin": twin.id}, sys.stdout)

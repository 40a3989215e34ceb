"""The article's app, in short, on the real Flask stack: it registers users, issues tokens and leaves its database.

Reads {"database", "secret", "users": [[name, password]]}; writes the tokens by name, and some more by what they are.
"""
import json
import sys
import warnings

warnings.simplefilter("ignore")

from flask import Flask, abort, g, jsonify, request
from flask_httpauth import HTTPBasicAuth
from flask_sqlalchemy import SQLAlchemy
from itsdangerous import BadSignature, SignatureExpired
from itsdangerous import TimedJSONWebSignatureSerializer as Serializer
from passlib.apps import custom_app_context as pwd_context

job = json.load(sys.stdin)
app = Flask(__name__)
app.config["SECRET_KEY"] = job["secret"]
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + job["database"]
app.config["SQLALCHEMY_COMMIT_ON_TEARDOWN"] = True
app.config["SQLALCHEMY_TRACK_MODIFICATIONS"] = False
db = SQLAlchemy(app)
auth = HTTPBasicAuth()


class User(db.Model):
    __tablename__ = "users"
    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.String(32), index=True)
    password_hash = db.Column(db.String(64))

    def hash_password(self, password):
        self.password_hash = pwd_context.encrypt(password)

    def verify_password(self, password):
        return pwd_context.verify(password, self.password_hash)

    def generate_auth_token(self, expiration=600):
        return Serializer(app.config["SECRET_KEY"], expires_in=expiration).dumps({"id": self.id})

    @staticmethod
    def verify_auth_token(token):
        try:
            data = Serializer(app.config["SECRET_KEY"]).loads(token)
        except (SignatureExpired, BadSignature):
            return None
        return User.query.get(data["id"])


@auth.verify_password
def verify_password(username_or_token, password):
    user = User.verify_auth_token(username_or_token)
    if not user:
        user = User.query.filter_by(username=username_or_token).first()
        if not user or not user.verify_password(password):
            return False
    g.user = user
    return True


@app.route("/api/users", methods=["POST"])
def new_user():
    username, password = request.json.get("username"), request.json.get("password")
    if username is None or password is None or User.query.filter_by(username=username).first() is not None:
        abort(400)
    user = User(username=username)
    user.hash_password(password)
    db.session.add(user)
    db.session.commit()
    return jsonify({"username": user.username}), 201


@app.route("/api/token")
@auth.login_required
def get_auth_token():
    return jsonify({"token": g.user.generate_auth_token(600).decode("ascii"), "duration": 600})


@app.route("/api/resource")
@auth.login_required
def get_resource():
    return jsonify({"data": "Hello, %s!" % g.user.username})


def basic(username, password):
    import base64

    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


db.create_all()
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

"""The article's app, in short, on the real Flask stack; DATABASE and SECRET_KEY say where and by what.

The test of the migration leaves a database with it, and `make bench` measures gatekey beside it.
"""
import os
import warnings

warnings.simplefilter("ignore")

from flask import Flask, abort, g, jsonify, request
from flask_httpauth import HTTPBasicAuth
from flask_sqlalchemy import SQLAlchemy
from itsdangerous import BadSignature, SignatureExpired
from itsdangerous import TimedJSONWebSignatureSerializer as Serializer
from passlib.apps import custom_app_context as pwd_context

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.environ["DATABASE"]
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


db.create_all()

"""The article's server on the article's stack, as a site would run it: what gatekey is measured beside.

Written anew after the article: Flask-HTTPAuth asks for a token or a name and a password, itsdangerous signs, passlib hashes,
SQLAlchemy asks SQLite. Run by gunicorn; DATABASE says where the file is.
"""

import os

from flask import Flask, abort, g, jsonify, request
from flask_httpauth import HTTPBasicAuth
from flask_sqlalchemy import SQLAlchemy
from itsdangerous import BadSignature, TimedJSONWebSignatureSerializer
from passlib.apps import custom_app_context

app = Flask(__name__)
app.config["SECRET_KEY"] = "a secret of this benchmark's own, of no use elsewhere"
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.environ["DATABASE"]
app.config["SQLALCHEMY_TRACK_MODIFICATIONS"] = False
db = SQLAlchemy(app)
auth = HTTPBasicAuth()


class User(db.Model):
    __tablename__ = "users"
    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.String(32), index=True)
    password_hash = db.Column(db.String(128))


def serializer(lifetime=None):
    return TimedJSONWebSignatureSerializer(app.config["SECRET_KEY"], expires_in=lifetime)


def user_of_token(token):
    try:
        return User.query.get(serializer().loads(token)["id"])
    except BadSignature:
        return None


@auth.verify_password
def verify_password(username_or_token, password):
    user = user_of_token(username_or_token)
    if not user:
        user = User.query.filter_by(username=username_or_token).first()
        if not user or not custom_app_context.verify(password, user.password_hash):
            return False
    g.user = user
    return True


@app.route("/api/users", methods=["POST"])
def register():
    body = request.json
    if User.query.filter_by(username=body["username"]).first():
        abort(400)
    db.session.add(User(username=body["username"], password_hash=custom_app_context.hash(body["password"])))
    db.session.commit()
    return jsonify({"username": body["username"]}), 201


@app.route("/api/token")
@auth.login_required
def token():
    return jsonify({"token": serializer(3600).dumps({"id": g.user.id}).decode("ascii"), "duration": 3600})


@app.route("/api/resource")
@auth.login_required
def resource():
    return jsonify({"data": f"Hello, {g.user.username}!"})


if not os.path.exists(os.environ["DATABASE"]):
    db.create_all()

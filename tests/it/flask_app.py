import base64
import json
import os
import sys
import urllib.error
import urllib.request

from flask import Flask, request

job = json.load(sys.stdin)
app = Flask(__name__)


@app.route("/login", methods=["POST"])
def login():
    credentials = base64.b64encode(f"{request.form['username']}:{request.form['password']}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    if job["forwards"]:
        headers["X-Forwarded-For"] = request.remote_addr
    try:
        return urllib.request.urlopen(urllib.request.Request(job["url"], headers=headers)).read()
    except urllib.error.HTTPError as error:
        return error.read(), error.code


answers = []
for address, username, password in job["logins"]:
    form = {"username": username, "password": password}
    answer = app.test_client().post("/login", data=form, environ_base={"REMOTE_ADDR": address})
    answers.append({"status": answer.status_code, "body": answer.get_data(as_text=True)})
json.dump({"answers": answers}, sys.stdout)

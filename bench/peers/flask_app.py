"""The shape of the tutorial's Flask server, behind gunicorn. No signature is checked there."""

import os
from typing import Any

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
service = WebPubSubServiceClient.from_connection_string(os.environ["WPS_CONNECTION_STRING"], hub="chat")


@app.route("/negotiate")
def negotiate() -> Any:
    return jsonify(url=service.get_client_access_token(user_id=request.args["id"])["url"])


@app.route("/eventhandler", methods=["POST"])
def events() -> Any:
    if request.headers["ce-type"] == "azure.webpubsub.sys.connect":
        return jsonify(userId=request.get_json()["claims"]["sub"][0])
    text = request.get_data(as_text=True)
    if os.environ.get("FANOUT") == "sdk":
        service.send_to_all({"from": request.headers.get("ce-userId"), "message": text})
    return Response(status=204)

"""Two others who take webhooks, installed as they are published and set up as their users do: Debian's `webhook`, which
runs a command for each, and Node-RED with a flow of four nodes.

Nothing is installed into the system: all goes into one folder. Not concerned with measuring.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
from servers import PATIENCE, SECRET, Server, environment, running

NODE_RED = "node-red"
WEBHOOK = "webhook"
REFUSED = 401
_INSTALLING = 900.0


class NotToBeHad(Exception):
    """A peer cannot be installed here; the message says why."""


def webhook_installed(cache: Path) -> Path:
    """Debian's package `webhook`, unpacked into the folder; its program."""
    program = cache / "webhook" / "usr" / "bin" / "webhook"
    if not program.exists():
        _installed(["apt-get", "download", "-qq", "webhook"], cache, WEBHOOK)
        package = next(cache.glob("webhook_*.deb"))
        _installed(["dpkg", "-x", package.name, "webhook"], cache, WEBHOOK)
    return program


def node_red_installed(cache: Path) -> Path:
    """Node-RED from the npm registry, in the folder; its program."""
    program = cache / "node_modules" / "node-red" / "red.js"
    if not program.exists():
        words = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(cache), "node-red"]
        _installed(words, cache, NODE_RED)
    return program


@contextmanager
def webhook(program: Path, folder: Path, *, sink: int, poster: Path) -> Iterator[Server]:
    """`webhook` with one hook: the signature is its trigger rule, the poster its command."""
    hook = {
        "id": "shopify",
        "execute-command": str(poster),
        "http-methods": ["POST"],
        "response-message": '{"success": true}',
        "trigger-rule-mismatch-http-response-code": 401,
        "pass-arguments-to-command": [{"source": "string", "name": str(sink)}, {"source": "payload", "name": "id"}],
        "trigger-rule": {
            "match": {
                "type": "payload-hmac-sha256",
                "secret": SECRET,
                "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
            }
        },
    }
    hooks = folder / "hooks.json"
    hooks.write_text(json.dumps([hook]))
    port = _free_port()
    words = [str(program), "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(port), "-urlprefix", "webhooks"]
    with _started(words, folder, port) as server:
        yield server


@contextmanager
def node_red(program: Path, folder: Path, *, sink: int) -> Iterator[Server]:
    """Node-RED without its editor; the flow answers when the sink has answered."""
    port = _free_port()
    (folder / "flows.json").write_text(json.dumps(_flow(sink)))
    (folder / "settings.js").write_text(
        f"module.exports = {{uiHost: '127.0.0.1', uiPort: {port}, flowFile: 'flows.json', credentialSecret: false,"
        " httpAdminRoot: false, telemetry: {enabled: false, updateNotification: false},"
        " functionGlobalContext: {crypto: require('crypto')}, logging: {console: {level: 'warn'}}}\n"
    )
    words = ["node", str(program), "--userDir", str(folder), "--settings", str(folder / "settings.js")]
    with _started(words, folder, port) as server:
        yield server


_VERIFY = f"""
const mac = global.get('crypto').createHmac('sha256', {json.dumps(SECRET)}).update(msg.payload).digest('base64');
if (mac !== msg.req.headers['x-shopify-hmac-sha256']) {{
  msg.statusCode = 401;
  return [null, msg];
}}
const order = JSON.parse(msg.payload);
msg.payload = {{events: [{{event_type: 'purchase', properties: {{
  order_id: String(order.id), value: Number(order.total_price), currency: order.currency}}}}]}};
msg.headers = {{'content-type': 'application/json'}};
return [msg, null];
"""
_ANSWER = "msg.payload = {success: msg.statusCode === 200}; msg.headers = {}; return msg;"


def _flow(sink: int) -> list[dict[str, object]]:
    upstream = f"http://127.0.0.1:{sink}/v1/track/batch"
    origin = {"method": "post", "url": "/webhooks/shopify", "skipBodyParsing": True}
    post = {"method": "POST", "ret": "txt", "paytoqs": "ignore", "url": upstream, "persist": True}
    return [
        {"id": "flow", "type": "tab", "label": "shopify"},
        {"id": "door", "z": "flow", "type": "http in", **origin, "wires": [["verify"]]},
        {"id": "verify", "z": "flow", "type": "function", "func": _VERIFY, "outputs": 2, "wires": [["post"], ["out"]]},
        {"id": "post", "z": "flow", "type": "http request", **post, "wires": [["answer"]]},
        {"id": "answer", "z": "flow", "type": "function", "func": _ANSWER, "outputs": 1, "wires": [["out"]]},
        {"id": "out", "z": "flow", "type": "http response", "statusCode": "", "wires": []},
    ]


@contextmanager
def _started(words: Sequence[str], folder: Path, port: int) -> Iterator[Server]:
    with (folder / "log").open("a") as log:
        env = environment({"HOME": str(folder)})
        with running(words, env=env, folder=folder, log=log.fileno()) as process:
            server = Server(process, port)
            began = monotonic()
            while not _refuses(port):
                if process.poll() is not None or monotonic() - began > PATIENCE:
                    raise NotToBeHad(f"{words[0]} does not start: {(folder / 'log').read_text()[-500:]}")
                sleep(0.05)
            yield server


def _refuses(port: int) -> bool:
    """Whether it takes webhooks by now: one without a signature is refused."""
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/webhooks/shopify", json={}, trust_env=False, timeout=PATIENCE)
    except httpx.TransportError:
        return False
    return answer.status_code == REFUSED


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def _installed(words: Sequence[str], cache: Path, name: str) -> None:
    if shutil.which(words[0]) is None:
        raise NotToBeHad(f"{name} needs {words[0]}, which is not here")
    ended = subprocess.run(words, cwd=cache, capture_output=True, text=True, timeout=_INSTALLING, check=False)
    if ended.returncode != 0:
        raise NotToBeHad(f"{name} cannot be installed: {' '.join(words[:2])}: {ended.stderr.strip()[-300:]}")

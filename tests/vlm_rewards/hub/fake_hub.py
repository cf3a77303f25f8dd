"""The hub's side of the wire, as far as model repositories need it: the client that talks to it is the real one."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeHub:
    """Repositories in memory, served on a port of this machine.

    Attributes:
        url: What `HF_ENDPOINT` would be.
        commits: By repository and branch, the commits of it: id and files, oldest first.
        messages: The message of each commit, in order.
        private: Repositories that were made private.
        token: The only token that may write; None asks for none.
    """

    def __init__(self):
        self.commits = {}
        self.messages = []
        self.private = set()
        self.token = None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def _answer(self, status, body=b"", headers=None):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b"".join(iter(self._chunk, b""))
                self._answer(*hub.post(self.path.partition("?")[0], body, self.headers.get("Authorization")))

            def _chunk(self):
                data = self.rfile.read(int(self.rfile.readline(), 16))
                self.rfile.readline()
                return data

            def do_GET(self):
                self._answer(*hub.get(self.path.partition("?")[0]))

            do_HEAD = do_GET  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def files(self, repo, branch="main"):
        return self.commits[repo, branch][-1][1]

    def post(self, path, body, authorization):
        if self.token is not None and authorization != f"Bearer {self.token}":
            return 401, {"error": "Invalid username or password."}
        if path == "/api/repos/create":
            values = json.loads(body)
            repo = f"{values['organization']}/{values['name']}"
            if (repo, "main") in self.commits:
                return 409, {"error": "You already created this model repo", "url": f"{self.url}/{repo}"}
            if values.get("private") or values.get("visibility") == "private":
                self.private.add(repo)
            self.commits[repo, "main"] = [("0" * 40, {})]
            return 200, {"url": f"{self.url}/{repo}"}
        if path == "/api/validate-yaml":
            return 200, {"warnings": [], "errors": []}
        repo, action, branch = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(\w+)/(.+)", path).groups()
        if action == "branch":
            self.commits[repo, branch] = list(self.commits[repo, "main"])
            return 200, {}
        if action == "preupload":
            names = [file["path"] for file in json.loads(body)["files"]]
            listed = [{"path": name, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for name in names]
            return 200, {"files": listed}
        files = dict(self.commits[repo, branch][-1][1])
        for line in map(json.loads, body.decode().splitlines()):
            if line["key"] == "header":
                self.messages.append(line["value"]["summary"])
            elif line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        oid = hashlib.sha1(repr(sorted(files.items())).encode() + str(len(self.messages)).encode()).hexdigest()
        self.commits[repo, branch].append((oid, files))
        return 200, {"success": True, "commitUrl": f"{self.url}/{repo}/commit/{oid}", "commitOid": oid}

    def get(self, path):
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path)
        tree = re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/(.+)", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        found = info or tree or file
        repo, revision = found[1], found[2] or "main"
        if not any(name == repo for name, _ in self.commits):
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        commit = self._commit(repo, revision)
        if commit is None:
            return 404, {"error": f"Invalid rev id: {revision}"}, {"X-Error-Code": "RevisionNotFound"}
        oid, files = commit
        if info:
            return 200, {"id": repo, "sha": oid, "siblings": [{"rfilename": name} for name in files], "tags": []}
        if tree:
            return 200, [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in files.items()
            ]
        if file[3] not in files:
            return 404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": oid}
        data = files[file[3]]
        return 200, data, {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": oid}

    def _commit(self, repo, revision):
        if (repo, revision) in self.commits:
            return self.commits[repo, revision][-1]
        every = [commit for (name, _), commits in self.commits.items() if name == repo for commit in commits]
        return next((commit for commit in every if commit[0] == revision), None)

"""A small Hugging Face Hub on this machine, and the real client in a process of its own.

The server speaks what huggingface_hub asks for when models are pushed and loaded, keeps the
requests it saw, and fails on demand. It is written from the client's source: where the client looks
at a header or a field, the server gives it as the Hub does.
"""

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from helpers.hub_repos import Blob, Fault, Repo, is_large, place_of, send, size_of, validate_yaml

ROOT = Path(__file__).parents[2]

USERS = {"hf_ann": "ann", "hf_bob": "bob"}


class _Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "", **fields: Any) -> None:
        headers = {"X-Error-Code": code} if code else {}
        if message:
            headers["X-Error-Message"] = message
        self.response = JSONResponse({"error": message, **fields}, status, headers)


class HubServer:
    """The server; a context manager."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.leaked: list[str] = []
        self._large: dict[str, bytes] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        # Another host in the client's eyes, as the Hub's storage is: no token may get there.
        self.storage = self.url.replace("127.0.0.1", "localhost")
        app = FastAPI(openapi_url=None)
        app.add_api_route("/{path:path}", self._answer, methods=["GET", "HEAD", "POST", "PUT"])
        config = uvicorn.Config(app, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> "HubServer":
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def add(self, repo_id: str, files: dict[str, bytes] | None = None, **options: Any) -> Repo:
        """Create a repository; it starts with one commit, as on the Hub."""
        repo = self.repos[repo_id] = Repo(repo_id.split("/")[-2], **options)
        repo.commit("main", {".gitattributes": Blob(b"*.safetensors filter=lfs\n", False)}, "start")
        if files:
            repo.put(files)
        return repo

    async def _answer(self, request: Request) -> Response:
        raw = request.scope["raw_path"].decode().partition("?")[0]
        line = f"{request.method} {raw}"
        self.requests.append(line)
        fault = self._fault(line)
        if fault is not None and fault.status is not None:
            return Response(status_code=fault.status, headers=fault.headers)
        segments = [unquote(part) for part in raw.strip("/").split("/")]
        try:
            response = self._route(request, segments, await request.body())
        except _Refused as refused:
            return refused.response
        if fault is not None and fault.claimed:
            response.headers["X-Linked-Size"] = str(int(size_of(response)) + fault.claimed)
        if fault is not None and fault.body is not None:
            # Fewer bytes than Content-Length says: the server then cuts the connection.
            length = response.headers["Content-Length"]
            response.body = bytes(response.body)[: fault.body]
            response.headers["Content-Length"] = length
        return response

    def _fault(self, line: str) -> Fault | None:
        for fault in self.faults:
            if fault.match in line:
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                return fault
        return None

    def _route(self, request: Request, segments: list[str], body: bytes) -> Response:
        user = self._user(request)
        kind = ""  # spaces are kept under "spaces/owner/name", models under "owner/name"
        if segments[:2] == ["api", "spaces"]:
            kind, segments = "spaces/", ["api", "models", *segments[2:]]
        elif segments[0] == "spaces":
            kind, segments = "spaces/", segments[1:]
        match (request.method, *segments):
            case ("POST", "api", "repos", "create"):
                return self._create(user, json.loads(body))
            case ("POST", "api", "validate-yaml"):
                return validate_yaml(json.loads(body)["content"])
            case ("GET", "api", "models", owner, name):
                return self._info(user, f"{kind}{owner}/{name}", "main")
            case ("GET", "api", "models", owner, name, "revision", revision):
                return self._info(user, f"{kind}{owner}/{name}", revision)
            case ("GET", "api", "models", owner, name, "tree", revision):
                return self._tree(user, f"{kind}{owner}/{name}", revision)
            case ("POST", "api", "models", owner, name, "branch", branch):
                repo = self._repo(user, f"{kind}{owner}/{name}", write=True)
                repo.refs[branch] = repo.refs["main"]
                return Response(status_code=201)
            case ("POST", "api", "models", owner, name, "preupload", revision):
                pull = request.query_params.get("create_pr") == "1"
                repo = self._repo(user, f"{kind}{owner}/{name}", write=not pull)
                return self._preupload(repo, revision, json.loads(body))
            case ("POST", owner, name, "info", "lfs", "objects", "batch"):
                # Who opens a pull request may upload too; the ref is then left out.
                asked = json.loads(body)
                repo_id = f"{kind}{owner}/{name.removesuffix('.git')}"
                self._repo(user, repo_id, write="ref" in asked)
                return self._batch(repo_id, asked)
            case ("PUT", "storage", oid):
                if request.headers.get("authorization"):
                    self.leaked.append(request.url.path)
                if hashlib.sha256(body).hexdigest() != oid:
                    raise _Refused(400, message="the content is not what was announced")
                self._large[oid] = body
                return Response()
            case ("POST", "api", "models", owner, name, "verify"):
                self._repo(user, f"{kind}{owner}/{name}")
                asked = json.loads(body)
                if len(self._large.get(asked["oid"], b"")) != asked["size"]:
                    raise _Refused(422, message="the upload is not whole")
                return Response()
            case ("POST", "api", "models", owner, name, "commit", revision):
                pull = request.query_params.get("create_pr") == "1"
                return self._commit(user, f"{kind}{owner}/{name}", revision, body, pull=pull)
            case ("GET" | "HEAD", owner, name, "resolve", revision, *path):
                return self._resolve(
                    request, user, f"{kind}{owner}/{name}", revision, "/".join(path)
                )
            case ("GET" | "HEAD", "storage", oid):
                if request.headers.get("authorization"):
                    self.leaked.append(request.url.path)
                return send(request, self._large[oid], {"ETag": f'"{oid}"'})
        raise AssertionError(f"the server does not know {request.method} {segments}")

    def _user(self, request: Request) -> str | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in USERS:
            raise _Refused(401, message="Invalid credentials in Authorization header")
        return USERS.get(token)

    def _repo(self, user: str | None, repo_id: str, *, write: bool = False) -> Repo:
        repo = self.repos.get(repo_id)
        if repo is None or (repo.private and user != repo.owner):
            # The Hub does not tell strangers whether a private repository exists.
            raise _Refused(404 if user else 401, "RepoNotFound", "Repository not found")
        if repo.gated and user != repo.owner:
            raise _Refused(403, "GatedRepo", "Access to this model is restricted")
        if write and user is None:
            raise _Refused(401, message="Invalid username or password.")
        if write and user != repo.owner:
            raise _Refused(403, message="You have no write access to this repository")
        return repo

    def _revision(self, repo: Repo, revision: str) -> str:
        sha = repo.resolve(revision)
        if sha is None:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha

    def _create(self, user: str | None, asked: dict[str, Any]) -> Response:
        if user is None:
            raise _Refused(401, message="Invalid username or password.")
        owner = asked.get("organization") or user
        space = asked.get("type") == "space"
        if space and asked.get("sdk") != "gradio":
            raise _Refused(400, message="a Space needs an sdk")
        repo_id = f"{'spaces/' if space else ''}{owner}/{asked['name']}"
        if owner != user:
            raise _Refused(403, message=f"You don't have the rights to create under {owner}")
        url = f"{self.url}/{repo_id}"
        if repo_id in self.repos:
            raise _Refused(409, message="You already created this model repo", url=url)
        self.add(repo_id, private=asked.get("visibility") == "private")
        own = repo_id.removeprefix("spaces/")
        return JSONResponse({"url": url, "name": own, "id": own})

    def _info(self, user: str | None, repo_id: str, revision: str) -> Response:
        repo = self._repo(user, repo_id)
        sha = self._revision(repo, revision)
        return JSONResponse(
            {
                "id": repo_id.removeprefix("spaces/"),
                "modelId": repo_id.removeprefix("spaces/"),
                "sha": sha,
                "private": repo.private,
                "gated": "auto" if repo.gated else False,
                "tags": [],
                "downloads": 0,
                "siblings": [{"rfilename": name} for name in repo.commits[sha]],
            }
        )

    def _tree(self, user: str | None, repo_id: str, revision: str) -> Response:
        repo = self._repo(user, repo_id)
        rows = []
        for name, blob in repo.commits[self._revision(repo, revision)].items():
            row = {"type": "file", "path": name, "size": len(blob.content), "oid": blob.git_oid}
            if blob.lfs:
                row["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
            rows.append(row)
        return JSONResponse(rows)

    def _preupload(self, repo: Repo, revision: str, asked: dict[str, Any]) -> Response:
        there = repo.commits[self._revision(repo, revision)]
        return JSONResponse(
            {
                "files": [
                    {
                        "path": each["path"],
                        "uploadMode": "lfs" if is_large(each["path"]) else "regular",
                        "shouldIgnore": False,
                        "oid": there[each["path"]].oid if each["path"] in there else None,
                    }
                    for each in asked["files"]
                ]
            }
        )

    def _batch(self, repo_id: str, asked: dict[str, Any]) -> Response:
        objects = []
        for each in asked["objects"]:
            row = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self._large:
                row["actions"] = {
                    "upload": {"href": f"{self.storage}/storage/{each['oid']}"},
                    "verify": {"href": f"{self.url}/api/{place_of(repo_id)}/verify"},
                }
            objects.append(row)
        return JSONResponse({"transfer": "basic", "objects": objects})

    def _commit(
        self, user: str | None, repo_id: str, revision: str, body: bytes, *, pull: bool
    ) -> Response:
        repo = self._repo(user, repo_id, write=not pull)
        if user is None:
            raise _Refused(401, message="Invalid username or password.")
        parent = self._revision(repo, revision)
        files, message = dict(repo.commits[parent]), ""
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            match item["key"]:
                case "header":
                    message = value["summary"]
                    if not pull and value.get("parentCommit", parent) != parent:
                        raise _Refused(412, message="A commit has happened since.")
                case "file":
                    content = base64.b64decode(value["content"])
                    files[value["path"]] = Blob(content, lfs=False)
                case "lfsFile":
                    files[value["path"]] = Blob(self._large[value["oid"]], lfs=True)
                case "deletedFile":
                    del files[value["path"]]
        number = sum(ref.startswith("refs/pr/") for ref in repo.refs) + 1
        sha = repo.commit(f"refs/pr/{number}" if pull else revision, files, message)
        answer = {"commitUrl": f"{self.url}/{repo_id}/commit/{sha}", "commitOid": sha}
        if pull:
            answer["pullRequestUrl"] = f"{self.url}/{repo_id}/discussions/{number}"
        return JSONResponse(answer)

    def _resolve(
        self, request: Request, user: str | None, repo_id: str, revision: str, path: str
    ) -> Response:
        repo = self._repo(user, repo_id)
        sha = self._revision(repo, revision)
        blob = repo.commits[sha].get(path)
        if blob is None:
            refused = _Refused(404, "EntryNotFound", "Entry not found")
            refused.response.headers["X-Repo-Commit"] = sha
            raise refused
        headers = {"X-Repo-Commit": sha, "ETag": f'"{blob.git_oid}"'}
        if not blob.lfs:
            return send(request, blob.content, headers)
        self._large[blob.sha256] = blob.content
        headers |= {
            "X-Linked-ETag": f'"{blob.sha256}"',
            "X-Linked-Size": str(len(blob.content)),
            "Location": f"{self.storage}/storage/{blob.sha256}",
        }
        return Response(status_code=302, headers=headers)


class Raised(Exception):
    """What the client's process raised, as "Type: message"."""


_WORKER = """
import json, os, sys, time, traceback

sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.01))  # huggingface_hub's waits between retries
answers, sys.stdout = sys.stdout, sys.stderr
import numpy as np
import colorzoo

for line in sys.stdin:
    names = {"colorzoo": colorzoo, "np": np, "result": None}
    try:
        exec(json.loads(line), names)
        answer = {"result": names["result"]}
    except BaseException as error:
        traceback.print_exc()
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), file=answers, flush=True)
"""


class Client:
    """colorzoo and huggingface_hub as a user has them, in a process that talks to ``endpoint``."""

    def __init__(self, endpoint: str, home: Path, **environment: str) -> None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "HUGGING")) and not name.lower().endswith("_proxy")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=inherited
            | {
                "HF_ENDPOINT": endpoint,
                "HF_HOME": str(home),
                "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "OMP_NUM_THREADS": "1",
            }
            | environment,
        )

    def run(self, code: str, **values: Any) -> Any:
        """Run code there; give what it assigns to ``result``.

        Raises:
            Raised: If the code raises.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        given = "".join(f"{name} = {value!r}\n" for name, value in values.items())
        self._process.stdin.write(json.dumps(given + code) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise Raised(answer["error"])
        return answer["result"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

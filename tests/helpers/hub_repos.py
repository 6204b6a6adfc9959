"""What a Hub on this machine keeps: repositories, their files and commits, and what goes wrong."""

import hashlib
import json
from dataclasses import dataclass, field

import yaml
from fastapi import Request, Response
from fastapi.responses import JSONResponse


@dataclass(frozen=True)
class Blob:
    """A file of a commit."""

    content: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def git_oid(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def oid(self) -> str:
        return self.sha256 if self.lfs else self.git_oid


@dataclass
class Repo:
    """A repository: commits, and the names that point at them."""

    owner: str
    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, ref: str, files: dict[str, Blob], message: str) -> str:
        seed = json.dumps([len(self.commits), sorted(files), message]).encode()
        sha = hashlib.sha1(seed + b"".join(blob.content for blob in files.values())).hexdigest()
        self.commits[sha] = files
        self.refs[ref] = sha
        self.messages.append(message)
        return sha

    def put(self, files: dict[str, bytes], *, ref: str = "main") -> str:
        """Commit files as if by hand, say on the Hub's page."""
        blobs = {name: Blob(content, is_large(name)) for name, content in files.items()}
        return self.commit(ref, {**self.commits[self.refs[ref]], **blobs}, "by hand")

    def files(self, ref: str = "main") -> dict[str, bytes]:
        return {name: blob.content for name, blob in self.commits[self.refs[ref]].items()}

    def resolve(self, revision: str) -> str | None:
        return self.refs.get(revision) or (revision if revision in self.commits else None)


@dataclass
class Fault:
    """What goes wrong with requests whose "METHOD path" contains ``match``.

    Attributes:
        match: The part of "METHOD path".
        status: The status to answer with, if it is to be an error.
        body: Bytes of the body that are sent before the connection drops.
        claimed: Bytes that the answer to HEAD claims more than there are.
        times: How often; None is until it is removed.
    """

    match: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: int | None = None
    claimed: int = 0
    times: int | None = None


def place_of(repo_id: str) -> str:
    """The repository's place under /api."""
    return repo_id if repo_id.startswith("spaces/") else f"models/{repo_id}"


def is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".whl", ".jpg"))


def size_of(response: Response) -> str:
    return response.headers.get("X-Linked-Size") or response.headers["Content-Length"]


def send(request: Request, content: bytes, headers: dict[str, str]) -> Response:
    status = 200
    asked = request.headers.get("range")
    if asked is not None:
        start, _, end = asked.removeprefix("bytes=").partition("-")
        last = min(int(end), len(content) - 1) if end else len(content) - 1
        headers["Content-Range"] = f"bytes {start}-{last}/{len(content)}"
        content, status = content[int(start) : last + 1], 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers | {"Content-Length": str(len(content))})
    return Response(content, status, headers, media_type="application/octet-stream")


def validate_yaml(content: str) -> Response:
    block = content.split("---")[1] if content.startswith("---") else ""
    try:
        data = yaml.safe_load(block) or {}
        errors = [] if isinstance(data, dict) else [{"message": "metadata must be a mapping"}]
    except yaml.YAMLError as error:
        errors = [{"message": str(error)}]
    warnings = [] if block else [{"message": "empty or missing yaml metadata in repo card"}]
    return JSONResponse({"errors": errors, "warnings": warnings}, 400 if errors else 200)

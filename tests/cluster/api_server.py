"""A client of the API server: a request takes a few milliseconds, while each run of kubectl takes 0.3 s of CPU."""

import base64
import json
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import httpx2

from flashsale_operator.resource.models import GROUP, VERSION
from tests.cluster.kubectl import Kubectl, Refused

Object = dict[str, Any]

REQUEST_SECONDS = 30
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
CORE, APPS, RBAC = "/api/v1", "/apis/apps/v1", "/apis/rbac.authorization.k8s.io/v1"
RESOURCES = {
    "flashsale": (f"/apis/{GROUP}/{VERSION}", "flashsales"),
    "deployment": (APPS, "deployments"),
    "statefulset": (APPS, "statefulsets"),
    "job": ("/apis/batch/v1", "jobs"),
    "lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "role": (RBAC, "roles"),
    "rolebinding": (RBAC, "rolebindings"),
    "serviceaccount": (CORE, "serviceaccounts"),
    "secret": (CORE, "secrets"),
    "service": (CORE, "services"),
    "pod": (CORE, "pods"),
    "event": (CORE, "events"),
}
"""The API and the plural of each kind, by the kind in lower case. All of these kinds are namespaced."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The API server, seen from one namespace. Every method raises Refused with the server's message if it fails.

    The argument `resource` is `kind/name`, with the kind in lower case. `config` is the kubeconfig, reduced to its
    current context.
    """

    client: httpx2.Client
    config: Object
    namespace: str = "default"

    def within(self, namespace: str) -> Self:
        return replace(self, namespace=namespace)

    def get(self, resource: str) -> Object:
        return self._call("GET", self._path(resource))

    def find(self, resource: str) -> Object | None:
        """Return the object, or None if it does not exist."""
        response = self.client.get(self._path(resource))
        return None if response.status_code == httpx2.codes.NOT_FOUND else _answer(response)

    def all(self, kind: str, *, fields: str = "") -> list[Object]:
        """Return all objects of a kind that match the field selector `fields`."""
        found: list[Object] = self._call("GET", self._path(kind), params={"fieldSelector": fields})["items"]
        return found

    def create(self, *manifests: Object, strict: bool = True, dry_run: bool = False) -> None:
        """Create objects. If `strict`, an unknown field is refused; otherwise it is pruned."""
        query = {"fieldValidation": "Strict" if strict else "Ignore"} | ({"dryRun": "All"} if dry_run else {})
        for manifest in manifests:
            self._call("POST", self._path(manifest["kind"].lower()), manifest, params=query)

    def patch(self, resource: str, change: Object, *, subresource: str = "") -> None:
        """Apply a JSON merge patch, in which null removes a field."""
        self._change(resource, change, MERGE, subresource)

    def patch_json(self, resource: str, change: list[Object], *, subresource: str = "") -> None:
        """Apply a JSON patch, which is a list of operations (RFC 6902)."""
        self._change(resource, change, JSON_PATCH, subresource)

    def delete(self, resource: str) -> None:
        self._call("DELETE", self._path(resource))

    def token(self, account: str) -> str:
        """Return a new token for a service account."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        made = self._call("POST", f"{self._path(f'serviceaccount/{account}')}/token", request)
        return str(made["status"]["token"])

    def may(self, user: str, verb: str, kind: str, *, subresource: str = "") -> bool:
        """Return whether the user has this right in this namespace."""
        api, plural = RESOURCES[kind]
        group = api.split("/")[2] if api.startswith("/apis/") else ""
        attributes = {
            "namespace": self.namespace, "verb": verb, "group": group, "resource": plural, "subresource": subresource,
        }  # fmt: skip
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": attributes},
        }
        reviewed = self._call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(reviewed["status"]["allowed"])

    def create_namespace(self) -> None:
        """Create this namespace."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self._call("POST", "/api/v1/namespaces", namespace)

    def label_namespace(self, labels: dict[str, str]) -> None:
        self._call("PATCH", f"/api/v1/namespaces/{self.namespace}", {"metadata": {"labels": labels}}, MERGE)

    def delete_namespace(self) -> None:
        """Delete this namespace. Return at once, before its content is gone."""
        response = self.client.delete(f"/api/v1/namespaces/{self.namespace}")
        if response.status_code not in (httpx2.codes.NOT_FOUND, httpx2.codes.CONFLICT):  # it is gone, or going
            _answer(response)

    def has_namespace(self) -> bool:
        response = self.client.get(f"/api/v1/namespaces/{self.namespace}")
        return response.status_code != httpx2.codes.NOT_FOUND and bool(_answer(response))

    def _change(self, resource: str, change: Any, content_type: str, subresource: str) -> None:
        path = self._path(resource) + (f"/{subresource}" if subresource else "")
        self._call("PATCH", path, change, content_type, params={"fieldValidation": "Strict"})

    def _path(self, resource: str) -> str:
        kind, _, name = resource.partition("/")
        api, plural = RESOURCES[kind]
        return f"{api}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        *,
        params: dict[str, str] | None = None,
    ) -> Object:
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": content_type}
        return _answer(self.client.request(method, path, content=content, headers=headers, params=params))


@contextmanager
def api_server(kubectl: Kubectl) -> Iterator[ApiServer]:
    """Yield a client of the server in kubectl's current context, with the same rights."""
    # kubectl merges the files in KUBECONFIG and embeds the files that they refer to.
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    with httpx2.Client(
        base_url=cluster["server"],
        verify=_tls(cluster, user),
        headers=headers,
        timeout=REQUEST_SECONDS,
        trust_env=False,  # the server is on this machine
    ) as client:
        yield ApiServer(client, config)


def _tls(cluster: Object, user: Object) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
    if "client-certificate-data" in user:
        with tempfile.TemporaryDirectory() as directory:  # Python reads a client's certificate only from files
            files = [Path(directory) / name for name in ("certificate", "key")]
            for file, data in zip(files, ("client-certificate-data", "client-key-data"), strict=True):
                file.write_text(_decoded(user[data]))
            context.load_cert_chain(files[0], files[1])
    return context


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode()


def _answer(response: httpx2.Response) -> Object:
    document: Object = response.json()
    if response.is_error:
        raise Refused(document["message"])
    return document

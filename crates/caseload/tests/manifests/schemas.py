"""The schemas: one checker for each kind of document."""

import json
from pathlib import Path
from typing import Any, Callable

import jsonschema
import kubernetes_validate
from cloudcoil.models.istio.networking import v1 as istio_networking
from cloudcoil.models.istio.networking import v1alpha3 as istio_patches
from cloudcoil.models.istio.security import v1 as istio_security
from cloudcoil.models.prometheus_operator import v1 as prometheus_operator

# The first one that knows every field that is used, and the newest one.
KUBERNETES = ["1.29", "1.37"]

LINKERD = json.loads(Path(__file__).with_name("linkerd.json").read_text())

Document = dict[str, Any]


def check(document: Document) -> None:
    """Raises an exception that says what is wrong with a document."""
    if (model := MODELS.get((document["apiVersion"], document["kind"]))) is not None:
        check_model(document, model)
    elif document["apiVersion"].startswith("policy.linkerd.io/"):
        jsonschema.Draft202012Validator(linkerd_schema(document)).validate(document)
    else:
        for version in KUBERNETES:
            kubernetes_validate.validate(document, version, strict=True)


def models() -> dict[tuple[str, str], type]:
    """Returns the models of resources, by their versions and kinds."""
    found = {}
    for module in istio_networking, istio_patches, istio_security, prometheus_operator:
        for kind, model in vars(module).items():
            fields = getattr(model, "model_fields", {})
            if "api_version" in fields and "metadata" in fields:
                found[fields["api_version"].default, kind] = model
    return found


def check_model(document: Document, model: type) -> None:
    """Checks a document against a model, which drops what it doesn't know: that is an error here."""
    known = model.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True)
    if unknown := list(lost(document, known, "")):
        raise ValueError(f"unknown fields: {', '.join(unknown)}")


def lost(given: Any, kept: Any, path: str) -> Any:
    """Yields the paths of what one value has and the other does not."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if name not in kept:
                yield f"{path}.{name}"
            else:
                yield from lost(value, kept[name], f"{path}.{name}")
    elif isinstance(given, list) and isinstance(kept, list):
        for index, value in enumerate(given):
            yield from lost(value, kept[index], f"{path}[{index}]")


def linkerd_schema(document: Document) -> Document:
    """Returns the schema of a kind of Linkerd's."""
    name = f"{document['apiVersion'].removeprefix('policy.linkerd.io/')}/{document['kind']}"
    if name not in LINKERD["kinds"]:
        raise ValueError(f"linkerd.json does not have {name}")
    return LINKERD | {"$ref": f"#/kinds/{name.replace('/', '~1')}"}


MODELS: dict[tuple[str, str], Callable] = models()

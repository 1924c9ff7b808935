"""The committed reference, against the contract and against OpenRPC's own schema."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from runtimed.api import schema
from runtimed.api.error_tree import tree
from runtimed.api.reference import pages
from runtimed.api.registry import REGISTRY

if TYPE_CHECKING:
    from runtimed.api.call import Call
    from runtimed.api.errors import ApiError

REPOSITORY = Path(__file__).parents[3]
REFERENCE = REPOSITORY / "docs" / "reference"
META_SCHEMAS = ("@open-rpc/meta-schema@1.14.9", "@json-schema-tools/meta-schema@1.8.0")
REGENERATE = "run: python -m runtimed.api.schema --write docs/reference"


def test_the_committed_document_is_what_the_contract_says() -> None:
    assert (REFERENCE / "openrpc.json").read_text(encoding="utf-8") == schema.dumps(), REGENERATE


def test_the_committed_pages_are_what_the_contract_says() -> None:
    for name, text in pages(schema.openrpc()).items():
        assert (REFERENCE / name).read_text(encoding="utf-8") == text, REGENERATE


def test_every_call_class_is_in_the_registry() -> None:
    """A noun that `registry` does not import would be missing here."""
    modules = {path.stem for path in (REPOSITORY / "runtimed" / "api").glob("*.py")}
    with_calls = {
        module
        for module in modules
        if "\n@api(" in (REPOSITORY / "runtimed" / "api" / f"{module}.py").read_text("utf-8")
    }
    assert with_calls == {call.__module__.rpartition(".")[2] for call in REGISTRY.values()}


def test_every_method_and_parameter_is_described_once() -> None:
    document = schema.openrpc()
    names = [method["name"] for method in document["methods"]]
    assert names == sorted(REGISTRY)
    for method in document["methods"]:
        call = REGISTRY[method["name"]]
        assert [param["name"] for param in method["params"]] == list(call.__struct_fields__)
        assert method["summary"].endswith(".")


@pytest.mark.parametrize("call", REGISTRY.values(), ids=str)
def test_every_error_of_a_call_is_one_of_the_tree(call: type[Call[Any]]) -> None:
    assert set(call.errors) <= set(tree())
    assert len(set(call.errors)) == len(call.errors)


def test_every_reference_leads_somewhere() -> None:
    document = schema.openrpc()
    components = document["components"]
    for ref in _references(document):
        _, _, kind, name = ref.split("/")
        assert name in components[kind]


def test_objects_inside_of_parameters_refuse_what_they_do_not_know() -> None:
    document = schema.openrpc()
    inside = {ref for method in document["methods"] for ref in _references(method["params"])}
    assert inside
    for ref in inside:
        component = document["components"]["schemas"][ref.rpartition("/")[2]]
        assert component["additionalProperties"] is False, ref


def test_error_codes_name_one_error() -> None:
    # -32602 is JSON-RPC's own for parameters; BadRequest stands above the class that is meant.
    codes: dict[int, list[type[ApiError]]] = {}
    for error in tree():
        codes.setdefault(error.code, []).append(error)
    shared = {code: found for code, found in codes.items() if len(found) > 1}
    assert set(shared) <= {-32602}


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [ref for value in part.values() for ref in _references(value)]
    if isinstance(part, list):
        return [ref for value in part for ref in _references(value)]
    return []


@pytest.fixture(scope="session")
def meta_schemas(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return OpenRPC's schema and the one of JSON Schema that it refers to, from npm."""
    npm = shutil.which("npm")
    assert npm is not None, "npm is needed to fetch the meta schema"
    directory = tmp_path_factory.mktemp("npm")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    subprocess.run([*install, *META_SCHEMAS], cwd=directory, check=True, timeout=110)
    script = "const m = require(process.argv[1]); console.log(JSON.stringify(m.default || m))"
    found = []
    for package in META_SCHEMAS:
        name = package.rpartition("@")[0]
        done = subprocess.run(
            ["node", "-e", script, name], cwd=directory, capture_output=True, check=True
        )
        found.append(json.loads(done.stdout))
    return found


def _validator(meta_schemas: list[dict[str, Any]]) -> Any:
    open_rpc, json_schema = meta_schemas
    resource: Resource[Any] = DRAFT7.create_resource(json_schema)
    # It is referred to with and without its last slash.
    uris = ("https://meta.json-schema.tools", "https://meta.json-schema.tools/")
    registry: Registry[Any] = Registry().with_resources([(uri, resource) for uri in uris])
    return Draft7Validator(open_rpc, registry=registry)


def test_the_document_is_valid_openrpc(meta_schemas: list[dict[str, Any]]) -> None:
    assert [each.message for each in _validator(meta_schemas).iter_errors(schema.openrpc())] == []


def test_the_validation_can_fail(meta_schemas: list[dict[str, Any]]) -> None:
    validator = _validator(meta_schemas)
    wrong_schema, wrong_method = schema.openrpc(), schema.openrpc()
    wrong_schema["methods"][0]["params"][0]["schema"]["type"] = "strin"
    wrong_method["methods"][0]["verb"] = "get"
    assert list(validator.iter_errors(wrong_schema))
    assert list(validator.iter_errors(wrong_method))

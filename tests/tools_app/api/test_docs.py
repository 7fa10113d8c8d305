import re

import httpx
import pytest

from tests.conftest import ROOT
from tools_app.api.docs import as_openapi_30


def test_the_docs_page_and_everything_it_loads_come_from_here(anonymous: httpx.Client) -> None:
    page = anonymous.get("/api/docs")
    assert page.status_code == 200
    loaded = [
        each for each in re.findall(r'(?:src|href)="([^"]+)"', page.text) if not each.startswith("data:")
    ]
    assert len(loaded) == 3
    for each in loaded:
        assert each.startswith("/api/docs/")
        assert anonymous.get(each).status_code == 200
    assert "<script>" not in page.text  # the policy allows no inline script
    assert "script-src 'self'" in page.headers["content-security-policy"]


def test_api_leads_to_the_docs(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/api")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/api/docs"


def test_the_description_is_3_1_and_that_of_the_docs_page_3_0(anonymous: httpx.Client) -> None:
    assert anonymous.get("/api/openapi.json").json()["openapi"].startswith("3.1")
    old = anonymous.get("/api/docs/openapi.json").json()
    assert old["openapi"] == "3.0.3"
    assert '"type":"null"' not in str(old).replace(" ", "").replace("'", '"')


def test_every_endpoint_has_a_summary_an_example_free_error_shape_and_no_422(anonymous: httpx.Client) -> None:
    paths = anonymous.get("/api/openapi.json").json()["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert "422" not in operation["responses"]
            if path.startswith("/api/"):
                for status in ("400", "401", "403", "404", "429", "503"):
                    schema = operation["responses"][status]["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("/ErrorAnswer")


def test_every_body_has_an_example_that_it_accepts(anonymous: httpx.Client) -> None:
    from jsonschema import Draft202012Validator

    description = anonymous.get("/api/openapi.json").json()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            # What a vendor delivers has the vendor's form.
            if content is None or path == "/api/webhooks/{connector}/{binding}":
                continue
            schema = content["schema"]
            names = [each["$ref"] for each in schema.get("anyOf", [schema]) if "$ref" in each]
            assert names, (method, path)
            found = description["components"]["schemas"][names[0].rpartition("/")[2]]
            assert found.get("examples"), (method, path, "has no example")
            whole = {**found, "components": description["components"]}
            for example in found["examples"]:
                Draft202012Validator(whole).validate(example)


def _method(line: str) -> str:
    named = re.search(r"-X (\w+)", line)
    return named[1].lower() if named else "post" if "--json" in line else "get"


def test_the_curl_examples_call_what_exists(anonymous: httpx.Client) -> None:
    paths = anonymous.get("/api/openapi.json").json()["paths"]
    patterns = {
        (method, re.compile("^" + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$"))
        for path, operations in paths.items()
        for method in operations
    }
    text = (ROOT / "docs" / "api.md").read_text()
    calls = [
        (_method(line), found[1])
        for line in re.sub(r"\\\n\s*", " ", text).splitlines()
        if (found := re.search(r"curl .*\$BASE(/[\w/.$-]+)", line))
    ]
    assert len(calls) >= 12
    for method, path in calls:
        known = any(method == verb and pattern.match(path) for verb, pattern in patterns)
        assert known, (method, path)


def test_every_reference_of_the_description_resolves(anonymous: httpx.Client) -> None:
    schema = anonymous.get("/api/openapi.json").json()
    for name in set(re.findall(r"#/components/schemas/([A-Za-z0-9_\-]+)", str(schema))):
        assert name in schema["components"]["schemas"], name


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            {"allOf": [{"type": "string"}], "nullable": True},
        ),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"const": "x"}, {"enum": ["x"]}),
        ({"prefixItems": [{"type": "string"}]}, {"items": {"anyOf": [{"type": "string"}]}}),
    ],
)
def test_what_3_1_says_is_said_in_3_0(new: dict, old: dict) -> None:
    assert as_openapi_30({"inner": new}) == {"inner": old}

"""What `perkie deploy render` makes is what Google's published schemas take, and says the same in both API versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from google.cloud import run_v2

from perkie_cli.domain.errors import InvalidSetting, UnreadableFile
from perkie_cli.domain.storage.lifecycle import rules_for
from perkie_cli.ops.deploy import run_v2 as v2
from perkie_cli.ops.deploy.read import read_environment, read_known
from perkie_cli.ops.deploy.render import rendered
from perkie_cli.ops.deploy.settings import Environment
from tests.conftest import ROOT

SCHEMAS = json.loads((ROOT / "tests" / "data" / "deploy" / "schemas.json").read_text("utf-8"))
IMAGE = f"europe-west4-docker.pkg.dev/p/perkie/artistic@sha256:{'a' * 64}"
BOTH = f"""\
artistic.image = "{IMAGE}"
bucket.name = "one-bucket"
bucket.cors_origins = ["https://shop.example"]
[artistic.secrets]
GEMINI_API_KEY = "gemini-key"
PERKIE_HTTP_API_KEYS = "api-keys"
[[artistic.scaling]]
schedule = "0 8 * * *"
min_instances = 1
[matting]
image = "{IMAGE}"
secrets = {{ PERKIE_HTTP_API_KEYS = "api-keys" }}
[warm]
[staging]
project = "one-project"
[production]
project = "one-project"
"""


def files_of(tmp_path: Path, name: str = "production", more: str = "", text: str = BOTH) -> Mapping[str, str]:
    file = tmp_path / "deploy.toml"
    file.write_text(text + more, "utf-8")
    environment = read_environment(file, name)
    lifetimes = {"shared": timedelta(days=30), "cutouts": timedelta(days=1)}
    return rendered(environment, rules_for(lifetimes), read_known(file, environment, {}))


def documents(files: Mapping[str, str], name: str) -> list[Any]:
    return [*yaml.safe_load_all(files[name])]


def environment_of(tmp_path: Path, more: str = "", name: str = "production") -> Environment:
    file = tmp_path / "deploy.toml"
    file.write_text(BOTH + more, "utf-8")
    return read_environment(file, name)


def check(name: str, value: object) -> None:
    schema = {"$ref": f"#/$defs/{name}", "$defs": SCHEMAS["$defs"]}
    jsonschema_rs.validator_for(schema).validate(value)


def test_manifests_are_what_the_published_schemas_take(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    for name, kind in (("artistic.service", "Service"), ("matting.service", "Service"), ("cache-warm.job", "Job")):
        (manifest,) = documents(files, f"production/{name}.yaml")
        check(f"run.v1.{kind}", manifest)
    (skaffold,) = documents(files, "skaffold.yaml")
    check("skaffold.SkaffoldConfig", skaffold)
    for document in documents(files, "clouddeploy.yaml"):
        rest = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata")}
        check(f"clouddeploy.v1.{document['kind']}", {"name": document["metadata"]["name"], **rest})
    cors, lifecycle = (json.loads(files[f"production/bucket-{name}.json"]) for name in ("cors", "lifecycle"))
    check("storage.v1.Bucket", {"cors": cors, "lifecycle": lifecycle})
    for policy in json.loads(files["production/registry-cleanup.json"]):
        action = {"action": policy["action"]["type"].upper()}
        condition = {"condition": {**policy["condition"], "tagState": "ANY"}} if "condition" in policy else {}
        check("artifactregistry.v1.CleanupPolicy", {"id": policy["name"], **action, **condition})


def test_the_schemas_refuse_a_field_that_is_not_there() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        check("run.v1.Service", {"kind": "Service", "spec": {"template": {"spec": {"cpu": 2}}}})


def test_the_canary_ships_what_the_manifest_says(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    files = files_of(tmp_path)
    for spec in environment.services:
        (manifest,) = documents(files, f"production/{spec.role}.service.yaml")
        made = v2.service(environment, spec)
        check("run.v2.GoogleCloudRunV2Service", made)
        message = run_v2.Service.from_json(json.dumps(made))  # unknown fields are refused
        assert of_v1(manifest) == of_v2(message)


def of_v1(manifest: Any) -> Mapping[str, object]:
    template, meta = manifest["spec"]["template"], manifest["metadata"]
    annotations, spec = template["metadata"]["annotations"], template["spec"]
    (container,) = spec["containers"]
    return {
        "labels": meta["labels"],
        "min": int(meta["annotations"]["run.googleapis.com/minScale"]),
        "max": int(annotations["autoscaling.knative.dev/maxScale"]),
        "idle": annotations["run.googleapis.com/cpu-throttling"] == "true",
        "boost": annotations["run.googleapis.com/startup-cpu-boost"] == "true",
        "concurrency": spec["containerConcurrency"],
        "timeout": spec["timeoutSeconds"],
        "account": spec["serviceAccountName"],
        "gpu": spec.get("nodeSelector", {}).get("run.googleapis.com/accelerator", ""),
        "image": container["image"],
        "env": {each["name"]: each["value"] for each in container["env"]},
        "limits": container["resources"]["limits"],
        "mounts": {each["name"]: each["mountPath"] for each in container["volumeMounts"]},
        "secrets": {each["name"]: each["secret"]["items"][0]["key"] for each in spec["volumes"]},
        "probe": (container["startupProbe"]["periodSeconds"], container["startupProbe"]["failureThreshold"]),
    }


def of_v2(service: Any) -> Mapping[str, object]:
    template = service.template
    (container,) = template.containers
    return {
        "labels": dict(service.labels),
        "min": service.scaling.min_instance_count,
        "max": template.scaling.max_instance_count,
        "idle": container.resources.cpu_idle,
        "boost": container.resources.startup_cpu_boost,
        "concurrency": template.max_instance_request_concurrency,
        "timeout": template.timeout.total_seconds(),
        "account": template.service_account,
        "gpu": template.node_selector.accelerator,
        "image": container.image,
        "env": {each.name: each.value for each in container.env},
        "limits": dict(container.resources.limits),
        "mounts": {each.name: each.mount_path for each in container.volume_mounts},
        "secrets": {each.name: each.secret.items[0].version for each in template.volumes},
        "probe": (container.startup_probe.period_seconds, container.startup_probe.failure_threshold),
    }


def test_what_is_not_said_is_the_table_of_the_product(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    found = {role: of_v1(documents(files, f"production/{role}.service.yaml")[0]) for role in ("artistic", "matting")}
    shown = ("min", "max", "idle", "concurrency", "timeout", "gpu", "limits")
    assert {role: tuple(each[name] for name in shown) for role, each in found.items()} == {
        "artistic": (0, 5, True, 10, 180, "", {"cpu": "2", "memory": "2Gi"}),
        "matting": (0, 3, False, 1, 600, "nvidia-l4", {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}),
    }


def test_environments_differ_where_the_settings_say_and_nowhere_else(tmp_path: Path) -> None:
    names = {"labels.environment"}
    assert differences(tmp_path, "") == {"service": names, "job": names}
    assert differences(tmp_path, 'artistic.max_instances = 7\nwarm.schedule = "0 4 * * *"\n') == {
        "service": names | {"annotations.autoscaling.knative.dev/maxScale"},
        "job": names,
    }
    firestore = 'firestore.database = "other"\n'
    assert differences(tmp_path, firestore) == {
        "service": names | {"env.PERKIE_FIRESTORE_DATABASE"},
        "job": names | {"env.PERKIE_FIRESTORE_DATABASE"},
    }


def differences(tmp_path: Path, production: str) -> Mapping[str, set[str]]:
    found = {}
    for kind, name in (("service", "artistic.service.yaml"), ("job", "cache-warm.job.yaml")):
        sides = []
        for environment in ("staging", "production"):
            (document,) = documents(files_of(tmp_path, environment, production), f"{environment}/{name}")
            sides.append({*leaves(document)})
        found[kind] = {path for path, _ in sides[0] ^ sides[1]}
    return found


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """The last two names of the path, and the value."""
    if isinstance(value, dict) and value.keys() == {"name", "value"}:
        yield f"{path[-1]}.{value['name']}", value["value"]
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield ".".join(path[-2:]), value


def test_the_script_differs_by_project_and_schedule_only(tmp_path: Path) -> None:
    staging, production = (
        files_of(tmp_path, name, 'warm.schedule = "0 4 * * *"\n')[f"{name}/setup.sh"].splitlines()
        for name in ("staging", "production")
    )
    differ = [(old, new) for old, new in zip(staging, production, strict=True) if old != new]
    assert len(differ) == 1
    assert differ[0][0].replace("0 3 * * *", "0 4 * * *") == differ[0][1]


def test_no_account_may_more_than_it_does(tmp_path: Path) -> None:
    script = files_of(tmp_path)["production/setup.sh"]
    granted = sorted(
        {
            line.split("--role=roles/")[1].split()[0]
            for line in script.splitlines()
            if "serviceAccount:perkie-matting" in line
        }
    )
    assert granted == ["monitoring.metricWriter", "secretmanager.secretAccessor"]
    assert not [word for word in ("roles/owner", "roles/editor", "admin", "Admin") if word in script]
    assert "--clear-soft-delete" in script
    assert script.count("--enable-ttl") == 4


def test_a_secret_is_a_mounted_file_and_never_a_value(tmp_path: Path) -> None:
    (manifest,) = documents(files_of(tmp_path), "production/artistic.service.yaml")
    said = of_v1(manifest)
    assert said["secrets"] == {"api-keys": "latest", "gemini-key": "latest"}
    env: Any = said["env"]
    assert env["GEMINI_API_KEY"] == "file:///secrets/gemini-key/value"
    assert env["PERKIE_HTTP_API_KEYS"] == "/secrets/api-keys/value"  # a setting that is a path


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("artistic.cpu = 3\n", "cpu must be 1, 2, 4 or 8"),
        ('artistic = { memory = "1Gi", cpu = 4 }\n', "memory 1Gi does not go with 4 CPUs"),
        ("matting.cpu_idle = true\n", "cpu_idle must be false with a GPU"),
        ("artistic.min_instances = 9\n", "min_instances is above max_instances"),
        ("artistic.max_instance = 9\n", "max_instance is not known here"),
        ('artistic.secrets.KEY = "AIza secret!"\n', "secrets.KEY is not the id of a secret"),
        ("canary.steps = [50, 10, 100]\n", "steps must be rising percentages"),
        ('canary.levels = ["hit_rate"]\n', "'hit_rate' cannot be a gate"),
        ("bucket.soft_delete_days = 3\n", "soft_delete_days must be 0, or 7 to 90"),
        ('bucket.name = "UPPER"\n', "name is missing, or no name of a bucket: 'UPPER'"),
        ('warm.schedule = "daily"\n', "schedule 'daily' is not a schedule"),
    ],
)
def test_what_cloud_run_would_refuse_is_told_with_its_line(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(InvalidSetting) as error:
        environment_of(tmp_path, more)
    assert told in error.value.message
    assert f"deploy.toml, line {len(BOTH.splitlines()) + 1}: " in error.value.message  # the first one of ``more``


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as error:
        read_environment(tmp_path / "deploy.toml", "staging")
    assert error.value.hint == "`perkie deploy init` writes one to fill in."


def test_the_shipped_settings_file_renders(tmp_path: Path) -> None:
    text = (ROOT / "perkie_cli" / "data" / "deploy.toml").read_text("utf-8")
    assert len(files_of(tmp_path, "staging", text=text)) == 8

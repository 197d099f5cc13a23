"""The rights of the server's account, read with real credentials from emulated policies; each fix is carried out."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from google.api_core.exceptions import Aborted
from google.cloud import run_v2
from google.cloud.run_v2.services.services.transports import ServicesGrpcTransport

from perkie_cli.emulators.cloud_run.server import RunEmulator
from perkie_cli.emulators.iam.roles import BEARER, ROLES
from perkie_cli.emulators.iam.server import IamEmulator
from perkie_cli.emulators.storage.server import StorageEmulator
from perkie_cli.ops.deploy.read import read_environment
from perkie_cli.ops.deploy.setup_script import script
from perkie_cli.system.clock import SystemClock
from tests.conftest import Perkie
from tests.emulators import on_a_thread
from tests.scripted_server import answers, scripted

PROJECT, BUCKET = "a-project", "a-bucket"
ACCOUNT = f"perkie-artistic@{PROJECT}.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{ACCOUNT}"
SECRET = f"projects/{PROJECT}/secrets/link-secret"
Rows = Sequence[Mapping[str, str]]


@dataclass
class Cloud:
    """Emulated policies, and the doctor that looks at them."""

    iam: IamEmulator
    storage: StorageEmulator
    perkie: Perkie

    def grant(self, resource: str, *roles: str) -> None:
        policy = self._policy(resource)
        policy["bindings"] = [*policy.get("bindings", ()), *({"role": each, "members": [MEMBER]} for each in roles)]

    def carry_out(self, commands: str) -> None:
        """What gcloud would do, for bindings of the account."""
        for command in commands.split(" && "):
            words = shlex.split(command)
            options = dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
            verb = next(index for index, word in enumerate(words) if word.endswith("-iam-policy-binding"))
            resource, role = words[verb + 1], options["role"]
            if words[1] == "secrets":
                resource = f"projects/{options['project']}/secrets/{resource}"
            elif words[1] == "iam":
                resource = f"serviceAccounts/{resource}"
            assert options["member"] == MEMBER
            if words[verb].startswith("add"):
                self.grant(resource, role)
            else:
                policy = self._policy(resource)
                policy["bindings"] = [each for each in policy["bindings"] if each["role"] != role]

    def rows(self, check: str, *more: str) -> Rows:
        done = self.perkie("doctor", "--only", check, "--time-limit", "60", "--json", *more)
        rows: Rows = json.loads(done.stdout)["results"]
        assert done.returncode == (8 if any(each["level"] in ("error", "warning") for each in rows) else 0)
        return rows

    def levels(self, check: str) -> list[str]:
        return [each["level"] for each in self.rows(check)]

    def _policy(self, resource: str) -> dict[str, Any]:
        if resource.startswith("gs://"):
            return self.storage.state.buckets[resource.removeprefix("gs://")].policy
        return self.iam.policies.setdefault(resource, {})


@pytest.fixture
def cloud(perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch, key_file: Path) -> Iterator[Cloud]:
    with on_a_thread(IamEmulator()) as iam, on_a_thread(StorageEmulator(SystemClock())) as storage:
        storage.add_bucket(BUCKET)
        settings = {
            "CLOUD_IAM_EMULATOR_HOST": iam.address,
            "STORAGE_EMULATOR_HOST": storage.url,
            "GOOGLE_APPLICATION_CREDENTIALS": str(key_file),
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "PERKIE_CACHE_STORE": "gcs",
            "PERKIE_CACHE_BUCKET": BUCKET,
            "PERKIE_QUOTA_STORE": "firestore",
            "PERKIE_TELEMETRY_MONITORING": "true",
            "PERKIE_HTTP_LINK_SECRET": f"sm://{SECRET}/versions/latest",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield Cloud(iam, storage, perkie_here)


@pytest.fixture
def key_file(tmp_path: Path, signing_key: tuple[str, bytes]) -> Path:
    """A service account's key, as Google Cloud's console hands it out."""
    path = tmp_path / "key.json"
    held = {"type": "service_account", "project_id": PROJECT, "private_key_id": "1234abcd", "client_email": ACCOUNT}
    # No token is fetched: what an emulator is asked must not carry one of Google's.
    path.write_text(json.dumps({**held, "private_key": signing_key[0], "token_uri": "http://127.0.0.1:1/token"}))
    return path


SHOP = """
[artistic]
image = "a@sha256:0000000000000000000000000000000000000000000000000000000000000000"
[artistic.secrets]
PERKIE_HTTP_LINK_SECRET = "link-secret"
[production]
project = "a-project"
bucket.name = "a-bucket"
"""


def test_what_setup_sh_grants_is_enough_and_not_too_much(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(SHOP)
    for line in script(read_environment(tmp_path / "deploy.toml", "production")).splitlines():
        if "add-iam-policy-binding" in line and f"--member={MEMBER} " in line and not line.startswith("if there"):
            cloud.carry_out(line.replace("'", "").removesuffix(" --quiet"))
    assert {each["level"] for each in cloud.rows("iam.permissions,iam.roles")} == {"ok"}


def test_each_permission_that_is_missing_comes_with_the_command_that_grants_it(cloud: Cloud) -> None:
    lacking = cloud.rows("iam.permissions")
    assert [each["level"] for each in lacking] == ["error", "error", "error", "warning"]
    assert "storage.objects.create" in lacking[0]["message"]
    assert "quotas cannot be counted" in lacking[1]["message"]
    assert "http.link_secret cannot be read" in lacking[2]["message"]
    for each in lacking:
        cloud.carry_out(each["fix"])
    (enough,) = cloud.rows("iam.permissions")
    assert enough["level"] == "ok"
    assert f"gs://{BUCKET}" in enough["message"]
    assert cloud.levels("iam.roles") == ["ok"], "the fixes grant no more than is needed"


def test_an_account_without_a_key_of_its_own_has_to_be_allowed_to_sign(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, key_file: Path
) -> None:
    held = json.loads(key_file.read_text())
    account = {"type": "impersonated_service_account", "source_credentials": held, "delegates": []}
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    key_file.write_text(json.dumps({**account, "service_account_impersonation_url": url}))
    for name in ("PERKIE_QUOTA_STORE", "PERKIE_TELEMETRY_MONITORING", "PERKIE_HTTP_LINK_SECRET"):
        monkeypatch.delenv(name)
    cloud.grant(f"gs://{BUCKET}", "roles/storage.objectUser")
    (lacking,) = cloud.rows("iam.permissions")
    assert (lacking["level"], "iam.serviceAccounts.signBlob" in lacking["message"]) == ("warning", True)
    cloud.carry_out(lacking["fix"])
    assert cloud.levels("iam.permissions") == ["ok"]
    cloud.grant(PROJECT, "roles/iam.serviceAccountTokenCreator", "roles/iam.securityReviewer")
    (broad,) = cloud.rows("iam.roles")
    cloud.carry_out(broad["fix"])
    assert (cloud.levels("iam.roles"), cloud.levels("iam.permissions")) == (["ok"], ["ok"])


@pytest.mark.parametrize(
    ("role", "kept"),
    [
        ("roles/owner", ""),
        ("roles/firebase.admin", "datastore.entities"),
        ("roles/storage.admin", "storage.objects"),
        ("roles/datastore.owner", "datastore.entities"),
    ],
)
def test_a_role_that_is_too_broad_is_replaced_by_what_is_enough(cloud: Cloud, role: str, kept: str) -> None:
    cloud.grant(PROJECT, role, "roles/iam.securityReviewer")  # with the latter, the policy can be read
    found = [each for each in cloud.rows("iam.roles") if role in each["message"]]
    assert [each["level"] for each in found] == ["warning"]
    cloud.carry_out(found[0]["fix"])
    assert cloud.levels("iam.roles") == ["ok"]
    lost = [each["message"] for each in cloud.rows("iam.permissions") if each["level"] != "ok"]
    assert not [each for each in lost if kept in each], "what the role gave and perkie needs is there still"


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="no Google Cloud SDK on this machine")
def test_gcloud_itself_carries_the_fix_out(cloud: Cloud, tmp_path: Path) -> None:
    cloud.grant(PROJECT, "roles/storage.admin", "roles/iam.securityReviewer")
    cloud.grant(f"gs://{BUCKET}", "roles/iam.securityReviewer")
    (found,) = cloud.rows("iam.roles")
    owner = f"owner@{PROJECT}.iam.gserviceaccount.com"
    for policy in (cloud.iam.policies[PROJECT], cloud.storage.state.buckets[BUCKET].policy):
        policy["bindings"].append({"role": "roles/owner", "members": [f"serviceAccount:{owner}"]})
    token = tmp_path / "token"
    token.write_text(f"emulated:{owner}")
    env = {
        **os.environ,
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{cloud.storage.url}/storage/v1/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": f"{cloud.iam.url}/",
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }
    done = subprocess.run(found["fix"], shell=True, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert cloud.levels("iam.roles") == ["ok"]
    assert not [each for each in cloud.rows("iam.permissions") if f"gs://{BUCKET}:" in each["message"]]


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ("roles/editor", "make keys of every account, act as every account, delete every bucket"),
        ("roles/secretmanager.secretAccessor", "may read every secret"),
        ("roles/storage.objectViewer", "may read every bucket"),
    ],
)
def test_what_the_policy_does_not_show_is_told_by_what_the_account_can_do(cloud: Cloud, role: str, told: str) -> None:
    """It may not read the policy, as usual; the role might as well come from a folder or a group."""
    cloud.grant(PROJECT, role)
    (found,) = cloud.rows("iam.roles")
    assert (found["level"], told in found["message"]) == ("warning", True), found
    assert found["fix"] == (
        f"gcloud projects get-iam-policy {PROJECT} '--flatten=bindings[].members' "
        f"--filter=bindings.members:{MEMBER} '--format=value(bindings.role)'"
    )


def test_an_admin_of_the_bucket_has_more_than_an_object_user(cloud: Cloud) -> None:
    cloud.grant(f"gs://{BUCKET}", "roles/storage.admin")
    (found,) = cloud.rows("iam.roles")
    assert found["level"] == "warning"
    cloud.carry_out(found["fix"])
    assert cloud.levels("iam.roles") == ["ok"]
    assert not [each for each in cloud.rows("iam.permissions") if f"gs://{BUCKET}:" in each["message"]]


def test_nobody_is_alarmed_where_nobody_may_look(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    checks = "iam.permissions,iam.roles,iam.keys"
    monkeypatch.setenv("PERKIE_CACHE_BUCKET", "not-there")
    cloud.grant(PROJECT, "roles/datastore.user", "roles/monitoring.metricWriter")
    cloud.grant(SECRET, "roles/secretmanager.secretAccessor")
    told = {each["check"]: each for each in cloud.rows(checks)}
    assert told["iam.keys"]["message"].startswith(f"could not look at the account {ACCOUNT}: Google does not let us")
    assert [each["level"] for each in cloud.rows("iam.permissions")] == ["ok", "skipped"]
    with scripted(answers(503)) as broken:
        monkeypatch.setenv("CLOUD_IAM_EMULATOR_HOST", broken.url.partition("://")[2])
        assert {each["level"] for each in cloud.rows(checks)} == {"skipped"}
    person = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "t"}
    key_file.write_text(json.dumps(person))
    found = cloud.rows(checks)
    assert {each["level"] for each in found} == {"skipped"}
    assert "--impersonate-service-account" in found[0]["message"]
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file.with_name("gone.json")))
    assert {each["level"] for each in cloud.rows(checks)} == {"skipped"}
    assert {each["level"] for each in cloud.rows(checks, "--offline")} == {"skipped"}
    for name in ("PERKIE_CACHE_STORE", "PERKIE_QUOTA_STORE", "PERKIE_TELEMETRY_MONITORING", "PERKIE_HTTP_LINK_SECRET"):
        monkeypatch.delenv(name)
    assert {each["message"] for each in cloud.rows(checks)} == {"nothing of Google Cloud is used"}


def test_one_that_does_not_answer_ends_at_the_time_limit(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(handler: Any, _: bytes) -> None:
        handler.connection.recv(1)  # until the client goes

    with scripted(wait) as silent:
        monkeypatch.setenv("CLOUD_IAM_EMULATOR_HOST", silent.url.partition("://")[2])
        monkeypatch.setattr("perkie_cli.stores.google.iam.TIMEOUT", 0.6)
        (found,) = cloud.rows("iam.roles", "--time-limit", "0.3")
        assert (found["level"], found["message"]) == ("error", "no answer within 0.3 s")
        assert cloud.levels("iam.roles") == ["skipped"], "with more time the answer is that there is none"


def test_without_a_project_google_cannot_be_asked(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, key_file: Path
) -> None:
    held = json.loads(key_file.read_text())
    del held["project_id"]
    key_file.write_text(json.dumps(held))
    for name in ("GOOGLE_CLOUD_PROJECT", "PERKIE_CACHE_STORE", "PERKIE_HTTP_LINK_SECRET"):
        monkeypatch.delenv(name)
    told = cloud.rows("iam.permissions,iam.roles")
    assert {each["message"] for each in told} == {
        "Google cannot be asked: no project is set, or only emulators are used"
    }


def test_old_keys_of_the_account_are_told_with_their_age(cloud: Cloud) -> None:
    made = {"new": 3, "old": 100}
    cloud.iam.keys[ACCOUNT] = [
        {"name": f"{SECRET}/keys/{name}", "validAfterTime": f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%XZ}"}
        for name, days in made.items()
    ]
    cloud.grant(f"serviceAccounts/{ACCOUNT}", "roles/iam.serviceAccountKeyAdmin")
    (found,) = cloud.rows("iam.keys")
    assert (found["level"], "100 days old" in found["message"]) == ("warning", True)
    assert found["fix"] == f"gcloud iam service-accounts keys delete old --iam-account={ACCOUNT}"
    cloud.iam.keys[ACCOUNT].pop()
    assert cloud.levels("iam.keys") == ["ok"]


def test_a_key_on_this_machine_is_told_without_the_network(cloud: Cloud, key_file: Path) -> None:
    (found,) = cloud.rows("security.keys", "--offline")
    assert found["level"] == "warning"
    assert str(key_file) in found["message"]
    assert "keys delete 1234abcd" in found["fix"]
    key_file.write_text("no json")
    assert cloud.levels("security.keys") == ["ok"]


# ------------------------------------------------------------ Cloud Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[run_v2.ServicesClient]:
    """Google's client of an emulated Cloud Run with the service, as its own account, and open to everybody."""
    (tmp_path / "deploy.toml").write_text(SHOP)
    with on_a_thread(RunEmulator(SystemClock(), rollout=0)) as emulator:
        monkeypatch.setenv("CLOUD_RUN_EMULATOR_HOST", emulator.address)
        channel = grpc.insecure_channel(emulator.address)
        client = run_v2.ServicesClient(transport=ServicesGrpcTransport(channel=channel))
        template = {"containers": [{"image": "a"}], "service_account": ACCOUNT}
        client.create_service(parent=PLACE, service_id="perkie-artistic", service=run_v2.Service(template=template))
        client.set_iam_policy(request={"resource": SERVICE, "policy": PUBLIC})
        yield client
        channel.close()


PLACE = f"projects/{PROJECT}/locations/europe-west4"
SERVICE = f"{PLACE}/services/perkie-artistic"
PUBLIC = {"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]}


def test_a_service_lets_in_whom_deploy_toml_says(cloud: Cloud, run: run_v2.ServicesClient, tmp_path: Path) -> None:
    assert cloud.levels("run.services") == ["ok"]
    run.set_iam_policy(request={"resource": SERVICE, "policy": {}})
    (closed,) = cloud.rows("run.services")
    assert closed["level"] == "error"
    assert closed["fix"] == (
        f"gcloud run services add-iam-policy-binding perkie-artistic --region=europe-west4 --project={PROJECT} "
        "--member=allUsers --role=roles/run.invoker"
    )
    (tmp_path / "deploy.toml").write_text(SHOP.replace("[artistic]", "[artistic]\npublic = false"))
    assert cloud.levels("run.services") == ["ok"]
    run.set_iam_policy(request={"resource": SERVICE, "policy": PUBLIC})
    (open_,) = cloud.rows("run.services")
    assert (open_["level"], "remove-iam-policy-binding" in open_["fix"]) == ("error", True)
    run.set_iam_policy(request={"resource": SERVICE, "policy": {}})
    live = run.get_service(name=SERVICE)
    live.invoker_iam_disabled = True
    run.update_service(service=live)
    (unchecked,) = cloud.rows("run.services")
    assert (unchecked["level"], unchecked["fix"].endswith("--invoker-iam-check")) == ("error", True)
    (tmp_path / "deploy.toml").write_text(SHOP)
    assert cloud.levels("run.services") == ["ok"]


def test_a_service_as_the_default_account_or_with_a_broad_role_is_told(
    cloud: Cloud, run: run_v2.ServicesClient
) -> None:
    cloud.grant(PROJECT, "roles/owner")
    (broad,) = cloud.rows("run.services")
    assert broad["fix"].startswith("sh deploy/production/setup.sh && gcloud projects remove-iam-policy-binding")
    live = run.get_service(name=SERVICE)
    live.template.service_account = ""
    run.update_service(service=live)
    (default,) = cloud.rows("run.services")
    assert (default["level"], "default account" in default["message"]) == ("warning", True)
    assert default["fix"].endswith(f"--service-account={ACCOUNT}")


@pytest.mark.usefixtures("run")
def test_services_that_cannot_be_seen_are_skipped(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(SHOP.replace("[artistic]", '[artistic]\nname = "another"'))
    assert cloud.levels("run.services") == ["skipped"]
    (tmp_path / "deploy.toml").write_text("[production")
    assert cloud.levels("run.services") == ["skipped"]
    (tmp_path / "deploy.toml").unlink()
    assert cloud.levels("run.services") == ["skipped"]


def test_policies_of_a_service_are_replaced_at_their_etag_only(run: run_v2.ServicesClient) -> None:
    seen = run.get_iam_policy(request={"resource": SERVICE})
    run.set_iam_policy(request={"resource": SERVICE, "policy": {**PUBLIC, "etag": seen.etag}})
    with pytest.raises(Aborted):
        run.set_iam_policy(request={"resource": SERVICE, "policy": {"etag": seen.etag}})


# ------------------------------------------------------------ the emulator, by raw requests


@pytest.mark.parametrize(
    ("path", "body", "token", "status"),
    [
        ("/v1/projects/p:testIamPermissions", {"permissions": ["run.services.get"]}, None, 401),
        ("/v1/projects/p:testIamPermissions", {"permissions": ["run.services.get"]}, f"{BEARER}a@b", 200),
        ("/v1/projects/p:testIamPermissions", {"permissions": ["run.*"]}, f"{BEARER}a@b", 400),
        ("/v1/projects/p:testIamPermissions", [], f"{BEARER}a@b", 400),
        ("/v1/projects/p:getIamPolicy", {}, f"{BEARER}a@b", 403),
        ("/v1/projects/p:setIamPolicy", {"policy": {}}, f"{BEARER}a@b", 403),
        ("/v1/projects/p:getAncestry", {}, f"{BEARER}a@b", 501),
        ("/v1/folders/f:getIamPolicy", {}, f"{BEARER}a@b", 501),
    ],
)
def test_the_emulator_answers_as_google_does(path: str, body: object, token: str | None, status: int) -> None:
    with on_a_thread(IamEmulator()) as iam:
        headers = {"Authorization": token} if token else {}
        answer = httpx2.post(iam.url + path, json=body, headers=headers)
    assert answer.status_code == status
    assert answer.json() == {} if status == 200 else answer.json()["error"]["message"]


def test_no_role_permits_what_google_s_role_of_that_name_does_not() -> None:
    """Spot checks against https://docs.cloud.google.com/iam/docs/roles-permissions, of what the doctor tells apart."""
    assert "resourcemanager.projects.setIamPolicy" not in ROLES["roles/editor"]
    assert "secretmanager.versions.access" not in ROLES["roles/editor"]
    assert set(ROLES["roles/editor"]) < set(ROLES["roles/owner"])
    assert not [each for each in ROLES["roles/storage.objectUser"] if each.startswith("storage.buckets.")]

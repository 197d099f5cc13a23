from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perkie_cli.emulators.http_server import Request
from perkie_cli.emulators.storage.uploads import parse_multipart


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@given(data=st.binary())
@example(data=b"ends\r")
@example(data=b"ends\r\n")
@example(data=b"\n\r\nbegins")
@example(data=b"")
def test_the_bytes_come_through_whatever_ends_the_lines(end: bytes, data: bytes) -> None:
    parts = [b"--cut", b"content-type: application/json", b"", b'{"name": "a"}']
    parts += [b"--cut", b"content-type: image/jpeg", b"", data, b"--cut--", b""]
    headers = {"content-type": 'multipart/related; boundary="cut"'}
    request = Request("POST", "/upload", {}, headers, end.join(parts), "/upload")
    assert parse_multipart(request) == ({"name": "a", "contentType": "image/jpeg"}, data)

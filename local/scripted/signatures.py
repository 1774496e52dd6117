"""AWS signatures, computed again with botocore's signer, and a scripted STS."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, final
from urllib.parse import parse_qs
from uuid import uuid4

STATIC_BEGINNING = "AKIASCRIPTED"
SECRET = "scripted-aws-secret"  # noqa: S105 - of no account
SKEW = timedelta(minutes=5)
SESSION = timedelta(hours=1)
STAMP = "%Y%m%dT%H%M%SZ"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[A-Z0-9]+)/(?P<day>[0-9]{8})/(?P<region>[a-z0-9-]+)"
    r"/(?P<service>[a-z0-9-]+)/aws4_request, SignedHeaders=(?P<names>[a-z0-9;-]+), "
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\
<AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId>\
<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
<Expiration>{end}</Expiration></Credentials><AssumedRoleUser><Arn>{arn}</Arn>\
<AssumedRoleId>{key}:{name}</AssumedRoleId></AssumedRoleUser></AssumeRoleResult>\
<ResponseMetadata><RequestId>scripted-sts</RequestId></ResponseMetadata></AssumeRoleResponse>"""


class Refused(Exception):
    """A request that is not signed as it must be; ``kind`` is AWS's name for it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@final
@dataclass(frozen=True, slots=True)
class _Session:
    secret: str
    token: str
    name: str
    ends_at: datetime


@final
class Signatures:
    """Knows the keys that it gave out, and every static key of the scripted form."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}

    def checked(
        self, method: str, target: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, Any]:
        """Who signed, for what. Raises ``Refused``."""
        found = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None:
            raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
        session = self._session_of(found["key"], headers.get("x-amz-security-token"))
        stamp = headers.get("x-amz-date", "")
        at = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
        if abs(datetime.now(UTC) - at) > SKEW:
            raise Refused("InvalidSignatureException", "Signature expired")
        kept = {name: headers[name] for name in found["names"].split(";")}
        url = f"http://{headers['host']}{target}" + (f"?{query}" if query else "")
        secret = session.secret if session else SECRET
        if found["signature"] != _signature(found, secret, stamp, method, url, kept, body):
            canonical = f"The Canonical String was\n{method}\n{headers.get('x-amz-security-token')}"
            raise Refused(
                "InvalidSignatureException", f"The signature does not match.\n{canonical}"
            )
        return {
            "access_key": found["key"],
            "region": found["region"],
            "service": found["service"],
            "signed_headers": found["names"],
            "session_name": session.name if session else None,
        }

    def _session_of(self, key: str, token: str | None) -> _Session | None:
        session = self._sessions.get(key)
        if session is None:
            if not key.startswith(STATIC_BEGINNING) or token is not None:
                raise Refused("UnrecognizedClientException", "The security token is invalid")
            return None
        if session.token != token:
            raise Refused("UnrecognizedClientException", "The security token is invalid")
        if session.ends_at <= datetime.now(UTC):
            raise Refused("ExpiredTokenException", "The security token has expired")
        return session

    def assume(self, body: bytes) -> tuple[dict[str, str], bytes]:
        """AssumeRole: what was asked for, and the answer.

        A role whose name ends in ``-expired`` gives a session that the service takes for
        expired, though its answer says otherwise.
        """
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        end = datetime.now(UTC) + SESSION
        key = "ASIA" + uuid4().hex[:16].upper()
        is_over = asked["RoleArn"].endswith("-expired")
        name = asked["RoleSessionName"]
        ends_at = datetime.now(UTC) if is_over else end
        self._sessions[key] = _Session(uuid4().hex, uuid4().hex, name, ends_at)
        made = self._sessions[key]
        answer = ASSUMED.format(
            key=key,
            secret=made.secret,
            token=made.token,
            end=end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            arn=asked["RoleArn"],
            name=name,
        )
        return asked, answer.encode()


def _signature(
    found: re.Match[str],
    secret: str,
    stamp: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
) -> str:
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - 0.2 s that only Bedrock's requests take
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - likewise
    from botocore.credentials import Credentials  # noqa: PLC0415 - likewise

    request = AWSRequest(method, url, headers=dict(headers), data=body)
    request.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(found["key"], secret), found["service"], found["region"])
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))

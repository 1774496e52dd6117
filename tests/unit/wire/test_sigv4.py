from datetime import UTC, datetime

from aigateway.wire.messages import RequestHead, value
from aigateway.wire.sigv4 import AwsCredentials, SigningScope, signature_headers

PUBLISHED = AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)


def test_the_published_example_is_signed_as_published() -> None:
    """``get-vanilla`` of the test suite that AWS published for Signature Version 4."""
    added = signature_headers(
        RequestHead("GET", b"/", ()),
        b"",
        host=b"example.amazonaws.com",
        credentials=PUBLISHED,
        scope=SigningScope("us-east-1", "service"),
        at=AT,
    )
    assert added == (
        (b"x-amz-date", b"20150830T123600Z"),
        (
            b"authorization",
            (
                b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                b"SignedHeaders=host;x-amz-date, "
                b"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
            ),
        ),
    )


def test_headers_that_may_change_on_the_way_are_not_signed() -> None:
    sent = ((b"User-Agent", b"a"), (b"Via", b"b"), (b"Content-Type", b"c"), (b"X-Amz-Target", b"d"))
    added = signature_headers(
        RequestHead("POST", b"/", sent),
        b"",
        host=b"example.amazonaws.com",
        credentials=PUBLISHED,
        scope=SigningScope("us-east-1", "service"),
        at=AT,
    )
    signed = b"SignedHeaders=content-type;host;x-amz-date;x-amz-target,"
    assert signed in (value(added, b"authorization") or b"")


def test_i10_credentials_do_not_show_their_secrets() -> None:
    shown = repr(AwsCredentials("AKIDEXAMPLE", "planted-secret", "planted-token"))
    assert shown == "AwsCredentials(access_key='AKIDEXAMPLE')"

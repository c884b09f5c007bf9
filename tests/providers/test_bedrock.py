"""Amazon Bedrock: what is sent to Converse, and what becomes of its frames."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from byzer_lab.errors import (
    ContentFilterError,
    InvalidRequestError,
    ProviderAuthenticationError,
    ProviderError,
    ProviderQuotaError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderUnavailableError,
)
from byzer_lab.types import GenerateRequest, ImagePart, ImageUrl, Message, Sampling, TextPart
from tests.providers.dialects import (
    DIALECTS,
    bedrock_event,
    bedrock_frames,
    bedrock_reply,
    frame,
)
from tests.providers.wire import asked, chunks, engine, question, text
from tests.support.scripted_http import answer

PARAMS = DIALECTS["bedrock"].params
LLAMA = "meta.llama2-70b-chat-v1"
PNG = "iVBORw0KGgoAAAANSUhEUg=="


def bedrock(**params: Any) -> Any:
    return asked("saas/aws_bedrock", path="", **{**PARAMS, **params})


async def test_what_is_sent() -> None:
    async with bedrock() as (made, server):
        server.script(bedrock_reply(*bedrock_frames("Hi")))
        turns = [Message("system", "Be short."), Message("user", "Hello?")]
        sampling = Sampling(max_tokens=7, temperature=0.0, top_p=0.9, top_k=5, stop=["END"])
        await chunks(made, GenerateRequest("r", turns, sampling=sampling))
        seen = server.only
        model = "anthropic.claude-3-haiku-20240307-v1%3A0"
        assert (seen.method, seen.target) == ("POST", f"/model/{model}/converse-stream")
        assert seen.headers["content-type"] == "application/json"
        assert seen.headers["accept"] == "application/vnd.amazon.eventstream"
        assert seen.json == {
            "system": [{"text": "Be short."}],
            "messages": [{"role": "user", "content": [{"text": "Hello?"}]}],
            "inferenceConfig": {
                "maxTokens": 7,
                "temperature": 0.0,
                "topP": 0.9,
                "stopSequences": ["END"],
            },
            "additionalModelRequestFields": {"top_k": 5},
        }


async def test_the_signature_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's own library makes the same one of what arrived."""
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    async with bedrock(saas__aws_session_token="temporary") as (made, server):
        server.script(bedrock_reply(*bedrock_frames("Hi")))
        await chunks(made, question("你好"))
        seen = server.only
        stamp = seen.headers["x-amz-date"]
        names = re.search("SignedHeaders=([^,]*)", seen.headers["authorization"])
        assert names is not None
        assert names[1] == "accept;content-type;host;x-amz-date;x-amz-security-token"
        signed = {name: seen.headers[name] for name in ("accept", "content-type")}
        theirs = AWSRequest("POST", server.url + seen.target, headers=signed, data=seen.body)
        keys = Credentials(
            PARAMS["saas__aws_access_key"], PARAMS["saas__aws_secret_key"], "temporary"
        )
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
        monkeypatch.setattr(auth, "get_current_datetime", lambda *_: at)
        auth.SigV4Auth(keys, "bedrock", "us-east-1").add_auth(theirs)
        assert seen.headers["authorization"] == theirs.headers["Authorization"]
        assert seen.headers["x-amz-security-token"] == "temporary"


async def test_awss_own_library_sends_the_same() -> None:
    """Path and body of a call through botocore's client for the service."""
    session = pytest.importorskip("botocore.session").Session()
    client = session.create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    sent: list[Any] = []

    class Enough(Exception):
        pass

    def keep(request: Any, **_: Any) -> None:
        sent.append(request)
        raise Enough

    client.meta.events.register("before-send.bedrock-runtime.ConverseStream", keep)
    async with bedrock(saas__model=PARAMS["saas__model"]) as (made, server):
        server.script(bedrock_reply(*bedrock_frames("Hi")))
        parts = [TextPart("What?"), ImagePart(ImageUrl(f"data:image/png;base64,{PNG}"))]
        await chunks(made, question(parts, max_tokens=7, top_k=3))
        picture = {"format": "png", "source": {"bytes": base64.b64decode(PNG)}}
        with pytest.raises(Enough):
            client.converse_stream(
                modelId=PARAMS["saas__model"],
                messages=[{"role": "user", "content": [{"text": "What?"}, {"image": picture}]}],
                inferenceConfig={"maxTokens": 7},
                additionalModelRequestFields={"top_k": 3},
            )
        assert server.only.target == urlsplit(sent[0].url).path
        assert server.only.json == json.loads(sent[0].body)


async def test_a_bedrock_key_needs_no_signature() -> None:
    keyless = {"saas__aws_access_key": None, "saas__aws_secret_key": None}
    async with bedrock(**keyless, saas__api_key="bedrock-key") as (made, server):
        server.script(bedrock_reply(*bedrock_frames("Hi")))
        await chunks(made, question())
        assert server.only.headers["authorization"] == "Bearer bedrock-key"


async def test_the_version_goes_to_models_of_anthropic_only() -> None:
    async with bedrock(saas__model_api_version="bedrock-2023-05-31") as (made, server):
        server.script(*(bedrock_reply(*bedrock_frames("Hi")) for _ in range(2)))
        await chunks(made, question())
        await chunks(made, question(options={"model": LLAMA}))
        first, second = server.seen
        assert first.json["additionalModelRequestFields"] == {
            "anthropic_version": "bedrock-2023-05-31"
        }
        assert "additionalModelRequestFields" not in second.json
        assert second.target == f"/model/{LLAMA}/converse-stream"


async def test_usage_thoughts_and_facts() -> None:
    async with bedrock() as (made, server):
        frames = bedrock_frames("4", "2", stop="max_tokens")
        thought = {"delta": {"reasoningContent": {"text": "Hm."}}, "contentBlockIndex": 0}
        signed = {"delta": {"reasoningContent": {"signature": "x"}}, "contentBlockIndex": 0}
        frames[1:1] = [
            bedrock_event("contentBlockDelta", thought),
            bedrock_event("contentBlockDelta", signed),
            bedrock_event("somethingOfTomorrow", {}),
        ]
        server.script(bedrock_reply(*frames))
        first, *pieces, last = await chunks(made, question())
        assert first.reasoning == "Hm."
        assert [piece.text for piece in pieces] == ["4", "2"]
        assert last.finish_reason == "length"
        assert (last.usage.input_tokens, last.usage.output_tokens) == (9, 4)
        facts = last.usage.provider
        assert (facts.request_id, facts.latency_ms) == ("aws-1", 321.0)
        assert facts.cost == pytest.approx((9 * 0.25 + 4 * 1.25) / 1e6)


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("throttlingException", ProviderRateLimitError),
        ("validationException", ProviderRequestError),
        ("internalServerException", ProviderUnavailableError),
        ("modelStreamErrorException", ProviderRequestError),
        ("serviceUnavailableException", ProviderUnavailableError),
    ],
)
async def test_an_exception_inside_of_the_stream(kind: str, known: type[Exception]) -> None:
    async with bedrock() as (made, server):
        broken = frame({"message": "Bad luck"}, exception_type=kind, message_type="exception")
        server.script(bedrock_reply(*bedrock_frames("a")[:2], broken))
        with pytest.raises(known, match=f"{kind}: Bad luck") as caught:
            await chunks(made, question())
        assert caught.value.details["request_id"] == "aws-1"


async def test_an_error_frame_and_a_damaged_one() -> None:
    async with bedrock() as (made, server):
        error = frame(b"", message_type="error", error_code="oops", error_message="no luck")
        damaged = bytearray(bedrock_frames("a")[1])
        damaged[-9] ^= 1
        server.script(bedrock_reply(error), bedrock_reply(bytes(damaged)))
        with pytest.raises(ProviderError, match="oops: no luck"):
            await chunks(made, question())
        with pytest.raises(ProviderError, match="no frame of an event stream: the checksum"):
            await chunks(made, question())


@pytest.mark.parametrize(
    ("status", "kind", "known"),
    [
        (400, "ValidationException", ProviderRequestError),
        (403, "UnrecognizedClientException", ProviderAuthenticationError),
        (403, "AccessDeniedException", ProviderAuthenticationError),
        (404, "ResourceNotFoundException", ProviderRequestError),
        (429, "ThrottlingException", ProviderRateLimitError),
        (402, "InsufficientBalance", ProviderQuotaError),
    ],
)
async def test_a_refused_request(status: int, kind: str, known: type[Exception]) -> None:
    async with bedrock(saas__max_retries=0) as (made, server):
        headers = {
            "x_amzn_ErrorType": f"{kind}:http://internal.amazon.com/",
            "x_amzn_RequestId": "aws-2",
        }
        server.script(answer({"message": "Not so."}, status, **headers))
        with pytest.raises(known, match="Not so") as caught:
            await chunks(made, question())
        assert caught.value.details["kind"].startswith(kind)
        assert caught.value.details["request_id"] == "aws-2"


async def test_a_guardrail() -> None:
    async with bedrock() as (made, server):
        guarded = "guardrail_intervened"
        server.script(
            bedrock_reply(*bedrock_frames("Sorry.", stop=guarded)),
            bedrock_reply(*bedrock_frames(stop=guarded)),
            bedrock_reply(*bedrock_frames()),
        )
        assert (await chunks(made, question()))[-1].finish_reason == "content_filter"
        with pytest.raises(ContentFilterError):
            await chunks(made, question())
        assert await text(made) == ""


async def test_pictures_must_be_sent_themselves() -> None:
    async with bedrock() as (made, _):
        for url, words in [
            ("https://example.com/cat.png", "not their addresses"),
            ("data:image/bmp;base64,Qk0=", "not image/bmp"),
        ]:
            with pytest.raises(InvalidRequestError, match=words):
                await chunks(made, question([ImagePart(ImageUrl(url))]))


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("saas__region_name", "saas.region_name"),
        ("saas__aws_access_key", r"saas.aws_access_key; .*\$\{AWS_ACCESS_KEY_ID\}"),
        ("saas__aws_secret_key", r"saas.aws_secret_key; .*\$\{AWS_SECRET_ACCESS_KEY\}"),
        ("saas__model", "saas.model"),
    ],
)
def test_what_must_be_given(missing: str, words: str) -> None:
    given = {name: value for name, value in PARAMS.items() if name != missing}
    with pytest.raises(InvalidRequestError, match=words):
        engine("saas/aws_bedrock", **given)


@pytest.mark.parametrize(
    ("region", "place"),
    [
        ("eu-west-1", "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ("cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_each_region_has_its_place(region: str, place: str) -> None:
    made = engine("saas/aws_bedrock", **{**PARAMS, "saas__region_name": region})
    assert made.base_url == place

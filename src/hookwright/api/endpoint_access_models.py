"""What lets us in at an endpoint, on the wire. Secrets come in and never go out."""

from typing import Annotated, Literal

from fastapi import Body
from pydantic import Field

from hookwright.api.models import Input, Output
from hookwright.api.timestamps import TimeText, rfc3339
from hookwright.domain.access import Access, ApiKey, Auth, Basic, Bearer, ClientCredentials
from hookwright.domain.certificates import Certificate, show_certificates

Sent = Literal["header", "body"]


class BasicIn(Input):
    kind: Literal["basic"]
    username: str
    password: str

    def auth(self) -> Auth:
        return Basic(self.username, self.password)


class BearerIn(Input):
    kind: Literal["bearer"]
    token: str = Field(description="Sent as `Authorization: Bearer ...`")

    def auth(self) -> Auth:
        return Bearer(self.token)


class ApiKeyIn(Input):
    kind: Literal["apiKey"]
    header: str = Field(examples=["X-Api-Key"])
    value: str

    def auth(self) -> Auth:
        return ApiKey(self.header, self.value)


class OAuth2In(Input):
    kind: Literal["oauth2"]
    token_url: str = Field(examples=["https://login.example.com/oauth2/token"])
    client_id: str
    client_secret: str
    scopes: list[str] = Field([])
    audience: str | None = Field(None, description="A parameter that some servers ask for")
    client_authentication: Sent = Field("header", description="Where the token request has id and secret (RFC 6749, section 2.3.1)")

    def auth(self) -> ClientCredentials:
        return ClientCredentials(
            self.token_url, self.client_id, self.client_secret, tuple(self.scopes), self.audience, self.client_authentication == "body"
        )


AuthIn = Annotated[BasicIn | BearerIn | ApiKeyIn | OAuth2In, Body(discriminator="kind")]


class AuthOut(Output):
    """Of each kind what is no secret."""

    kind: Literal["none", "basic", "bearer", "apiKey", "oauth2"]
    username: str | None = None
    header: str | None = None
    token_url: str | None = None
    client_id: str | None = None
    scopes: list[str] | None = None
    audience: str | None = None
    client_authentication: Sent | None = None


class TlsIn(Input):
    """All of it: what is left out is not kept."""

    certificate: str | None = Field(None, description="A client certificate in PEM, its intermediate certificates behind it")
    key: str | None = Field(None, description="Its private key in PEM, without a password")
    ca: str | None = Field(None, description="PEM: the endpoint's certificate must be signed by one of these, instead of a public CA")


class CertificateOut(Output):
    subject: str
    issuer: str
    valid_from: TimeText
    expires_at: TimeText
    fingerprint: str = Field(description="SHA-256, hexadecimal")


class TlsOut(Output):
    """`certificates`: the client certificate first."""

    certificates: list[CertificateOut]
    ca: list[CertificateOut]


class VerificationOut(Output):
    verified: bool
    status: int | None = Field(description="Of the endpoint's answer, if there was one")
    detail: str = Field(description="What happened, in words")
    allowed_rate: int | None = Field(description="Messages per minute that the receiver allows, if it says so")


def show_auth(auth: Auth | None) -> AuthOut:
    match auth:
        case Basic():
            return AuthOut(kind="basic", username=auth.username)
        case Bearer():
            return AuthOut(kind="bearer")
        case ApiKey():
            return AuthOut(kind="apiKey", header=auth.header)
        case ClientCredentials():
            return AuthOut(
                kind="oauth2", token_url=auth.token_url, client_id=auth.client_id, scopes=list(auth.scopes), audience=auth.audience,
                client_authentication="body" if auth.in_body else "header",
            )  # fmt: skip
    return AuthOut(kind="none")


def show_tls(access: Access) -> TlsOut:
    tls = access.tls
    if tls is None:
        return TlsOut(certificates=[], ca=[])
    return TlsOut(certificates=list(map(_show, show_certificates(tls.certificate))), ca=list(map(_show, show_certificates(tls.ca))))


def _show(one: Certificate) -> CertificateOut:
    return CertificateOut(
        subject=one.subject, issuer=one.issuer, valid_from=rfc3339(one.not_before), expires_at=rfc3339(one.not_after),
        fingerprint=one.fingerprint,
    )  # fmt: skip

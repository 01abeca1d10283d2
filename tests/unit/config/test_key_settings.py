"""Keys and algorithms fit each other, or the service does not start."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import load
from tests.environs import refusal
from tests.people import SECRET
from tests.unit.keys import pem, private_pem

KEY_SET_URL = "An http:// or https:// URL of host, port, path and query: no user, password or fragment."


OTHER_KIND = "Not a PEM public key for {}."


@pytest.fixture
def asymmetric(environ: dict[str, str]) -> dict[str, str]:
    """Settings that lack nothing but a public key and its algorithm."""
    del environ["JWT_SECRET"]
    return environ


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ("RS256 RS384 RS512", "RSA"),
        ("PS256 PS384 PS512", "RSA"),
        ("RS256,PS256", "RSA"),
        ("ES256", "P-256"),
        ("ES384", "P-384"),
        ("ES512", "P-521"),
        ("EdDSA", "Ed25519"),
        ("EdDSA", "Ed448"),
    ],
)
def test_public_keys(asymmetric: dict[str, str], names: str, kind: str, tmp_path: Path) -> None:
    """Every asymmetric algorithm takes a PEM file of its kind of key, for the current and the previous key."""
    file = tmp_path / "key.pem"
    file.write_text(pem(kind))
    files = {"JWT_PUBLIC_KEY_FILE": str(file), "JWT_PREVIOUS_PUBLIC_KEY_FILE": str(file)}
    settings = load({**asymmetric, "JWT_ALGORITHMS": names, **files})
    assert settings.jwt_keys == (pem(kind).removesuffix("\n"),) * 2


@pytest.mark.parametrize(
    ("names", "text", "sentence"),
    [
        ("RS256", lambda: pem("P-256"), OTHER_KIND),
        ("PS256", lambda: pem("Ed25519"), OTHER_KIND),
        ("ES256", lambda: pem("RSA"), OTHER_KIND),
        ("ES256", lambda: pem("P-384"), OTHER_KIND),
        ("ES512", lambda: pem("P-256"), OTHER_KIND),
        ("EdDSA", lambda: pem("P-256"), OTHER_KIND),
        ("RS256 ES256", lambda: pem("P-384"), OTHER_KIND),
        ("RS256", lambda: private_pem("RSA"), OTHER_KIND),
        ("ES256", lambda: private_pem("P-256"), OTHER_KIND),
        ("RS256", lambda: private_pem("RSA", b"word"), OTHER_KIND),
        ("RS256", lambda: pem("RSA")[:200], OTHER_KIND),
        ("RS256", lambda: SECRET, OTHER_KIND),
        ("RS256", lambda: pem("weak RSA"), "Needs 2048 to 16384 bits."),
        ("PS512", lambda: pem("weak RSA"), "Needs 2048 to 16384 bits."),
        ("RS256", lambda: pem("RSA") + pem("another RSA"), "Holds several keys: one in each file."),
    ],
)
@pytest.mark.parametrize("variable", ["JWT_PUBLIC_KEY", "JWT_PREVIOUS_PUBLIC_KEY"])
def test_public_key_that_does_not_fit(
    asymmetric: dict[str, str], names: str, text: Callable[[], str], sentence: str, variable: str, tmp_path: Path
) -> None:
    """A key of another kind, too weak, or that only the issuer may have, is refused before any token comes."""
    kind = {"R": "RSA", "P": "RSA", "E": "P-256"}[names[0]]
    good, given = tmp_path / "good.pem", tmp_path / "given.pem"
    good.write_text(pem(kind))
    given.write_text(text())
    files = {"JWT_PUBLIC_KEY_FILE": str(good), f"{variable}_FILE": str(given)}
    told = refusal({**asymmetric, "JWT_ALGORITHMS": names, **files})
    assert f"{variable}_FILE: {sentence.format(' or '.join(names.split()))}" in told
    assert "BEGIN" not in told


@pytest.mark.parametrize(
    "text", [lambda: pem("RSA"), lambda: private_pem("RSA"), lambda: '{"kty":"oct","k":"' + 32 * "a" + '"}']
)
def test_a_key_file_is_no_secret(environ: dict[str, str], text: Callable[[], str]) -> None:
    """Whoever has the public key could sign if it were taken for a secret (RFC 8725 section 2.1)."""
    assert refusal({**environ, "JWT_SECRET": text()}) == "JWT_SECRET: Is a key file or a key set, not a secret."


def test_a_secret_of_32_bytes(environ: dict[str, str]) -> None:
    """Bytes are counted, not letters: 16 letters of two bytes are enough."""
    assert load({**environ, "JWT_SECRET": "ü" * 16}).jwt_keys == ("ü" * 16,)


def test_a_short_secret_is_told_with_all_else(environ: dict[str, str]) -> None:
    """It is too short for whatever algorithm was meant."""
    told = refusal({**environ, "JWT_ALGORITHMS": "HS256 RS256", "JWT_SECRET": "short"})
    assert told.splitlines()[1].strip() == "JWT_SECRET: Needs at least 32 bytes."


def test_families_are_not_mixed(environ: dict[str, str]) -> None:
    """A secret beside a public key, or with the algorithms of one, is a mistake."""
    both = {**environ, "JWT_PUBLIC_KEY": pem("RSA")}
    only = "With these algorithms set {}, and only that."
    assert refusal(both) == f"JWT_SECRET and JWT_PUBLIC_KEY_FILE: {only.format('JWT_SECRET')}"
    told = refusal({**environ, "JWT_ALGORITHMS": "RS256"})
    assert told == f"JWT_SECRET: {only.format('JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL')}"


@pytest.mark.parametrize("variable", ["JWT_PREVIOUS_SECRET", "JWT_PREVIOUS_PUBLIC_KEY"])
def test_previous_keys_are_of_the_same_family(environ: dict[str, str], variable: str) -> None:
    """A secret left over beside RS256 comes before the public key and turns every good token away."""
    if variable == "JWT_PREVIOUS_SECRET":
        environ = {**environ, "JWT_ALGORITHMS": "RS256", "JWT_PUBLIC_KEY": pem("RSA"), variable: SECRET}
        del environ["JWT_SECRET"]
    else:
        environ[variable] = pem("RSA")
    assert variable in refusal(environ)


def test_public_keys_of_two_kinds(asymmetric: dict[str, str]) -> None:
    """A rotation from RSA to EC: each key is for one of the algorithms, each algorithm has a key."""
    keys = {"JWT_PUBLIC_KEY": pem("P-256"), "JWT_PREVIOUS_PUBLIC_KEY": pem("RSA")}
    settings = load({**asymmetric, "JWT_ALGORITHMS": "RS256 ES256", **keys})
    assert settings.jwt_keys == (pem("P-256"), pem("RSA"))


def test_algorithm_without_a_key(asymmetric: dict[str, str]) -> None:
    """An algorithm that no key is for would turn every token of it away."""
    told = refusal({**asymmetric, "JWT_ALGORITHMS": "RS256 ES256 EdDSA", "JWT_PUBLIC_KEY": pem("RSA")})
    assert told == "JWT_ALGORITHMS: No public key is given for ES256 EdDSA."


def test_algorithm_without_a_key_beside_a_secret_left_over(asymmetric: dict[str, str]) -> None:
    """Neither is told only once the other is put right."""
    keys = {"JWT_PUBLIC_KEY": pem("RSA"), "JWT_PREVIOUS_SECRET": SECRET}
    assert refusal({**asymmetric, "JWT_ALGORITHMS": "RS256 ES256", **keys}).splitlines() == [
        "JWT_ALGORITHMS: No public key is given for ES256.",
        "  JWT_PREVIOUS_SECRET: Not used with these algorithms.",
    ]


@pytest.mark.parametrize("names", ["RS256", "ES256", "EdDSA", "RS256 PS256 ES256 ES384 ES512 EdDSA"])
@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example/.well-known/jwks.json",
        "http://127.0.0.1:8080/keys",
        "https://auth.example/keys?p=b2c_1_sign-in",
        "https://auth.example?a=b@c/d?e&f=%20",
    ],
)
def test_key_set(asymmetric: dict[str, str], names: str, url: str) -> None:
    """A key set serves every asymmetric algorithm; which of them it has keys for may change any time."""
    settings = load({**asymmetric, "JWT_ALGORITHMS": names, "JWT_JWKS_URL": url})
    assert (settings.jwt_jwks_url, settings.jwt_keys) == (url, ())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://auth.example/keys",
        "file:///keys",
        "auth.example",
        "https://me:w@auth.example/k",
        "https://me:w@auth.example/k?p=a",
        "https://auth.example/keys#a",
        "https://auth.example/keys?p=a#b",
        "https://auth.example/keys?p=a b",
        "https://auth.example/keys?p=a\n",
        "https://auth.example:99999/keys?p=a",
        "?p=a",
    ],
)
def test_key_set_that_cannot_be_fetched(asymmetric: dict[str, str], url: str) -> None:
    """As the URL of any other service, except that it may have a query."""
    told = refusal({**asymmetric, "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": url})
    assert told == f"JWT_JWKS_URL: {KEY_SET_URL}"


def test_key_set_and_a_key_of_its_own(asymmetric: dict[str, str]) -> None:
    """A key that would not be used is a mistake, also a previous one."""
    keyset = {**asymmetric, "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": "https://auth.example/keys"}
    told = refusal({**keyset, "JWT_PREVIOUS_PUBLIC_KEY": pem("RSA")})
    assert told == "JWT_PREVIOUS_PUBLIC_KEY_FILE: Not used with JWT_JWKS_URL: the key set has all keys."
    assert "JWT_PUBLIC_KEY_FILE and JWT_JWKS_URL" in refusal({**keyset, "JWT_PUBLIC_KEY": pem("RSA")})

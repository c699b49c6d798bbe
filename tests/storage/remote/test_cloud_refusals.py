"""What obstore says, put into words."""

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError

from engine.errors import UserError
from engine.storage.remote.cloud_refusals import (
    code_of,
    is_of_the_bucket,
    is_of_the_pieces,
    naming_refusals,
    status_of,
    was_asked_once,
)

SAID = "Generic X error: Error performing PUT http://h/b/x in 2ms{} - Server returned non-2xx status code: {}: {}"
UNHEARD = "Generic X error: Error performing PUT http://h/b/x in 2ms{} - HTTP error: error sending request"
DEBUG = "\n\nDebug source:\nGeneric {\n    credential: planted, status code: 500\n}"


def said(status: str, code: str = "", retries: str = "") -> str:
    return SAID.format(retries, status, f"<Error>\n<Code>{code}</Code></Error>" if code else "") + DEBUG


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (PermissionDeniedError(said("403 Forbidden", "AccessDenied")), r"do not allow it \(AccessDenied\)"),
        (PermissionDeniedError(said("403 Forbidden")), r"do not allow it \(403\)"),
        (PermissionDeniedError(said("403 Forbidden", "AuthenticationFailed")), "refuses the credentials"),
        (UnauthenticatedError(said("401 Unauthorized")), r"refuses the credentials \(401\)"),
        (GenericError("Generic X error: Error performing token request: no route" + DEBUG), "there are no credentials"),
        (FileNotFoundError(said("404 Not Found", "NoSuchBucket")), "there is no such bucket"),
        (FileNotFoundError(said("404 Not Found", "NoSuchKey")), r"refused a request \(NoSuchKey\)"),
        (GenericError(said("503 Slow Down", "SlowDown")), "does not work"),
        (GenericError(said("429 Too Many Requests")), r"does not work \(429\)"),
        (GenericError(said("400 Bad Request", "InvalidBucketName")), "cannot be asked for"),
        (GenericError(UNHEARD.format("") + DEBUG), r"cannot be reached \(HTTP error: error sending request\)"),
        (ValueError('Could not parse path: Path "a//b" contained empty path segment'), "cannot be asked for"),
    ],
)
def test_answers_are_put_into_words(error: Exception, what: str) -> None:
    with pytest.raises(UserError, match=what) as refused, naming_refusals("gs://b/x", "gs"):
        raise error
    assert "\n" not in str(refused.value)
    assert "planted" not in str(refused.value)


def test_the_remedy_is_that_of_the_store() -> None:
    for scheme, variable in (("gs", "GOOGLE_APPLICATION_CREDENTIALS"), ("az", "AZURE_STORAGE_ACCOUNT_KEY")):
        with pytest.raises(UserError, match=variable), naming_refusals("x", scheme):
            raise UnauthenticatedError(said("401 Unauthorized"))


def test_texts_tell_what_happened() -> None:
    error = GenericError(said("400 Bad Request", "InvalidBlockList"))
    assert (code_of(error), status_of(error), is_of_the_pieces(error)) == ("InvalidBlockList", 400, True)
    assert status_of(GenericError("Bulk delete request failed for key x: ... (code: 403)")) == 403
    assert is_of_the_bucket(FileNotFoundError("The specified container does not exist. (code: 404)"))
    assert not is_of_the_bucket(FileNotFoundError(said("404 Not Found", "BlobNotFound")))
    assert was_asked_once(GenericError(UNHEARD.format("") + DEBUG))
    assert not was_asked_once(GenericError(UNHEARD.format(", after 5 retries, max_retries: 5") + DEBUG))
    assert not was_asked_once(GenericError(said("500 Internal Server Error")))


def test_other_mistakes_pass_through() -> None:
    with pytest.raises(ValueError, match="ours"), naming_refusals("gs://x", "gs"):
        raise ValueError("a mistake of ours")

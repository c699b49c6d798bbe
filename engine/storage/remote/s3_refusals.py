"""What a person reads where an object store does not do what it was asked.

In: an exception of botocore, or of what it stands on. Out: one line, with what to do about it. Whatever is no affair of
the user's passes through as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from engine.errors import UserError

_REFUSED = {
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
_DENIED = {"403", "AccessDenied", "AllAccessDisabled", "AccountProblem"}
_ELSEWHERE = {"301", "PermanentRedirect", "IllegalLocationConstraintException"}
_NO_BUCKET = {"NoSuchBucket", "InvalidBucketName"}
_NO_OBJECT = "NoSuchKey"

_AGAIN = "then start the same command again: it continues"


@contextlib.contextmanager
def naming_refusals(where: str) -> Iterator[None]:
    """Turns what an object store answers, or that it does not answer, into a UserError.

    Args:
        where: the URL of what was asked for.

    Raises:
        UserError: no credentials, no permission, no bucket, no network, a name that no object can have, or an answer
            that makes no sense.
    """
    from botocore import exceptions
    from s3transfer.exceptions import RetriesExceededError

    try:
        yield
    except RetriesExceededError as error:
        raise _unreachable(error.last_exception, where) from error
    except exceptions.ClientError as error:
        raise _answered(error, where) from error
    except exceptions.ParamValidationError as error:  # boto3 asks the store for nothing then
        raise UserError(f"cannot be asked for ({error})", where=where, remedy="name another place") from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
    ) as error:
        remedy = f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role, {_AGAIN}"
        raise UserError(f"there are no credentials ({error})", where=where, remedy=remedy) from error
    except (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.ResponseStreamingError,
        exceptions.IncompleteReadError,
    ) as error:
        raise _unreachable(error, where) from error
    except ValueError as error:  # how botocore says that AWS_ENDPOINT_URL is no URL
        if "endpoint" not in str(error):
            raise
        raise UserError(str(error), where=where, remedy="set AWS_ENDPOINT_URL to http(s)://HOST:PORT") from error


def code_of(error: Exception) -> str:
    """Returns the code with which a store refused a request, such as `NoSuchKey`; empty for another exception.

    An answer that was cut off says no code, and boto3 gives its status in place of one: 404 then means that there is no
    such object. Of a bucket that is missing the next write says so.
    """
    response = getattr(error, "response", None)
    code = str(response["Error"]["Code"]) if isinstance(response, dict) and "Error" in response else ""
    return _NO_OBJECT if code == "404" else code


def status_of(error: Exception) -> int:
    """Returns the HTTP status with which a store refused a request; 0 for another exception."""
    response = getattr(error, "response", None)
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    return int(metadata.get("HTTPStatusCode", 0))


def _answered(error: Exception, where: str) -> UserError:
    code, status = code_of(error), status_of(error)
    if code in _NO_BUCKET:
        return UserError("there is no such bucket", where=where, remedy="make it, or name another one")
    if code in _REFUSED:
        remedy = f"renew them, or choose others (AWS_PROFILE), {_AGAIN}"
        return UserError(f"the store refuses the credentials ({code})", where=where, remedy=remedy)
    if code in _ELSEWHERE:
        return UserError("the bucket lies in another region", where=where, remedy="set AWS_REGION to that one")
    if code in _DENIED or status == 403:
        remedy = f"let them list, read, write and delete there, or choose others (AWS_PROFILE), {_AGAIN}"
        return UserError(f"the credentials do not allow it ({code})", where=where, remedy=remedy)
    if status >= 500:
        return UserError(f"the store does not work ({code or status})", where=where, remedy=f"wait a while, {_AGAIN}")
    return UserError(f"the store refused a request ({code or status}: {error})", where=where, remedy="see its manual")


def _unreachable(error: BaseException, where: str) -> UserError:
    what = f"the store cannot be reached ({type(error).__name__})"
    return UserError(what, where=where, remedy=f"check the network, and AWS_ENDPOINT_URL if it is set, {_AGAIN}")

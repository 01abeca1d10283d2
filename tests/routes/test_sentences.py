"""What an error says to a person: whether anything was sent, and what to do."""

import pytest

from app.upstream.transport import NothingSentError
from tests.conftest import Caller
from tests.wire import Answer, Wire, reply


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            NothingSentError("refused"),
            "The chat service is not available at the moment, please try again later. Nothing was sent.",
        ),
        (reply(401), "The chat service refused this service's credential. Nothing was sent."),
        (reply(400), "The chat service does not accept this message; change it before you send it again."),
        (reply(500), "The message may have been sent; look into the conversation before you send it again."),
        (ZeroDivisionError(), "Problem encountered while sending the message!"),
    ],
    ids=str,
)
def test_a_failure_says_that_nothing_was_sent_where_that_is_known(
    caller: Caller, wire: Wire, answer: Answer, sentence: str
) -> None:
    """In words as well as in send_outcome; a fault of ours has the contract's sentence."""
    wire.answer_chat = lambda *_: answer
    assert caller.send().get_json()["error"] == sentence

"""Every response an integrator can meet, and how to get it: one table for `curls`, the docs and the tests."""

from dataclasses import replace
from typing import NamedTuple

from app.sandbox.calls import FRESH_KEY, Call
from app.sandbox.directory import OTHER_COMPANY, home_of

SLOW_SECONDS = 3


class Rehearsal(NamedTuple):
    """A call and its last response: status, outcome and code, as far as it has them.

    The service must have been started with the options `needs`.
    """

    answer: str
    when: str
    call: Call
    needs: str = ""

    @property
    def retry_after(self) -> bool:
        """Whether the response has a Retry-After: when nothing was sent and waiting may help."""
        return self.answer.startswith(("429", "500 not_sent"))

    @property
    def title(self) -> str:
        """The response in one line."""
        return f"{self.answer}: {self.when}" + (f" (after run {self.needs})" if self.needs else "")

    @property
    def row(self) -> str:
        """The response as a row of the table in docs/rehearsing.md."""
        id_ = self.call.conversation.partition("?")[0]
        means = " ".join(f"`{word}`" for word in (self.needs, id_ * (id_ in MISBEHAVIOURS)) if word)
        return f"| `{self.answer}` | {'yes' * self.retry_after} | {self.when} | {means} |"


def _id(word: str) -> str:
    return f"00000000-0000-4000-8000-{word:0>12}"


_MISBEHAVIOURS = (
    ("400 413 422", "400 not_sent MESSAGE_REJECTED", "the chat service answers {}"),
    ("404", "400 not_sent INVALID_CONVERSATION_ID", "the chat service answers {}"),
    ("403", "403 not_sent FORBIDDEN", "the chat service answers {}"),
    ("429", "429 not_sent CHAT_SERVICE_BUSY", "the chat service answers {}, with a Retry-After"),
    ("401", "500 not_sent CHAT_SERVICE_AUTH", "the chat service answers {}"),
    ("409", "500 not_sent CHAT_SERVICE_UNAVAILABLE", "the chat service answers {}, or any other 4xx"),
    ("307 500 503", "500 unknown SEND_OUTCOME_UNKNOWN", "the chat service answers {}"),
    ("deaf", "500 unknown SEND_OUTCOME_UNKNOWN", "no answer within the deadline of 8 s"),
    ("dead", "500 unknown SEND_OUTCOME_UNKNOWN", "the connection is closed without an answer"),
    ("faded", "500 unknown SEND_OUTCOME_UNKNOWN", "the connection is closed within the answer"),
    ("bad", "500 unknown SEND_OUTCOME_UNKNOWN", "the answer is not JSON"),
    ("f1e1d", "500 unknown SEND_OUTCOME_UNKNOWN", "the answer lacks a field"),
    ("facade", "500 unknown SEND_OUTCOME_UNKNOWN", "the answer is about another conversation"),
    ("decade", "200 sent", f"the answer takes {SLOW_SECONDS} s"),
)
MISBEHAVIOURS = {_id(word): word for words, _, _ in _MISBEHAVIOURS for word in words.split()}
"""The ids of conversations in which the chat service misbehaves, mapped to its status or a word for how."""

_HOME, _THEIRS = home_of("jane")[1], home_of("bob")[1]
_WITH_KEY = Call(options=FRESH_KEY)
_TWICE = replace(_WITH_KEY, conversation=f"{_HOME}?n=[1-2]")
_ELSEWHERE = replace(_WITH_KEY, conversation=f"{{{_HOME},{_HOME[:-1]}2}}")
_HASTY = Call("rita", conversation=_id("decade") + "?n=[1-2]", options=("-m", "1.5"))
_HASTY_WITH_KEY = replace(_HASTY, options=_HASTY.options + FRESH_KEY)
_MANY = Call("bob", OTHER_COMPANY, f"{_THEIRS}?n=[1-31]")
_NO_CHAT = "--set CHAT_SERVICE_URL=http://127.0.0.1:1"
_NO_STORE = "--set STORE_URL=redis://127.0.0.1:1/0"
_LITTLE_ROOM = "--set WEB_CONCURRENCY=1 --set THREADS=2"

REHEARSALS = (
    Rehearsal("200 sent", "all is well", Call()),
    Rehearsal("200 sent", "repeated with its key: Idempotent-Replayed", _TWICE),
    Rehearsal("400 not_sent INVALID_PARAMS", "no message_body", Call(text=None)),
    Rehearsal("400 not_sent BODY_TOO_LARGE", "65,537 bytes", Call(options=("-H", "Content-Length: 65537"))),
    Rehearsal("400 not_sent INVALID_COMPANY_ID", "misspelt", Call(company="not-a-uuid")),
    Rehearsal("400 not_sent INVALID_CONVERSATION_ID", "misspelt", Call(conversation="not-a-uuid")),
    Rehearsal("400 not_sent NO_ACCOUNT", "another company", Call(company=OTHER_COMPANY, conversation=_THEIRS)),
    Rehearsal("400 not_sent IDEMPOTENCY_KEY_INVALID", "misspelt", Call(options=("-H", "Idempotency-Key: a b"))),
    Rehearsal("400 not_sent IDEMPOTENCY_KEY_REUSED", "its key in another conversation", _ELSEWHERE),
    Rehearsal("401 UNAUTHORIZED", "no token", Call(user=None)),
    Rehearsal("401 UNAUTHORIZED", "a bad token", Call(user=None, options=("-H", "Authorization: Bearer bad"))),
    Rehearsal("403 not_sent FORBIDDEN", "an account without the role", Call("nora")),
    Rehearsal("403 not_sent FORBIDDEN", "an account made inactive", Call("iris")),
    Rehearsal("405 METHOD_NOT_ALLOWED", "another method", Call(options=("-X", "PUT"))),
    Rehearsal("429 not_sent RATE_LIMIT_EXCEEDED", "the last of 31 at once", _MANY),
    Rehearsal("429 not_sent IDEMPOTENCY_IN_PROGRESS", "given up and repeated with its key", _HASTY_WITH_KEY),
    Rehearsal("500 not_sent ACCOUNT_SERVICE_UNAVAILABLE", "the account service answers 500", Call("erin")),
    # Sent by Rita, so that they do not use up Jane's limit.
    *(
        Rehearsal(answer, when.format(word), Call("rita", conversation=_id(word)))
        for words, answer, when in _MISBEHAVIOURS
        for word in words.split()
    ),
    Rehearsal("500 not_sent CHAT_SERVICE_UNAVAILABLE", "the chat service cannot be reached", Call(), _NO_CHAT),
    Rehearsal("500 not_sent IDEMPOTENCY_UNAVAILABLE", "the store cannot be reached", _WITH_KEY, _NO_STORE),
    Rehearsal("500 not_sent OVERLOADED", "given up and repeated, with room for one", _HASTY, _LITTLE_ROOM),
)

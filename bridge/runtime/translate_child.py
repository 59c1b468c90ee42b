"""The child that translates a backlog: reads webhooks from its standard input, writes what they become.

    python -m bridge.runtime.translate_child

Its first message names the sources and their mappings. It ends with its input, so that it never outlives its parent,
and says nothing: where it fails, the parent translates.
"""

from __future__ import annotations

import pickle
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from setproctitle import setproctitle

from bridge.core.model import EventNeeded, Translation, Webhook
from bridge.mapping import parse_mapping
from bridge.mapping.engine.translator import WebhookTranslator
from bridge.pipeline.second_translator import SIZE, TranslatedSource


def translate_webhooks(
    translators: dict[str, WebhookTranslator], webhooks: Sequence[Webhook]
) -> list[Translation | EventNeeded]:
    """What each becomes where nothing is known."""
    made = (translators[one.source].translate_among(one, {}) for one in webhooks)
    return [replace(one, unfinished=None) if isinstance(one, EventNeeded) else one for one in made]


def _bind(one: TranslatedSource) -> WebhookTranslator:
    return parse_mapping(one.text, name=one.file_name).make_translator(one.name, vars=one.vars, scope=one.scope)


def main() -> None:
    """Answer until the input ends."""
    setproctitle("trackbridge: worker-translate-child")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, too, which ends its input
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    translators: dict[str, WebhookTranslator] | None = None
    while head := asked.read(SIZE.size):
        question = pickle.loads(asked.read(SIZE.unpack(head)[0]))  # noqa: S301  from our own parent
        if translators is None:
            translators = {one.name: _bind(one) for one in question}
            answer: object = ()
        else:
            answer = translate_webhooks(translators, question)
        content = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        answers.write(SIZE.pack(len(content)))
        answers.write(content)
        answers.flush()


if __name__ == "__main__":
    main()

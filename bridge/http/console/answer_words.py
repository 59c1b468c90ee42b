"""Why a destination refused something, as the console shows it: the words that no person is called. Pure.

What a destination writes may quote what it was sent. Shown are the words of this list, in small letters or where they
begin the text: they are those of error messages, and none is a first name, a family name or a place. All else keeps
only its form. Without this an owner could not tell a wrong currency from a missing consent before asking to see the
answer in clear.
"""

from __future__ import annotations

import re

_LISTED = """
a about accept accepted access account action active ad after again all allowed already also amount an and another
any api are argument array as at attribute authorization authorized bad be because been before being below body
boolean both browser but by bytes call can cannot characters click client code combination condition configured
consent contain contains content conversion conversions correct could country create created credentials currency
data dataset date day days decimal deleted denied deprecated destination did digits disabled do does duplicate each
earlier either email empty enabled endpoint enough enum error errors event events exceeded exceeds exist exists
expected expired failed false field fields first float following for forbidden format found from future granted
greater had has hash hashed have header headers hours id identifier identifiers ids if ignored in inactive
information input insufficient integer internal into invalid is it item items its json key keys large last later
least length less limit limited list long longer malformed match matches maximum measurement message method minimum
minutes missing more most must name names needs negative neither no non nor not null number object occurred of off
old older on one only or order other out parameter parameters parse parsed past path permission permissions phone
pixel please positive present price product profile project properties property provided purchase quantity quota
range rate read reached received recognized refund rejected repeated request requested requests require required
requires resource response retry same schema sec second seconds see sent server service session set short should
signature since size so source string supported switched syntax temporarily test text than that the their then there
these they this time timestamp timezone to token too true try turned type types unable unauthorized unavailable
unexpected unique unknown unprocessable unsupported up update url use used user validate validation value values
version was were when where which while with within without wrong year you your zero zone
"""
_WORDS = frozenset(_LISTED.split())
_TOKEN = re.compile(r"\S*@\S*|[^\W\d_]+|[\W\d_]", re.DOTALL)
_MARKS = frozenset(" .,:;+-_/()[]@'\"`")
_MOST_SHOWN = 160


def mask_answer(text: str) -> str:
    """The words of the list, and the form of the rest; of a longer text the beginning."""
    begin = re.match(r"\W*", text)
    first = begin.end() if begin else 0
    shown = "".join(
        found[0] if _is_shown(found[0], is_first=found.start() == first) else _mask_token(found[0])
        for found in _TOKEN.finditer(text[:_MOST_SHOWN])
    )
    return shown + ("…" if len(text) > _MOST_SHOWN else "")


def _is_shown(token: str, *, is_first: bool) -> bool:
    return token in _WORDS or (is_first and token.istitle() and token.lower() in _WORDS)


def _mask_token(token: str) -> str:
    return "".join(each if each in _MARKS else "•" for each in token)

"""Words of both languages that say nothing about what is asked. Postgres has its own lists; these serve our own matching."""

from __future__ import annotations

_WORDS = """
a an and any anyone are as at be been but by can could did do does for from had has have he her his how i if in
into is it its just me my no not now of off on or our out over she should so some still than that the their them
then there these they this to up us was we were what when where which who whom whose why will with would you your
about after again all also am because before being both during each few more most other same such too very
а без более бы был была были было быть в вам вас весь во вот все всё всего всех вы где да для до его ее её если есть
еще ещё же за здесь и из или им их к как какая какие какой каких ко когда кого кому кто куда ли либо мне мной мы на
над надо нам нами нас наш наша наши не него нее неё нет ни них но ну о об один он она они оно от по под при про с
сейчас со так также такие такой там те тем то того тоже той только том тот ту ты у уже хотя чего чей чем что чтобы
насчет насчёт чье чьё эта эти это этого этой этом этот эту я
"""

STOPWORDS: frozenset[str] = frozenset(_WORDS.split())

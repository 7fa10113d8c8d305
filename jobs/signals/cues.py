"""The words that tell a signal in a client's message: one declared table, English and Russian. Pure.

A cue is a pattern with the severity and the confidence of what it says. Patterns are matched inside one sentence, without
case, with "ё" as "е" and the typographic apostrophe as the plain one. A negation shortly before a cue cancels it ("not
urgent", «не срочно»), unless the cue carries its own (`negated`: "not happy", «не устраивает»). The patterns are of the two
languages in general; no text of the demo world stands in them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from models.tables.signals import MessageKind


@dataclass(frozen=True, slots=True)
class Cue:
    """One pattern. `severity` 1..5, `confidence` 0..1; `negated`: the pattern contains its own negation."""

    kind: MessageKind
    pattern: re.Pattern[str]
    severity: int
    confidence: float
    negated: bool = False


_DAYS_EN = (
    r"(?:today|tonight|tomorrow|noon|monday|tuesday|wednesday|thursday|friday|saturday|sunday|eod|cob|next week"
    r"|(?:the )?end of|(?:the )?\d{1,2}(?:st|nd|rd|th| (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)))"
)
_DAYS_RU = (
    r"(?:понедельник\w*|вторник\w*|сред[еыу]|четверг\w*|пятниц\w+|суббот\w+|воскресень\w+|завтра\w*|утр\w+|вечер\w+"
    r"|конц\w+ (?:дня|недели|месяца)|\d)"
)
_WORK_RU = r"(?:пол[еяй]|кнопк\w+|отчет\w*|фильтр\w*|раздел\w*|страниц\w*|язык\w*|экран\w*|функци\w+|модул\w+|выгрузк\w+)"
_WORK_EN = r"(?:feature|requests?|requirements?|fields?|pages?|reports?|screens?|languages?|integrations?|modules?|buttons?|filters?|exports?)"


def _cue(kind: MessageKind, severity: int, confidence: float, pattern: str, *, negated: bool = False) -> Cue:
    return Cue(kind, re.compile(rf"\b(?:{pattern})", re.IGNORECASE), severity, confidence, negated)


CUES: tuple[Cue, ...] = (
    # --- complaint: something does not satisfy -----------------------------------------------------------------------
    _cue("complaint", 3, 0.8, r"(?:not|isn't|aren't|wasn't|weren't|never) (?:\w+ )?(?:happy|satisfied|pleased|impressed|acceptable|good enough)\b", negated=True),
    _cue("complaint", 4, 0.8, r"(?:unacceptable|dissatisfied|unhappy|fed up|appalling|disgrace(?:ful)?|shambles)\b"),
    _cue("complaint", 3, 0.65, r"(?:disappoint(?:ed|ing|ment)|frustrat(?:ed|ing|ion)|annoy(?:ed|ing)|ridiculous|terrible|awful|horrible)\b"),
    _cue("complaint", 3, 0.65, r"(?:poor|bad) (?:service|quality|support|communication)\b"),
    _cue("complaint", 3, 0.6, r"(?:i|we|guests|customers|clients|users|patients|people|staff|parents|members) (?:\w+ )?complain(?:ed|ing)?\b|complaints? (?:from|about|again)\b"),
    _cue("complaint", 3, 0.75, r"(?:still|again) (?:\w+ )?(?:broken|down|failing|not working|doesn't work|does not work|isn't working)\b", negated=True),
    _cue("complaint", 3, 0.65, r"(?:broken|down|crash(?:ed|es|ing)?|fail(?:ed|s|ing)?) again\b"),
    _cue("complaint", 2, 0.55, r"(?:doesn't|does not|don't|do not|isn't|is not|stopped) work(?:ing)?\b(?! (?:here|there|for|with|at|on)\b)", negated=True),
    _cue("complaint", 3, 0.7, r"for the (?:second|third|fourth|fifth|sixth|umpteenth|\d+(?:nd|rd|th)) time\b"),
    _cue("complaint", 3, 0.65, r"(?:nobody|no one|no-one) (?:has )?(?:answer(?:s|ed)|repli(?:es|ed)|call(?:s|ed)|told|tells|respond(?:s|ed))\b", negated=True),
    _cue("complaint", 4, 0.8, r"недовол\w+|разочарован\w*|возмутительн\w+|возмущ[еа]н\w*|безобрази\w+|отвратительн\w+"),
    _cue("complaint", 4, 0.8, r"недопустим\w+|неприемлем\w+|никуда не год\w+"),
    _cue("complaint", 3, 0.75, r"не (?:устраива\w+|довол\w+|удовлетвор\w+)|не радует\b", negated=True),
    _cue("complaint", 3, 0.6, r"(?:ужасн(?:о|ый|ая|ое|ые)|кошмар\w*|надоел\w*|сколько можно)\b"),
    _cue("complaint", 3, 0.6, r"(?:жалуются|жалуемся|жалуюсь)\b|(?:поступ\w+|пришл\w+|приход\w+|написал\w+|подал\w+|получ\w+|завал\w+|много)\W+(?:\w+\W+){0,2}жалоб\w*|жалоб\w+ (?:на|от)\b"),
    _cue("complaint", 3, 0.75, r"(?:опять|снова|все еще|до сих пор) (?:\w+ )?(?:не работа\w+|сломал\w+|упал\w*|лежит|виснет|падает)\b", negated=True),
    _cue("complaint", 2, 0.55, r"не работа(?:ет|ют|ло|ла)\b|перестал\w* работать\b", negated=True),
    _cue("complaint", 3, 0.65, r"в (?:который|второй|третий|четвертый|пятый|сотый) раз\b"),
    _cue("complaint", 3, 0.65, r"никто (?:так и )?не (?:отвеча\w+|ответил\w*|перезвонил\w*|предупредил\w*)", negated=True),
    # --- payment trouble ---------------------------------------------------------------------------------------------
    _cue("payment_trouble", 4, 0.85, r"(?:can't|cannot|can not|unable to|won't|will not|not able to|refus\w+ to) (?:be able to )?pay\b", negated=True),
    _cue("payment_trouble", 3, 0.7, r"(?:delay\w*|postpon\w+|defer\w*|withh\w+|hold(?:ing)? back)\b.{0,25}\b(?:payments?|invoices?)\b"),
    _cue("payment_trouble", 3, 0.7, r"(?:payments?|invoices?)\b.{0,40}\b(?:unpaid|overdue|late|delayed|postponed|rejected|on hold|disputed|in instal?lments)\b"),
    _cue("payment_trouble", 3, 0.7, r"(?:unpaid|overdue|disputed) (?:invoices?|bills?)\b|dispute\b.{0,15}\binvoices?\b"),
    _cue("payment_trouble", 4, 0.7, r"cash[- ]?flow\b|budgets? (?:is|was|has been|got) (?:frozen|cut|gone|exhausted)\b"),
    _cue("payment_trouble", 4, 0.85, r"не (?:сможем|можем|могу|смогу|будем|получ\w+) (?:пока )?(?:оплат\w+|заплат\w+|платить)", negated=True),
    _cue("payment_trouble", 3, 0.7, r"(?:задерж\w+|отсроч\w+|перенес\w+|отлож\w+)\W+(?:\w+\W+){0,2}(?:оплат\w+|платеж\w*|счет\w*)"),
    _cue("payment_trouble", 3, 0.7, r"(?:оплат\w+|платеж\w*)\W+(?:\w+\W+){0,2}(?:задерж\w+|отлож\w+|завис\w*|не прош\w+)"),
    _cue("payment_trouble", 4, 0.7, r"рассрочк\w+|кассов\w+ разрыв\w*|(?:нет|не хватает) денег\b", negated=True),
    _cue("payment_trouble", 4, 0.7, r"бюджет\w*\W+(?:\w+\W+){0,3}(?:заморо\w+|урез\w+|срезал\w*|кончил\w+|исчерпан\w*)"),
    _cue("payment_trouble", 3, 0.7, r"неоплаченн\w+ счет\w*|счет\w*\W+(?:\w+\W+){0,3}(?:не оплач\w+|не оплат\w+|просроч\w+|отклон\w+)", negated=True),
    # --- price pressure ----------------------------------------------------------------------------------------------
    _cue("price_pressure", 3, 0.75, r"too (?:expensive|pricey|steep|much money)\b"),
    _cue("price_pressure", 3, 0.75, r"(?:over|above|beyond|outside|exceeds?|out of) (?:of )?(?:our|the|my) budget\b"),
    _cue("price_pressure", 3, 0.75, r"(?:can't|cannot|couldn't|can not) afford\b", negated=True),
    _cue("price_pressure", 3, 0.65, r"(?:better|lower|reduce(?:d)?|sharpen|drop|bring down) (?:\w+ )?(?:price|pricing|rate|fee|quote)\b"),
    _cue("price_pressure", 3, 0.65, r"(?:give|offer|get|grant|any chance of|expect|ask for)\b.{0,15}\bdiscount\b"),
    _cue("price_pressure", 4, 0.7, r"(?:competitors?|another (?:agency|studio|vendor|supplier)|other (?:quotes?|offers?))\b.{0,60}\b(?:cheaper|for less|half)\b"),
    _cue("price_pressure", 3, 0.65, r"(?:слишком|очень|довольно|как-то|великоват\w*) дорог\w*|дороговато\b|дорого выходит\b|дорого[.!…]*$"),
    _cue("price_pressure", 3, 0.65, r"(?:дайте|дадите|сдела\w+|можно|возможн\w+|рассчитыва\w+ на|хотим|просим|прошу|попрос\w+)\W+(?:\w+\W+){0,3}скидк\w+"),
    _cue("price_pressure", 3, 0.65, r"(?:снизить|уменьшить|опустить|подвинуться по|пересмотреть)\W+(?:\w+\W+){0,2}(?:цен\w+|стоимост\w+|сумм\w+)"),
    _cue("price_pressure", 3, 0.75, r"не (?:укладыва\w+|вписыва\w+|влеза\w+|попада\w+) в (?:\w+ )?бюджет\w*|не потянем\b|не по карману\b", negated=True),
    _cue("price_pressure", 3, 0.75, r"(?:выше|сверх|больше) (?:нашего |нашей )?бюджета\b"),
    _cue("price_pressure", 4, 0.65, r"(?:друг\w+|конкурент\w*|соседн\w+)\W+(?:\w+\W+){0,4}дешевле\b|нашли дешевле\b"),
    # --- deadline pressure -------------------------------------------------------------------------------------------
    _cue("deadline_pressure", 4, 0.7, r"urgent(?:ly)?\b|asap\b|as soon as possible\b|right away\b|emergency\b"),
    _cue("deadline_pressure", 3, 0.75, rf"(?:need|must have|have to have|want|expect|require)s?\b[^,;]{{0,50}}\b(?:by|before|no later than) {_DAYS_EN}"),
    _cue("deadline_pressure", 2, 0.6, r"when (?:will|can|do) (?:it|this|that|we|you|they)\b.{0,40}\b(?:ready|done|finish(?:ed)?|fixed|live|deliver(?:ed)?)\b"),
    _cue("deadline_pressure", 4, 0.7, r"(?:deadline|launch(?: date)?|go-?live)\b.{0,40}\b(?:slip\w*|miss(?:ed|es|ing)?|at risk|can't move|cannot move|won't move)\b"),
    _cue("deadline_pressure", 3, 0.7, r"(?:running|run|ran) out of time\b|time is running out\b|we are out of time\b"),
    _cue("deadline_pressure", 4, 0.7, r"(?:late|delayed|behind(?: schedule)?) by (?:[\w-]+ )?(?:days?|weeks?|months?)\b|(?:days?|weeks?|months?) (?:late|behind schedule|overdue)\b"),
    _cue("deadline_pressure", 4, 0.7, r"срочно\b|срочн(?:ый|ая|ое|ые|ого|ую)\b|как можно (?:скорее|быстрее)\b|немедленно\b"),
    _cue("deadline_pressure", 3, 0.75, rf"(?:нужн\w+|надо|необходим\w+|должн\w+|требу\w+|жду|ждем)\W+(?:\w+\W+){{0,6}}(?:к|до|не позже|не позднее)\s+{_DAYS_RU}"),
    _cue("deadline_pressure", 2, 0.6, r"когда (?:же |уже |наконец |вы |это |все )*(?:будет|будут|сдела\w+|почин\w+|исправ\w+|закончи\w+|пришл\w+)"),
    _cue("deadline_pressure", 4, 0.7, r"(?:срок\w*|дедлайн\w*)\W+(?:(?!не\b)\w+\W+){0,3}(?:уехал\w*|съехал\w*|сорван\w*|срыва\w+|гор[ия]т|прош[еал]\w*|вышли?|поджима\w+)\b"),
    _cue("deadline_pressure", 3, 0.65, r"не (?:успева\w+|успе[ею]\w*) к\b|времени (?:почти |совсем )?(?:нет|не осталось)\b", negated=True),
    _cue("deadline_pressure", 4, 0.7, r"(?:опазды\w+|опоздал\w*|опоздани\w+|задержк\w+|отстава\w+|отстае\w+)\W+(?:\w+\W+){0,2}на\W+(?:\w+\W+){0,2}(?:д[не]\w+|недел\w+|месяц\w*)|(?:день|дня|дней|недел\w+|месяц\w*) (?:задержки|опоздания)\b"),
    # --- scope growth ------------------------------------------------------------------------------------------------
    _cue("scope_growth", 3, 0.8, r"change requests?\b|(?:out of|beyond|outside) (?:the )?(?:agreed )?scope\b|(?:not|wasn't) in (?:the )?(?:original )?scope\b|scope creep\b", negated=True),
    _cue("scope_growth", 2, 0.65, rf"(?:one more|another|additional|extra) (?:\w+ )?{_WORK_EN}\b"),
    _cue("scope_growth", 2, 0.6, r"while you(?:'re| are) at it\b|on top of (?:that|this)\b"),
    _cue("scope_growth", 2, 0.65, r"(?:can|could) (?:you|we) (?:also|please also) \w+|(?:can|could) (?:you|we)\b.{0,40}\b(?:as well|too)\?"),
    _cue("scope_growth", 2, 0.65, r"(?:we|i)(?:'d| would) (?:also )?(?:like|love) to (?:also )?(?:add|include|extend)\b|(?:can|could) (?:we|you) add\b"),
    _cue("scope_growth", 3, 0.8, r"(?:вне|за рамк\w+|сверх) (?:договора|тз|проекта|объема|сметы|рамок)\b|дополнительн\w+ (?:соглашени\w+|работ\w*|объем\w*)|доп\.? ?соглашени\w+"),
    _cue("scope_growth", 2, 0.65, rf"(?:добав(?:ьте|ить|им)|прикрутить|допилить|доделать)\W+(?:\w+\W+){{0,3}}(?:еще|также|{_WORK_RU})\b"),
    _cue("scope_growth", 2, 0.65, rf"(?:еще|также|заодно|дополнительно)\W+(?:\w+\W+){{0,2}}(?:нужн\w+|хотел\w*|добав\w+|хотим)\b|еще (?:один|одна|одно|одну) (?:\w+ )?{_WORK_RU}"),
    _cue("scope_growth", 2, 0.6, r"(?:можно|могли бы|можете)\W+(?:\w+\W+){0,2}(?:еще|заодно|также|добавить)\b"),
    _cue("scope_growth", 2, 0.65, r"(?:нов\w+|дополнительн\w+) (?:требовани\w+|пожелани\w+|хотелк\w+)|хотелось бы (?:еще|добавить|также)\b"),
    # --- upsell intent -----------------------------------------------------------------------------------------------
    _cue("upsell_intent", 2, 0.7, r"(?:how much|what) would (?:it|that|this|you)\b.{0,15}\b(?:cost|charge)\b"),
    _cue("upsell_intent", 2, 0.8, r"(?:can|could) you (?:also )?(?:quote|estimate|price|send (?:us |me )?an? (?:quote|offer|proposal|estimate))\b|(?:send|make) (?:us|me) an? (?:quote|offer|proposal|estimate)\b"),
    _cue("upsell_intent", 2, 0.6, r"(?:phase (?:two|2|three|3)|next phase|second phase|follow-?up project)\b"),
    _cue("upsell_intent", 3, 0.7, r"(?:interested in|thinking (?:of|about)|planning to|(?:we|i) want to|would like to) (?:expand\w*|extend\w*|roll\w* (?:it )?out|order\w*|buy\w*|open\w* (?:a|another|two|three))\b"),
    _cue("upsell_intent", 2, 0.65, r"(?:we|i) (?:want|need) (?:it|this|the same|one) (?:too|as well)\b"),
    _cue("upsell_intent", 2, 0.7, r"сколько (?:это |бы |будет |такое |примерно |нам )*(?:стои\w+|обойд\w+|выйдет)|во сколько (?:нам |это )*(?:обойд\w+|встанет|выйдет)|почем\?"),
    _cue("upsell_intent", 2, 0.8, r"(?:пришлите|сделайте|подготовьте|посчитайте|оцените|выставьте)\W+(?:\w+\W+){0,4}(?:кп|смет\w+|предложени\w+|оценк\w+|стоимость)\b"),
    _cue("upsell_intent", 3, 0.7, r"(?:хотим|хотели бы|планируем|думаем)\W+(?:\w+\W+){0,2}(?:расшир\w+|открыть|подключить|заказать|масштабир\w+)"),
    _cue("upsell_intent", 2, 0.65, r"(?:хочу|хотим|нам нужн\w+) (?:тоже |и себе )?так(?:ой|ую|ое|ие) же\b"),
    # --- churn hint --------------------------------------------------------------------------------------------------
    _cue("churn_hint", 5, 0.8, r"(?:cancel(?:l?ing)?|terminat(?:e|ing)|end(?:ing)?|exit(?:ing)?|not renew(?:ing)?|won't renew)\b.{0,25}\b(?:contract|agreement|subscription|cooperation|retainer|licen[cs]e)\b", negated=True),
    _cue("churn_hint", 5, 0.8, r"(?:we|i|us|our board|our ceo|management)(?:'ll|'re|'d|'m|'ve)? (?:\w+ ){0,3}(?:switch|mov|migrat|go)(?:e|es|ing)? to (?:another|a different|other|a competitor|someone else|somebody else)\b"),
    _cue("churn_hint", 4, 0.75, r"(?:looking (?:at|for)|consider(?:ing)?|talking to|evaluat(?:e|ing)) (?:other|another|alternative|different|new) (?:\w+ )?(?:vendors?|agency|agencies|studios?|suppliers?|providers?|contractors?|partners?)\b"),
    _cue("churn_hint", 4, 0.7, r"(?:looking (?:at|for)|considering|evaluating) (?:an )?alternatives?\b|last (?:chance|straw|warning)\b"),
    _cue("churn_hint", 4, 0.75, r"(?:lost|losing|running out of|out of) (?:\w+ )?(?:trust|confidence|patience|faith)\b"),
    _cue("churn_hint", 5, 0.7, r"(?:hear from|speak to|talk to|go to|involve|instruct(?:ed)?) (?:my|our) (?:lawyers?|solicitors?)\b|legal action\b|(?:give|giving|gave|given) (?:you )?notice\b|notice of termination\b"),
    _cue("churn_hint", 5, 0.85, r"расторг\w+|расторжени\w+|расторжен\w*"),
    _cue("churn_hint", 5, 0.8, r"(?:уйдем|уходим|уйти|перейдем|переходим|перейти)\W+(?:\w+\W+){0,2}к (?:другим|другому|другой|конкурент\w*)|(?:сменить|меняем|сменим|менять) (?:подрядчик\w*|студи\w+|исполнител\w*|поставщик\w*)"),
    _cue("churn_hint", 4, 0.75, r"(?:ищем|рассматриваем|смотрим|выбираем)\W+(?:\w+\W+){0,2}(?:друг\w+|альтернатив\w+|нов\w+)\W+(?:подрядчик\w*|студи\w+|исполнител\w*|вариант\w*|поставщик\w*)"),
    _cue("churn_hint", 5, 0.8, r"не (?:будем|планируем|станем|хотим|готовы) (?:\w+ )?(?:продлевать|продолжать)\b|(?:отказ\w+|откаж\w+) от (?:\w+ ){0,2}(?:услуг|сотрудничеств\w+|договор\w*)", negated=True),
    _cue("churn_hint", 4, 0.75, r"последн(?:ий шанс|яя капля|ее предупреждение)\b|(?:потеря\w+|теря\w+) (?:\w+ )?(?:доверие|терпение)\b|терпение (?:кончил\w+|закончил\w+|лопну\w+|на исходе)"),
    _cue("churn_hint", 5, 0.65, r"(?:обра[тщ]\w+ к|общаться через|передад\w+|передаем|подключ\w+)\W+(?:\w+\W+){0,2}юрист\w*|подад\w+ в суд\b|подаем в суд\b|досудебн\w+"),
    # --- praise ------------------------------------------------------------------------------------------------------
    _cue("praise", 1, 0.8, r"(?:great|excellent|amazing|fantastic|brilliant|wonderful|superb|outstanding) (?:\w+ )?(?:job|work|team|result|stuff|release)\b"),
    _cue("praise", 1, 0.7, r"well done\b|flawless(?:ly)?\b|works? (?:perfectly|beautifully|flawlessly|like a charm)\b"),
    _cue("praise", 1, 0.7, r"(?:we|i|they|guests|everybody|everyone|customers|the board|the team) (?:all |absolutely |really )?love[sd]? (?:it|this|your|the new|the result|how)\b"),
    _cue("praise", 1, 0.7, r"(?:very|really|so|extremely) (?:happy|pleased|impressed|satisfied)\b"),
    _cue("praise", 1, 0.75, r"(?:you're|you are) (?:a star|stars|brilliant|amazing|the best|legends?)\b"),
    _cue("praise", 1, 0.8, r"(?:отличн\w+|прекрасн\w+|замечательн\w+|великолепн\w+|блестящ\w+) (?:работ\w+|результат\w*|команд\w+|сервис\w*|релиз\w*)"),
    _cue("praise", 1, 0.7, r"(?:вы )?молодцы\b|вы (?:лучшие|супер|волшебник\w*)\b|(?:работает|работают) (?:идеально|отлично|прекрасно|как часы)\b"),
    _cue("praise", 1, 0.75, r"очень (?:довол\w+|понравил\w+|нравится)|в (?:полном )?восторге\b"),
    _cue("praise", 1, 0.6, r"огромное спасибо\b|спасибо (?:вам )?огромное\b"),
)  # fmt: skip

# A change of the table has messages read again: proposed signals always are those of the present rules.
RULES = hashlib.blake2b(
    "\n".join(
        f"{each.kind}|{each.severity}|{each.confidence}|{each.negated}|{each.pattern.pattern}"
        for each in CUES
    ).encode(),
    digest_size=8,
).hexdigest()

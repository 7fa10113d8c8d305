"""Mail providers that anybody may have an address at: their domain says nothing about a company."""

from __future__ import annotations

_DOMAINS = """
gmail.com googlemail.com outlook.com hotmail.com hotmail.co.uk hotmail.fr live.com msn.com yahoo.com yahoo.co.uk yahoo.de
yahoo.fr ymail.com aol.com icloud.com me.com mac.com proton.me protonmail.com pm.me gmx.com gmx.de gmx.net web.de
t-online.de freenet.de orange.fr free.fr laposte.net libero.it virgilio.it mail.com fastmail.com hey.com zoho.com
tutanota.com tuta.io qq.com 163.com 126.com naver.com seznam.cz wp.pl o2.pl onet.pl interia.pl
mail.ru bk.ru list.ru inbox.ru internet.ru yandex.ru yandex.com yandex.by yandex.kz yandex.ua ya.ru rambler.ru
lenta.ru ukr.net i.ua tut.by
"""

PUBLIC_MAIL: frozenset[str] = frozenset(_DOMAINS.split())

"""Countries by ISO 3166-1, states and provinces by ISO 3166-2, digits of currencies by ISO 4217: tables and no code."""

from __future__ import annotations

_COUNTRIES = """
ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz ca cc cd
cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo fr ga gb gd ge gf
gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn
kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na
nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si
sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi
vn vu wf ws ye yt za zm zw
"""
COUNTRIES = frozenset(_COUNTRIES.split())
"""https://www.iso.org/iso-3166-country-codes.html"""

_US = """
alabama:al alaska:ak arizona:az arkansas:ar california:ca colorado:co connecticut:ct delaware:de districtofcolumbia:dc
florida:fl georgia:ga hawaii:hi idaho:id illinois:il indiana:in iowa:ia kansas:ks kentucky:ky louisiana:la maine:me
maryland:md massachusetts:ma michigan:mi minnesota:mn mississippi:ms missouri:mo montana:mt nebraska:ne nevada:nv
newhampshire:nh newjersey:nj newmexico:nm newyork:ny northcarolina:nc northdakota:nd ohio:oh oklahoma:ok oregon:or
pennsylvania:pa rhodeisland:ri southcarolina:sc southdakota:sd tennessee:tn texas:tx utah:ut vermont:vt virginia:va
washington:wa westvirginia:wv wisconsin:wi wyoming:wy americansamoa:as guam:gu northernmarianaislands:mp puertorico:pr
usvirginislands:vi
"""
_CANADA = """
alberta:ab britishcolumbia:bc manitoba:mb newbrunswick:nb newfoundlandandlabrador:nl newfoundland:nl novascotia:ns
northwestterritories:nt nunavut:nu ontario:on princeedwardisland:pe quebec:qc québec:qc saskatchewan:sk yukon:yt
"""
_US_BY_NAME = dict(pair.split(":") for pair in _US.split())
_CANADA_BY_NAME = dict(pair.split(":") for pair in _CANADA.split())
STATES_BY_NAME = _US_BY_NAME | _CANADA_BY_NAME
"""The code by the name in lower case without blanks; https://www.iso.org/obp/ui/#iso:code:3166:US, …:CA"""
STATES = dict.fromkeys(_US_BY_NAME.values(), "us") | dict.fromkeys(_CANADA_BY_NAME.values(), "ca")
"""The country by the code of its state or province. No code is in both."""

_NO_MINOR_UNIT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_TEN_THOUSANDTHS = "CLF UYW"
MINOR_DIGITS = (
    dict.fromkeys(_NO_MINOR_UNIT.split(), 0)
    | dict.fromkeys(_THOUSANDTHS.split(), 3)
    | dict.fromkeys(_TEN_THOUSANDTHS.split(), 4)
)
"""How many decimals a currency's smallest unit has, where that is not 2; https://www.six-group.com/iso-4217"""

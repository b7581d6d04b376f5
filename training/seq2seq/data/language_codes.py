"""Languages as manythings.org names them (ISO 639-3) and as the rest of the world does (ISO 639-1)."""

_PAIRS = (
    "afr af, ara ar, asm as, aze az, bel be, ben bn, bul bg, cat ca, ces cs, cmn zh, cym cy, dan da, deu de, ell el, "
    "eng en, epo eo, est et, eus eu, fin fi, fra fr, gle ga, glg gl, guj gu, hau ha, heb he, hin hi, hrv hr, hun hu, "
    "hye hy, ido io, ile ie, ina ia, ind id, isl is, ita it, jav jv, jpn ja, kan kn, kat ka, kaz kk, kor ko, lat la, "
    "lit lt, lvs lv, mal ml, mar mr, mkd mk, mlt mt, mon mn, mya my, nld nl, nob nb, oci oc, pan pa, pes fa, pol pl, "
    "por pt, ron ro, rus ru, slk sk, slv sl, spa es, sqi sq, srp sr, swe sv, swh sw, tam ta, tat tt, tel te, tgl tl, "
    "tha th, tur tr, uig ug, ukr uk, urd ur, uzb uz, vie vi, yid yi, zsm ms"
)

_TO_SHORT = dict(pair.split(" ") for pair in _PAIRS.split(", "))
_TO_LONG = {short: long for long, short in _TO_SHORT.items()}


def short_code(code: str) -> str | None:
    """ISO 639-1 of either kind of code; None of a language that is not in the table."""
    return code if code in _TO_LONG else _TO_SHORT.get(code)


def long_code(code: str) -> str | None:
    """ISO 639-3, as in the names of manythings.org's files, of either kind of code; None where it is not known."""
    return code if code in _TO_SHORT else _TO_LONG.get(code)

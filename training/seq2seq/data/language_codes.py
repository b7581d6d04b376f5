"""Language codes: ISO 639-3, as in the file names of manythings.org, and ISO 639-1, as everywhere else here."""

_PAIRS = (
    "afr af, ara ar, asm as, aze az, bel be, ben bn, bul bg, cat ca, ces cs, cmn zh, cym cy, dan da, deu de, ell el, "
    "eng en, epo eo, est et, eus eu, fin fi, fra fr, gle ga, glg gl, guj gu, hau ha, heb he, hin hi, hrv hr, hun hu, "
    "hye hy, ido io, ile ie, ina ia, ind id, isl is, ita it, jav jv, jpn ja, kan kn, kat ka, kaz kk, kor ko, lat la, "
    "lit lt, lvs lv, mal ml, mar mr, mkd mk, mlt mt, mon mn, mya my, nld nl, nob nb, oci oc, pan pa, pes fa, pol pl, "
    "por pt, ron ro, rus ru, slk sk, slv sl, spa es, sqi sq, srp sr, swe sv, swh sw, tam ta, tat tt, tel te, tgl tl, "
    "tha th, tur tr, uig ug, ukr uk, urd ur, uzb uz, vie vi, yid yi, zsm ms"
)

_TO_ISO_639_1 = dict(pair.split(" ") for pair in _PAIRS.split(", "))
_TO_ISO_639_3 = {two: three for three, two in _TO_ISO_639_1.items()}


def iso_639_1(code: str) -> str | None:
    """The ISO 639-1 code of a language, from either kind of code; None if the table does not have it."""
    return code if code in _TO_ISO_639_3 else _TO_ISO_639_1.get(code)


def iso_639_3(code: str) -> str | None:
    """The ISO 639-3 code of a language, from either kind of code; None if the table does not have it."""
    return code if code in _TO_ISO_639_1 else _TO_ISO_639_3.get(code)


_NAMES = {
    "czech": "cs", "danish": "da", "dutch": "nl", "english": "en", "finnish": "fi", "french": "fr", "german": "de",
    "greek": "el", "hungarian": "hu", "italian": "it", "japanese": "ja", "polish": "pl", "portuguese": "pt",
    "russian": "ru", "spanish": "es", "swedish": "sv", "turkish": "tr", "ukrainian": "uk", "deutsch": "de",
    "englisch": "en", "français": "fr", "español": "es", "italiano": "it", "nederlands": "nl", "polski": "pl",
}  # fmt: skip


def language_of(tag: str) -> str | None:
    """The ISO 639-1 code of a language tag or name: `en` of `en-US`, `EN_us`, `eng`, `English`; None if unknown."""
    lower = tag.strip().lower()
    return _NAMES.get(lower) or iso_639_1(lower.replace("_", "-").partition("-")[0])

"""The English names of languages, by ISO 639-1 code."""

from __future__ import annotations

_CODES_AND_NAMES = (
    "af Afrikaans,ar Arabic,az Azerbaijani,be Belarusian,bg Bulgarian,bn Bengali,bs Bosnian,ca Catalan,cs Czech,"
    "cy Welsh,da Danish,de German,el Greek,en English,eo Esperanto,es Spanish,et Estonian,eu Basque,fa Persian,"
    "fi Finnish,fr French,ga Irish,gl Galician,he Hebrew,hi Hindi,hr Croatian,hu Hungarian,hy Armenian,"
    "id Indonesian,is Icelandic,it Italian,ja Japanese,ka Georgian,kk Kazakh,ko Korean,ky Kyrgyz,la Latin,"
    "lb Luxembourgish,lt Lithuanian,lv Latvian,mk Macedonian,mn Mongolian,ms Malay,mt Maltese,nb Norwegian Bokmål,"
    "nl Dutch,nn Norwegian Nynorsk,no Norwegian,pl Polish,pt Portuguese,ro Romanian,ru Russian,sk Slovak,"
    "sl Slovenian,sq Albanian,sr Serbian,sv Swedish,sw Swahili,ta Tamil,th Thai,tl Tagalog,tr Turkish,uk Ukrainian,"
    "ur Urdu,uz Uzbek,vi Vietnamese,yi Yiddish,zh Chinese"
)
_NAMES = dict(entry.split(" ", 1) for entry in _CODES_AND_NAMES.split(","))


def language_name(code: str) -> str:
    """The English name of a language; its code if the language is not listed."""
    return _NAMES.get(code, code)


def language_code(language: str) -> str:
    """A language's code without its region: `en` of `en-GB`."""
    return language.strip().lower().replace("_", "-").partition("-")[0]

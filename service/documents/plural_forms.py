"""The header `Plural-Forms` of gettext by language, as in the manual of gettext 0.22, section 12.6."""

from __future__ import annotations

_ONE = "nplurals=1; plural=0;"
_NOT_ONE = "nplurals=2; plural=(n != 1);"
_ABOVE_ONE = "nplurals=2; plural=(n > 1);"
_SLAVIC = "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"
_FORMS = {
    **dict.fromkeys(("id", "ja", "ko", "lo", "ms", "my", "th", "vi", "zh"), _ONE),
    **dict.fromkeys(("fa", "fr", "hy", "ln", "pt_br", "tr", "uz"), _ABOVE_ONE),
    **dict.fromkeys(("be", "bs", "hr", "ru", "sr", "uk"), _SLAVIC),
    **dict.fromkeys(("cs", "sk"), "nplurals=3; plural=(n==1 ? 0 : n>=2 && n<=4 ? 1 : 2);"),
    "ar": ("nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);"),
    "cy": "nplurals=4; plural=(n==1 ? 0 : n==2 ? 1 : (n!=8 && n!=11) ? 2 : 3);",
    "ga": "nplurals=5; plural=(n==1 ? 0 : n==2 ? 1 : n<7 ? 2 : n<11 ? 3 : 4);",
    "lt": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && (n%100<10 || n%100>=20) ? 1 : 2);",
    "lv": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n!=0 ? 1 : 2);",
    "pl": "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);",
    "ro": "nplurals=3; plural=(n==1 ? 0 : n==0 || (n%100>0 && n%100<20) ? 1 : 2);",
    "sl": "nplurals=4; plural=(n%100==1 ? 0 : n%100==2 ? 1 : n%100==3 || n%100==4 ? 2 : 3);",
}


def plural_forms(language: str) -> str:
    """The header of a language; that of Germanic languages, with two forms, for one that is not listed.

    Args:
        language: a code such as `de` or `pt-BR`.
    """
    code = language.lower().replace("-", "_")
    return _FORMS.get(code) or _FORMS.get(code.partition("_")[0], _NOT_ONE)

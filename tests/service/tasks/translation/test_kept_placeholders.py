"""What programs put values into comes through the shipped translators unchanged, as often as it was sent."""

from __future__ import annotations

import html

import pytest

from service.tasks.translation.subwords import PLACEHOLDER
from tests.service.tasks.translation.test_kept import PAIRS, translate, translator

_KINDS = (
    *("%s", "%d", "%1$s", "%2$05d", "%-10.3f", "%+.2f", "%*d", "%ld", "%1$ld", "%@", "%1$@", "%%", "%L1", "%n", "%1"),
    *("%(name)s", "%(price).2f", "%{name}", "%<total>d", "{}", "{0}", "{name}", "{user.name}", "{name!r}", "{0:>10}"),
    *("{value:.2f}", "{0,number}", "{{name}}", "{{ user.name }}", "{{{raw}}}", "{% if user %}", "<%= name %>"),
    *("${price}", "#{count}", "$t(key)", "$t(common:title)", "[[Main Page]]", "[[link|text]]", ":name", ":smile:"),
    *(":thumbs_up:", "`make serve`", "\\t", "\\u00e9", '\\"', "snake_case", "MAX_FILE_SIZE", "AT&T", "R&D"),
    *(
        "https://example.com/a_b?c=d&e=f",
        "anna.b@example.co.uk",
        "@bob_2",
        "#release2",
        "/usr/local/bin",
        "src/app/a.py",
    ),
    *("README.md", "archive.tar.gz", "node.js", "my-app.config.ts", "C++", "C#", ".NET", "ASP.NET", "a[0]", "x[i][j]"),
    *(
        "mailto:anna@example.com",
        "s3://bucket/key",
        "postgres://user:secret@host/db",
        "10.0.0.0/8",
        "2001:db8::1",
        "::1",
    ),
    *("@user_name", "#first_release", "@:common.title", "@.lower:common.title", "m\u00b2", "H\u2082O"),
    *("{user['name']}", '{user["name"]}', "$name", "978-3-16-148410-0"),
    *("getUserName()", "--help", "~/.bashrc", "C:\\Temp\\a.txt", "{name\u0301}"),
    *("%name%", "%NAME%", "$name$", "<1/>", '[gallery ids="1,2"]', "[contact-form]", "[_1]", "\\(name)", "@Model.Name"),
    *("%#@files@", ":Name", "__name__", "__VALUE__", "%1!s!", "$!{x}", "<@U123|bob>", "<:emo:123>", "\\cite{foo}"),
    *("$x^2 + y^2 = z^2$", "``make``", "%%s", "Ctrl+C", "rgb(1,2,3)", "key=value", "sha256:abc", "*.txt", "C:/Users"),
    *("\\\\server\\share", "-v", "tel:+4930123", "{0,10}", "{$name}", "{$a->name}", "{{#if x}}", "{% else %}"),
    *("{user_name}", "{{user_name}}", "${user_name}", "%{user_name}", ":user_name", "user_name", "User_name"),
)
_TEXTS = {
    "en": ("You have {} here.", "The dog sleeps with {}", "I see ({}), and {}."),
    "de": ("Sie haben {} hier.", "Der Hund schläft mit {}", "Ich sehe ({}) und {}."),
}
_ADJACENT = ("%s", "%1$s", "{name}", "{{name}}", "%(name)s", "${price}", ":smile:", "%@", "`a`", "<%= name %>")


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("is_html", [False, True])
def test_every_kind_comes_through(pair: str, is_html: bool) -> None:
    predictor = translator(pair)
    cases = [(kind, text.replace("{}", kind)) for kind in _KINDS for text in _TEXTS[pair[:2]]]
    cases += [(kind, _TEXTS[pair[:2]][0].replace("{}", kind + kind)) for kind in _ADJACENT]
    texts = [html.escape(text, quote=False) if is_html else text for _, text in cases]
    request = predictor.parse(predictor.routes["/v1/translate"](texts=texts, beam_size=1))
    request = request.mark_html() if is_html else request
    results = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))["results"]
    wrong = []
    for (kind, _), text, result in zip(cases, texts, results, strict=True):
        written = html.escape(kind, quote=False) if is_html else kind
        if result["text"].count(written) != text.count(written) or PLACEHOLDER in result["text"] or "\ufdd0" in text:
            wrong.append((text, result["text"]))
    assert wrong == []


@pytest.mark.parametrize(
    ("pair", "text", "answer"),
    [
        ("en-de", "{n, plural, one {# new message} other {# new messages}}",
         "{n, plural, one {# neue Nachricht} other {# neue Nachrichten}}"),
        ("en-de", "{sex, select, male {He is here.} other {They are here.}}",
         "{sex, select, male {Er ist hier.} other {Sie sind hier.}}"),
        ("de-en", "{sex, select, female {Sie ist hier.} other {Wir sind hier.}}",
         "{sex, select, female {She's here.} other {We're here.}}"),
        ("en-de", "&File", "&Datei"), ("en-de", "_File", "_Datei"), ("en-de", "C&opy", "&Kopie"),
        ("en-de", "Cl&ose the window", "Mach das Fenster &zu"), ("de-en", "&Neues Fenster", "&New window"),
        ("en-de", "|Name|City|\n|---|---|\n|The dog|Good morning|",
         "|Namen|Stadt|\n|---|---|\n|Der Hund|Guten Morgen|"),
        ("en-de", "The dog\tThe house", "Der Hund\tDas Haus"),
        ("en-de", "black&white", "schwarz und weiß"), ("en-de", "Salt & pepper", "Salz und Pfeffer"),
        ("en-de", "a < b and c > d are here", "a < b und c > d sind hier"),
        ("en-de", "100% sure", "100% sicher"), ("en-de", "R&D is good", "R&D ist gut"),
    ],
)  # fmt: skip
def test_answers(pair: str, text: str, answer: str) -> None:
    assert translate(pair, text)["text"] == answer

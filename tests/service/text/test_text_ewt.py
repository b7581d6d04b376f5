"""English words and sentences against the treebank they follow: Universal Dependencies English EWT."""

import gzip
from collections.abc import Iterator
from pathlib import Path

from service.text import sentence_spans, word_spans

Spans = list[tuple[int, int]]


def test_words_and_sentences_of_ewt(data_dir: Path) -> None:
    """CoNLL-2018 Words and Sentences F1 on the raw text of the development part."""
    documents = list(read(data_dir / "ud_english_ewt" / "en_ewt-ud-dev.conllu.gz"))
    assert sum(len(words) for _, words, _ in documents) == 25_147
    assert f1([(words, word_spans(text)) for text, words, _ in documents]) >= 0.99
    assert f1([(gold, sentence_spans(text, "en")) for text, _, gold in documents]) >= 0.84


def f1(pairs: list[tuple[Spans, Spans]]) -> float:
    """F1 of predicted spans; gold and predicted ones are of the same text, so equal spans are equal words."""
    correct = sum(len(set(gold) & set(predicted)) for gold, predicted in pairs)
    return 2 * correct / sum(len(gold) + len(predicted) for gold, predicted in pairs)


def read(path: Path) -> Iterator[tuple[str, Spans, Spans]]:
    """Each document's raw text with a blank line between paragraphs, its words and its sentences.

    The words of a multi-word token (do + n't) are substrings of it; in EWT, joined, they are always its text.
    """
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for document in stream.read().split("# newdoc")[1:]:
            text, words, sentences = "", Spans(), Spans()
            for sentence in document.strip().split("\n\n"):
                if text:
                    text = text.rstrip() + ("\n\n" if "# newpar" in sentence else " ")
                start = len(text)
                text = _add_sentence(text, words, sentence)
                sentences.append((start, words[-1][1]))
            yield text, words, sentences


def _add_sentence(text: str, words: Spans, sentence: str) -> str:
    last_of_token = 0
    for number, form, *_, misc in (line.split("\t") for line in sentence.split("\n") if line[:1].isdigit()):
        after = "" if "SpaceAfter=No" in misc else " "
        if "-" in number:
            last_of_token, after_token = int(number.split("-")[1]), after
        elif "." not in number:
            words.append((len(text), len(text) + len(form)))
            text += form
            if int(number) == last_of_token:
                text += after_token
            elif int(number) > last_of_token:
                text += after
    return text

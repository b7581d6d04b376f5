"""The contractions of a treebank: multiword tokens with their most frequent words."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from service.tasks.token_classification.contractions import Words, recased
from training.bilstm_crf.data.dataset import RawSentence


def ambiguous_contractions(sentences: Sequence[RawSentence], table: Mapping[str, Words]) -> tuple[str, ...]:
    """The contractions, in lower case, that are also single words in the treebank, as French `des`."""
    single = {
        sentence.text[token.start : token.end].lower()
        for sentence in sentences
        for token in sentence.tokens
        if not token.words
    }
    return tuple(sorted({text.lower() for text in table} & single))


def learn_contractions(sentences: Sequence[RawSentence]) -> dict[str, Words]:
    """The words of every multiword token; spellings that follow from the one in lower case are left out."""
    counts: defaultdict[str, Counter[Words]] = defaultdict(Counter)
    for sentence in sentences:
        for token in sentence.tokens:
            if token.words:
                text = sentence.text[token.start : token.end]
                counts[text][token.words] += 1
                # `Du` shows what `du` stands for, where that itself does not occur.
                counts[text.lower()][tuple(word.lower() for word in token.words)] += 1
    table = {text: words.most_common(1)[0][0] for text, words in counts.items()}
    return {
        text: words
        for text, words in table.items()
        if text == text.lower() or recased(table[text.lower()], text) != words
    }

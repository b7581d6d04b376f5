"""Published text corpora that word vectors are trained on, and the licence of what is made of them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A text corpus that training knows by name."""

    title: str
    authors: str
    licence: str
    """SPDX identifier."""
    description: str
    """Title with the corpus's size."""

    @property
    def attribution(self) -> str:
        """The attribution of vectors trained on it."""
        return f"{self.authors}; {self.title}"

    @property
    def citation(self) -> str:
        """Title, authors and licence, for a model that such vectors went into."""
        return f"{self.title} ({self.authors}, {self.licence})"


CORPORA = {
    "wikipedia-en-2015": Corpus(
        title="articles of the English Wikipedia of 2015",
        authors="Wikipedia contributors",
        licence="CC-BY-SA-3.0",
        description="English Wikipedia articles of 2015, 65 million words",
    ),
    "text8": Corpus(
        title="text8, articles of the English Wikipedia of 2006",
        authors="Wikipedia contributors",
        licence="CC-BY-SA-3.0",
        description="text8: the first 100 MB of a cleaned English Wikipedia of 2006",
    ),
}
"""By the name that word2vec's `--data` takes."""

"""BLEU and chrF2 by sacreBLEU (Post 2018), with their signatures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

_TOKENIZERS = {"zh": "zh", "ja": "char", "th": "char", "lo": "char", "km": "char", "my": "char"}
"""sacreBLEU's tokenizers of languages without spaces between words; all others have 13a, as in WMT."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores in percent; the signatures say how sacreBLEU computes the same."""

    bleu: float
    bleu_lower_case: float
    chrf: float
    signatures: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The results as JSON values."""
        return {
            "bleu": round(self.bleu, 2),
            "bleu_lower_case": round(self.bleu_lower_case, 2),
            "chrf2": round(self.chrf, 2),
            "signatures": self.signatures,
        }

    def report(self) -> list[str]:
        """The scores as lines of text."""
        return [
            f"BLEU {self.bleu:.2f}  {self.signatures['bleu']}",
            f"BLEU {self.bleu_lower_case:.2f}  {self.signatures['bleu_lower_case']}",
            f"chrF2 {self.chrf:.2f}  {self.signatures['chrf2']}",
        ]


def bleu(translations: Sequence[str], references: Sequence[str], *, lower_case: bool, language: str = "") -> float:
    """BLEU of translations with one reference each, in percent; 0 if there are none.

    Args:
        lower_case: ignore case, as is usual for Multi30k.
        language: language of the translations (ISO 639-1), which decides sacreBLEU's tokenizer.
    """
    return _bleu(translations, references, lower_case, language)[0] if translations else 0.0


def sentence_chrf(translation: str, reference: str) -> float:
    """chrF2 of one sentence, in percent."""
    return float(CHRF().sentence_score(translation, [reference]).score)


def score(translations: Sequence[str], references: Sequence[str], language: str = "") -> Scores:
    """All scores of translations with one reference each."""
    if not translations:
        return Scores(
            bleu=0.0, bleu_lower_case=0.0, chrf=0.0, signatures={"bleu": "", "bleu_lower_case": "", "chrf2": ""}
        )
    cased, cased_signature = _bleu(translations, references, False, language)
    lower, lower_signature = _bleu(translations, references, True, language)
    metric = CHRF()
    chrf = metric.corpus_score(list(translations), [list(references)]).score
    signatures = {"bleu": cased_signature, "bleu_lower_case": lower_signature, "chrf2": str(metric.get_signature())}
    return Scores(bleu=cased, bleu_lower_case=lower, chrf=chrf, signatures=signatures)


def _bleu(translations: Sequence[str], references: Sequence[str], lower_case: bool, language: str) -> tuple[float, str]:
    metric = BLEU(lowercase=lower_case, tokenize=_TOKENIZERS.get(language, "13a"))
    result = metric.corpus_score(list(translations), [list(references)]).score
    return result, str(metric.get_signature())

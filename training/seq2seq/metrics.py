"""How near translations come to the references: BLEU and chrF2 by sacreBLEU (Post 2018), with their signatures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

_TOKENIZERS = {"zh": "zh", "ja": "char", "th": "char", "lo": "char", "km": "char", "my": "char"}
"""Of languages that set no blanks between words; all others are cut by 13a, as WMT does."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """In percent; each signature tells how to compute the same with sacreBLEU."""

    bleu: float
    bleu_lower_case: float
    chrf: float
    signatures: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "bleu": round(self.bleu, 2),
            "bleu_lower_case": round(self.bleu_lower_case, 2),
            "chrf2": round(self.chrf, 2),
            "signatures": self.signatures,
        }

    def report(self) -> list[str]:
        """The same as lines of text."""
        return [
            f"BLEU {self.bleu:.2f}  {self.signatures['bleu']}",
            f"BLEU {self.bleu_lower_case:.2f}  {self.signatures['bleu_lower_case']}",
            f"chrF2 {self.chrf:.2f}  {self.signatures['chrf2']}",
        ]


def bleu(found: Sequence[str], wanted: Sequence[str], *, lower_case: bool, language: str = "") -> float:
    """BLEU of translations against one reference each, in percent; 0 of no translations.

    Args:
        lower_case: whether case is ignored, as is the custom with Multi30k.
        language: ISO 639-1 of the translations; it chooses sacreBLEU's tokenizer.
    """
    return _bleu(found, wanted, lower_case, language)[0] if found else 0.0


def score(found: Sequence[str], wanted: Sequence[str], language: str = "") -> Scores:
    """All scores of translations against one reference each."""
    if not found:
        return Scores(
            bleu=0.0, bleu_lower_case=0.0, chrf=0.0, signatures={"bleu": "", "bleu_lower_case": "", "chrf2": ""}
        )
    cased, cased_signature = _bleu(found, wanted, False, language)
    lower, lower_signature = _bleu(found, wanted, True, language)
    metric = CHRF()
    chrf = metric.corpus_score(list(found), [list(wanted)]).score
    signatures = {"bleu": cased_signature, "bleu_lower_case": lower_signature, "chrf2": str(metric.get_signature())}
    return Scores(bleu=cased, bleu_lower_case=lower, chrf=chrf, signatures=signatures)


def _bleu(found: Sequence[str], wanted: Sequence[str], lower_case: bool, language: str) -> tuple[float, str]:
    metric = BLEU(lowercase=lower_case, tokenize=_TOKENIZERS.get(language, "13a"))
    result = metric.corpus_score(list(found), [list(wanted)]).score
    return result, str(metric.get_signature())

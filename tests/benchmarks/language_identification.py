"""How well the language of a text is identified: `python -m tests.benchmarks.language_identification`.

Texts: 1,000 pairs of Tatoeba (English and German; French), drawn with seed 0, and twenty sentences in each of ten
languages that no shipped model reads (`data/languages.tsv`). Every other two texts are dev, by which the weights of
`service.tasks.translation.language_identification` were chosen; the rest is test.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

from service.tasks.translation.language_detection import Profile, detect, words
from service.tasks.translation.language_identification import identify
from training.common.data_files import MANYTHINGS
from training.common.downloads import fetch_path

OWN_SENTENCES = Path(__file__).with_name("data") / "languages.tsv"
SERVED = ("en", "de")
LENGTHS = ((0, 8), (8, 16), (16, 30), (30, 10_000))
"""Letters of the texts in a row of the table, from and below."""


def texts() -> list[tuple[str, str]]:
    """(language, text) of all texts."""
    result = [
        (language, text)
        for language, *sentences in (line.split("\t") for line in OWN_SENTENCES.read_text("utf-8").splitlines())
        for text in sentences
    ]
    drawn = random.Random(0)
    for name, language in (("deu", "de"), ("fra", "fr")):
        with zipfile.ZipFile(fetch_path(MANYTHINGS[name])) as archive:
            lines = archive.read(f"{name}.txt").decode().splitlines()
        for line in drawn.sample(lines, 1_000):
            english, other, *_ = line.split("\t")
            result += [(language, other)] + ([("en", english)] if language == "de" else [])
    return result


def main() -> int:
    """Print accuracy and calibration, of dev or test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("dev", "test"), default="dev")
    parser.add_argument("--models", type=Path, default=Path("models"))
    arguments = parser.parse_args()
    paths = sorted(arguments.models.glob("translate-*/*/language.json"))
    profiles = [Profile.read(path.read_bytes()) for path in paths]
    half = [text for index, text in enumerate(texts()) if index // 2 % 2 == (arguments.half == "test")]
    started = time.thread_time()
    identified = [identify(text, profiles)[0] for _, text in half]
    seconds = time.thread_time() - started
    alone = [detect(text, profiles) for _, text in half]
    total = Counter(language for language, _ in half)
    right, handled, handled_alone = Counter[str](), Counter[str](), Counter[str]()
    errors: defaultdict[tuple[int, int], list[tuple[float, bool]]] = defaultdict(list)
    for (language, text), one, profiles_only in zip(half, identified, alone, strict=True):
        own = language if language in SERVED else None
        right[language] += one.language == language
        handled[language] += (one.language if one.language in SERVED else None) == own
        best = profiles_only[0]
        handled_alone[language] += (best.language if best.confidence > 50 else None) == own
        letters = sum(map(len, words(text)))
        length = next(length for length in LENGTHS if length[0] <= letters < length[1])
        errors[length].append((one.confidence / 100, one.language == language))
    print("| language | texts | right, % | translated or not as it should be, % | by the profiles alone, % |")
    print("|---|---|---|---|---|")
    for language, count in sorted(total.items()):
        shares = " | ".join(f"{100 * hits[language] / count:.1f}" for hits in (right, handled, handled_alone))
        print(f"| {language} | {count} | {shares} |")
    print("\n| letters | texts | mean confidence, % | right, % |")
    print("|---|---|---|---|")
    for (least, below), entries in sorted(errors.items()):
        confidence = 100 * sum(confidence for confidence, _ in entries) / len(entries)
        accuracy = 100 * sum(is_right for _, is_right in entries) / len(entries)
        print(f"| {least} to {below - 1} | {len(entries)} | {confidence:.1f} | {accuracy:.1f} |")
    print(f"\n{1e6 * seconds / len(half):.0f} microseconds of CPU time a text")
    return 0


if __name__ == "__main__":
    sys.exit(main())

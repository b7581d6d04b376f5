"""Segmentation of raw text: F1 of tokens, words and sentences (CoNLL 2018), and characters per second.

    python -m tests.benchmarks.segmentation BUNDLE|rules CONLLU

BUNDLE is the folder of a tagger's bundle, `rules` the rules for English; CONLLU is a treebank's file, gzipped or not,
that the bundle was not trained on. Speed is in CPU seconds of one thread: the segmenter as it serves, with offsets.
"""

from __future__ import annotations

import argparse
import gzip
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from service.bundle.files import read_bundle
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks.tensors import object_array
from service.tasks.token_classification import TokenClassificationPredictor
from service.tasks.token_classification.predictor import SENTENCES, TAGGED
from service.tasks.token_classification.segmentation import Segment, segment_by_rules
from training.bilstm_crf.data.conll_tags import ReadOptions, read_sentences
from training.bilstm_crf.data.raw_text import raw_document
from training.bilstm_crf.segmentation import raw_sentences
from training.bilstm_crf.segmentation_scores import score_segmentation

_REPETITIONS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="folder of a tagger's bundle, or rules")
    parser.add_argument("conllu", type=Path, help="CoNLL-U file")
    options = parser.parse_args()
    content = options.conllu.read_bytes()
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    sentences = read_sentences(content, options.conllu.name, ReadOptions()).sentences
    predictor = None
    segment: Segment = segment_by_rules
    if options.bundle != "rules":
        bundle = read_bundle(Path(options.bundle))
        predictor = TokenClassificationPredictor(bundle, session_opener(("cpu",), 1, False), Limits())
        segment = predictor._segment

    def tag(words: Sequence[Sequence[str]]) -> list[list[str]]:
        if predictor is None:
            return [["-"] * len(sentence) for sentence in words]
        return [tagged.tags for tagged in predictor.infer({SENTENCES: object_array(words)})[TAGGED]]

    scores = score_segmentation(sentences, segment, tag)
    if scores is None:
        raise SystemExit(f"{options.conllu}: does not have the text of its sentences (`# text`)")
    print(scores.report())
    text, _ = raw_document(raw_sentences(sentences))
    seconds = []
    for _ in range(_REPETITIONS):
        start = time.process_time()
        list(segment([text], lambda: None))
        seconds.append(time.process_time() - start)
    print(f"{len(text) / np.median(seconds):,.0f} characters/s of one text (CPU seconds, one thread)")
    texts = [sentence.text for sentence in raw_sentences(sentences)]
    start = time.process_time()
    for sentence in texts:
        list(segment([sentence], lambda: None))
    elapsed = time.process_time() - start
    print(f"{sum(map(len, texts)) / elapsed:,.0f} characters/s of single sentences")


if __name__ == "__main__":
    main()

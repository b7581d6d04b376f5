"""The model card of a translator's bundle."""

from collections.abc import Sequence
from typing import Any

from service.bundle.files import Sample
from service.bundle.manifest import Manifest
from service.tasks.translation.everyday import LANGUAGES
from training.seq2seq.config import TranslatorConfig
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.licensing import earlier_settings
from training.seq2seq.export.parity import Parity
from training.seq2seq.translator import Translator

# ruff: noqa: E501  - a row of a table is one line
_CARD = """\
# {name}

{description}

| | |
|---|---|
| Task | {task}, from `{source}` to `{target}` |
| Network | {network} |
| Subwords | SentencePiece, {subwords} |
| Input | text; its sentences are translated one by one, at most {longest} pieces at a time |
| Output | text with the mean log-probability of a piece, other translations, and {alignment} |
| Search | beam {beam_size}, length penalty {length_penalty:g}, coverage penalty {coverage_penalty:g} (Wu et al. 2016, section 7) |
| Weights | {weights}: BLEU {graph:.2f} on {sentences:,} dev sentences, {pytorch:.2f} as trained; {changed:,} translations differ |
| Licence of the weights | {licence} |
| Attribution | {attribution} |

## How well it translates

{results}

BLEU and chrF2 are sacreBLEU's, in percent, of the weights as they were trained. Near-duplicates are sentences that are nearly the same
as a training sentence.{everyday}

## Examples

{examples}

## How it was trained

* Data: {data}: {train:,} training pairs, {dev:,} dev pairs by which the epoch and the settings were chosen.
{initial_runs}* {epochs} epochs, batches of up to {batch_tokens:,} pieces (padding included, longer side of the pairs), AdamW with weight decay {weight_decay:g}, learning rate up to {learning_rate:g},
  label smoothing {label_smoothing:g}, seed {seed}.
* Dropout: {embedding_dropout:g} of the embeddings, {dropout:g} between and after the layers, with one mask for a whole sentence (Gal and
  Ghahramani 2016); {piece_dropout:g} of the pieces.
{regularization}{augmentation}* Libraries: {libraries}.

## Limitations

It knows the kind of sentences it was trained on: mostly short, everyday ones. Names, numbers and rare words may come out as others; long
sentences and special subjects are translated much less well. A translation may read well and be wrong: have someone who knows both
languages check what matters.
"""

_EVERYDAY = """

Everyday sentences are those of `lectern models verify --everyday`, of the bundle as it is served. A check fails where a name, number or
date is lost, where something is invented or left untranslated, or where a negation or question is none any more. A sentence that passes
may still be translated wrong."""


def model_card(
    manifest: Manifest,
    config: TranslatorConfig,
    data: ParallelData,
    translator: Translator,
    parity: Parity,
    samples: Sequence[Sample],
) -> str:
    """The text of MODEL_CARD.md; all figures are from the run and from the exported graphs."""
    origin, settings = manifest.provenance, manifest.preprocessing
    return _CARD.format(
        name=manifest.name,
        description=manifest.description,
        task=manifest.task,
        source=data.source,
        target=data.target,
        network=_network(config, translator),
        subwords=_subwords(config, translator),
        longest=settings["max_source_tokens"],
        alignment="no alignment" if config.network.attention == "none" else "the attention of each piece",
        beam_size=settings["beam_size"],
        length_penalty=settings["length_penalty"],
        coverage_penalty=settings["coverage_penalty"],
        weights=origin.config["weights"],
        graph=parity.graph_bleu,
        pytorch=parity.pytorch_bleu,
        changed=parity.changed_translations,
        sentences=parity.sentences,
        licence=origin.licence,
        attribution=origin.attribution or "none",
        results="\n".join(
            ["| measure | value | data |", "|---|---|---|"]
            + [_row(metric.name, f"{metric.value:.2f}", metric.data) for metric in manifest.metrics]
        ),
        everyday=_EVERYDAY if set(LANGUAGES) == {data.source, data.target} else "",
        examples="\n".join(f"* {text}\n  {translation}" for text, translation in _examples(samples)),
        data=origin.data,
        train=len(data.splits["train"]),
        dev=len(data.splits["dev"]),
        initial_runs=_initial_runs(config),
        regularization=_regularization(config),
        augmentation=_augmentation(config),
        epochs=config.epochs,
        batch_tokens=config.batch_tokens,
        weight_decay=config.weight_decay,
        learning_rate=config.learning_rate,
        label_smoothing=config.label_smoothing,
        seed=config.seed,
        embedding_dropout=config.network.embedding_dropout,
        dropout=config.network.dropout,
        piece_dropout=config.network.piece_dropout,
        libraries=", ".join(f"{name} {version}" for name, version in origin.libraries.items()),
    )


def _regularization(config: TranslatorConfig) -> str:
    """A line for each further kind of regularization."""
    lines = (
        (config.consistency, f"R-Drop with alpha {config.consistency:g} (Wu et al. 2021)."),
        (config.moving_average, f"The weights are a moving average over the steps, decay {config.moving_average:g}."),
    )
    return "".join(f"* {text}\n" for setting, text in lines if setting)


def _augmentation(config: TranslatorConfig) -> str:
    """A line for each kind of data augmentation."""
    return "".join(
        f"* {share:.0%} {text}\n"
        for share, text in (
            (config.fragments, "of the sentences, in each epoch, without their final punctuation, like headings."),
            (config.compounds, "of the pairs, at most, joined with a second one by and, but or a semicolon."),
            (
                config.phrases,
                "as many words and phrases as pairs added, extracted by word alignment (Koehn et al. 2003).",
            ),
            (
                config.placeholders,
                "of the pairs, about, with a placeholder for a word and its translation, so that names, addresses and symbols that the "
                "vocabulary does not have are copied (Luong, Sutskever et al. 2015).",
            ),
            (
                config.rare_words,
                "of the pairs with numbers, dates, codes and names, in each epoch, with typed placeholders for those on both sides.",
            ),
        )
        if share
    )


def _initial_runs(config: TranslatorConfig) -> str:
    """A line for each run that this one was initialized from."""
    return "".join(
        f"* Initialized from the weights of {'' if '/' in name else 'the run '}`{name}` ({earlier.data.data or 'own files'}, {earlier.epochs} epochs), whose settings are in "
        "the manifest (`begun_with`).\n"
        for name, earlier in earlier_settings(config)
    )


def _row(*cells: str) -> str:
    """A row of a table, with the bars in sacreBLEU's signatures escaped."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


_ATTENTION = {
    "general": "attention (Luong et al. 2015, general)",
    "dot": "attention (Luong et al. 2015, dot)",
    "additive": "attention (Bahdanau et al. 2015)",
    "none": "no attention (Sutskever et al. 2014)",
}


def _network(config: TranslatorConfig, translator: Translator) -> str:
    network, cell = config.network, config.network.cell.upper()
    directions = "in both directions" if network.bidirectional else "read backwards"
    weights = sum(values.numel() for values in translator.network.parameters())
    parts = [
        f"embeddings of {network.embedding}",
        f"encoder of {network.encoder_layers} {cell} layer{_s(network.encoder_layers)} of {network.encoder_hidden} units {directions}",
        f"decoder of {network.decoder_layers} {cell} layer{_s(network.decoder_layers)} of {network.hidden} units",
        *(["residual connections between the layers"] if network.residual else []),
        *(["residual connections in the encoder"] if network.encoder_residual and not network.residual else []),
        _ATTENTION[network.attention] + (" with input feeding" if network.input_feeding else ""),
        f"{weights / 1e6:.2f} M weights",
    ]
    return ", ".join(parts)


def _subwords(config: TranslatorConfig, translator: Translator) -> str:
    kind = {"bpe": "byte-pair encoding (Sennrich et al. 2016)", "unigram": "unigram (Kudo 2018)"}[config.subwords.kind]
    if config.subwords.joint:
        return f"{kind}, {translator.source.size:,} pieces of both languages together"
    return f"{kind}, {translator.source.size:,} and {translator.target.size:,} pieces"


def _examples(samples: Sequence[Sample]) -> list[tuple[str, str]]:
    """Texts of the samples with their translations, each once; a greedy one only of a text that has no other."""
    examples: list[tuple[str, str]] = []
    for sample in sorted(samples, key=lambda one: "beam_size" in one.request):
        texts: Any = sample.request.get("texts") or [sample.request["text"]]
        results: Any = sample.results
        examples += [(text, result["text"]) for text, result in zip(texts, results, strict=True) if text.strip()]
    return list({text: (text, translation) for text, translation in reversed(examples)}.values())[::-1]


def _s(count: int) -> str:
    return "" if count == 1 else "s"

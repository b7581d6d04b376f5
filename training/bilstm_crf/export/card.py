"""The model card of a tagger's bundle."""

from collections.abc import Sequence
from typing import Any, cast

from service.bundle.files import Sample
from service.bundle.manifest import Manifest
from training.bilstm_crf.config import TaggerConfig
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.export.parity import Parity
from training.bilstm_crf.tagger import Tagger

# ruff: noqa: E501  - a row of a table is one line
_CARD = """\
# {name}

{description}

| | |
|---|---|
| Task | {task} |
| Labels | {labels} |
| Network | BiLSTM-CRF (Lample et al. 2016; Ma and Hovy 2016): {network} |
| Words | {words:,} with a vector of their own, looked up as they are, else lower-cased, else capitalized; {characters} characters |
| Input | text, split into sentences and tokens by {tokenizer}, or sentences of tokens |
| Output | {output} |
| Weights | {weights}: {score} {graph:.2%} on the dev sentences{seen}, {pytorch:.2%} as trained; {changed:,} of {tags:,} tags differ |
| Licence of the weights | {licence} |
| Attribution | {attribution} |

## How well it tags

{results}

{epoch_note}

## An example

{example}

## How it was trained

* Data: {data}: {train:,} sentences to train on, {dev}.
* {epochs} epochs, batches of {batch_size}, AdamW with weight decay {weight_decay:g}, maximum learning rate {learning_rate:g}
  with a cosine schedule, moving average of the weights (decay {ema:g}), seed {seed}.
* Variational dropout (Gal and Ghahramani 2016): {input_dropout:g} of a word's features, {dropout:g} between and after the layers;
  {word_dropout:.0%} of the words replaced by the unknown word.
* Word vectors: {vectors}.
{auxiliary}* Libraries: {libraries}.

## Limitations

It is not for other languages, and text unlike its training text (chat, verse, code) is tagged less well than the figures above say.
A score is the model's own probability: high ones can be wrong. {caution}
"""

_SPANS_CAUTION = "Names and their types follow the annotation guidelines of the data; names that are rare in the data are missed more often than others, so do not rely on it to find every person."
_TAGS_CAUTION = "Tags follow the annotation guidelines of the data; rare ones are predicted less well than common ones."


def model_card(
    manifest: Manifest,
    config: TaggerConfig,
    data: TaggedData,
    tagger: Tagger,
    parity: Parity,
    samples: Sequence[Sample],
) -> str:
    """The text of MODEL_CARD.md; its figures are those of the training run and of the exported graph."""
    source, has_spans = manifest.provenance, tagger.kind == "spans"
    types = sorted({label[2:] for label in tagger.labels if label != "O"}) if has_spans else tagger.labels
    return _CARD.format(
        name=manifest.name,
        description=manifest.description,
        task=manifest.task,
        labels=", ".join(types),
        network=_network(config, tagger),
        words=len(tagger.lexicon.words),
        characters=len(tagger.lexicon.characters),
        tokenizer=_tokenizer(manifest),
        output="names with their type and probability, and tags in IOB2"
        if has_spans
        else "a tag for each token, with its probability",
        weights=source.config["weights"],
        score="F1" if has_spans else "accuracy",
        graph=parity.graph_score,
        pytorch=parity.pytorch_score,
        changed=parity.changed_tags,
        tags=parity.words,
        licence=source.licence,
        attribution=source.attribution or "none",
        results="\n".join(
            [
                "| measure | value | data |",
                "|---|---|---|",
                *(f"| {m.name} | {m.value:.2%} | {m.data} |" for m in manifest.metrics),
            ]
        ),
        epoch_note=_epoch_note(config, tagger),
        example=_example(samples),
        data=source.data,
        train=len(data.splits["train"]),
        seen=", which were trained on" if config.data.train_on_dev else "",
        dev=_dev(config, data),
        epochs=config.epochs,
        batch_size=config.batch_size,
        weight_decay=config.weight_decay,
        learning_rate=config.learning_rate,
        ema=config.ema,
        seed=config.seed,
        input_dropout=config.input_dropout,
        dropout=config.dropout,
        word_dropout=config.word_dropout,
        vectors=_vectors(manifest, config),
        auxiliary=_auxiliary(config),
        libraries=", ".join(f"{name} {version}" for name, version in source.libraries.items()),
        caution=_SPANS_CAUTION if has_spans else _TAGS_CAUTION,
    )


def _tokenizer(manifest: Manifest) -> str:
    """How text is split."""
    if manifest.preprocessing["tokenizer"] != "learned":
        return "the rules of the treebank UD English EWT"
    return (
        "a BiLSTM over characters that was trained on the same treebank (Straka and Straková 2017); contractions are "
        "split into their words as in the treebank, unseen ones are not"
    )


def _network(config: TaggerConfig, tagger: Tagger) -> str:
    network, width = config.network, tagger.network.words.pretrained.shape[1]
    rank = f" with transitions of rank {network.transition_rank}" if network.transition_rank else ""
    encoders = {"cnn": "{} filters over characters", "bilstm": "a character BiLSTM of {} units"}
    parts = [
        f"word vectors of {width} dimensions",
        *(encoders[kind].format(network.character_units) for kind in network.characters.split("+") if kind in encoders),
        "casing",
        f"{network.layers} BiLSTM layer{'s' if network.layers > 1 else ''} of 2 x {network.hidden} units",
        f"linear-chain CRF{rank}" if network.output == "crf" else "softmax",
    ]
    return ", ".join(filter(None, parts))


def _dev(config: TaggerConfig, data: TaggedData) -> str:
    """The use of the dev sentences."""
    count = f"{len(data.splits['dev']):,}"
    if config.data.train_on_dev:
        return f"the {count} dev sentences among them"
    return f"{count} to choose the epoch and the settings"


def _epoch_note(config: TaggerConfig, tagger: Tagger) -> str:
    note = f"The weights are those after epoch {tagger.epoch} of {config.epochs}"
    if config.select == "last":
        return f"{note}. The figures are those of the weights before they were stored for this bundle."
    return (
        f"{note}, the best on the dev sentences, so the figure on those is a little too good. The figures are those of "
        "the weights before they were stored for this bundle."
    )


def _example(samples: Sequence[Sample]) -> str:
    """The first sample's text with its entities, or with its tags."""
    text, result = samples[0].request["text"], cast("dict[str, Any]", samples[0].results[0])
    if "entities" in result:
        entities = [f"{entity['text']} ({entity['label']}, {entity['score']:.2f})" for entity in result["entities"]]
        return f"> {text}\n\n{', '.join(entities) or 'No names.'}"
    return "> " + " ".join(f"{token['text']}/{token['tag']}" for token in result["tokens"])


def _vectors(manifest: Manifest, config: TaggerConfig) -> str:
    if not config.network.vectors:
        return "trained with the rest, from random initialization"
    network: Any = manifest.provenance.config["network"]
    tuned = "fine-tuned for the words of the training sentences" if config.network.tune_vectors else "not fine-tuned"
    names = " and ".join(f"`{name}`" for name in network["vectors"].split(","))
    return f"{names}, from {network['vectors_data']}; {tuned}"


def _auxiliary(config: TaggerConfig) -> str:
    if not config.auxiliary:
        return ""
    return f"* Auxiliary task: `{config.auxiliary}`, with weight {config.auxiliary_weight:g} in the loss; it is not in the graph.\n"

"""Generated CoNLL-U with raw text: a small French with elisions, contractions and numbers with spaces."""

import random
from pathlib import Path

NAMES = ("Anna", "Paul", "Rome", "Oslo", "Elsa")
NOUNS = ("ami", "train", "chat", "art", "pain")
VERBS = ("voit", "aime", "prend", "veut")


def conllu(count: int, seed: int) -> str:
    """Sentences such as `Anna voit l'ami du train.`"""
    draw = random.Random(seed)
    blocks = []
    for number in range(count):
        rows: list[tuple[str, str, str]] = []  # token, tag, what follows
        rows.append((draw.choice(NAMES), "PROPN", " "))
        rows.append((draw.choice(VERBS), "VERB", " "))
        if draw.random() < 0.6:
            rows += [("l'", "DET", ""), (draw.choice(NOUNS), "NOUN", " ")]
        else:
            rows.append((draw.choice(("10 000", "7", "25 300")), "NUM", " "))
        if draw.random() < 0.6:
            rows += [("du", "", " "), (draw.choice(NOUNS), "NOUN", " ")]
        rows[-1] = (*rows[-1][:2], "")
        rows.append((draw.choice(".!"), "PUNCT", " "))
        blocks.append(_block(number, rows))
    return "\n".join(blocks)


def write_conllu(path: Path, count: int, seed: int) -> Path:
    """Write a file of such sentences."""
    path.write_text(conllu(count, seed), encoding="utf-8")
    return path


def _block(number: int, rows: list[tuple[str, str, str]]) -> str:
    lines = [f"# sent_id = {number}", "# text = " + "".join(token + gap for token, _, gap in rows).strip()]
    index = 0
    for token, tag, gap in rows:
        misc = "_" if gap else "SpaceAfter=No"
        if token == "du":
            lines.append(f"{index + 1}-{index + 2}\tdu" + "\t_" * 7 + f"\t{misc}")
            words = [("de", "ADP", "_"), ("le", "DET", "_")]
        else:
            words = [(token, tag, misc)]
        for form, upos, rest in words:
            index += 1
            lines.append(f"{index}\t{form}\t{form}\t{upos}\t_\t_\t0\t_\t_\t{rest}")
    return "\n".join(lines) + "\n"

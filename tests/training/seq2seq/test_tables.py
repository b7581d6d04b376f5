"""Tables of sentence pairs: quotes, delimiters, header lines, bad lines."""

import csv
import io

import pytest

from training.common.errors import DatasetError
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.tables import Table, read_table

pytestmark = pytest.mark.torch

PAIRS = [Pair("Hi, you.", "Hallo; du!"), Pair('He said "no".', 'Er sagte „nein" zu 5" Rohr'), Pair("a\nb", "c\td")]


def read(text: str, name: str = "x.tsv", **options: object) -> Table:
    return read_table(text.removesuffix("\n").split("\n"), name, **options)  # type: ignore[arg-type]


def written(delimiter: str, quoting: int = csv.QUOTE_MINIMAL, pairs: list[Pair] = PAIRS) -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(pairs)
    return stream.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_csv_of_any_delimiter(delimiter: str, quoting: int) -> None:
    assert read(written(delimiter, quoting), "x.csv").pairs == PAIRS


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_quoted_cells_of_tab_separated_files(quoting: int) -> None:
    assert read(written("\t", quoting)).pairs == PAIRS


def test_all_cells_in_quotes_without_any_inside() -> None:
    assert read('"a"\t"b"\n"c"\t"d"\n').pairs == [Pair("a", "b"), Pair("c", "d")]


@pytest.mark.parametrize(
    "line",
    [
        '"Wow!"\t"Toll!"',
        '"Hello," he said.\t"Hallo", sagte er.',
        'a 5" pipe\tein 5"-Rohr',
        '"\tdie Gänsefüßchen"',
        '"Stop" or "Go"\t"Halt" oder "Los"',
    ],
)
def test_quotation_marks_of_plain_text_are_text(line: str) -> None:
    rest = 'Hi.\tHallo!\n"Hello," he said.\t"Hallo", sagte er.\nRun!\tLauf!\n'
    assert read(f"{line}\n{rest}").pairs[0] == Pair(*line.split("\t"))


def test_an_inch_mark_in_a_csv_swallows_no_lines() -> None:
    assert read('a 5" pipe,ein Rohr\nb,c\n', "x.csv").pairs == [Pair('a 5" pipe', "ein Rohr"), Pair("b", "c")]


@pytest.mark.parametrize(
    ("header", "row", "pair", "languages"),
    [
        ("source\ttarget", "a\tb", ("a", "b"), None),
        ("target\tsource", "a\tb", ("b", "a"), None),
        ("id\tsrc\ttgt", "1\ta\tb", ("a", "b"), None),
        ("en\tde", "a\tb", ("a", "b"), ("en", "de")),
        ("de-DE\ten_US\tscore", "a\tb\t1", ("b", "a"), ("en", "de")),
        ("English\tGerman", "a\tb", ("a", "b"), ("en", "de")),
        ("id\ttext_en\ttext_de", "1\ta\tb", ("a", "b"), ("en", "de")),
        ('"Source"\t"Target"', '"a"\t"b"', ("a", "b"), None),
    ],
)
def test_header_lines_choose_the_columns(
    header: str, row: str, pair: tuple[str, str], languages: tuple[str, str] | None
) -> None:
    table = read(f"{header}\n{row}\n", languages=("en", "de"))
    assert (table.pairs, table.languages) == ([Pair(*pair)], languages)
    assert read(f"{header}\n{row}\n".replace("\t", ","), "x.csv", languages=("en", "de")).pairs == [Pair(*pair)]


def test_words_that_are_codes_of_other_languages_are_a_pair() -> None:
    assert read("it\tes\nno\tnein\n", languages=("en", "de")).pairs == [Pair("it", "es"), Pair("no", "nein")]


def test_a_header_of_other_words_is_named_by_the_option() -> None:
    assert read("mine\tyours\na\tb\n", header=True).pairs == [Pair("a", "b")]
    assert read("source\ttarget\na\tb\n", header=False).pairs == [Pair("source", "target"), Pair("a", "b")]


PLAIN = [Pair("We go.", "Wir gehen."), Pair("It is 5.", "Es ist 5."), Pair("7", "7")] + 20 * [Pair("Hi.", "Hallo.")]


@pytest.mark.parametrize(
    ("columns", "left_out"),
    [
        (("{row}", "{source}", "{target}"), "column 1 holds"),
        (("10{row}", "{source}", "50{row}", "{target}"), "columns 1 and 3 hold"),
        (("0.9{row}", "{source}", "{target}"), "column 1 holds"),
        (("{source}", "-0,9{row}", "{target}"), "column 2 holds"),
        (("{row}", "9.1e-{row}", "{source}", "{target}"), "columns 1 and 2 hold"),
        (("en-de.{row}", "{source}", "{target}"), "column 1 holds"),
        (("00:01:{row},500", "{source}", "{target}", "{row}"), "columns 1 and 4 hold"),
    ],
    ids=["number", "tatoeba", "score", "score-between", "number-and-score", "name", "times"],
)
@pytest.mark.parametrize(("name", "delimiter"), [("x.tsv", "\t"), ("x.csv", ";")])
def test_columns_of_numbers_are_left_out(columns: tuple[str, ...], left_out: str, name: str, delimiter: str) -> None:
    lines = [
        delimiter.join(columns).format(row=row, source=pair.source, target=pair.target)
        for row, pair in enumerate(PLAIN, 10)
    ]
    table = read("\n".join(lines), name)
    assert table.pairs == PLAIN
    assert table.notes[0].startswith(
        f"{name}: {left_out} numbers or identifiers, left out; the sentences are in columns"
    )
    unknown = delimiter.join(f"name{index}" for index in range(len(columns)))
    assert read("\n".join([unknown, *lines]), name, header=True).pairs == PLAIN


@pytest.mark.parametrize(
    "text",
    ["a\tb\t1\n", "A1\tB1\nA2\tB2\n", "We go.\tWir gehen.\n7\t7\n", "7 o'clock\t7 Uhr\n", "３時\t3 Uhr\n", "\tb\n"],
)
def test_numbers_among_sentences_and_behind_them_leave_no_column_out(text: str) -> None:
    table = read(text)
    assert (table.pairs[0], table.notes) == (Pair(*text.split("\n")[0].split("\t")[:2]), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\ta\n2\tb\n", r"x.tsv: column 1 holds numbers,.* 1 other column is there instead of two; .*first line"),
        ("1\t2\n3\t4\n", r"x.tsv: columns 1 and 2 hold numbers,.* no other columns are there instead of two"),
        ("1\ta\tb\tc\n", r"x.tsv: column 1 holds numbers,.* 3 other columns .* source and target"),
        ("1\ta\tb\n2\tc\n3\td\te\n", r"x.tsv:2: has 2 cells, the sentences are in columns 2 and 3; .*--skip-bad"),
    ],
)
def test_columns_of_numbers_beside_others_than_two_are_refused(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("a\tb\nc\n", "x.tsv", r"x.tsv:2: has no tab; .*--skip-bad"),
        ("a;b\nc\n", "x.csv", r"x.csv:2: has no ';' between a sentence and its translation; .*--skip-bad"),
        ('a,b\n"c,d\ne,f\n', "x.csv", r"x.csv:2: has a quotation mark that is not closed; .*--skip-bad"),
        ('a,b\n"c"x,d\ne,f\n', "x.csv", r"x.csv:2: is no CSV \(.*\); a quotation mark in a cell is doubled"),
        ("id,en,de\n1,a,b\n2,c\n", "x.csv", r"x.csv:3: has 2 cells, the header has more"),
    ],
)
def test_a_bad_line_is_named_or_left_out(text: str, name: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read(text, name, languages=("en", "de"))
    table = read(text, name, languages=("en", "de"), skip_bad=True)
    assert table.pairs[0] == Pair("a", "b")
    assert len(table.bad) == 1
    assert table.pairs[1:] == ([Pair("e", "f")] if "e,f" in text else [])


def test_records_keep_their_line_numbers() -> None:
    with pytest.raises(DatasetError, match=r"x.csv:4: has no ','"):
        read('"a\nb\nc",d\nalone\n', "x.csv")


def test_a_file_without_a_line_that_can_be_read_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"x.tsv: no line can be read: line 1 has no tab"):
        read("a\nb\n", skip_bad=True)


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("name", ["x.csv", "x.txt"])
def test_a_first_line_of_excel_names_the_delimiter(first: str, name: str) -> None:
    assert read(f"{first}\nsource;target\na, b;c\n'd';\"e;f\"\n", name).pairs == [Pair("a, b", "c"), Pair("'d'", "e;f")]
    with pytest.raises(DatasetError, match=rf"{name}:3: has no ';'"):
        read(f"{first}\na;b\nc\n", name)


def test_quotation_marks_that_stay_open_are_bad_lines_of_their_own() -> None:
    text = "a,b\n" + '"c,d\n' * 3 + "e,f\n"
    table = read(text, "x.csv", skip_bad=True)
    assert table.pairs == [Pair("a", "b"), Pair("e", "f")]
    assert [fault.split(" ")[1] for fault in table.bad] == ["2", "3", "4"]

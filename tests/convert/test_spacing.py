import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bert_ner.convert.spacing import Spacer

PUNCTUATION = [*list(".,;:!?()[]{}\"'-–/&$%#"), "...", "``", "''", "'s", "n't", "¿", "€", "º"]
WORDS = st.lists(st.sampled_from([*PUNCTUATION, "Oslo", "7", "s", "A", " ", "\u200b"]), max_size=12)


def write(text, lang="en"):
    words = text.split(" ")
    spaces = Spacer(lang).find_spaces(words)
    return "".join(word + " " * space for word, space in zip(words, spaces, strict=True))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("London , Iraq 's oil ( WFP ) .", "London, Iraq's oil (WFP)."),
        ("He said : \" We do n't \" .", 'He said: "We don\'t".'),
        ('" Stop it , " he said .', '"Stop it," he said.'),
        ("the students ' return", "the students' return"),
        ("a ' tragedy ' there", "a 'tragedy' there"),
        ("`` So '' it is", "``So'' it is"),
        ("about $ 3,400 or 5 % of $ worth", "about $3,400 or 5% of $ worth"),
        ("HIV / AIDS in 1999 - 2000", "HIV/AIDS in 1999-2000"),
        ("its trade - a part", "its trade - a part"),
        ("S & P and Smith & Wesson", "S&P and Smith & Wesson"),
        ("rising , \" he said .", 'rising," he said.'),
        ("\" he said .", '" he said.'),
        ("wait ... what ?", "wait... what?"),
    ],
)  # fmt: skip
def test_english(words, text):
    assert write(words) == text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("Lima , 3 may ( EFE ) .", "Lima, 3 may (EFE)."),
        ('¿ Quién ( ... ) dijo " no " ?', '¿Quién (...) dijo "no"?'),
        ("el ' boom ' y los ' otros '", "el 'boom' y los 'otros'"),
        ("¡ Hola ! La 5 ª vez : 20 ºC", "¡Hola! La 5ª vez: 20 ºC"),
    ],
)
def test_spanish(words, text):
    assert write(words, "es") == text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("'s Avonds , in 't veld , \" zei hij \" .", "'s Avonds, in 't veld, \"zei hij\"."),
        ("Wie ( toen ) ' nee ' zei ?", "Wie (toen) 'nee' zei?"),
        ("Het kost € 5 , of 12 % .", "Het kost €5, of 12%."),
    ],
)
def test_dutch(words, text):
    assert write(words, "nl") == text


def test_the_language_changes_clitics():
    assert write("auto 's") == "auto's"
    assert write("auto 's", "nl") == "auto 's"


@given(WORDS, st.sampled_from(["en", "es", "nl"]))
def test_one_decision_a_word_and_none_after_the_last(words, lang):
    before = list(words)
    spaces = Spacer(lang).find_spaces(words)
    assert len(spaces) == len(words)
    assert words == before
    assert not words or spaces[-1] is False


@given(WORDS)
def test_blanks_are_the_only_thing_added(words):
    spaces = Spacer("en").find_spaces(words)
    text = "".join(word + " " * space for word, space in zip(words, spaces, strict=True))
    assert text.replace(" ", "") == "".join(words).replace(" ", "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("米 拉 住 在 格 拉 茨 。", "米拉住在格拉茨。"),
        ("Steve Jobs 住 在 这 里 。", "Steve Jobs住在这里。"),
        ("2 0 1 4 年", "2014年"),
        ("iPhone 6 很 好", "iPhone 6很好"),
        ("他 说 : “ 好 ” .", "他说:“好”."),
    ],
)
def test_chinese_has_no_blanks(words, text):
    assert write(words, "zh") == text
    assert write(words, "en") != text


def test_thai_and_japanese_have_no_blanks():
    assert write("ฉัน รัก เธอ", "th") == "ฉันรักเธอ"
    assert write("ミラ は グラーツ に 住む 。", "ja") == "ミラはグラーツに住む。"

"""Words: where sentences end, what a word is, which words are kept."""

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anamnesis.data.text import blocks as text
from anamnesis.data.tokenizers import sentences, words
from anamnesis.data.tokenizers.words import Words

ENGLISH = """CHAPTER I.

"My dear Mr. Bennet," said his lady, "have you heard that
Netherfield Park is let at last?" said she. "Yes!" he
cried... J. Smith paid 1,812.50 pounds
\f
No stop here
\f
The end."""
CHINESE = "玄德曰：“备欲讨贼。”张飞大怒！关公曰：「何故？」遂行\n第二回　hello world。"


def cut(string: str, language: str = "en", rule: str = "punctuation", longest: int = text.LONGEST) -> list[str]:
    blocks = [string] if string else []
    return [piece for some in text.pieces(blocks, sentences.rule(language, rule), longest) for piece in some]


def test_english_sentences():
    assert [" ".join(sentence.split()) for sentence in cut(ENGLISH)] == [
        "CHAPTER I.",
        '"My dear Mr. Bennet," said his lady, "have you heard that Netherfield Park is let at last?" said she.',
        '"Yes!" he cried...',
        "J. Smith paid 1,812.50 pounds",
        "No stop here",
        "The end.",
    ]


def test_chinese_sentences():
    assert [sentence.strip() for sentence in cut(CHINESE, "zh")] == [
        "玄德曰：“备欲讨贼。”",
        "张飞大怒！",
        "关公曰：「何故？」",
        "遂行",
        "第二回　hello world。",
    ]


RULES = pytest.mark.parametrize(
    ("language", "rule"), [("en", "punctuation"), ("nl", "punctuation"), ("zh", "x"), ("en", "lines")]
)
LETTERS = st.text(st.sampled_from("ab AB.\n\f!?…\"')。！”，"), max_size=80)


@RULES
@given(string=LETTERS, size=st.integers(1, 9), longest=st.integers(1, 100))
def test_pieces_are_the_text_and_do_not_depend_on_blocks(language, rule, string, size, longest):
    blocks = [string[i : i + size] for i in range(0, len(string), size)]
    found = [piece for some in text.pieces(blocks, sentences.rule(language, rule), longest) for piece in some]
    assert "".join(found) == string
    assert found == cut(string, language, rule, longest)
    assert all(0 < len(piece) <= longest for piece in found)


def sentences_of(string: str, language: str, rule: str) -> list[str]:
    """The sentences by the rules in words, character by character and without a regular expression."""
    marks, closing = ("。！？!?", "”’」』）》〉】)\"'") if language == "zh" else (".!?…", "'\"”’»)]}_*")
    found, start, place = [], 0, 0

    def after(index: int, some: str) -> int:
        while index < len(string) and (string[index] in some if some else string[index].isspace()):
            index += 1
        return index

    while place < len(string):
        stop = after(place, marks)
        end = after(after(stop, closing), "")
        lines = string[after(stop, closing) : end].count("\n")
        ends = False
        if rule != "lines" and stop > place and (place == 0 or string[place - 1] not in marks) and end < len(string):
            spaced = end > after(stop, closing)
            ends = language == "zh" or (spaced and (lines > 1 or not string[end].islower()))
            if ends and language == "en" and string[place:stop] == "." and lines < 2:
                word = re.split(r"\W", string[max(start, place - 12) : place])[-1]
                ends = word not in TITLES and not (len(word) == 1 and word in "ABCDEFGHJKLMNOPQRSTUVWXYZ")
            if not (ends or spaced):
                end = place + 1
        elif string[place].isspace():
            end = after(place, "")
            least = 1 if rule == "lines" or language == "zh" else 2
            ends = string[place:end].count("\n") >= least and end < len(string)
        else:
            end = place + 1
        if ends:
            found.append(string[start:end])
            start = end
        place = end
    return [*found, string[start:]] if start < len(string) else found


TITLES = {"Mr", "Mrs", "Ms", "Mme", "Mlle", "Messrs", "Dr", "Prof", "Rev", "Hon", "St"}
TITLES |= {"Capt", "Col", "Gen", "Lt", "Maj", "Sgt", "Jr", "Sr", "vs", "Vol", "No"}


@RULES
def test_sentences_end_by_the_rules(language, rule):
    random = Random(3)
    some = ["Mr", "J", "I", "a", "A", " ", "\n", "\t", "\f", ".", "!", "…", ")", "”", '"', "。", "！"]
    for _ in range(3000):
        string = "".join(random.choices(random.sample(some, random.randint(2, 8)), k=random.randint(0, 40)))
        assert cut(string, language, rule) == sentences_of(string, language, rule), repr(string)


def test_a_text_that_ends_in_blank_lines_is_cut():
    assert cut("One. Two." + "\n" * text.LONGEST) == ["One. ", "Two." + "\n" * (text.LONGEST - 4), "\n" * 4]


def test_words_and_marks():
    found = sentences.words("en")('"Don\'t," she said--well-known 3rd 1,812.5 caf\u0065\u0301 नमस्ते _so_ $5... <s>')
    assert found == [
        '"', "Don't", ",", '"', "she", "said", "--", "well", "-", "known", "3rd", "1,812.5",
        "cafe\u0301", "नमस्ते", "_", "so", "_", "$", "5", "...", "<", "s", ">",
    ]  # fmt: skip


@given(st.text(st.one_of(st.sampled_from("<unk></s>"), st.characters()), max_size=60))
def test_words_are_the_text_without_white_space_and_never_special_tokens(string):
    found = sentences.words("en")(string)
    assert "".join(found) == re.sub(r"\s", "", string)
    assert not {"<unk>", "<s>", "</s>"} & set(found)


def test_chinese_words_agree_with_jieba(tmp_path):
    import jieba

    jieba.setLogLevel(60)
    jieba.dt.tmp_dir = str(tmp_path)
    found = [word for sentence in cut(CHINESE, "zh") for word in sentences.words("zh")(sentence)]
    assert found == [word for word in jieba.lcut(CHINESE) if not word.isspace()]
    assert "玄德" in " ".join(found)


def test_jieba_neither_reads_nor_writes_a_shared_cache(tmp_path, monkeypatch):
    import tempfile

    (tmp_path / "jieba.cache").write_bytes(b"not to be read")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sentences._chinese.cache_clear()
    assert sentences.words("zh")("今天天气") == ["今天天气"]
    assert [path.name for path in tmp_path.iterdir()] == ["jieba.cache"]
    assert (tmp_path / "jieba.cache").read_bytes() == b"not to be read"


def by_hand(string: str) -> Counter[str]:
    return Counter(re.findall(r"\w+|[^\w\s]", string))


STORY = "the cat saw the dog . The dog saw a cat , a bird and the bee . " * 3 + "once upon the bee . zebra zebu"


@pytest.mark.parametrize(("limit", "minimum_count"), [(None, 1), (8, 1), (None, 3), (9, 4), (100, 2)])
def test_the_most_frequent_words_are_kept(limit, minimum_count):
    counts = by_hand(STORY)
    kept = sorted((word for word in counts if counts[word] >= minimum_count), key=lambda word: (-counts[word], word))
    tokenizer = words.learn([STORY], limit, minimum_count)
    assert tokenizer.tokens == ["<unk>", "<s>", "</s>", *kept[: None if limit is None else limit - 3]]


DELETED = ",.;:!?'-()_"


def test_deleted_marks_leave_words_between_white_space():
    story = "It's well-known--so he said:\n\"Mr. Lorry, I _can't_ (quite) say!\"  - Yes? I\n\nSAY; yes."
    tokenizer = words.learn([story], lower=True, delete=DELETED)
    kept = [word.lower().translate(str.maketrans("", "", DELETED)) for word in story.split()]
    kept = [word for word in kept if word]
    assert {"its", "wellknownso", '"mr', 'say"', "say"} <= set(kept)
    assert list(tokenizer.words([story])) == kept
    assert sorted(tokenizer.tokens[3:]) == sorted(set(kept))
    assert " ".join(tokenizer.decode(tokenizer.encode(story)).split()) == " ".join(kept)
    assert tokenizer.encode_sentence(" -- ").tolist() == [1, 2]


def test_ids_of_sentences():
    tokenizer = Words(["<unk>", "<s>", "</s>", "A", "b", "."])
    assert tokenizer.encode("A b. A c").tolist() == [1, 3, 4, 5, 2, 1, 3, 0]
    assert tokenizer.encode("").tolist() == [1]
    assert tokenizer.encode(" \n").tolist() == [1]
    assert tokenizer.encode_sentence("A b. A c").tolist() == [1, 3, 4, 5, 3, 0, 2]
    chunks = list(tokenizer.chunks(["A b. A ", "cat"]))
    assert [i for chunk in chunks for i in chunk.ids] == [1, 3, 4, 5, 2, 1, 3, 0, 2]
    assert sum(chunk.unknown_characters for chunk in chunks) == 3


def test_special_tokens_in_a_text_are_words_like_others_and_between_white_space_unknown():
    ids = words.learn(["<unk> <s> </s> unk s"]).encode_sentence("<unk> <s> </s>")
    assert (ids[0], ids[-1]) == (1, 2)
    assert min(ids[1:-1]) > 2
    tokenizer = words.learn(["<unk> <s>, </s> and"], delete=",")
    assert tokenizer.tokens == ["<unk>", "<s>", "</s>", "and"]
    assert tokenizer.encode_sentence("<s> </s>, and <unk>").tolist() == [1, 0, 0, 3, 0, 2]


@pytest.mark.parametrize(
    "string",
    [
        'CHAPTER I.\n"My dear Mr. Bennet," said he, "how (if at all) well-known is 1,812.5?" said she--so be it...',
        "“My dear,” he said; ‘yes’ it's _so_.\nAnd then: she's gone!",
        'He said, "no."\nI know." said he',
    ],
)
def test_decoding_reads_like_text(string):
    tokenizer = words.learn([string], sentences="lines")
    ids = [i for line in string.split("\n") for i in tokenizer.encode_sentence(line)]
    assert tokenizer.decode(ids) == string
    assert len(list(tokenizer.stream(ids))) == len(ids)


def test_decoding_chinese():
    tokenizer = words.learn([CHINESE], language="zh")
    lines = ["玄德曰：“备欲讨贼。”", "张飞大怒！", "关公曰：「何故？」", "遂行", "第二回hello world。"]
    assert tokenizer.decode(tokenizer.encode(CHINESE)) == "\n".join(lines)
    assert tokenizer.decode([1, 0, 2]) == "<unk>"

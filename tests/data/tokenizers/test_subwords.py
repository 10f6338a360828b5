"""Subwords: lossless, deterministic, and the merges are those of the algorithm."""

import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from anamnesis.data.tokenizers import subwords

STORY = "low low low low low lower lower newest newest newest newest newest newest widest widest widest\n" * 3
TOKENIZER = subwords.learn([STORY], 280)


def merges_by_hand(string: str, number: int) -> list[tuple[str, str]]:
    """Sennrich et al. 2016, figure 1, over words with the space before them; the largest count must be unique."""
    vocabulary = Counter(
        tuple(word.replace(" ", "Ġ")) for word in [string.split(" ")[0], *(" " + w for w in string.split()[1:])]
    )
    merges = []
    for _ in range(number):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in vocabulary.items():
            for pair in pairwise(word):
                pairs[pair] += count
        best = max(pairs.values())
        [pair] = [pair for pair in pairs if pairs[pair] == best]
        merges.append(pair)
        merged: Counter[tuple[str, ...]] = Counter()
        for word, count in vocabulary.items():
            result, i = [], 0
            while i < len(word):
                step = 2 if word[i : i + 2] == pair else 1
                result.append("".join(word[i : i + step]))
                i += step
            merged[tuple(result)] += count
        vocabulary = merged
    return merges


def test_merges_are_those_of_the_paper():
    string = " ".join(["xy"] * 3 + ["ab"] * 9 + ["abc"] * 8 + ["xyab"] * 4)
    assert subwords.learn([string], 260).merges[:4] == merges_by_hand(string, 4)


def test_bytes_have_the_symbols_of_the_library():
    assert set(subwords.byte_symbols()) == set(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(subwords.byte_symbols().values()) == list(range(256))
    [(symbols, _)] = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str("é🙂 \f")
    assert bytes(subwords.byte_symbols()[symbol] for symbol in symbols) == "é🙂 \f".encode()


@given(
    st.text(st.one_of(st.sampled_from("low er\n\f\r<s>"), st.characters(codec="utf-8")), max_size=60), st.integers(1, 9)
)
def test_decoding_restores_any_text_for_any_blocks(text, size):
    whole = TOKENIZER.encode(text)
    assert TOKENIZER.decode(whole) == text
    blocks = [text[i : i + size] for i in range(0, len(text), size)]
    assert [i for chunk in TOKENIZER.chunks(blocks) for i in chunk.ids] == whole.tolist()


def test_the_stream_waits_for_all_bytes_of_a_character():
    ids = TOKENIZER.encode("🙂").tolist()
    assert list(TOKENIZER.stream(ids)) == ["", "", "", "🙂", ""]
    assert TOKENIZER.decode(ids[:2]) == TOKENIZER.decode(ids[1:]) == ""
    assert TOKENIZER.decode([*ids[:3], *TOKENIZER.encode("é"), ids[0]]) == "é"
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud800")) == "a\ufffd"


def test_a_marker_is_merged_only_with_the_space_before_it():
    lines = ["low \x01. (\x01)", "\x01\x02 low", '"\x02"'] * 9
    plain, learned = (subwords.learn_pieces([lines], 300, placeholders=each) for each in (False, True))
    assert {token for token in learned.tokens if "ā" in token} == {"ā", "Ġā"}
    assert {token for token in plain.tokens if "ā" in token} > {"ā", "(ā"}
    pieces = [learned.decode([i]) for i in learned.encode('a "\x01". \x02')]
    assert pieces == ["a", " ", '"', "\x01", '"', ".", " ", "\x02"]
    assert learned.decode(learned.encode(lines[0])) == lines[0]
    assert learned.state_dict() == {"merges": learned.merges, "placeholders": True}
    assert plain.state_dict() == {"merges": plain.merges}
    assert "é" in subwords.learn(["é é é"], 300).alphabet() > set(map(chr, range(128)))
    assert "é" not in learned.alphabet()


def test_vocabulary_size_and_bytes():
    assert TOKENIZER.vocabulary_size == len(TOKENIZER.tokens) == 256 + len(TOKENIZER.merges) <= 280
    assert subwords.learn(["ab"], 1000).vocabulary_size == 256
    assert subwords.learn([STORY], 256).merges == []
    assert TOKENIZER.unknown_id is TOKENIZER.start_id is TOKENIZER.end_id is None


def test_another_process_or_number_of_threads_learns_the_same():
    code = (
        "from anamnesis.data.tokenizers import subwords; import random; r = random.Random(1);"
        "t = ' '.join(''.join(r.choices('abcdefgh', k=r.randint(1, 6))) for _ in range(20000));"
        "s = subwords.learn([t], 700); print(s.tokens, s.merges)"
    )
    results = set()
    for threads in ("1", "2", "4"):
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        results.add(
            subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
        )
    assert len(results) == 1

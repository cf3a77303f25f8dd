from transformers import AutoTokenizer

from vlm_rewards.pretraining.tokenizer import make_tokenizer

CAPTIONS = ["Screenshot of Gmail on Android", "the home screen, with icons", "Gmail in a dark theme"]


def test_words_of_the_captions_are_whole_and_others_are_spelled():
    tokenizer = make_tokenizer(CAPTIONS, 400, 32)
    assert tokenizer.tokenize("Screenshot of GMAIL") == ["screenshot", "of", "gmail"]
    assert tokenizer.tokenize("Zoo 7!") == ["z", "##o", "##o", "7", "!"]
    everything = "".join(chr(code) for code in range(32, 127))
    assert tokenizer.unk_token_id not in tokenizer(everything)["input_ids"]


def test_a_small_vocabulary_keeps_the_most_frequent_words():
    tokenizer = make_tokenizer(CAPTIONS, 4 + 2 * 68 + 1, 32)
    assert len(tokenizer) == 4 + 2 * 68 + 1
    assert tokenizer.tokenize("gmail home") == ["gmail", "h", "##o", "##m", "##e"]


def test_the_same_captions_in_any_order_give_the_same_tokenizer(tmp_path):
    ours, theirs = make_tokenizer(CAPTIONS, 400, 32), make_tokenizer(CAPTIONS[::-1], 400, 32)
    assert ours.get_vocab() == theirs.get_vocab()
    ours.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in (*CAPTIONS, "unseen wörds!"):
        assert loaded(text)["input_ids"] == ours(text)["input_ids"]


def test_sentences_begin_and_end_and_are_padded_behind():
    tokenizer = make_tokenizer(CAPTIONS, 400, 32)
    batch = tokenizer(["gmail", "the home screen"], padding=True)
    assert tokenizer.convert_ids_to_tokens(batch["input_ids"][0]) == ["[CLS]", "gmail", "[SEP]", "[PAD]", "[PAD]"]
    assert batch["attention_mask"] == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]

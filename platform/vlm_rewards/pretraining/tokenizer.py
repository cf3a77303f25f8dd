"""A word-piece tokenizer for the captions of a small world."""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
_ALPHABET = [chr(code) for code in range(33, 127) if not chr(code).isupper()]


def make_tokenizer(captions: Iterable[str], vocab_size: int, max_tokens: int) -> PreTrainedTokenizerFast:
    """Make a tokenizer that knows the captions' words whole and spells every other word.

    The vocabulary is the printable ASCII characters, then the most frequent words (ties in alphabetical order). The
    same captions always give the same tokenizer, and an unseen word still becomes tokens rather than one unknown.

    Args:
        captions: The corpus.
        vocab_size: At most this many tokens; the characters take about 140 of them.
        max_tokens: Longest text in tokens, for the tokenizer's own record.
    """
    normalizer = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(caption)))
    vocabulary = dict.fromkeys(_SPECIAL)
    vocabulary.update(dict.fromkeys(_ALPHABET))
    vocabulary.update(dict.fromkeys("##" + character for character in _ALPHABET))
    for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if len(vocabulary) >= vocab_size:
            break
        vocabulary[word] = None
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=max_tokens,
    )

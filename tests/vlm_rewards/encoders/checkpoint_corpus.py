"""Checkpoint folders of every kind that people point a reward at: what is done to a good one, and what comes of it.

`CORPUS` maps a name to a change of a small CLIP's folder and a part of the one-line refusal; None where it loads.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    CLIPVisionConfig,
    RobertaConfig,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
)

from vlm_rewards.encoders.quiet import quiet_transformers

Change = Callable[[Path], None]
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def edit(name: str, *path: str, **changes: Any) -> Change:
    """Sets keys of a JSON file, at a path of keys."""

    def change(folder: Path) -> None:
        values = json.loads((folder / name).read_text())
        part = values
        for key in path:
            part = part[key]
        part.update(changes)
        (folder / name).write_text(json.dumps(values))

    return change


def config(**changes: Any) -> Change:
    return edit("config.json", **changes)


def text(**changes: Any) -> Change:
    return edit("config.json", "text_config", **changes)


def vision(**changes: Any) -> Change:
    return edit("config.json", "vision_config", **changes)


def processor(**changes: Any) -> Change:
    return edit("preprocessor_config.json", **changes)


def write(name: str, content: str | bytes) -> Change:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def remove(*names: str) -> Change:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def cut(name: str) -> Change:
    def change(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return change


def weights(alter: Callable[[dict[str, torch.Tensor]], Any]) -> Change:
    """Changes the weights in place."""

    def change(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        alter(tensors)
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    return change


def replacing(old, new):
    """A tokenizer's step that replaces a text."""
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


CLIPS = {
    "type": "Sequence",
    "normalizers": [
        {"type": "NFC"},
        {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
        {"type": "Lowercase"},
    ],
}


def cast_to(dtype: torch.dtype) -> Change:
    return weights(lambda tensors: tensors.update({name: tensor.to(dtype) for name, tensor in tensors.items()}))


def header(alter: Callable[[dict[str, Any]], Any]) -> Change:
    """Changes the weights' header, which says where the tensors are."""

    def change(folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        length = int.from_bytes(data[:8], "little")
        values = json.loads(data[8 : 8 + length])
        alter(values)
        new = json.dumps(values).encode()
        (folder / WEIGHTS).write_bytes(len(new).to_bytes(8, "little") + new + data[8 + length :])

    return change


def pointing_at(name: str) -> Change:
    """An index of which one entry points at another file, and no single file of weights."""

    def change(folder: Path) -> None:
        shard = "model-00001-of-00001.safetensors"
        os.rename(folder / WEIGHTS, folder / shard)
        names = dict.fromkeys(load_file(folder / shard), shard)
        names["logit_scale"] = name
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}))
        torch.save({"logit_scale": torch.tensor(1.0)}, folder / "pytorch_model.bin")
        shutil.copy(folder / shard, folder.parent / "outside.safetensors")

    return change


def sharded(folder: Path) -> None:
    with quiet_transformers():
        model = CLIPModel.from_pretrained(folder)
        (folder / WEIGHTS).unlink()
        model.save_pretrained(folder, max_shard_size="40KB")
    assert len(list(folder.glob("*.safetensors"))) > 1


def without_a_shard(folder: Path) -> None:
    sharded(folder)
    sorted(folder.glob("*.safetensors"))[0].unlink()


def saved_by_transformers_5(folder: Path) -> None:
    """As `CLIPProcessor.save_pretrained` leaves it: everything in processor_config.json."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    CLIPProcessor(CLIPImageProcessorPil.from_pretrained(folder), tokenizer).save_pretrained(folder)
    (folder / "preprocessor_config.json").unlink()
    assert (folder / "processor_config.json").is_file()


def linked_into_a_cache(folder: Path) -> None:
    """As the hub's cache on disk has it."""
    blob = folder.parent / "blob"
    os.rename(folder / WEIGHTS, blob)
    (folder / WEIGHTS).symlink_to(blob)


def with_a_roberta(folder: Path) -> None:
    """A text tower that counts positions from 2 on, and so reads two tokens fewer than it has positions."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    towers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    roberta = RobertaConfig(**towers, vocab_size=len(tokenizer), max_position_embeddings=20, pad_token_id=1)
    images = CLIPVisionConfig(**towers, image_size=32, patch_size=8)
    torch.manual_seed(0)
    both = VisionTextDualEncoderConfig.from_vision_text_configs(images, roberta, projection_dim=16)
    (folder / WEIGHTS).unlink()
    with quiet_transformers():
        VisionTextDualEncoderModel(both).save_pretrained(folder)


def ends_with_the_largest_token(folder: Path) -> None:
    """The old rule of OpenAI's files: eos_token_id 2, and the end has the largest id."""
    values = json.loads((folder / "tokenizer.json").read_text())
    size = len(values["model"]["vocab"])
    values["model"]["vocab"]["[END]"] = size
    values["added_tokens"].append({**values["added_tokens"][0], "id": size, "content": "[END]"})
    piece = values["post_processor"]
    piece["single"][-1]["SpecialToken"]["id"] = "[END]"
    piece["special_tokens"]["[END]"] = {"id": "[END]", "ids": [size], "tokens": ["[END]"]}
    (folder / "tokenizer.json").write_text(json.dumps(values))
    text(eos_token_id=2, vocab_size=size + 1)(folder)

    def widen(tensors: dict[str, torch.Tensor]) -> None:
        name = "text_model.embeddings.token_embedding.weight"
        tensors[name] = torch.cat([tensors[name], torch.randn(1, tensors[name].shape[1])])

    weights(widen)(folder)


def both(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def deep(what: str) -> str:
    return what * 100_000


GOOD: dict[str, Change] = {
    "as it is": lambda folder: None,
    "saved by transformers 5": saved_by_transformers_5,
    "in several files": sharded,
    "in half precision": cast_to(torch.float16),
    "in bfloat16": cast_to(torch.bfloat16),
    "linked into a cache": linked_into_a_cache,
    "with a RoBERTa": with_a_roberta,
    "with an end of the largest id": ends_with_the_largest_token,
    "with eager attention": config(attn_implementation="eager"),
    "with keys that nobody knows": config(colour="blue", text_config_dict=None),
    "with answers as tuples": config(return_dict=False),
    "with a normalizer as CLIP's": edit("tokenizer.json", normalizer=CLIPS),
    "with pickles beside it": write("pytorch_model.bin", b"\x80\x04K\x01."),
    "with a picture and a text beside it": both(write("README.md", "# hi"), write("logo.png", b"no png")),
}

BAD: dict[str, tuple[Change, str]] = {
    # what is not there, or only in part
    "no config": (remove("config.json"), "has no config.json"),
    "no weights": (remove(WEIGHTS), "has no model.safetensors"),
    "no image processor": (remove("preprocessor_config.json"), "save the image processor"),
    "no tokenizer config": (remove("tokenizer_config.json"), "save the tokenizer"),
    "no tokenizer": (remove("tokenizer.json"), ""),
    "nothing": (
        remove("config.json", WEIGHTS, "preprocessor_config.json", "tokenizer_config.json", "tokenizer.json"),
        "has no config.json",
    ),
    "config cut": (cut("config.json"), "cannot be read"),
    "weights cut": (cut(WEIGHTS), "does not fit in the file"),
    "image processor cut": (cut("preprocessor_config.json"), "cannot be read"),
    "tokenizer cut": (cut("tokenizer.json"), "cannot be read"),
    "config empty": (write("config.json", ""), "cannot be read"),
    "weights empty": (write(WEIGHTS, b""), "cut off"),
    "tokenizer empty": (write("tokenizer.json", ""), "cannot be read"),
    "config of null": (write("config.json", "null"), "no JSON object"),
    "config of a list": (write("config.json", "[1]"), "no JSON object"),
    "config of bytes": (write("config.json", bytes(range(256))), "cannot be read"),
    "config of nesting": (write("config.json", deep('{"a":')), "cannot be read"),
    "config of ten megabytes": (write("config.json", '{"a": "' + "x" * 10_000_000 + '"}'), "bytes"),
    "tokenizer config of nesting": (write("tokenizer_config.json", deep("[")), "cannot be read"),
    "image processor of a list": (write("preprocessor_config.json", "[]"), "cannot be read"),
    # sizes
    "no heads": (text(num_attention_heads=0), "num_attention_heads 0; it must be a whole number from 1"),
    "no heads to see with": (vision(num_attention_heads=0), "vision_config.num_attention_heads 0"),
    "heads that do not divide": (text(num_attention_heads=5), "not a multiple of"),
    "a billion layers": (vision(num_hidden_layers=10**9), "num_hidden_layers 1000000000"),
    "a billion columns": (text(hidden_size=10**9), "hidden_size"),
    "a trillion words": (text(vocab_size=10**12), "vocab_size"),
    "fewer words than none": (text(vocab_size=-1), "vocab_size -1"),
    "no positions": (text(max_position_embeddings=0), "max_position_embeddings 0"),
    "no pixels": (vision(image_size=0), "image_size 0"),
    "no patches": (vision(patch_size=0), "patch_size 0"),
    "a patch larger than the image": (vision(patch_size=64), ""),
    "an embedding of nothing": (config(projection_dim=0), "projection_dim 0"),
    "a size in words": (text(hidden_size="large"), "hidden_size large"),
    "a size of null": (text(hidden_size=None), "hidden_size None"),
    "a size that is true": (vision(num_hidden_layers=True), "num_hidden_layers True"),
    "a size with a point": (vision(hidden_size=32.5), "hidden_size 32.5"),
    "a million colours": (vision(num_channels=10**6), "num_channels"),
    "a billion labels": (config(num_labels=10**9), "num_labels"),
    "many more layers than weights": (vision(num_hidden_layers=200), "they do not belong together"),
    "one more layer than weights": (vision(num_hidden_layers=3), "lacks 16 weights"),
    "columns of another model": (vision(intermediate_size=128), "lacks"),
    "a text tower of null": (config(text_config=None), ""),
    "an image tower of text": (config(vision_config="vit"), "cannot be read"),
    # what a sentence is read by
    "no end": (text(eos_token_id=None), "text_config.eos_token_id None"),
    "an end that never comes": (text(eos_token_id=77), "would not read sentences to their end"),
    "an end that is text": (text(eos_token_id="[SEP]"), "eos_token_id"),
    "an end by the old rule": (text(eos_token_id=2), "would not read sentences to their end"),
    "a tokenizer of more words": (text(vocab_size=50), "tokens, but its text tower knows 50"),
    "a tokenizer of no words": (edit("tokenizer.json", "model", vocab={"[UNK]": 1}), ""),
    # other kinds
    "a tokenizer that pads in front": (edit("tokenizer_config.json", padding_side="left"), "padding"),
    "a tokenizer that makes texts grow": (
        edit("tokenizer.json", normalizer={"type": "Sequence", "normalizers": [replacing("a", "a" * 50)] * 6}),
        "times longer",
    ),
    "a tokenizer that makes blanks grow": (
        edit("tokenizer.json", normalizer={"type": "Replace", "pattern": {"Regex": ""}, "content": "x" * 100}),
        "times longer",
    ),
    "a tokenizer with a megabyte in front": (
        edit("tokenizer.json", normalizer={"type": "Prepend", "prepend": "x" * 10**6}),
        "times longer",
    ),
    "a tokenizer that goes back and forth": (
        edit(
            "tokenizer.json",
            pre_tokenizer={
                "type": "Split",
                "pattern": {"Regex": r"^((\w| )+.)+[0-9]([a-z])+$"},
                "behavior": "Isolated",
                "invert": False,
            },
        ),
        "breaks off",
    ),
    "a normalizer of a list": (edit("tokenizer.json", normalizer=[1]), "normalizer"),
    "a kind that nobody knows": (config(model_type="evil"), "cannot be read"),
    "no kind": (edit("config.json", model_type=None), ""),
    "a kind of one tower": (config(model_type="bert"), "use a dual encoder"),
    "quantised": (config(quantization_config={"quant_method": "bitsandbytes"}), "quantization_config"),
    "other weights by name": (config(transformers_weights="../outside.safetensors"), "transformers_weights"),
    "attention that nobody knows": (config(attn_implementation="nonsense"), "use one of eager"),
    "attention from the hub": (config(attn_implementation="kernels-community/flash"), "use one of eager"),
    "attention from the hub, below": (text(_attn_implementation="me/flash"), "text_config._attn_implementation"),
    "an activation that nobody knows": (vision(hidden_act="evil"), "no model can be built"),
    "a kind of number that nobody knows": (config(dtype="float3"), ""),
    "an image processor that nobody knows": (processor(image_processor_type="Evil"), ""),
    "a filter that nobody knows": (processor(resample=99), ""),
    "two channels of means": (processor(image_mean=[0.5, 0.5]), ""),
    "a spread of nothing": (processor(image_std=[0, 0, 0]), "image_std"),
    "a spread below nothing": (processor(image_std=[-1, -1, -1]), "image_std"),
    "a size below nothing": (processor(size={"shortest_edge": -5}), "no fixed image size"),
    "no size": (processor(do_resize=False, do_center_crop=False), "neither crops nor resizes"),
    "an image that the tower does not read": (processor(crop_size={"height": 40, "width": 40}), "own inputs"),
    "an image of a million columns": (processor(crop_size={"height": 32, "width": 10**6}), "image_size"),
    # weights
    "pickles alone": (both(remove(WEIGHTS), write("pytorch_model.bin", b"\x80\x04K\x01.")), "never loaded"),
    "pickles by another name": (write(WEIGHTS, b"\x80\x04K\x01."), "no safetensors file"),
    "an index of a pickle": (pointing_at("pytorch_model.bin"), "points at 'pytorch_model.bin'"),
    "an index of what is above": (pointing_at("../outside.safetensors"), "points at '../outside.safetensors'"),
    "an index of a path": (pointing_at("/etc/passwd"), "points at '/etc/passwd'"),
    "an index of a Windows path": (pointing_at("..\\outside.safetensors"), ""),
    "an index of no file": (pointing_at("nothing.safetensors"), "lacks nothing.safetensors"),
    "an index of nothing": (both(remove(WEIGHTS), write(INDEX, '{"weight_map": {}}')), "names no weights"),
    "an index of a list": (both(remove(WEIGHTS), write(INDEX, "[]")), "no JSON object"),
    "a file of several missing": (without_a_shard, "which its index names"),
    "a header without end": (write(WEIGHTS, b"\xff" * 7 + b"\x7f{}"), "cut off"),
    "a header of nesting": (write(WEIGHTS, (10**5).to_bytes(8, "little") + b"[" * 10**5), "cannot be read"),
    "a header of text": (write(WEIGHTS, (4).to_bytes(8, "little") + b"evil" * 10), "cannot be read"),
    "a shape that lies": (header(lambda h: h["logit_scale"].update(shape=[10**9])), "does not fit"),
    "a place beyond the end": (
        header(lambda h: h["logit_scale"].update(data_offsets=[10**9, 10**9 + 4])),
        "does not fit",
    ),
    "a negative place": (header(lambda h: h["logit_scale"].update(data_offsets=[-4, 0])), "does not fit"),
    "a negative shape": (header(lambda h: h["logit_scale"].update(shape=[-1, -1])), ""),
    "whole numbers for weights": (cast_to(torch.int8), "quantised"),
    "numbers of eight bits": (cast_to(torch.float8_e4m3fn), "is not read"),
    "a weight missing": (weights(lambda t: t.pop("visual_projection.weight")), "lacks 1 weights"),
    "a weight of another shape": (weights(lambda t: t.update({"logit_scale": torch.ones(3)})), "lacks 1 weights"),
    "weights of another kind": (weights(lambda t: (t.clear(), t.update(x=torch.ones(10**6)))), "lacks"),
    "an adapter's settings": (write("adapter_config.json", '{"base_model_name_or_path": "x"}'), "adapter_config.json"),
    "an adapter's weights": (write("adapter_model.safetensors", b"x"), "adapter_model.safetensors"),
}

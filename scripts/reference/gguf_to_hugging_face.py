"""Turn a GGUF file into an ordinary Hugging Face folder with gguf-py and transformers, and with nothing of ours.

    pip install torch transformers accelerate gguf safetensors
    python gguf_to_hugging_face.py IN.gguf OUT_DIR [--dtype float32|bfloat16|float16] [--max-shard-size 200MB] [--hub-cache CACHE_DIR --repo OWNER/NAME]

The folder holds config.json, model.safetensors (hub weight names, query and key rows in the order the hub has them) and the
tokenizer files. It is what our own GGUF reader is compared with: same weights, read by somebody else's code.

--max-shard-size splits the weights over several files with an index. --hub-cache also lays the folder out as huggingface_hub
does: blobs named by hash, a snapshot of relative links to them, and refs/main.
"""

import argparse
import hashlib
import os
import shutil

import torch
from gguf import GGUFReader, dequantize
from transformers import AutoModelForCausalLM, AutoTokenizer


def check_against_gguf(model, path):
    """Every block weight, decoded a second time by gguf-py alone, has the same values (query and key rows may be in another order)."""
    weights = {name: value.float() for name, value in model.state_dict().items()}
    names = {
        "token_embd": "model.embed_tokens", "output_norm": "model.norm",
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }  # fmt: skip
    checked = 0
    for tensor in GGUFReader(path).tensors:
        stem, kind = tensor.name.rsplit(".", 1)
        block = stem.split(".")
        key = names.get(block[-1]) if kind == "weight" else None
        if key is None:
            continue
        full = f"model.layers.{block[1]}.{key}.weight" if block[0] == "blk" else f"{key}.weight"
        if full not in weights:
            continue
        theirs, ours = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy()).float(), weights[full]
        if block[-1] in ("attn_q", "attn_k"):  # undo llama.cpp's pairing: [H, D/2, 2] -> [H, 2, D/2]
            heads = model.config.num_attention_heads if block[-1] == "attn_q" else model.config.num_key_value_heads
            pairs = theirs.reshape(heads, -1, 2, theirs.shape[-1])
            undone = pairs.transpose(1, 2).reshape(theirs.shape)
            if model.config.model_type in ("llama", "mistral", "mixtral"):
                theirs = undone
        if not torch.equal(theirs, ours):
            raise SystemExit(f"{full}: transformers and gguf-py disagree by {(theirs - ours).abs().max():.3g}")
        checked += 1
    print(f"{checked} tensors equal to gguf-py's own decoding")


def lay_out_as_hub_cache(folder, cache, repo):
    """blobs/<sha256 or git hash>, snapshots/<commit>/<file> -> ../../blobs/<hash>, refs/main."""
    root = os.path.join(cache, "models--" + repo.replace("/", "--"))
    shutil.rmtree(root, ignore_errors=True)
    blobs = os.path.join(root, "blobs")
    os.makedirs(blobs)
    os.makedirs(os.path.join(root, "refs"))
    hashes = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not os.path.isfile(path) or name == "expected.safetensors":
            continue
        if name.endswith(".safetensors"):  # large files are addressed by their sha256, small ones as git addresses them
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            with open(path, "rb") as file:
                data = file.read()
            digest = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        shutil.copyfile(path, os.path.join(blobs, digest))
        hashes[name] = digest
    commit = hashlib.sha1("".join(f"{name} {digest}\n" for name, digest in hashes.items()).encode()).hexdigest()
    snapshot = os.path.join(root, "snapshots", commit)
    os.makedirs(snapshot)
    for name, digest in hashes.items():
        os.symlink(os.path.join("..", "..", "blobs", digest), os.path.join(snapshot, name))
    with open(os.path.join(root, "refs", "main"), "w") as file:
        file.write(commit)
    print(f"hub cache: {snapshot}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf")
    parser.add_argument("out")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--max-shard-size", default="50GB")
    parser.add_argument("--hub-cache")
    parser.add_argument("--repo")
    args = parser.parse_args()
    if bool(args.hub_cache) != bool(args.repo):
        parser.error("--hub-cache and --repo go together")

    folder, file = os.path.split(os.path.abspath(args.gguf))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    has_tokenizer = "tokenizer.ggml.model" in GGUFReader(args.gguf).fields
    check_against_gguf(model, args.gguf)
    config, dtype = model.config, getattr(torch, args.dtype)
    config.dtype = dtype
    if hasattr(config, "quantization_config"):  # transformers marks a GGUF model as quantised and then refuses to save it
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=dtype)
    plain.load_state_dict(model.state_dict())
    model = plain
    model.save_pretrained(args.out, max_shard_size=args.max_shard_size)
    if has_tokenizer:
        AutoTokenizer.from_pretrained(folder, gguf_file=file).save_pretrained(args.out)
    if args.hub_cache:
        lay_out_as_hub_cache(args.out, args.hub_cache, args.repo)
    print(f"{args.out}: {', '.join(sorted(os.listdir(args.out)))}")


if __name__ == "__main__":
    main()

"""Time TransformerLens on a local checkpoint, float32 on the CPU.

    python transformer_lens_bench.py MODEL --ids ids.json [--tokens 1000] [--threads 2] [--repeat 5] [--mode ...]

forward          all blocks and the final norm, no logits, no hook
capture          run_with_cache of the attention patterns and the residual stream after each block
reduce           a hook on every pattern that keeps only the attention each key receives, no logits
run_with_cache   run_with_cache of everything, as most notebooks call it

Uses TransformerBridge.boot_transformers, the way to load a model since release 4 (HookedTransformer was removed there); it takes
a local folder as it is. The plain forward and the reducing hooks call the wrapped model without its unembedding, which is the
fastest way found to run them; run_with_cache has no such choice and computes the logits.
"""

from common import measure, parse, received, token_ids

args = parse(__doc__, ["forward", "capture", "reduce", "run_with_cache"])

import importlib.metadata

import torch
import transformers
from transformer_lens.model_bridge import TransformerBridge

torch.set_num_threads(args.threads)
transformers.utils.logging.disable_progress_bar()
model = TransformerBridge.boot_transformers(args.model, device="cpu", dtype=torch.float32)
model.eval()
ids = torch.tensor([token_ids(args)])
kept = []


def keep(pattern, hook):
    kept.append(received(pattern))


def wanted(name):
    return name.endswith(("attn.hook_pattern", "hook_resid_post"))


@torch.inference_mode()
def run():
    kept.clear()
    if args.mode == "run_with_cache":
        return model.run_with_cache(ids)
    if args.mode == "capture":
        return model.run_with_cache(ids, names_filter=wanted)
    if args.mode == "reduce":
        with model.hooks(fwd_hooks=[(lambda name: name.endswith("attn.hook_pattern"), keep)]):
            model.original_model.base_model(input_ids=ids, use_cache=False)
        return torch.stack(kept)
    return model.original_model.base_model(input_ids=ids, use_cache=False)


measure(args, "transformer_lens", importlib.metadata.version("transformer_lens"), run, torch=torch.__version__)

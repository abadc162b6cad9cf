"""Time transformers on a local checkpoint, float32 on the CPU.

    python transformers_bench.py MODEL --ids ids.json [--tokens 1000] [--threads 2] [--repeat 5] [--mode ...]

forward   all blocks and the final norm, no logits; the library's default attention (a fused kernel)
capture   forward, keeping all attention patterns and hidden states
reduce    forward with a hook on each block that keeps only the attention each key receives

capture and reduce need eager attention: the fused kernel has no patterns to give.
"""

from common import measure, parse, received, token_ids

args = parse(__doc__, ["forward", "capture", "reduce"])

import torch
import transformers

torch.set_num_threads(args.threads)
transformers.utils.logging.disable_progress_bar()
attention = "sdpa" if args.mode == "forward" else "eager"
model = transformers.AutoModel.from_pretrained(args.model, dtype=torch.float32, attn_implementation=attention).eval()
ids = torch.tensor([token_ids(args)])
kept = []


def keep(module, inputs, output):
    kept.append(received(output[1]))


if args.mode == "reduce":
    blocks = [module for name, module in model.named_modules() if name.rsplit(".", 1)[-1] in ("self_attn", "attn", "attention")]
    for block in blocks:
        block.register_forward_hook(keep)


@torch.inference_mode()
def run():
    kept.clear()
    wanted = args.mode == "capture"
    output = model(input_ids=ids, use_cache=False, output_attentions=wanted, output_hidden_states=wanted)
    if args.mode == "reduce":
        return torch.stack(kept)
    return output


measure(args, "transformers", transformers.__version__, run, attention=attention, torch=torch.__version__)

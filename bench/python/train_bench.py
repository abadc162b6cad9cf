"""PyTorch's side of the training benchmark: one AdamW step of a Llama for each line of standard input.

    python train_bench.py MODEL --batch 16 --tokens 256 --threads 2 --rate 0.001

MODEL is a Hugging Face folder with the initial weights. Prints one JSON line when the first step is done (its loss as `version`), then one for
each step: seconds and peak memory.
"""
import argparse
import json
import re
import sys
import time

started = time.perf_counter()
import torch  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("model")
for name in ("batch", "tokens", "threads"):
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--rate", type=float, required=True)
args = parser.parse_args()

torch.set_num_threads(args.threads)
model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).train()
matrices = [p for p in model.parameters() if p.dim() > 1]
vectors = [p for p in model.parameters() if p.dim() < 2]
groups = [dict(params=matrices, weight_decay=0.1), dict(params=vectors, weight_decay=0.0)]
optimizer = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.95), fused=True)
V = model.config.vocab_size
count = args.batch * (args.tokens + 1)
ids = torch.tensor([(i * 7919 + (i >> 5) * 31) % V for i in range(count)]).view(args.batch, args.tokens + 1)


def step() -> float:
    optimizer.zero_grad(set_to_none=True)
    logits = model(ids[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V), ids[:, 1:].reshape(-1))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def timed() -> tuple[float, float]:
    begin = time.perf_counter()
    loss = step()
    return time.perf_counter() - begin, loss


def peak_bytes() -> int:
    with open("/proc/self/status") as status:
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])


loaded = time.perf_counter() - started
seconds, loss = timed()
print(json.dumps(dict(loadSeconds=loaded, firstSeconds=seconds, version=repr(loss))), flush=True)
for _ in sys.stdin:
    seconds, loss = timed()
    print(json.dumps(dict(seconds=seconds, peakBytes=peak_bytes(), loss=loss)), flush=True)

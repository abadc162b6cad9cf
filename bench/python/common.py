"""What the two benchmarks share: options, token ids, timing, peak memory, one fresh process for each mode."""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

started = time.perf_counter()


def parse(description, modes):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a local folder with config.json and safetensors, or a hub id")
    parser.add_argument("--mode", default="all", choices=[*modes, "all"], help="default: all, each in a process of its own")
    parser.add_argument("--tokens", type=int, default=1000, help="tokens of text (default 1000)")
    parser.add_argument("--threads", type=int, default=2, help="default 2")
    parser.add_argument("--repeat", type=int, default=5, help="timed runs after one that is not timed (default 5)")
    parser.add_argument("--serve", action="store_true", help="one timed run for each line of standard input, instead of --repeat")
    parser.add_argument("--save", help="file for the result of mode reduce: [L, B, H, S] as raw float32")
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument("--ids", help="JSON file with a list of token ids: the same for every library compared")
    text.add_argument("--text", help="text file (.gz too), tokenised with the model's own tokenizer")
    args = parser.parse_args()
    if args.mode == "all":
        for mode in modes:  # peak memory is a process's own, so every mode gets a new one
            subprocess.run([sys.executable, *sys.argv, "--mode", mode], check=True)
        raise SystemExit
    return args


def token_ids(args):
    if args.ids:
        with open(args.ids) as file:
            ids = json.load(file)
    else:
        import gzip

        from transformers import AutoTokenizer

        opener = gzip.open if args.text.endswith(".gz") else open
        with opener(args.text, "rt", encoding="utf-8") as file:
            text = file.read(args.tokens * 20 + 1000)
        ids = AutoTokenizer.from_pretrained(args.model)(text, add_special_tokens=False).input_ids
    if len(ids) < args.tokens:
        raise SystemExit(f"{args.ids or args.text} holds {len(ids)} tokens; --tokens {args.tokens} were asked for")
    return ids[: args.tokens]


def peak_bytes():
    """Highest resident memory of this process. On Linux not ru_maxrss, which a new process inherits from the one that started it."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def measure(args, library, version, run, **more):
    """Times run() and prints one line of JSON. What run() returns is kept until the clock stops, then dropped."""
    loaded = peak_bytes()

    def timed():
        start = time.perf_counter()
        result = run()
        spent = round(time.perf_counter() - start, 4)
        if args.save and args.mode == "reduce":
            result.float().numpy().tofile(args.save)
        return spent

    first = timed()  # also pays for allocation and kernel selection
    if args.serve:
        load = round(time.perf_counter() - started, 4) - first
        print(json.dumps(dict(library=library, version=version, loadSeconds=load, firstSeconds=first)), flush=True)
        for _ in sys.stdin:
            print(json.dumps(dict(seconds=timed(), peakBytes=peak_bytes())), flush=True)
        return
    seconds = [timed() for _ in range(args.repeat)]
    median = round(statistics.median(seconds), 4)
    line = dict(library=library, version=version, mode=args.mode, tokens=args.tokens, threads=args.threads, seconds=seconds,
                median=median, minimum=min(seconds), tokensPerSecond=round(args.tokens / median, 1), peakBytes=peak_bytes(), loadedBytes=loaded, **more)  # fmt: skip
    print(json.dumps(line), flush=True)


def received(pattern):
    """Attention each key receives, averaged over the queries that see it: [B, H, T, S] -> [B, H, S]."""
    import torch

    return pattern.sum(-2) / torch.arange(pattern.shape[-1], 0, -1)

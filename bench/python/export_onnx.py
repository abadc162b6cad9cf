"""Turn a Hugging Face folder into one that transformers.js reads: ONNX in float32, at 8 and at 4 bits.

    pip install "optimum-onnx[onnxruntime]" onnx_ir
    python export_onnx.py MODEL OUT

MODEL is a folder with config.json and safetensors, such as scripts/reference/gguf_to_hugging_face.py makes from a GGUF file; use one
environment for both, since versions of transformers differ in the names in config.json. Writes OUT/onnx/model.onnx by optimum, as the
models on the hub are; and by onnxruntime's quantiser model_quantized.onnx (`q8`) and model_q4.onnx (`q4`): blocks of 32 with a zero
point, products with numbers rounded to 8 bits, its fastest on the CPU.

What a GGUF file holds at 4 bits is rounded a second time here. At 8 bits that hardly shows. At 4 bits it does: the least value of a
block of Q4_1 is any number, that of onnxruntime's a whole multiple of the block's scale, so that whole blocks are shifted.
"""
import argparse
import os
import shutil
import tempfile

import onnx
import torch
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from optimum.exporters.onnx import main_export
from transformers import AutoModelForCausalLM, AutoTokenizer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model")
parser.add_argument("out")
args = parser.parse_args()

with tempfile.TemporaryDirectory() as folder:
    # An unembedding of its own: a tied one is transposed within the graph, where the quantiser does not see that it is constant.
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.get_input_embeddings().weight.detach().clone())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(args.model).save_pretrained(folder)
    main_export(folder, args.out, task="text-generation-with-past")

os.makedirs(os.path.join(args.out, "onnx"), exist_ok=True)
plain = os.path.join(args.out, "onnx", "model.onnx")
for name in os.listdir(args.out):
    if name.startswith("model.onnx"):
        shutil.move(os.path.join(args.out, name), os.path.join(args.out, "onnx", name))
for name, bits in (("model_quantized", 8), ("model_q4", 4)):
    quantiser = MatMulNBitsQuantizer(onnx.load(plain), bits=bits, block_size=32, is_symmetric=False, accuracy_level=4)
    quantiser.process()
    quantiser.model.save_model_to_file(os.path.join(args.out, "onnx", f"{name}.onnx"), False)
for name in sorted(os.listdir(os.path.join(args.out, "onnx"))):
    print(name, os.path.getsize(os.path.join(args.out, "onnx", name)))

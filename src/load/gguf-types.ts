import type { StoredType } from './checkpoint.ts';
import type { BlockDecoder } from './gguf-blocks.ts';
import * as blocks from './gguf-blocks.ts';

/** A GGML element type: values come in blocks of `values`, each `bytes` long. */
export interface GgmlType {
  readonly name: string;
  readonly values: number;
  readonly bytes: number;
  /** Absent for types that are one plain number each. */
  readonly decode?: BlockDecoder;
  readonly stored: StoredType;
}

function plain(name: 'F32' | 'F16' | 'BF16', bytes: number): GgmlType {
  return { name, values: 1, bytes, stored: name };
}

function block(name: string, values: number, bytes: number, decode: BlockDecoder): GgmlType {
  return { name, values, bytes, decode, stored: `gguf:${name}` };
}

/** Types that are read, by their number in the file. */
export const ggmlTypes: ReadonlyMap<number, GgmlType> = new Map([
  [0, plain('F32', 4)],
  [1, plain('F16', 2)],
  [2, block('Q4_0', 32, 18, blocks.decodeQ4_0)],
  [3, block('Q4_1', 32, 20, blocks.decodeQ4_1)],
  [6, block('Q5_0', 32, 22, blocks.decodeQ5_0)],
  [7, block('Q5_1', 32, 24, blocks.decodeQ5_1)],
  [8, block('Q8_0', 32, 34, blocks.decodeQ8_0)],
  [12, block('Q4_K', 256, 144, blocks.decodeQ4_K)],
  [13, block('Q5_K', 256, 176, blocks.decodeQ5_K)],
  [14, block('Q6_K', 256, 210, blocks.decodeQ6_K)],
  [30, plain('BF16', 2)],
  [39, block('MXFP4', 32, 17, blocks.decodeMXFP4)],
]);

const otherNames = new Map(
  Object.entries({
    9: 'Q8_1',
    10: 'Q2_K',
    11: 'Q3_K',
    15: 'Q8_K',
    16: 'IQ2_XXS',
    17: 'IQ2_XS',
    18: 'IQ3_XXS',
    19: 'IQ1_S',
    20: 'IQ4_NL',
    21: 'IQ3_S',
    22: 'IQ2_S',
    23: 'IQ4_XS',
    24: 'I8',
    25: 'I16',
    26: 'I32',
    27: 'I64',
    28: 'F64',
    29: 'IQ1_M',
    34: 'TQ1_0',
    35: 'TQ2_0',
    40: 'NVFP4',
    41: 'Q1_0',
  }),
);

/** Name of any type number, for messages. */
export function ggmlTypeName(type: number): string {
  return ggmlTypes.get(type)?.name ?? otherNames.get(String(type)) ?? `number ${type}`;
}

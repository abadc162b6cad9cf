import type { StoredType } from '../checkpoint.ts';
import type { BlockDecoder } from './blocks.ts';
import * as blocks from './blocks.ts';
import * as codebook from './codebook-blocks.ts';
import * as k from './k-blocks.ts';
import * as ternary from './ternary-blocks.ts';

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
  [10, block('Q2_K', 256, 84, k.decodeQ2_K)],
  [11, block('Q3_K', 256, 110, k.decodeQ3_K)],
  [12, block('Q4_K', 256, 144, k.decodeQ4_K)],
  [13, block('Q5_K', 256, 176, k.decodeQ5_K)],
  [14, block('Q6_K', 256, 210, k.decodeQ6_K)],
  [16, block('IQ2_XXS', 256, 66, codebook.decodeIQ2_XXS)],
  [17, block('IQ2_XS', 256, 74, codebook.decodeIQ2_XS)],
  [18, block('IQ3_XXS', 256, 98, codebook.decodeIQ3_XXS)],
  [19, block('IQ1_S', 256, 50, codebook.decodeIQ1_S)],
  [20, block('IQ4_NL', 32, 18, codebook.decodeIQ4_NL)],
  [21, block('IQ3_S', 256, 110, codebook.decodeIQ3_S)],
  [22, block('IQ2_S', 256, 82, codebook.decodeIQ2_S)],
  [23, block('IQ4_XS', 256, 136, codebook.decodeIQ4_XS)],
  [29, block('IQ1_M', 256, 56, codebook.decodeIQ1_M)],
  [30, plain('BF16', 2)],
  [34, block('TQ1_0', 256, 54, ternary.decodeTQ1_0)],
  [35, block('TQ2_0', 256, 66, ternary.decodeTQ2_0)],
  [39, block('MXFP4', 32, 17, blocks.decodeMXFP4)],
]);

const otherNames = new Map(
  Object.entries({
    9: 'Q8_1',
    15: 'Q8_K',
    24: 'I8',
    25: 'I16',
    26: 'I32',
    27: 'I64',
    28: 'F64',
    40: 'NVFP4',
    41: 'Q1_0',
  }),
);

/** Name of any type number, for messages. */
export function ggmlTypeName(type: number): string {
  return ggmlTypes.get(type)?.name ?? otherNames.get(String(type)) ?? `number ${type}`;
}

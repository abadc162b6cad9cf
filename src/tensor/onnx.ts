import { create, createFileRegistry, type DescMessage, toBinary } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';

/** The part of the ONNX schema that Sinklab writes: [field, number, type, repeated?]; a type in capitals' case is a message. */
const schema: Record<string, [string, number, 'int32' | 'int64' | 'float' | 'string' | 'bytes' | string, 'many'?][]> = {
  ModelProto: [
    ['ir_version', 1, 'int64'],
    ['producer_name', 2, 'string'],
    ['graph', 7, 'GraphProto'],
    ['opset_import', 8, 'OperatorSetIdProto', 'many'],
  ],
  OperatorSetIdProto: [
    ['domain', 1, 'string'],
    ['version', 2, 'int64'],
  ],
  GraphProto: [
    ['node', 1, 'NodeProto', 'many'],
    ['name', 2, 'string'],
    ['initializer', 5, 'TensorProto', 'many'],
    ['input', 11, 'ValueInfoProto', 'many'],
    ['output', 12, 'ValueInfoProto', 'many'],
  ],
  NodeProto: [
    ['input', 1, 'string', 'many'],
    ['output', 2, 'string', 'many'],
    ['name', 3, 'string'],
    ['op_type', 4, 'string'],
    ['attribute', 5, 'AttributeProto', 'many'],
    ['domain', 7, 'string'],
  ],
  AttributeProto: [
    ['name', 1, 'string'],
    ['f', 2, 'float'],
    ['i', 3, 'int64'],
    ['s', 4, 'bytes'],
    ['floats', 7, 'float', 'many'],
    ['ints', 8, 'int64', 'many'],
    ['type', 20, 'int32'],
  ],
  TensorProto: [
    ['dims', 1, 'int64', 'many'],
    ['data_type', 2, 'int32'],
    ['name', 8, 'string'],
    ['raw_data', 9, 'bytes'],
    ['external_data', 13, 'StringStringEntryProto', 'many'],
    ['data_location', 14, 'int32'],
  ],
  StringStringEntryProto: [
    ['key', 1, 'string'],
    ['value', 2, 'string'],
  ],
  ValueInfoProto: [
    ['name', 1, 'string'],
    ['type', 2, 'TypeProto'],
  ],
  TypeProto: [['tensor_type', 1, 'TensorTypeProto']],
  TensorTypeProto: [
    ['elem_type', 1, 'int32'],
    ['shape', 2, 'TensorShapeProto'],
  ],
  TensorShapeProto: [['dim', 1, 'DimensionProto', 'many']],
  DimensionProto: [
    ['dim_value', 1, 'int64'],
    ['dim_param', 2, 'string'],
  ],
};

const scalar: Record<string, Type> = {
  int32: Type.INT32,
  int64: Type.INT64,
  float: Type.FLOAT,
  string: Type.STRING,
  bytes: Type.BYTES,
};

const registry = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: [
      create(FileDescriptorProtoSchema, {
        name: 'onnx.proto',
        package: 'onnx',
        syntax: 'proto2',
        messageType: Object.entries(schema).map(([name, fields]) => ({
          name,
          field: fields.map(([field, number, type, many]) => ({
            name: field,
            jsonName: field,
            number,
            label: many ? Label.REPEATED : Label.OPTIONAL,
            ...(scalar[type] === undefined
              ? { type: Type.MESSAGE, typeName: `.onnx.${type}` }
              : { type: scalar[type] }),
          })),
        })),
      }),
    ],
  }),
);

const message = (name: string): DescMessage => {
  const found = registry.getMessage(`onnx.${name}`);
  if (!found) throw new Error(`onnx schema lacks ${name}`);
  return found;
};

/** ONNX element types by number. */
export const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
} as const;
export type ElementType = keyof typeof elementTypes;

/** An integer, a list of integers, a string, or a float (wrapped, since numbers mean integers here). */
export type OnnxAttribute = number | readonly number[] | string | { readonly float: number };

export interface OnnxNode {
  readonly type: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly data: Uint8Array | { readonly location: string; readonly offset: number; readonly length: number };
}

export interface OnnxValue {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** Standard operators of opset 23 (ONNX 1.18); the runtime's own domain is imported only when a node uses it. */
export const opset = 23;

const attribute = (name: string, value: OnnxAttribute) => {
  if (typeof value === 'number') return { name, type: 2, i: BigInt(value) };
  if (typeof value === 'string') return { name, type: 3, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: 1, f: value.float };
  return { name, type: 7, ints: value.map(BigInt) };
};

const valueInfo = ({ name, type, shape }: OnnxValue) => ({
  name,
  type: {
    tensorType: {
      elemType: elementTypes[type],
      shape: { dim: shape.map((size) => (typeof size === 'number' ? { dimValue: BigInt(size) } : { dimParam: size })) },
    },
  },
});

/** The bytes of an `.onnx` file. The same graph gives the same bytes. */
export function encodeOnnx(graph: OnnxGraph): Uint8Array {
  const model = message('ModelProto');
  const domains = [...new Set(graph.nodes.map((node) => node.domain))].filter((domain) => domain !== '').sort();
  return toBinary(
    model,
    create(model, {
      irVersion: 11n,
      producerName: 'sinklab',
      opsetImport: [{ domain: '', version: BigInt(opset) }, ...domains.map((domain) => ({ domain, version: 1n }))],
      graph: {
        name: 'sinklab',
        node: graph.nodes.map((node) => ({
          name: node.outputs[0],
          opType: node.type,
          domain: node.domain,
          input: [...node.inputs],
          output: [...node.outputs],
          attribute: Object.entries(node.attributes).map(([name, value]) => attribute(name, value)),
        })),
        initializer: graph.initializers.map(({ name, type, shape, data }) => ({
          name,
          dataType: elementTypes[type],
          dims: shape.map(BigInt),
          ...(data instanceof Uint8Array
            ? { rawData: data }
            : {
                dataLocation: 1,
                externalData: Object.entries(data).map(([key, value]) => ({ key, value: String(value) })),
              }),
        })),
        input: graph.inputs.map(valueInfo),
        output: graph.outputs.map(valueInfo),
      },
    } as never),
  );
}

import { ShapeError } from '../error.ts';
import { canonical } from './axes.ts';
import { Dim, type Size } from './dim.ts';
import type { ElementType, OnnxAttribute, OnnxInitializer, OnnxNode, OnnxValue } from './onnx.ts';
import { usersOf } from './schedule.ts';
import type { Node } from './tensor.ts';

/** Physical order of a lowered value, slowest first; null is a dimension of size one that stands for no axis. */
export type Layout = readonly (string | null)[];

/** A value of the ONNX graph with its physical order. */
export interface Placed {
  readonly name: string;
  readonly layout: Layout;
}

/** Bytes of an external data file: on disk, or in memory under that name. */
export interface StoredBytes {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** A weight of plain numbers, row-major in the order of its axes. */
export interface PlainStorage extends StoredBytes {
  readonly type: ElementType;
}

/**
 * A matrix [N, K] of `bits`-bit codes in blocks of `block` along K: value = scale · (code − 2^(bits − 1)) + offset. It can be multiplied
 * over K (axes that are last as stored) and its rows can be gathered; it is nowhere unpacked as a whole.
 */
export interface BlockStorage {
  readonly bits: 4 | 8;
  /** Values that share a scale: a power of two from 16. */
  readonly block: number;
  /** [N, K / block, block · bits / 8] bytes; of two codes in a byte the first has the low bits. */
  readonly codes: StoredBytes;
  /** float32 [N, K / block] */
  readonly scales: StoredBytes;
  /** float32 [N, K / block]; absent: 0. */
  readonly offsets?: StoredBytes;
  /** Precision of what it is multiplied with: rounded to 8 bits for each block (fast), or as it is. Default `int8`. */
  readonly activations?: 'int8' | 'float32';
}

/** Where the bytes of a weight lie, for weights that become initialisers. */
export type WeightStorage = PlainStorage | BlockStorage;

export interface LoweringOptions {
  /**
   * How weights enter. `inputs`: each is fed at every run, in place and without a copy, so programs of equal structure share one session.
   * A function: where the bytes of a weight lie.
   */
  readonly weights: 'inputs' | ((name: string) => WeightStorage);
}

const describeAxes = (axes: ReadonlyMap<string, Dim>) =>
  `{ ${[...axes].map(([axis, dim]) => `${axis}: ${dim}`).join(', ')} }`;

const same = (a: Layout, b: Layout) => a.length === b.length && a.every((axis, i) => axis === b[i]);

/** A weight that is fed: graph input, checkpoint name, and sizes in stored order. */
export interface FedWeight {
  readonly input: string;
  readonly weight: string;
  readonly shape: readonly number[];
  /** The program takes these places of the first axis, each as an input of its own: the runtime feeds them as views. Absent: all as one. */
  readonly parts?: readonly number[];
}

/** Name of the graph input for one place of the first axis of a fed weight. */
export const partInput = (input: string, index: number) => `${input}.${index}`;

/** One program under construction: emits ONNX nodes, shares equal ones, and moves values between physical orders. */
export class Lowering {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly inputs: OnnxValue[] = [];
  /** Names of the weights in the order in which they are fed, with the graph input of each. */
  readonly fedWeights: FedWeight[] = [];
  private readonly fedByName = new Map<string, FedWeight & { parts?: number[] }>();
  private readonly placed = new Map<Node, Placed>();
  private readonly declared = new Map<string, string>();
  private readonly shared = new Map<string, string[]>();
  private readonly sizeSources = new Map<string, () => string>();
  private readonly reshaped = new Map<string, { readonly name: string; readonly from: readonly Dim[] }>();
  private readonly blocks = new Map<string, BlockStorage>();
  private users: ReadonlyMap<Node, readonly Node[]> | undefined;
  private apart: ReadonlySet<string> | undefined;
  private counter = 0;

  constructor(
    readonly options: LoweringOptions,
    private readonly program: readonly Node[] = [],
    private readonly roots: readonly Node[] = [],
  ) {}

  /** What the program makes of a value. */
  usersOf(node: Node): readonly Node[] {
    this.users ??= usersOf(this.program);
    return this.users.get(node) ?? [];
  }

  /** Lowers a node and all that it needs, each once, in the order of their creation. No recursion: graphs are deeper than the call stack. */
  lower(root: Node): Placed {
    const needed = new Set([root]);
    for (const node of needed) for (const input of node.inputs) if (!this.placed.has(input)) needed.add(input);
    for (const node of [...needed].sort((a, b) => a.serial - b.serial))
      if (!this.placed.has(node)) this.placed.set(node, node.operator.lower(node, this));
    return this.get(root);
  }

  /** The place of an input that has been lowered already. */
  get(node: Node): Placed {
    const place = this.placed.get(node);
    if (!place) throw new ShapeError(`lowering: ${node} was used before it was lowered`);
    return place;
  }

  /** Emits one ONNX node, or finds the equal one emitted before. Returns the names of its outputs. */
  emit(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, OnnxAttribute> = {},
    outputs = 1,
    domain = '',
  ) {
    return this.once(JSON.stringify([type, domain, inputs, attributes]), () => {
      const names = Array.from({ length: outputs }, () => this.fresh());
      this.nodes.push({ type, domain, inputs, outputs: names, attributes });
      return names;
    });
  }

  /** Emits a node with one output. */
  value(type: string, inputs: readonly string[], attributes: Record<string, OnnxAttribute> = {}, domain = ''): string {
    // The logarithm of a softmax in one operator: finite where the softmax underflows, and it takes half the time.
    const softmax = type === 'Log' && this.nodes.find((n) => n.type === 'Softmax' && n.outputs[0] === inputs[0]);
    if (softmax) return this.value('LogSoftmax', softmax.inputs, softmax.attributes);
    return this.emit(type, inputs, attributes, 1, domain)[0]!;
  }

  /** A constant int64 vector. */
  integers(values: readonly number[]): string {
    return this.constant('int64', [values.length], new BigInt64Array(values.map(BigInt)));
  }

  constant(type: ElementType, shape: readonly number[], data: ArrayBufferView): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = bytes.length <= 256 ? `constant ${type} ${shape} ${bytes}` : undefined;
    const add = () => {
      const name = this.fresh();
      this.initializers.push({ name, type, shape, data: bytes.slice() });
      return [name];
    };
    return (key === undefined ? add() : this.once(key, add))[0]!;
  }

  input(name: string, type: ElementType, axes: ReadonlyMap<string, Dim>): Placed {
    const layout = [...axes.keys()];
    this.agree('input', name, `${type} ${describeAxes(axes)}`);
    this.once(`input ${name}`, () => {
      this.inputs.push({ name, type, shape: layout.map((axis) => axes.get(axis)!.constant ?? String(axes.get(axis))) });
      layout.forEach((axis, i) => {
        const { names } = axes.get(axis)!;
        if (names.length !== 1 || !axes.get(axis)!.equals(names[0]!)) return;
        const source = () =>
          this.value('Slice', [this.value('Shape', [name]), this.integers([i]), this.integers([i + 1])]);
        if (!this.sizeSources.has(names[0]!)) this.sizeSources.set(names[0]!, source);
      });
      return [name];
    });
    return { name, layout };
  }

  weight(weight: string, axes: ReadonlyMap<string, Dim>): Placed {
    const layout = [...axes.keys()];
    const shape = layout.map((axis) => axes.get(axis)!.evaluate({}));
    this.agree('weight', weight, `[${shape.join(', ')}]`);
    if (this.inParts(weight)) return { name: `%apart ${weight}`, layout };
    const [name] = this.once(`weight ${weight}`, () => {
      if (this.options.weights === 'inputs') {
        const { input } = this.fed(weight, shape);
        this.inputs.push({ name: input, type: 'float32', shape });
        return [input];
      }
      const storage = this.options.weights(weight);
      const initializer = `%weight ${weight}`;
      if ('codes' in storage) {
        this.blocks.set(initializer, storage);
        return [initializer];
      }
      return [this.plain(initializer, shape, storage)];
    });
    return { name: name!, layout };
  }

  /** One place of the first axis of a weight of which the program uses nothing else than such places: no copy is made. */
  weightPart(node: Node, axis: string, index: number): Placed | undefined {
    const { name: weight } = node.attributes as { readonly name: string };
    const [first, ...layout] = node.axes.keys();
    if (node.operator.name !== 'weight' || first !== axis || !this.inParts(weight)) return undefined;
    const [count, ...shape] = [...node.axes.values()].map((size) => size.evaluate({})) as [number, ...number[]];
    const [name] = this.once(`weight ${weight} part ${index}`, () => {
      if (this.options.weights === 'inputs') {
        const fed = this.fed(weight, [count, ...shape]);
        fed.parts = [...(fed.parts ?? []), index];
        const input = partInput(fed.input, index);
        this.inputs.push({ name: input, type: 'float32', shape });
        return [input];
      }
      const { offset, length, ...storage } = this.options.weights(weight) as PlainStorage;
      const each = length / count;
      return [
        this.plain(`%weight ${weight} ${index}`, shape, { ...storage, offset: offset + index * each, length: each }),
      ];
    });
    return { name: name!, layout };
  }

  private fed(weight: string, shape: readonly number[]) {
    const known = this.fedByName.get(weight);
    if (known) return known;
    const fed: FedWeight & { parts?: number[] } = { input: `%w${this.fedWeights.length}`, weight, shape };
    this.fedWeights.push(fed);
    this.fedByName.set(weight, fed);
    return fed;
  }

  private plain(name: string, shape: readonly number[], { type, ...data }: PlainStorage): string {
    this.initializers.push({ name, type, shape, data });
    return type === 'float32' ? name : this.value('Cast', [name], { to: 1 });
  }

  /** Does the program use nothing of a weight but single places of its first axis? */
  private inParts(weight: string): boolean {
    this.apart ??= this.findApart();
    return this.apart.has(weight);
  }

  private findApart(): Set<string> {
    const named = ({ operator, attributes }: Node) => (operator.name === 'weight' ? (attributes.name as string) : '');
    const isPart = ({ operator, inputs, attributes }: Node) =>
      operator.name === 'pick' && inputs[0]!.axes.keys().next().value === attributes.axis;
    const apart = new Set(this.program.filter(isPart).map(({ inputs }) => named(inputs[0]!)));
    if (apart.size === 0) return apart;
    for (const node of this.program) if (!isPart(node)) for (const input of node.inputs) apart.delete(named(input));
    for (const root of this.roots) apart.delete(named(root));
    const { weights } = this.options;
    for (const name of apart) if (name === '' || (weights !== 'inputs' && 'codes' in weights(name))) apart.delete(name);
    return apart;
  }

  /** How the value of a name is stored, when it is a weight in blocks. */
  blocksOf({ name }: Placed): BlockStorage | undefined {
    return this.blocks.get(name);
  }

  /** An initialiser whose bytes lie elsewhere. */
  stored(name: string, type: ElementType, shape: readonly number[], { location, offset, length }: StoredBytes): string {
    return this.once(`stored ${name}`, () => {
      this.initializers.push({ name, type, shape, data: { location, offset, length } });
      return [name];
    })[0]!;
  }

  /** A size as an int64 vector of length one. */
  size(size: Size): string {
    const dim = Dim.of(size);
    if (dim.constant !== undefined) return this.integers([dim.constant]);
    const terms = dim.products.map(([coefficient, names]) => {
      const factors = names.map((name) => {
        const source = this.sizeSources.get(name) ?? this.sourceOf(name);
        if (!source)
          throw new ShapeError(`lowering: size ${dim} needs dimension ${name}, which no input of the program has`);
        return source();
      });
      if (coefficient !== 1 || factors.length === 0) factors.push(this.integers([coefficient]));
      return factors.reduce((a, b) => this.value('Mul', [a, b]));
    });
    return terms.reduce((a, b) => this.value('Add', [a, b]));
  }

  /** The source of a dimension that some operator of the program makes and that was not lowered yet. */
  private sourceOf(dimension: string): (() => string) | undefined {
    const makes = ({ operator, axes }: Node) =>
      operator.makesSize && [...axes.values()].some((size) => size.single === dimension);
    const maker = this.program.find(makes);
    if (maker) this.lower(maker);
    return this.sizeSources.get(dimension);
  }

  /** Makes a dimension known that only the run decides: `source` gives its size as an int64 vector of length one. */
  measured(dim: Dim, source: () => string): void {
    if (dim.single !== undefined && !this.sizeSources.has(dim.single)) this.sizeSources.set(dim.single, source);
  }

  /** An int64 vector of sizes. */
  shape(dims: readonly Dim[]): string {
    const constants = dims.map((dim) => dim.constant);
    if (constants.every((size) => size !== undefined)) return this.integers(constants as number[]);
    return this.value(
      'Concat',
      dims.map((dim) => this.size(dim)),
      { axis: 0 },
    );
  }

  /** Reshapes without moving data; dynamic sizes are copied or inferred where ONNX allows it. */
  reshape(given: string, shape: readonly Dim[], to: readonly Dim[]): string {
    // What was reshaped before is taken as it was before that.
    const { name, from } = this.reshaped.get(given) ?? { name: given, from: shape };
    if (from.length === to.length && from.every((dim, i) => dim.equals(to[i]!))) return name;
    const result = this.emitReshape(name, from, to);
    this.reshaped.set(result, { name, from });
    return result;
  }

  private emitReshape(name: string, from: readonly Dim[], to: readonly Dim[]): string {
    // In a Reshape 0 means "as before", so sizes of zero need the whole shape and the attribute that allows them.
    if (to.some((dim) => dim.constant === 0)) return this.value('Reshape', [name, this.shape(to)], { allowzero: 1 });
    const dynamic = to.filter((dim, i) => dim.constant === undefined && !from[i]?.equals(dim));
    if (dynamic.length > 1) return this.value('Reshape', [name, this.shape(to)]);
    const target = to.map((dim, i) => dim.constant ?? (from[i]?.equals(dim) ? 0 : -1));
    return this.value('Reshape', [name, this.integers(target)]);
  }

  /** The value in exactly this physical order. Axes of the layout that the value lacks become dimensions of size one. */
  arrange(place: Placed, layout: Layout): string {
    const target = layout.map((axis) => (axis !== null && place.layout.includes(axis) ? axis : null));
    if (same(place.layout, target)) return place.name;
    const axes = place.layout.filter((axis) => axis !== null);
    const wanted = target.filter((axis) => axis !== null);
    if (wanted.length !== axes.length)
      throw new ShapeError(`lowering: cannot lay out [${place.layout}] as [${layout}]: an axis would be lost`);
    let { name } = place;
    const nulls = place.layout.flatMap((axis, i) => (axis === null ? [i] : []));
    if (nulls.length > 0) name = this.value('Squeeze', [name, this.integers(nulls)]);
    if (!same(axes, wanted)) name = this.value('Transpose', [name], { perm: wanted.map((axis) => axes.indexOf(axis)) });
    const gaps = target.flatMap((axis, i) => (axis === null ? [i] : []));
    return gaps.length > 0 ? this.value('Unsqueeze', [name, this.integers(gaps)]) : name;
  }

  /** One layout for operands of an element-wise operator: the largest operand's own, if it has all axes. */
  common(nodes: readonly Node[]): Layout {
    const axes = new Set(nodes.flatMap((node) => [...node.axes.keys()]));
    const widest = nodes.find((node) => node.axes.size === axes.size);
    return widest ? this.get(widest).layout : canonical(axes);
  }

  /** One name is one thing: throws when it was used with another shape before. */
  private agree(kind: string, name: string, as: string): void {
    const known = this.declared.get(`${kind} ${name}`) ?? as;
    if (known !== as) throw new ShapeError(`${kind} ${name}: used as ${known} and as ${as} in one program`);
    this.declared.set(`${kind} ${name}`, as);
  }

  private once(key: string, make: () => string[]): string[] {
    const known = this.shared.get(key);
    if (known) return known;
    const names = make();
    this.shared.set(key, names);
    return names;
  }

  private fresh(): string {
    // No name of an input can start like this.
    return `%${this.counter++}`;
  }
}

import type { BuiltLayout } from '../../harness/inputs/layout/build-layout.ts';
import { buildLayout } from '../../harness/inputs/layout/build-layout.ts';
import type { Layout } from '../../harness/inputs/layout/layout.ts';
import { readLayout } from '../../harness/inputs/layout/read-layout.ts';
import { queryTables } from '../../harness/inputs/query.ts';
import type { LayoutAgainstCaptureInput } from '../../harness/inputs/types.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { type Descriptor, isAArch64Leaf, wayTo } from '../bit-flips/descriptors.ts';

const PAGE = 0x1000n;
const WIDEST_SIZE_OFFSET = 0x3fn;

/** The tables of an AArch64 layout, to be spoilt, and the layout that they should implement. */
export class LayoutTables {
  readonly layout: Layout;
  readonly memory: PhysicalMemory;
  #registers: AArch64Registers;
  readonly #upkeep: BuiltLayout['upkeep'];

  constructor(yaml: string) {
    this.layout = readLayout('layout.yaml', yaml);
    const { memory, registers, upkeep } = buildLayout(this.layout);
    if (registers.architecture !== 'aarch64') throw new Error('an AArch64 layout is expected');
    this.memory = memory;
    this.#registers = registers;
    this.#upkeep = upkeep;
  }

  get registers(): AArch64Registers {
    return this.#registers;
  }

  /** Sets registers otherwise. */
  install(changed: Partial<AArch64Registers>): this {
    this.#registers = { ...this.#registers, ...changed };
    return this;
  }

  /** The tables as a capture that is held against the layout. */
  get input(): LayoutAgainstCaptureInput {
    const { layout, memory, registers } = this;
    const query = queryTables(memory, registers);
    return {
      kind: 'layout-against-capture',
      name: 'layout.yaml',
      captureName: 'tables',
      architecture: 'aarch64',
      registers,
      memory,
      layout,
      upkeep: this.#upkeep,
      notes: [],
      ...(query !== undefined && { query }),
    };
  }

  /** The descriptors from the root to the leaf of a lower-half address, 4 KiB granule. */
  way(address: bigint): Descriptor[] {
    const { ttbr0, tcr } = this.registers;
    const root = ttbr0 & 0x0000_ffff_ffff_fffen;
    const inputBits = 64 - Number(tcr & WIDEST_SIZE_OFFSET);
    return wayTo(this.memory, { stage: 1, root, pageShift: 12, inputBits, isLeaf: isAArch64Leaf }, address);
  }

  /** Rewrites the descriptor at a level of the way to an address; without a level the leaf. */
  rewrite(address: bigint, change: (value: bigint) => bigint, shift?: number): this {
    const way = this.way(address);
    const descriptor = shift === undefined ? way.at(-1) : way.find((entry) => entry.shift === shift);
    if (descriptor === undefined) throw new Error(`no descriptor of 2^${shift} bytes`);
    this.memory.writeEntry(descriptor.entryAddress, change(descriptor.value));
    return this;
  }

  /** Rewrites the leaf of every page of a region. */
  rewriteRegion(name: string, change: (value: bigint) => bigint): this {
    const region = this.layout.regions.find((candidate) => candidate.name === name);
    if (region === undefined) throw new Error(`no region "${name}"`);
    const seen = new Set<bigint>();
    for (let address = region.base; address < region.base + region.size; address += PAGE) {
      const leaf = this.way(address).at(-1);
      if (leaf === undefined || seen.has(leaf.entryAddress)) continue;
      seen.add(leaf.entryAddress);
      this.memory.writeEntry(leaf.entryAddress, change(leaf.value));
    }
    return this;
  }
}

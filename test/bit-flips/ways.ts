import type { Layout, LayoutRegion } from '../../harness/inputs/layout/layout.ts';
import type { GuestImage } from '../../harness/machine.ts';
import type { AArch64Registers, Registers } from '../../src/registers.ts';
import {
  type Descriptor,
  isAArch64Leaf,
  isX64Leaf,
  outputOf,
  type TableShape,
  wayTo,
} from './descriptors.ts';

/** All that decides about one address of a region. */
export interface Way {
  readonly region: LayoutRegion;
  /** Stage 1, from the root to the leaf; empty where stage 2 is alone. */
  readonly one: readonly Descriptor[];
  /** Stage 2, where there is one: of the address that stage 1 leads to. */
  readonly two: readonly Descriptor[];
  /** Stage 2 of each descriptor of stage 1. */
  readonly walks: readonly (readonly Descriptor[])[];
}

/** The ways of the first and the last page of every region. Tables of stage 1 lie at their own addresses at stage 2. */
export function waysOf({ memory, registers }: GuestImage, { regions }: Layout): Way[] {
  const shapeOfStageTwo = registers.architecture === 'aarch64' ? stageTwo(registers) : undefined;
  return regions.flatMap((region) =>
    [region.base, region.base + region.size - 1n].map((address): Way => {
      const shape = stageOne(registers, address);
      const one = shape === undefined ? [] : wayTo(memory, shape, address);
      if (shapeOfStageTwo === undefined) return { region, one, two: [], walks: [] };
      const output = shape === undefined ? address : outputOf(one, address);
      return {
        region,
        one,
        two: wayTo(memory, shapeOfStageTwo, output),
        walks: one.map(({ entryAddress }) => wayTo(memory, shapeOfStageTwo, entryAddress)),
      };
    }),
  );
}

/** Every descriptor of the ways, each once. */
export function descriptorsOf(ways: readonly Way[]): Descriptor[] {
  const all = ways.flatMap(({ one, two, walks }) => [...one, ...two, ...walks.flat()]);
  return [...new Map(all.map((descriptor) => [descriptor.entryAddress, descriptor])).values()];
}

/** A way with a bit of one descriptor flipped; undefined if the descriptor is not on it. */
export function flipped(way: Way, { entryAddress }: Descriptor, bit: number): Way | undefined {
  let isOnIt = false;
  const flip = (descriptors: readonly Descriptor[]) =>
    descriptors.map((descriptor) => {
      if (descriptor.entryAddress !== entryAddress) return descriptor;
      isOnIt = true;
      return { ...descriptor, value: descriptor.value ^ (1n << BigInt(bit)) };
    });
  const after = { ...way, one: flip(way.one), two: flip(way.two), walks: way.walks.map(flip) };
  return isOnIt ? after : undefined;
}

const X64_ROOT = 0xf_ffff_ffff_f000n;
const SCTLR_M = 1n;
/** HCR_EL2.VM, DC and E2H (Arm ARM D19.2.48). */
const HCR_VM = 1n;
const HCR_DC = 1n << 12n;
const HCR_E2H = 1n << 34n;
/** log2 of the page size by TG0, TG1 and VTCR_EL2.TG0; 0 where reserved. */
const TG0 = [12, 16, 14, 0] as const;
const TG1 = [0, 14, 12, 16] as const;
const BASE = 0xffff_ffff_fffen;

/** Stage 1 of an address; undefined where it is off. */
function stageOne(registers: Registers, address: bigint): TableShape | undefined {
  if (registers.architecture === 'x64') {
    return { stage: 1, root: registers.cr3 & X64_ROOT, pageShift: 12, inputBits: 48, isLeaf: isX64Leaf };
  }
  const { exceptionLevel, tcr, sctlr, hcrEl2, ttbr0, ttbr1 } = registers;
  if ((sctlr & SCTLR_M) === 0n || (exceptionLevel === 1 && (hcrEl2 & HCR_DC) !== 0n)) return undefined;
  const hasHalves = exceptionLevel === 1 || (exceptionLevel === 2 && (hcrEl2 & HCR_E2H) !== 0n);
  const isUpper = hasHalves && ((address >> 55n) & 1n) === 1n;
  return {
    stage: 1,
    root: (isUpper ? ttbr1 : ttbr0) & BASE,
    pageShift: isUpper ? (TG1[field(tcr, 30, 2)] ?? 0) : (TG0[field(tcr, 14, 2)] ?? 0),
    inputBits: 64 - field(tcr, isUpper ? 16 : 0, 6),
    isLeaf: isAArch64Leaf,
  };
}

/** Stage 2; undefined where it is off. VTCR_EL2.SL0 counts levels down from 2 (4 KiB) or 3. */
function stageTwo({
  exceptionLevel,
  hcrEl2,
  vtcr = 0n,
  vttbr = 0n,
}: AArch64Registers): TableShape | undefined {
  if (exceptionLevel !== 1 || (hcrEl2 & (HCR_VM | HCR_DC)) === 0n) return undefined;
  const pageShift = TG0[field(vtcr, 14, 2)] ?? 0;
  const startLevel = (pageShift === 12 ? 2 : 3) - field(vtcr, 6, 2);
  return {
    stage: 2,
    root: vttbr & BASE,
    pageShift,
    inputBits: 64 - field(vtcr, 0, 6),
    levels: 4 - startLevel,
    isLeaf: isAArch64Leaf,
  };
}

function field(register: bigint, position: number, width: number): number {
  return Number((register >> BigInt(position)) & ((1n << BigInt(width)) - 1n));
}

import { readLayout } from '../../harness/inputs/layout/read-layout.ts';
import { ALL_OF_TWO, HCR_VM, StageTwoTables, Two } from '../machines/aarch64-stage-two-tables.ts';
import { Bit, HandmadeTables, Index } from '../machines/aarch64-tables.ts';
import type { Subject } from './campaign.ts';
import { manualOf } from './regime-aarch64.ts';

/** A region that both stages have a say in. */
interface NestedRegion {
  readonly declared: string;
  readonly address: bigint;
  readonly intermediate: bigint;
  readonly physical: bigint;
  /** Bits of the leaf of each stage. */
  readonly one: bigint;
  readonly two: bigint;
  /** Level of both leaves; 3 where absent. */
  readonly level?: 2 | 3;
}

const WRITE_BACK = Index.WriteBack | Bit.InnerShareable | Bit.AF;
const NON_CACHEABLE = Index.NonCacheable | Bit.InnerShareable | Bit.AF;
const NO_EXECUTE = Bit.PXN | Bit.UXN;

/** Where one stage gives more than is declared, the other gives less. */
const NESTED: Readonly<Record<string, NestedRegion>> = {
  code: {
    declared: 'attributes: [read-only], user: rx, share: inner',
    address: 0x10_1000n,
    intermediate: 0x21_0000n,
    physical: 0x3011_0000n,
    one: WRITE_BACK | Bit.User | Bit.ReadOnly,
    two: ALL_OF_TWO,
  },
  stack: {
    declared: 'attributes: [execute-protect], user: rw, share: inner',
    address: 0x10_3000n,
    intermediate: 0x22_0000n,
    physical: 0x3012_0000n,
    one: WRITE_BACK | Bit.User | Bit.UXN,
    two: ALL_OF_TWO,
  },
  log: {
    declared: 'attributes: [read-only, execute-protect], user: none, share: inner',
    address: 0x10_5000n,
    intermediate: 0x23_0000n,
    physical: 0x3013_0000n,
    one: WRITE_BACK,
    two: (ALL_OF_TWO & ~Two.Write) | Two.XN,
  },
  device: {
    declared: 'attributes: [execute-protect], user: none, memoryType: device-nGnRE',
    address: 0x10_7000n,
    intermediate: 0x24_0000n,
    physical: 0x3014_0000n,
    one: WRITE_BACK | NO_EXECUTE,
    two: (ALL_OF_TWO & ~Two.WriteBack) | Two.Device,
  },
  buffer: {
    declared: 'attributes: [execute-protect], user: none, memoryType: normal-non-cacheable',
    address: 0x40_0000n,
    intermediate: 0x8000_0000n,
    physical: 0x6000_0000n,
    one: NON_CACHEABLE | NO_EXECUTE,
    two: ALL_OF_TWO,
    level: 2,
  },
};

const TCR_EPD1 = 1n << 23n;
const TABLES_OF_STAGE_ONE = 0x4000_0000n;

/** Stage 1 with pages of 4 KiB, and stage 2 with pages of 2^pageShift bytes. */
export function nested(pageShift: 12 | 14 | 16, names: readonly (keyof typeof NESTED)[]): Subject {
  const regions = names.map((name) => ({ name, ...(NESTED[name] as NestedRegion) }));
  const lines = regions.map(({ name, declared, address, physical, level }) => {
    const size = level === 2 ? '2M' : '4K';
    return `  - { name: ${name}, base: ${address}, size: ${size}, physical: ${physical}, ${declared} }`;
  });
  const layout = readLayout(
    'nested.yaml',
    `architecture: aarch64\nregime: el1\nregions:\n${lines.join('\n')}\n`,
  );
  const one = new HandmadeTables({ base: TABLES_OF_STAGE_ONE, tableLimit: 8, tcr: TCR_EPD1 });
  const two = new StageTwoTables(one, {
    pageShift,
    startLevel: pageShift === 12 ? 1 : 2,
    inputBits: pageShift === 12 ? 39 : 36,
    hcrEl2: HCR_VM,
  }).map(TABLES_OF_STAGE_ONE, TABLES_OF_STAGE_ONE, ALL_OF_TWO, 2);
  for (const region of regions) {
    const { address, intermediate, physical, level = 3 } = region;
    one.map(address, intermediate, region.one, level);
    two.map(intermediate, physical, region.two, level);
  }
  return { layout, image: two, upkeep: [], manual: manualOf(two.registers) };
}

import { FRAME_SIZE } from '../../src/addresses.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { X64Registers } from '../../src/registers.ts';
import type { FrameAllocator } from '../../src/x64/mapper/frame-allocator.ts';
import { MappedPageTable } from '../../src/x64/mapper/mapped-page-table.ts';
import { MapperFlush, type MapperFlushAll } from '../../src/x64/mapper/mapper-flush.ts';
import { Size4KiB } from '../../src/x64/mapper/page-size.ts';
import { PhysFrame } from '../../src/x64/mapper/phys-frame.ts';
import { AttachedTables } from '../attached-tables.ts';
import type { Machine } from '../machine.ts';
import { allAccesses } from './case-accesses.ts';
import type { CaseGuest, TlbCase, WithoutFlush } from './tlb-case.ts';

/** What a case works on. */
export interface X64CaseTables {
  readonly table: MappedPageTable;
  readonly frames: FrameAllocator;
}

/** What a mapper promises after a change. */
export type FlushPromise = MapperFlush | MapperFlushAll;

/** A change by the mapper of x64. */
export interface X64Change {
  readonly name: string;
  readonly withoutFlush: WithoutFlush;
  /** Bits of CR4 beside PAE. */
  readonly cr4?: bigint;
  readonly needs?: readonly string[];
  /** The pages that are probed. */
  readonly pages: readonly bigint[];
  /** Builds the tables before the change. */
  prepare(tables: X64CaseTables): void;
  /** Makes the change. @returns the flushes that it promises */
  change(tables: X64CaseTables): readonly FlushPromise[];
}

const TABLES_BASE = 0x10_0000;
const TABLE_FRAMES = 16;
const REGISTERS = { cr0: 0x8001_0031n, cr4: 0x20n, efer: 0xd00n, physicalAddressBits: 40 } as const;

/** A change as a case of the suite. */
export function x64Case(change: X64Change): TlbCase {
  const { name, withoutFlush, needs = [] } = change;
  const start = (machine: Machine) => startCase(machine, change);
  return { name, architecture: 'x64', withoutFlush, needs, start };
}

async function startCase(machine: Machine, change: X64Change): Promise<CaseGuest> {
  const memory = PhysicalMemory.allocate(TABLES_BASE, TABLE_FRAMES * FRAME_SIZE);
  const cr4 = REGISTERS.cr4 | (change.cr4 ?? 0n);
  const registers: X64Registers = { architecture: 'x64', ...REGISTERS, cr3: BigInt(TABLES_BASE), cr4 };
  const image = { memory, registers };
  const table = new MappedPageTable(memory, PhysFrame.fromStartAddress(Size4KiB, TABLES_BASE));
  let next = TABLES_BASE / FRAME_SIZE;
  const tables = { table, frames: { allocateFrame: () => ++next as PhysFrame<Size4KiB> } };
  change.prepare(tables);
  const attached = await AttachedTables.attach(machine, image, table);
  return {
    accesses: allAccesses(change.pages),
    image,
    async change(flushed) {
      for (const promise of change.change(tables)) {
        if (!flushed) promise.ignore();
        else if (promise instanceof MapperFlush) promise.flush();
        else promise.flushAll();
      }
      return [];
    },
    flushEverything: async () => attached.invalidateGlobal(),
    probe: (probes) => attached.probe(probes),
  };
}

import type { Mapping, Processor, TlbMaintenance, TlbOperation } from '../../src/aarch64/mapping/index.ts';
import type { TranslationRegime } from '../../src/aarch64/mapping/regime.ts';
import { regimeHasUser } from '../../src/aarch64/walk-regime.ts';
import { FRAME_SIZE } from '../../src/addresses.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { SequentialAllocator } from '../../src/memory/sequential-allocator.ts';
import { AttachedProcessor } from '../attached-processor.ts';
import type { Machine } from '../machine.ts';
import type { CaseSpace } from './aarch64-space.ts';
import { allAccesses } from './case-accesses.ts';
import type { CaseGuest, TlbCase, WithoutFlush } from './tlb-case.ts';

/** What a case works on. */
export interface AArch64CaseTables<R extends TranslationRegime> {
  /** In force when the change is made. */
  readonly mapping: Mapping<R>;
  /** Other tables in the same memory. */
  readonly other: Mapping<R>;
}

/** A mapping that is in force, and what belongs to that. */
export interface ActiveTables<R extends TranslationRegime> extends AArch64CaseTables<R> {
  readonly processor: Processor;
  /** What the mapping's activation has returned. */
  readonly previous: bigint;
  /** Executes the maintenance that a change returned, if the case is run with it. */
  carryOut(maintenance: TlbMaintenance): Promise<void>;
}

/** A change by a mapping. */
export interface AArch64Change<R extends TranslationRegime> {
  readonly name: string;
  readonly withoutFlush: WithoutFlush;
  /** The pages that are probed. */
  readonly pages: readonly bigint[];
  /** The ASID of the other tables, where there is one; that of the first is 1, and so is this where absent. */
  readonly otherAsid?: number;
  /** Whether the base register led to the other tables before. */
  readonly otherBefore?: boolean;
  /** Builds the tables before the change. */
  prepare(tables: AArch64CaseTables<R>): void;
  change(tables: ActiveTables<R>): Promise<void>;
}

const TABLES_BASE = 0x4000_0000;
const TABLE_FRAMES = 64;
const ASID = 1;

/** A change in an address space as a case of the suite. */
export function aarch64Case<R extends TranslationRegime>(
  space: CaseSpace<R>,
  change: AArch64Change<R>,
): TlbCase {
  return {
    name: `${space.name}: ${change.name}`,
    architecture: 'aarch64',
    withoutFlush: change.withoutFlush,
    needs: space.needs,
    regime: space.regime.name,
    start: (machine) => startCase(machine, space, change),
  };
}

async function startCase<R extends TranslationRegime>(
  machine: Machine,
  space: CaseSpace<R>,
  change: AArch64Change<R>,
): Promise<CaseGuest> {
  const memory = PhysicalMemory.allocate(TABLES_BASE, TABLE_FRAMES * FRAME_SIZE);
  const room = { memory, allocator: new SequentialAllocator(TABLES_BASE, TABLE_FRAMES * FRAME_SIZE) };
  const mapping = space.createMapping(room, ASID);
  const other = space.createMapping(room, change.otherAsid ?? ASID);
  const tables = { mapping, other };
  change.prepare(tables);
  const registers = space.registersOf(change.otherBefore === true ? other : mapping, room);
  const attached = await AttachedProcessor.attach(machine, memory, registers);
  const { processor } = attached;
  const previous = await mapping.activate(processor);
  return {
    accesses: allAccesses(change.pages, regimeHasUser(registers)),
    get image() {
      return attached.image;
    },
    async change(flushed) {
      const carriedOut: TlbOperation[] = [];
      const carryOut = async (maintenance: TlbMaintenance) => {
        if (!flushed) return;
        carriedOut.push(...maintenance);
        await attached.carryOut(maintenance);
      };
      await change.change({ ...tables, processor, previous, carryOut });
      return carriedOut;
    },
    flushEverything: () =>
      attached.carryOut([
        { kind: 'dsb', option: 'ISHST' },
        { kind: 'tlbi', name: space.regime.invalidateAll, operand: undefined },
        { kind: 'dsb', option: 'ISH' },
        { kind: 'isb' },
      ]),
    probe: (probes) => attached.probe(probes),
  };
}

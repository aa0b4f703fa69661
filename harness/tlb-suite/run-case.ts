import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { FRAME_SIZE } from '../../src/addresses.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { Known, OutcomeList } from '../../src/outcome-list.ts';
import type { X64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { MappedPageTable } from '../../src/x64/mapper/mapped-page-table.ts';
import { MapperFlush } from '../../src/x64/mapper/mapper-flush.ts';
import { Size4KiB } from '../../src/x64/mapper/page-size.ts';
import { PhysFrame } from '../../src/x64/mapper/phys-frame.ts';
import { AttachedTables } from '../attached-tables.ts';
import type { GuestImage, Machine } from '../machine.ts';
import { differs, FAULT_COLUMNS } from '../verdict.ts';
import type { CaseTables, FlushPromise, TlbCase } from './tlb-case.ts';

/** What accesses said after a change: how many followed which state of the tables. */
export interface States {
  /** The tables as they are. Accesses that the change does not concern, and that say so, are not counted. */
  readonly current: number;
  /** The tables as they were before the change. */
  readonly stale: number;
  /** Neither, or what the change does not concern has changed. */
  readonly neither: number;
  /** The machine cannot tell, or not which. */
  readonly unknown: number;
}

/** What a machine did with a change. */
export interface CaseObservation {
  /** After the promised flushes. */
  readonly flushed: States;
  /** Without them. */
  readonly ignored: States;
  /** Without them at first, then with everything invalidated. */
  readonly afterwards: States;
}

const TABLES_BASE = 0x10_0000;
const TABLE_FRAMES = 16;
const REGISTERS = { cr0: 0x8001_0031n, cr4: 0x20n, efer: 0xd00n, physicalAddressBits: 40 } as const;
const ACCESSES = [Access.Read, Access.Write, Access.Execute];
const PRIVILEGES = [Privilege.Supervisor, Privilege.User];

/** Puts a change to a machine, with its flushes and without. @throws MachineError */
export async function runCase(machine: Machine, tlbCase: TlbCase): Promise<CaseObservation> {
  const kept = await CaseRun.start(machine, tlbCase);
  for (const promise of kept.change()) flush(promise);
  const flushed = await kept.observe();
  const waived = await CaseRun.start(machine, tlbCase);
  for (const promise of waived.change()) promise.ignore();
  const ignored = await waived.observe();
  waived.attached.invalidateGlobal();
  return { flushed, ignored, afterwards: await waived.observe() };
}

function flush(promise: FlushPromise): void {
  if (promise instanceof MapperFlush) promise.flush();
  else promise.flushAll();
}

/** One guest under the tables of a case. */
class CaseRun {
  readonly attached: AttachedTables;
  readonly #case: TlbCase;
  readonly #tables: CaseTables;
  readonly #image: GuestImage;
  readonly #accesses: AccessList;
  readonly #before: OutcomeList;

  private constructor(
    attached: AttachedTables,
    tlbCase: TlbCase,
    tables: CaseTables,
    image: GuestImage,
    accesses: AccessList,
    before: OutcomeList,
  ) {
    this.attached = attached;
    this.#case = tlbCase;
    this.#tables = tables;
    this.#image = image;
    this.#accesses = accesses;
    this.#before = before;
  }

  /** Installs the tables before the change, and fills the TLB by probing them. */
  static async start(machine: Machine, tlbCase: TlbCase): Promise<CaseRun> {
    const memory = PhysicalMemory.allocate(TABLES_BASE, TABLE_FRAMES * FRAME_SIZE);
    const cr4 = REGISTERS.cr4 | (tlbCase.cr4 ?? 0n);
    const registers: X64Registers = { architecture: 'x64', ...REGISTERS, cr3: BigInt(TABLES_BASE), cr4 };
    const image = { memory, registers };
    const table = new MappedPageTable(memory, PhysFrame.fromStartAddress(Size4KiB, TABLES_BASE));
    let next = TABLES_BASE / FRAME_SIZE;
    const tables = { table, frames: { allocateFrame: () => ++next as PhysFrame<Size4KiB> } };
    tlbCase.prepare(tables);
    const accesses = allAccesses(tlbCase.pages);
    const before = predict(image, accesses);
    const attached = await AttachedTables.attach(machine, image, table);
    await attached.probe({ accesses, expectedFrames: framesOf(before) });
    return new CaseRun(attached, tlbCase, tables, image, accesses, before);
  }

  change(): readonly FlushPromise[] {
    return this.#case.change(this.#tables);
  }

  /** Probes again, and says which state of the tables each access followed. */
  async observe(): Promise<States> {
    const now = predict(this.#image, this.#accesses);
    const expectedFrames = framesOf(now);
    const { outcomes } = await this.attached.probe({ accesses: this.#accesses, expectedFrames });
    const states = { current: 0, stale: 0, neither: 0, unknown: 0 };
    for (let index = 0; index < this.#accesses.length; index++) {
      const state = stateOf(this.#before, now, outcomes, index);
      if (state !== 'unconcerned') states[state]++;
    }
    return states;
  }
}

function stateOf(
  before: OutcomeList,
  now: OutcomeList,
  observed: OutcomeList,
  index: number,
): keyof States | 'unconcerned' {
  const isConcerned = differs(before, now, index, FAULT_COLUMNS.x64);
  if (((observed.known[index] as number) & Known.Completion) === 0) return 'unknown';
  const isCurrent = !differs(now, observed, index, FAULT_COLUMNS.x64);
  if (!isConcerned) return isCurrent ? 'unconcerned' : 'neither';
  const isStale = !differs(before, observed, index, FAULT_COLUMNS.x64);
  if (isCurrent && isStale) return 'unknown';
  if (isCurrent) return 'current';
  return isStale ? 'stale' : 'neither';
}

function predict({ memory, registers }: GuestImage, accesses: AccessList): OutcomeList {
  const outcomes = new OutcomeList(accesses.length);
  createWalker(memory, registers).predict(accesses, outcomes);
  return outcomes;
}

function framesOf(outcomes: OutcomeList): Float64Array {
  return outcomes.physicalAddress.map((at) => (at < 0 ? -1 : Math.floor(at / FRAME_SIZE)));
}

/** Every access to every page, at either privilege. */
function allAccesses(pages: readonly bigint[]): AccessList {
  const kinds = PRIVILEGES.flatMap((privilege) => ACCESSES.map((access) => ({ access, privilege })));
  const accesses = new AccessList(pages.length * kinds.length);
  for (const [number, page] of pages.entries()) {
    for (const [kind, { access, privilege }] of kinds.entries()) {
      const [low, high] = [Number(page & 0xffff_ffffn), Number(page >> 32n)];
      accesses.set(number * kinds.length + kind, low, high, access, privilege);
    }
  }
  return accesses;
}

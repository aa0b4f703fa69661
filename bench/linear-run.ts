/** One size of the linear rows, in a process of its own so that its peak of memory is its own: `node linear-run.js LEAVES`. */
import { MAX_BATCH } from '../guest-stubs/protocol.ts';
import { loadHarmlessFetchSlot } from '../harness/fetch-slots.ts';
import { accessesPerPoint, type PlanSubject, planChunk } from '../harness/plan.ts';
import { pointBatches } from '../harness/plan-points.ts';
import { Privilege } from '../src/access-list.ts';
import type { LeafList } from '../src/leaf-list.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { X64Registers } from '../src/registers.ts';
import { createWalker } from '../src/walker.ts';
import { MappedPageTable, Page, PageTableFlags, PhysFrame, Size4KiB } from '../src/x64/mapper/index.ts';
import type { LinearCost } from './linear.ts';
import { checkEqual } from './workload.ts';

const PAGE = 4096;
/** 256 GiB. */
const FIRST_PAGE = 2 ** 26;
/** One page in four is mapped: no two leaves touch, and a table holds 128 of them. */
const STRIDE = 4;
const LEAVES_PER_TABLE = 512 / STRIDE;
const ROOT = 0x1_0000_0000;
const FLAGS = PageTableFlags.Present | PageTableFlags.Writable;
const REGISTERS: X64Registers = {
  architecture: 'x64',
  cr0: 0x8001_0001n,
  cr3: BigInt(ROOT),
  cr4: 0x20n,
  efer: 0xd00n,
  physicalAddressBits: 40,
};
/** Points around a leaf with nothing beside it: both ends of its page, and what is before and behind it. */
const POINTS_PER_LEAF = 4;
const PRIVILEGES = [Privilege.Supervisor, Privilege.User];

/** Leaves that are gone through first: what the compiler takes is no cost of a leaf. */
const WARM_UP = 20_000;
const WARM_UP_RUNS = 3;

const harmlessFetchSlot = await loadHarmlessFetchSlot('x64');
for (let run = 0; run < WARM_UP_RUNS; run++) costOf(WARM_UP);
console.log(JSON.stringify(costOf(Number(process.argv[2]))));

/** Builds tables with so many leaves, lists them, and plans every probe that `verify` would make. */
function costOf(leaves: number): LinearCost {
  const before = process.resourceUsage().maxRSS;

  const build = timed(() => tablesOf(leaves));
  const memory = build.result;
  const walker = createWalker(memory, REGISTERS);
  const list = timed(() => walker.leaves());
  checkEqual('leaves', list.result.length, leaves);
  const subject: PlanSubject = { predictor: walker, memory, privileges: PRIVILEGES, harmlessFetchSlot };
  const plan = timed(() => plannedProbes(list.result, subject));
  checkEqual('probes', plan.result, leaves * POINTS_PER_LEAF * accessesPerPoint(PRIVILEGES));

  const peak = (process.resourceUsage().maxRSS - before) * 1024;
  return {
    buildNs: build.ns / leaves,
    leavesNs: list.ns / leaves,
    planNs: plan.ns / leaves,
    peakBytes: peak / leaves,
  };
}

/** Plans chunk by chunk, as `verify` does. @returns the number of probes */
function plannedProbes(leaves: LeafList, subject: PlanSubject): number {
  const capacity = Math.floor(MAX_BATCH / accessesPerPoint(PRIVILEGES));
  let probes = 0;
  for (const points of pointBatches({ leaves, coverage: 'leaves' }, new Float64Array(), capacity)) {
    probes += planChunk(points, subject).predicted.length;
  }
  return probes;
}

function tablesOf(leaves: number): PhysicalMemory {
  const lowest = Math.ceil(leaves / LEAVES_PER_TABLE);
  const memory = PhysicalMemory.allocate(ROOT, (lowest + Math.ceil(lowest / 512) + 64) * PAGE);
  const table = new MappedPageTable(memory, PhysFrame.fromStartAddress(Size4KiB, ROOT));
  let tables = 1;
  const allocator = { allocateFrame: () => PhysFrame.fromStartAddress(Size4KiB, ROOT + tables++ * PAGE) };
  for (let leaf = 0; leaf < leaves; leaf++) {
    const address = (FIRST_PAGE + leaf * STRIDE) * PAGE;
    const page = Page.fromStartAddress(Size4KiB, address);
    table.size4KiB.mapTo(page, PhysFrame.fromStartAddress(Size4KiB, address), FLAGS, allocator).ignore();
  }
  return memory;
}

function timed<T>(work: () => T): { readonly result: T; readonly ns: number } {
  const start = process.hrtime.bigint();
  const result = work();
  return { result, ns: Number(process.hrtime.bigint() - start) };
}

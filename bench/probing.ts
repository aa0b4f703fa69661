import { buildLayout } from '../harness/inputs/layout/build-layout.ts';
import { readLayout } from '../harness/inputs/layout/read-layout.ts';
import type { GuestImage, Machine, ProbeList } from '../harness/machine.ts';
import { MACHINES } from '../harness/machines/registry.ts';
import { FAULT_COLUMNS, Judgement, judge } from '../harness/verdict.ts';
import { ACCESS_NAMES, Access, AccessList, Privilege } from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import { OutcomeList } from '../src/outcome-list.ts';
import type { Architecture } from '../src/registers.ts';
import { createWalker, type Walker } from '../src/walker.ts';

/** One kind of probe on one machine: the medians of several runs. */
export interface ProbingRate {
  /** "probe/qemu-x64/large/user-read/fault". */
  readonly id: string;
  /** Probes planned, predicted, made and compared in a second. */
  readonly perSecond: number;
  /** Probes that the guest itself makes in a second of its own clock; NaN where it has none. */
  readonly guestPerSecond: number;
  /** `perSecond / guestPerSecond`. */
  readonly ratio: number;
}

/** How long a small batch takes on a machine that is up. */
export interface WarmBatch {
  /** "probe/qemu-x64/batch-of-100". */
  readonly id: string;
  readonly microseconds: number;
}

const PROBES = 2 ** 20;
/** As `mmucheck verify` has them: while the machine makes one chunk, the next is planned and the last judged. */
const CHUNK = 65_536;
const RUNS = 3;
/** Probes that are made before the first run. */
const WARM_UP = 2 ** 18;
const BATCH = 100;
const BATCHES = 300;

/** 4 KiB leaves: regions that leave out the last page of a 2 MiB block cannot be mapped by a larger one. */
const LEAVES_PER_REGION = 511;
const REGION_STRIDE = 512;
const REGIONS = { small: 1, large: 256 } as const;
type TableSize = keyof typeof REGIONS;

/** 4 GiB: above the memory of every machine, so that only translation and permission decide. */
const FIRST_PAGE = 2 ** 20;
/** 256 GiB: nothing is mapped from here on. */
const FIRST_UNMAPPED_PAGE = 2 ** 26;

/**
 * Puts probes of every kind to every machine that is here.
 * @param only machines and kinds whose id begins so
 * @throws Error if an answer differs from the prediction: a fast wrong answer is no result
 */
export async function* probingRates(only: string): AsyncGenerator<ProbingRate | WarmBatch> {
  for (const { name, architecture, provider } of MACHINES) {
    if (!`probe/${name}/`.startsWith(only) && !only.startsWith(`probe/${name}`)) continue;
    const found = await provider();
    if (!(await found.detect()).available) continue;
    const machine = await found.open();
    try {
      for (const size of Object.keys(REGIONS) as TableSize[]) {
        yield* ratesOf(machine, architecture, size, only);
      }
      const id = `probe/${name}/batch-of-${BATCH}`;
      if (id.startsWith(only)) yield { id, microseconds: await warmBatch(machine, architecture) };
    } finally {
      await machine.close();
    }
  }
}

async function* ratesOf(
  machine: Machine,
  architecture: Architecture,
  size: TableSize,
  only: string,
): AsyncGenerator<ProbingRate> {
  const image = imageOf(architecture, REGIONS[size]);
  const subject = { machine, architecture, walker: createWalker(image.memory, image.registers) };
  await machine.load(image);
  for (const privilege of [Privilege.Supervisor, Privilege.User]) {
    for (const access of [Access.Read, Access.Write, Access.Execute]) {
      for (const mapped of [true, false]) {
        const first = pagesOf(REGIONS[size], mapped, 1);
        const completes = mapped && completesAt(subject.walker, first, access, privilege);
        if (mapped && !completes) continue; // EL1 layouts map nothing for EL0: as the unmapped pages, a fault
        const who = privilege === Privilege.User ? 'user' : 'supervisor';
        const id = `probe/${machine.name}/${size}/${who}-${ACCESS_NAMES[access]}/${completes ? 'pass' : 'fault'}`;
        if (!id.startsWith(only)) continue;
        yield await rateOf(id, subject, pagesOf(REGIONS[size], mapped, PROBES), access, privilege);
      }
    }
  }
}

interface Subject {
  readonly machine: Machine;
  readonly architecture: Architecture;
  readonly walker: Walker;
}

async function rateOf(
  id: string,
  subject: Subject,
  pages: Float64Array,
  access: Access,
  privilege: Privilege,
): Promise<ProbingRate> {
  const seconds: number[] = [];
  const guestSeconds: number[] = [];
  await probeAll(id, subject, pages.subarray(0, WARM_UP), access, privilege);
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    const guest = await probeAll(id, subject, pages, access, privilege);
    seconds.push((performance.now() - start) / 1000);
    guestSeconds.push(guest);
  }
  const perSecond = pages.length / median(seconds);
  const guestPerSecond = pages.length / median(guestSeconds);
  return { id, perSecond, guestPerSecond, ratio: perSecond / guestPerSecond };
}

/** Lists, predicts, makes and compares one probe for each page. @returns the guest's own seconds */
async function probeAll(
  id: string,
  subject: Subject,
  pages: Float64Array,
  access: Access,
  privilege: Privilege,
): Promise<number> {
  const { machine, architecture } = subject;
  let seconds = 0;
  const planAt = (start: number) =>
    start < pages.length ? plan(subject, pages.subarray(start, start + CHUNK), access, privilege) : undefined;
  let current = planAt(0);
  let answering = current && machine.probe(current);
  for (let start = 0; current !== undefined && answering !== undefined; start += CHUNK) {
    const following = planAt(start + CHUNK);
    const { outcomes, guestSeconds } = await answering;
    answering = following && machine.probe(following);
    seconds += guestSeconds;
    const judgements = judge(current.predicted, outcomes, FAULT_COLUMNS[architecture]);
    const wrong = judgements.findIndex((judgement) => judgement !== Judgement.Agreed);
    if (wrong >= 0)
      throw new Error(`wrong result: ${id}: probe ${start + wrong} differs from its prediction`);
    current = following;
  }
  return seconds;
}

interface Plan extends ProbeList {
  readonly predicted: OutcomeList;
}

function plan({ walker }: Subject, pages: Float64Array, access: Access, privilege: Privilege): Plan {
  const accesses = accessesTo(pages, access, privilege);
  const predicted = new OutcomeList(accesses.length);
  walker.predict(accesses, predicted);
  const expectedFrames = new Float64Array(accesses.length);
  for (let index = 0; index < expectedFrames.length; index++) {
    const address = predicted.physicalAddress[index] as number;
    expectedFrames[index] = address < 0 ? -1 : Math.floor(address / FRAME_SIZE);
  }
  return { accesses, expectedFrames, predicted };
}

/** Microseconds of a batch of supervisor reads on a machine that is up, end to end. */
async function warmBatch(machine: Machine, architecture: Architecture): Promise<number> {
  const image = imageOf(architecture, REGIONS.small);
  await machine.load(image);
  const subject = { machine, architecture, walker: createWalker(image.memory, image.registers) };
  const pages = pagesOf(REGIONS.small, true, BATCH);
  const times: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const start = performance.now();
    await probeAll(`${machine.name} in small batches`, subject, pages, Access.Read, Privilege.Supervisor);
    times.push((performance.now() - start) * 1000);
  }
  return median(times.slice(BATCHES / 3));
}

function imageOf(architecture: Architecture, regions: number): GuestImage {
  const head =
    architecture === 'x64' ? 'architecture: x64\npaging: 4-level' : 'architecture: aarch64\nregime: el1';
  const list = Array.from({ length: regions }, (_, index) => {
    const base = (FIRST_PAGE + index * REGION_STRIDE) * FRAME_SIZE;
    return `  - name: r${index}\n    base: ${base}\n    size: ${LEAVES_PER_REGION * FRAME_SIZE}\n    attributes: []`;
  });
  return buildLayout(readLayout('bench', `${head}\nregions:\n${list.join('\n')}\n`));
}

/** Pages in ascending order, and from the first again when all have had their turn. */
function pagesOf(regions: number, mapped: boolean, count: number): Float64Array {
  const leaves = regions * LEAVES_PER_REGION;
  return Float64Array.from({ length: count }, (_, index) => {
    const leaf = index % leaves;
    const page = Math.floor(leaf / LEAVES_PER_REGION) * REGION_STRIDE + (leaf % LEAVES_PER_REGION);
    return page + (mapped ? FIRST_PAGE : FIRST_UNMAPPED_PAGE);
  });
}

function accessesTo(pages: Float64Array, access: Access, privilege: Privilege): AccessList {
  const accesses = new AccessList(pages.length);
  for (let index = 0; index < pages.length; index++) {
    const page = pages[index] as number;
    accesses.set(index, ((page % 2 ** 20) * FRAME_SIZE) >>> 0, Math.floor(page / 2 ** 20), access, privilege);
  }
  return accesses;
}

function completesAt(walker: Walker, page: Float64Array, access: Access, privilege: Privilege): boolean {
  const outcomes = new OutcomeList(1);
  walker.predict(accessesTo(page, access, privilege), outcomes);
  return outcomes.fault[0] === 0;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

import { Access } from '../src/access-list.ts';
import { FRAME_SIZE, hex } from '../src/addresses.ts';
import type { LeafList } from '../src/leaf-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { Known, type OutcomeList } from '../src/outcome-list.ts';
import type { Architecture } from '../src/registers.ts';
import { EntryLow } from '../src/x64/entry-bits.ts';
import type { PlanChunk } from './plan.ts';
import { pageOfPoint } from './plan-points.ts';

/**
 * Which bits of an entry's low word the processor may set by itself. AArch64: none, as long as TCR.HA is not
 * in force on any machine that mmucheck starts.
 */
interface HardwareFlags {
  readonly accessed: number;
  readonly dirty: number;
}

const HARDWARE_FLAGS: Readonly<Record<Architecture, HardwareFlags>> = {
  x64: { accessed: EntryLow.Accessed, dirty: EntryLow.Dirty },
  aarch64: { accessed: 0, dirty: 0 },
};

/**
 * Which leaves accesses have gone through that completed as predicted. Fed with the chunks of a plan in their
 * order.
 */
export class LeafUse {
  readonly leaves: LeafList;
  /** By index of the leaf. */
  readonly accessed: Uint8Array;
  readonly written: Uint8Array;
  #leaf = 0;

  constructor(leaves: LeafList) {
    this.leaves = leaves;
    this.accessed = new Uint8Array(leaves.length);
    this.written = new Uint8Array(leaves.length);
  }

  /** Notes which accesses of a chunk the machine saw complete. */
  note({ points, pointOf, probes, predicted }: PlanChunk, { known, fault }: OutcomeList): void {
    const { length, pageNumber, pageCount } = this.leaves;
    for (let index = 0; index < pointOf.length; index++) {
      const completes = ((known[index] as number) & Known.Completion) !== 0 && fault[index] === 0;
      if (!completes || predicted.fault[index] !== 0) continue;
      const page = pageOfPoint(points[pointOf[index] as number] as number);
      while (
        this.#leaf < length &&
        (pageNumber[this.#leaf] as number) + (pageCount[this.#leaf] as number) <= page
      ) {
        this.#leaf++;
      }
      this.accessed[this.#leaf] = 1;
      if (probes.accesses.access(index) === Access.Write) this.written[this.#leaf] = 1;
    }
  }
}

/** An entry that is not as it should be after the probes. */
export interface TableFinding {
  /** A virtual address that the entry translates, if it is a leaf's; else the entry's physical address. */
  readonly address: bigint;
  readonly what: string;
}

export interface TableComparison {
  /** Entries in which the accessed flag appeared. */
  readonly accessed: number;
  /** Entries in which the dirty flag appeared. */
  readonly dirty: number;
  readonly findings: readonly TableFinding[];
}

/**
 * Holds the tables as a machine left them against the original: nothing may have changed but the accessed and
 * dirty flags. A leaf has to be accessed if an access through it completed, and dirty if and only if a write
 * did (SDM Vol. 3A §4.8; the accessed flag may also appear where an access failed).
 */
export function compareTables(
  original: PhysicalMemory,
  after: PhysicalMemory,
  use: LeafUse,
  architecture: Architecture,
): TableComparison {
  const flags = HARDWARE_FLAGS[architecture];
  const changes = changedEntries(original, after, flags);
  const findings = [...changes.findings];
  if (flags.dirty !== 0) findings.push(...misusedFlags(original, after, use, flags, changes.dirtied));
  return { accessed: changes.accessed, dirty: changes.dirtied.size, findings };
}

interface Changes {
  readonly accessed: number;
  /** Physical addresses of the entries in which the dirty flag appeared. */
  readonly dirtied: Set<number>;
  readonly findings: TableFinding[];
}

function changedEntries(original: PhysicalMemory, after: PhysicalMemory, flags: HardwareFlags): Changes {
  const dirtied = new Set<number>();
  const findings: TableFinding[] = [];
  let accessed = 0;
  for (const { firstFrame, frameCount, words } of original.ranges) {
    const found = after.rangeHolding(firstFrame, frameCount);
    if (found === undefined) {
      const what = `memory from ${hex(firstFrame * FRAME_SIZE)} was not read back`;
      findings.push({ address: BigInt(firstFrame) * BigInt(FRAME_SIZE), what });
      continue;
    }
    const offset = (firstFrame - found.firstFrame) * (FRAME_SIZE / 4);
    for (let word = 0; word < words.length; word++) {
      const [before, now] = [words[word] as number, found.words[offset + word] as number];
      if (before === now) continue;
      const address = firstFrame * FRAME_SIZE + (word & ~1) * 4;
      const set = now & ~before;
      const isLow = word % 2 === 0;
      if (
        isLow &&
        (before & EntryLow.Present) !== 0 &&
        ((before ^ now) & ~(flags.accessed | flags.dirty)) === 0 &&
        (before & ~now) === 0
      ) {
        if ((set & flags.accessed) !== 0) accessed++;
        if ((set & flags.dirty) !== 0) dirtied.add(address);
      } else {
        const what = `the ${isLow ? 'low' : 'high'} word of the entry at ${hex(address)} changed from ${hex(before)} to ${hex(now)}`;
        findings.push({ address: BigInt(address), what });
      }
    }
  }
  return { accessed, dirtied, findings };
}

function misusedFlags(
  original: PhysicalMemory,
  after: PhysicalMemory,
  { leaves, accessed, written }: LeafUse,
  flags: HardwareFlags,
  dirtied: Set<number>,
): TableFinding[] {
  const findings: TableFinding[] = [];
  const unexplained = new Set(dirtied);
  for (let leaf = 0; leaf < leaves.length; leaf++) {
    if (accessed[leaf] === 0) continue;
    const entryAddress = leaves.entryAddress[leaf] as number;
    if (written[leaf] !== 0) unexplained.delete(entryAddress);
    const required = flags.accessed | (written[leaf] !== 0 ? flags.dirty : 0);
    const missing = required & ~lowWord(after, entryAddress) & ~lowWord(original, entryAddress);
    if (missing !== 0) {
      findings.push({
        address: BigInt.asUintN(64, BigInt(leaves.pageNumber[leaf] as number) << 12n),
        what: `the ${(missing & flags.dirty) !== 0 ? 'dirty' : 'accessed'} flag of the leaf at ${hex(entryAddress)} is clear after an access that completed`,
      });
    }
  }
  for (const entryAddress of unexplained) {
    const what = `the dirty flag of the entry at ${hex(entryAddress)} appeared without a completed write`;
    findings.push({ address: BigInt(entryAddress), what });
  }
  return findings;
}

function lowWord(memory: PhysicalMemory, entryAddress: number): number {
  const frame = Math.floor(entryAddress / FRAME_SIZE);
  const range = memory.rangeHolding(frame);
  if (range === undefined) return 0;
  return range.words[
    (frame - range.firstFrame) * (FRAME_SIZE / 4) + (entryAddress % FRAME_SIZE) / 4
  ] as number;
}

import { FRAME_SHIFT, hex, WORDS_PER_FRAME, wordsToBigInt } from '../addresses.ts';
import { EntryKind } from '../entry-kind.ts';
import { permissionsOf } from '../permissions.ts';
import type { WalkStep } from '../translation.ts';
import type { WalkMemory } from '../walk-memory.ts';
import { DescriptorLow } from './descriptor-bits.ts';
import { addressHigh, descriptorKind, leafFrame, tableFrame } from './walk-descriptor.ts';
import { FIRST_LEVEL, LAST_LEVEL } from './walk-granule.ts';
import type { StageNames } from './walk-names.ts';
import type { AArch64PageWalk } from './walk-page.ts';
import type { WalkRange } from './walk-stage.ts';

/** The descriptors that translate an address of `range`, from the root; see `Walker.explain`. */
export function explainAArch64(
  walk: AArch64PageWalk,
  range: WalkRange,
  names: StageNames,
  low: number,
  high: number,
): WalkStep[] {
  walk.forget();
  walk.walk(range, low, high);
  const steps: WalkStep[] = [];
  for (let level = range.startLevel; level <= walk.level; level++) {
    steps.push(stepAt(walk, range, names, level));
  }
  return steps;
}

function stepAt(walk: AArch64PageWalk, range: WalkRange, names: StageNames, level: number): WalkStep {
  const { stage } = walk;
  const tableAddress = BigInt(walk.tableAddresses[level - FIRST_LEVEL] as number);
  const index = walk.indices[level - FIRST_LEVEL] as number;
  const entryAddress = tableAddress + BigInt(index * 8);
  const entry = readDescriptor(walk.memory, entryAddress);
  const place = { level, levelName: names.level(level), tableAddress, index, entryAddress, entry };
  const end = { kind: 'fault', flags: [], forbids: [], next: undefined, permissions: undefined } as const;
  if (entry === undefined) return { ...place, ...end, problem: 'no memory holds this table' };

  const low = Number(entry & 0xffff_ffffn);
  const high = Number(entry >> 32n);
  const addressTop = addressHigh(range.layout, low, high);
  switch (descriptorKind(range, level, low, addressTop)) {
    case EntryKind.Table:
      return {
        ...place,
        kind: 'table',
        flags: names.tableFlags(high),
        forbids: range.hierarchical ? names.forbiddenByTable(high) : [],
        next: addressOf(tableFrame(range, low, addressTop)),
        problem: undefined,
        permissions: undefined,
      };
    case EntryKind.Leaf:
      return {
        ...place,
        kind: 'leaf',
        flags: names.leafFlags(range, level, low, high),
        forbids: names.forbiddenByLeaf(low, high),
        next: addressOf(leafFrame(range, level, low, addressTop)),
        problem: walk.lacksAccessFlag ? 'the access flag is clear' : undefined,
        permissions: permissionsOf(stage.permissions[walk.restrictions] as number),
      };
    case EntryKind.Malformed: {
      const address = wordsToBigInt(low & DescriptorLow.Address, addressTop);
      const problem = `the address ${hex(address)} is beyond ${range.outputBits} bits`;
      return { ...place, ...end, problem };
    }
    default:
      return { ...place, ...end, problem: invalidity(level, low) };
  }
}

/** The descriptor at an address of the memory that a walk reads; undefined where none is. */
function readDescriptor(memory: WalkMemory, address: bigint): bigint | undefined {
  const frame = Number(address >> BigInt(FRAME_SHIFT));
  const range = memory.rangeHolding(frame);
  if (range === undefined) return undefined;
  const at = (frame - range.firstFrame) * WORDS_PER_FRAME + (Number(address & 0xfffn) >>> 2);
  return wordsToBigInt(range.words[at] as number, range.words[at + 1] as number);
}

function addressOf(frame: number): bigint {
  return BigInt(frame) << 12n;
}

function invalidity(level: number, low: number): string {
  if ((low & DescriptorLow.Valid) === 0) return 'invalid';
  return level === LAST_LEVEL ? 'reserved: not a page descriptor' : 'reserved: no blocks at this level';
}

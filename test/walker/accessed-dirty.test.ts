import { describe, expect, it } from 'vitest';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { OutcomeList } from '../../src/outcome-list.ts';
import { createWalker } from '../../src/walker.ts';
import { AccessedDirtyPrediction } from '../../src/x64/walk-accessed-dirty.ts';
import { ADDRESS, entryAddress, P, PAGE, page, RW, type Structure, US } from './x64-page.ts';

const A = 1n << 5n;
const D = 1n << 6n;
const PATH: readonly Structure[] = ['PML4', 'PDPT', 'PD', 'PT'];

/** Predicts accesses to the one page, lets `processor` change a copy of the tables, and compares. */
function compare(
  accesses: readonly (readonly [Access, Privilege])[],
  processor: (after: PhysicalMemory) => void,
  options: Parameters<typeof page>[0] = {},
): string[] {
  const { memory, registers } = page(options);
  const list = new AccessList(accesses.length);
  for (const [i, [access, privilege]] of accesses.entries()) {
    list.set(i, Number(ADDRESS & 0xffff_ffffn), Number(ADDRESS >> 32n), access, privilege);
  }
  const outcomes = new OutcomeList(list.length);
  createWalker(memory, registers).predict(list, outcomes);
  const prediction = new AccessedDirtyPrediction(memory, registers);
  prediction.add(list, outcomes);

  const after = new PhysicalMemory();
  for (const range of memory.ranges) after.addRange(range.firstFrame * 4096, range.words.slice().buffer);
  processor(after);
  return prediction
    .compare(after)
    .map(
      ({ entryAddress: at, problem }) =>
        `${PATH.find((name) => entryAddress(name) === at) ?? at}: ${problem}`,
    );
}

function set(memory: PhysicalMemory, structure: Structure, bits: bigint): void {
  const at = entryAddress(structure);
  memory.writeEntry(at, (memory.readEntry(at) ?? 0n) | bits);
}

const READ = [Access.Read, Privilege.Supervisor] as const;
const WRITE = [Access.Write, Privilege.Supervisor] as const;
const USER_READ = [Access.Read, Privilege.User] as const;
const SUPERVISOR_PAGE = { entries: { PT: PAGE | P | RW } };

describe('accessed and dirty flags', () => {
  it('a read sets A in every entry on the way and D in none', () => {
    const setA = (after: PhysicalMemory) => {
      for (const structure of PATH) set(after, structure, A);
    };
    expect(compare([READ], setA)).toEqual([]);
    expect(
      compare([READ], (after) => {
        setA(after);
        set(after, 'PT', D);
      }),
    ).toEqual(['PT: dirty flag set without a write']);
  });

  it('a read that leaves an entry without A is noticed', () => {
    expect(compare([READ], () => {})).toEqual(PATH.map((structure) => `${structure}: accessed flag not set`));
    const entries = { PD: 0x5000n | P | RW | US | A };
    expect(compare([READ], () => {}, { entries })).not.toContain('PD: accessed flag not set');
  });

  it('a write sets D in the leaf and in no table entry', () => {
    const setAll = (after: PhysicalMemory) => {
      for (const structure of PATH) set(after, structure, A);
    };
    expect(compare([READ, WRITE], setAll)).toEqual(['PT: dirty flag not set']);
    expect(
      compare([WRITE, READ], (after) => {
        setAll(after);
        set(after, 'PT', D);
      }),
    ).toEqual([]);
    expect(
      compare([WRITE], (after) => {
        setAll(after);
        set(after, 'PT', D);
        set(after, 'PD', D);
      }),
    ).toEqual(['PD: dirty flag set without a write']);
  });

  it('an access that faults may set A on its way and need not; it never sets D', () => {
    expect(compare([USER_READ], () => {}, SUPERVISOR_PAGE)).toEqual([]);
    expect(compare([USER_READ], (after) => set(after, 'PML4', A), SUPERVISOR_PAGE)).toEqual([]);
    const write = [Access.Write, Privilege.User] as const;
    expect(compare([write], (after) => set(after, 'PT', A | D), SUPERVISOR_PAGE)).toEqual([
      'PT: dirty flag set without a write',
    ]);
  });

  it('an entry that no access used, or that is not present, keeps its flags', () => {
    const entries = { PD: 0x5000n | RW };
    expect(compare([READ], (after) => set(after, 'PT', A), { entries })).toEqual([
      'PT: accessed flag set without a use',
    ]);
    expect(compare([READ], (after) => set(after, 'PD', A), { entries })).toEqual([
      'PD: accessed flag set without a use',
    ]);
    expect(compare([], () => {})).toEqual([]);
  });

  it('any other change of an entry is noticed, a cleared flag too', () => {
    expect(compare([], (after) => set(after, 'PT', 1n << 9n))).toEqual(['PT: other bits changed']);
    expect(compare([], (after) => set(after, 'PT', 1n << 62n))).toEqual(['PT: other bits changed']);
    const entries = { PT: PAGE | P | D };
    expect(compare([], (after) => after.writeEntry(entryAddress('PT'), PAGE | P), { entries })).toEqual([
      'PT: other bits changed',
    ]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Access, AccessFlag, AccessList, Privilege } from '../../src/access-list.ts';
import { OutcomeList, StructuralFault, x64Fault } from '../../src/outcome-list.ts';
import type { X64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { expectRow, faultRow, type OutcomeRow } from './outcome-row.ts';
import {
  chance,
  oneOf,
  type Random,
  randomAddresses,
  randomFrom,
  randomTables,
  seeds,
  TABLE_FRAMES,
} from './random-tables.ts';
import { type ReferenceOutcome, translateByTheManual } from './x64-reference.ts';

const ODDS = {
  0: 92,
  1: 75,
  2: 75,
  3: 30,
  4: 30,
  5: 40,
  6: 40,
  7: 25,
  8: 10,
  12: 10,
  63: 15,
  59: 30,
  60: 30,
  61: 30,
  62: 30,
};
const ADDRESSES = 120;

describe('the x64 walker against a second statement of the manual', () => {
  it('gives the same outcome for every access on any tables under any registers', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomFrom(seed);
        const registers = randomRegisters(random);
        const memory = randomTables(random, ODDS);
        const walker = createWalker(memory, registers);
        const accesses = randomAccesses(random, registers);
        const outcomes = new OutcomeList(accesses.length);
        walker.predict(accesses, outcomes);
        for (let i = 0; i < accesses.length; i++) {
          const flags = accesses.flags(i);
          const expected = translateByTheManual(memory, registers, {
            address: accesses.address(i),
            write: accesses.access(i) === Access.Write,
            fetch: accesses.access(i) === Access.Execute,
            userMode: accesses.privilege(i) === Privilege.User,
            ac: (flags & AccessFlag.AlignmentCheck) !== 0,
            pkru: (flags & AccessFlag.ProtectionKeys) !== 0 ? BigInt(accesses.pkru(i)) : 0n,
          });
          const columns = columnsOf(expected);
          seen.add(columns.fault === 0 ? 'completes' : columns.fault.toString(16));
          expectRow(accesses, outcomes, i, columns);
        }
      }),
      { numRuns: 400 },
    );
    // Every combination of cause and access must have come up, or the comparison says little.
    for (const cause of [0x0, 0x1, 0x9, 0x21]) {
      for (const access of [0x0, 0x2, 0x4, 0x6])
        expect(seen).toContain(x64Fault(14, cause | access).toString(16));
    }
    for (const fetch of [0x10, 0x11, 0x14, 0x15, 0x19, 0x1d])
      expect(seen).toContain(x64Fault(14, fetch).toString(16));
    expect(seen).toContain(x64Fault(13, 0).toString(16));
    expect(seen).toContain(StructuralFault.TableOutsideMemory.toString(16));
    expect(seen).toContain('completes');
  });
});

function randomRegisters(random: Random): X64Registers {
  const flag = (percent: number, value: bigint) => (chance(random, percent) ? value : 0n);
  const types = [0n, 1n, 4n, 5n, 6n, 7n] as const;
  let pat = 0n;
  for (let index = 0n; index < 8n; index++) pat |= oneOf(random, types) << (8n * index);
  return {
    architecture: 'x64',
    cr0: 0x8000_0001n | flag(60, 1n << 16n),
    cr3: BigInt(oneOf(random, TABLE_FRAMES)) << 12n,
    cr4: 0x20n | flag(40, 1n << 20n) | flag(40, 1n << 21n) | flag(50, 1n << 22n) | flag(50, 1n << 12n),
    efer: 0x500n | flag(70, 1n << 11n),
    pat,
    physicalAddressBits: oneOf(random, [32, 36, 40, 46, 48, 52, 52, 52]),
  };
}

function randomAccesses(random: Random, registers: X64Registers): AccessList {
  const implemented = (registers.cr4 & (1n << 12n)) !== 0n ? 57 : 48;
  const accesses = new AccessList(ADDRESSES * 6);
  // The half of an address follows its highest implemented bit, so that most addresses are canonical.
  const addresses = randomAddresses(
    random,
    () => chance(random, 50),
    () => implemented - 1,
  );
  let index = 0;
  for (let i = 0; i < ADDRESSES; i++) {
    const address: bigint = addresses.next().value;
    const flags =
      (chance(random, 40) ? AccessFlag.AlignmentCheck : 0) |
      (chance(random, 60) ? AccessFlag.ProtectionKeys : 0);
    const pkru = random() & random();
    for (const privilege of Object.values(Privilege)) {
      for (const access of Object.values(Access)) {
        accesses.set(
          index++,
          Number(address & 0xffff_ffffn),
          Number(address >> 32n),
          access,
          privilege,
          flags,
          pkru,
        );
      }
    }
  }
  return accesses;
}

function columnsOf(outcome: ReferenceOutcome): OutcomeRow {
  if (outcome.completes) {
    const { physicalAddress, memoryType } = outcome;
    return faultRow(0, { physicalAddress, memoryType: Number(memoryType) });
  }
  if ('missing' in outcome) {
    return faultRow(StructuralFault.TableOutsideMemory, { physicalAddress: outcome.missing });
  }
  return faultRow(x64Fault(outcome.vector, outcome.errorCode), { faultAddress: outcome.cr2 });
}

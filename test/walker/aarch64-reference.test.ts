import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { regimeHasUser } from '../../src/aarch64/walk-stage-one.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { KNOWN_ALL, Known, OutcomeList, StructuralFault } from '../../src/outcome-list.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { type ReferenceOutcome, translateByTheManual } from './aarch64-reference.ts';
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

const ODDS = {
  0: 94,
  1: 80,
  2: 50,
  3: 50,
  4: 50,
  6: 60,
  7: 35,
  8: 50,
  9: 50,
  10: 85,
  51: 20,
  53: 20,
  54: 20,
  59: 10,
  60: 10,
  61: 10,
  62: 10,
  63: 10,
};
const ADDRESSES = 120;
const EL1_FAULTS = [0x20, 0x21, 0x24, 0x25];
const EL2_FAULTS = [0x21, 0x25];

describe.each([
  [1, 'EL1&0', EL1_FAULTS],
  [2, 'EL2', EL2_FAULTS],
] as const)(
  'the AArch64 walker at level %i (%s) against a second statement of the manual',
  (el, _, classes) => {
    it('gives the same outcome for every access on any tables under any registers', () => {
      const seen = new Set<number>();
      fc.assert(
        fc.property(seeds, (seed) => {
          const random = randomFrom(seed);
          const registers = randomRegisters(random, el);
          const memory = randomTables(random, ODDS);
          const walker = createWalker(memory, registers);
          const accesses = randomAccesses(random, registers);
          const outcomes = new OutcomeList(accesses.length);
          walker.predict(accesses, outcomes);
          for (let i = 0; i < accesses.length; i++) {
            const expected = translateByTheManual(memory, registers, {
              va: accesses.address(i),
              write: accesses.access(i) === Access.Write,
              fetch: accesses.access(i) === Access.Execute,
              fromEl0: accesses.privilege(i) === Privilege.User,
            });
            const row = columnsOf(expected);
            seen.add(row.fault);
            expectRow(accesses, outcomes, i, row);
          }
        }),
        { numRuns: 300 },
      );
      // Every exception class with every kind of fault must have come up, or the comparison says little.
      const kinds = new Set([...seen].map((fault) => `${fault >>> 26}:${(fault & 0x3f) >>> 2}`));
      for (const exceptionClass of classes) {
        for (const kind of [0, 1, 2, 3]) expect(kinds).toContain(`${exceptionClass}:${kind}`);
      }
      for (const status of [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x09, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f,
      ]) {
        expect([...seen].map((fault) => fault & 0x3f)).toContain(status);
      }
      expect(seen).toContain(StructuralFault.TableOutsideMemory);
      expect(seen).toContain(0);
    });
  },
);

function randomRegisters(random: Random, exceptionLevel: 1 | 2): AArch64Registers {
  const flag = (percent: number, position: number) => (chance(random, percent) ? 1n << BigInt(position) : 0n);
  const size = () => BigInt(chance(random, 80) ? 16 + (random() % 24) : random() % 64);
  const outputSize = BigInt(chance(random, 70) ? 5 : random() % 8);
  let tcr = size();
  if (exceptionLevel === 1) {
    tcr |= (size() << 16n) | (2n << 30n) | (outputSize << 32n) | flag(5, 7) | flag(5, 23);
    for (const position of [37, 38, 39, 40, 41, 42, 51, 52]) tcr |= flag(30, position);
    tcr |= flag(5, 55) | flag(5, 56);
  } else {
    tcr |= outputSize << 16n;
    for (const position of [20, 21, 22, 24, 29]) tcr |= flag(30, position);
  }
  const root = () =>
    (BigInt(oneOf(random, TABLE_FRAMES)) << 12n) | flag(3, 45) | BigInt(random() & 0xfff) | flag(30, 50);
  return {
    architecture: 'aarch64',
    exceptionLevel,
    ttbr0: root(),
    ttbr1: root(),
    tcr,
    mair: 0xff_bb_44_f0_4f_0c_04_00n,
    sctlr: 1n | flag(30, 19),
    hcrEl2: 0n,
    ...(chance(random, 30) ? { cpu: 'cortex-a72' } : {}),
    ...(chance(random, 30) ? { physicalAddressBits: oneOf(random, [36, 40, 44, 52]) } : {}),
  };
}

function randomAccesses(random: Random, registers: AArch64Registers): AccessList {
  const privileges = regimeHasUser(registers)
    ? [Privilege.Supervisor, Privilege.User]
    : [Privilege.Supervisor];
  const lowerBits = 64 - Number(registers.tcr & 63n);
  const upperBits = 64 - Number((registers.tcr >> 16n) & 63n);
  const accesses = new AccessList(ADDRESSES * 3 * privileges.length);
  const addresses = randomAddresses(
    random,
    () => chance(random, registers.exceptionLevel === 1 ? 50 : 5),
    (upper) => (upper ? upperBits : lowerBits),
  );
  let index = 0;
  for (let i = 0; i < ADDRESSES; i++) {
    let address: bigint = addresses.next().value;
    if (chance(random, 10)) address ^= BigInt(random() & 0xff) << 56n;
    for (const privilege of privileges) {
      for (const access of Object.values(Access)) {
        accesses.set(index++, Number(address & 0xffff_ffffn), Number(address >> 32n), access, privilege);
      }
    }
  }
  return accesses;
}

function columnsOf(outcome: ReferenceOutcome): OutcomeRow {
  if (outcome.completes) {
    const { pa, attributes, shareability } = outcome;
    const known = shareability === 1n ? KNOWN_ALL & ~Known.Shareability : KNOWN_ALL;
    return faultRow(0, { physicalAddress: pa, memoryType: Number(attributes | (shareability << 8n)), known });
  }
  if ('missing' in outcome) {
    return faultRow(StructuralFault.TableOutsideMemory, { physicalAddress: outcome.missing });
  }
  return faultRow(Number(outcome.esr), { faultAddress: outcome.far });
}

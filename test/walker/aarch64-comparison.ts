import { regimeHasUser } from '../../src/aarch64/walk-regime.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import {
  HPFAR_NONE,
  HPFAR_OPEN,
  KNOWN_ALL,
  Known,
  OutcomeList,
  StructuralFault,
} from '../../src/outcome-list.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { type ReferenceOutcome, translateByTheManual } from './aarch64-reference.ts';
import { expectRow, faultRow, type OutcomeRow } from './outcome-row.ts';
import { chance, type Random, randomAddresses, type TableShape } from './random-tables.ts';

const ADDRESSES = 100;

/** Holds the walker's outcome of random accesses against the reference's, and adds the faults to `seen`. */
export function compareWithReference(
  random: Random,
  memory: PhysicalMemory,
  registers: AArch64Registers,
  shape: TableShape,
  seen: Set<number>,
): void {
  const accesses = randomAccesses(random, registers, shape);
  const outcomes = new OutcomeList(accesses.length);
  createWalker(memory, registers).predict(accesses, outcomes);
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
}

function randomAccesses(random: Random, registers: AArch64Registers, shape: TableShape): AccessList {
  const privileges = regimeHasUser(registers)
    ? [Privilege.Supervisor, Privilege.User]
    : [Privilege.Supervisor];
  const isOn = (registers.sctlr & 1n) !== 0n;
  const lowerBits = isOn ? 64 - Number(registers.tcr & 63n) : 40;
  const upperBits = 64 - Number((registers.tcr >> 16n) & 63n);
  const hasHalves = privileges.length === 2 && isOn;
  const accesses = new AccessList(ADDRESSES * 3 * privileges.length);
  const addresses = randomAddresses(
    random,
    () => chance(random, hasHalves ? 50 : 5),
    (upper) => (upper ? upperBits : lowerBits),
    () => shape,
  );
  let index = 0;
  for (let i = 0; i < ADDRESSES; i++) {
    let address: bigint = addresses.next().value;
    if (!isOn && chance(random, 60)) address = BigInt(shape.tableFrames[random() % 10] as number) << 12n;
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
    let known: number = KNOWN_ALL;
    if (attributes === undefined) known &= ~(Known.MemoryType | Known.Shareability);
    else if (shareability === undefined) known &= ~Known.Shareability;
    const memoryType = attributes === undefined ? 0 : Number(attributes | ((shareability ?? 1n) << 8n));
    return faultRow(0, { physicalAddress: pa, memoryType, known });
  }
  if ('missing' in outcome) {
    return faultRow(StructuralFault.TableOutsideMemory, { physicalAddress: outcome.missing });
  }
  const hpfar = outcome.hpfar === 'open' ? HPFAR_OPEN : (outcome.hpfar ?? HPFAR_NONE);
  return faultRow(Number(outcome.esr), { faultAddress: outcome.far, hpfar });
}

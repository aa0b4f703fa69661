import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { errataOf } from '../../harness/errata.ts';
import type { GuestImage, Machine, Observations } from '../../harness/machine.ts';
import { outcomeAt } from '../../harness/outcome.ts';
import { FAULT_COLUMNS, type FaultColumns } from '../../harness/verdict.ts';
import {
  ACCESS_NAMES,
  type Access,
  AccessList,
  PRIVILEGE_NAMES,
  type Privilege,
} from '../../src/access-list.ts';
import { hex } from '../../src/addresses.ts';
import { Known, OutcomeList } from '../../src/outcome-list.ts';
import { createWalker } from '../../src/walker.ts';

/** What the architecture says about an access. */
export type Expected =
  | { readonly physical: bigint /** As in OutcomeList. */; readonly memoryType?: number }
  | { readonly fault: number; readonly faultAddress: bigint };

/** An access and what is expected of it. */
export interface Row {
  readonly address: bigint;
  readonly access: Access;
  readonly privilege: Privilege;
  readonly flags?: number;
  readonly pkru?: number;
  readonly expected: Expected;
}

/** Columns that a machine need not know of a single access, if a remark says why. */
const REMARKABLE = Known.PhysicalAddress | Known.Completion;

/** Makes the accesses; a completion is announced in `expectedFrames` unless `announce` is false. */
export async function probe(machine: Machine, rows: readonly Row[], announce = true): Promise<Observations> {
  const accesses = new AccessList(rows.length);
  const expectedFrames = new Float64Array(rows.length).fill(-1);
  rows.forEach((row, index) => {
    accesses.set(
      index,
      Number(row.address & 0xffff_ffffn),
      Number(row.address >> 32n),
      row.access,
      row.privilege,
      row.flags,
      row.pkru,
    );
    if (announce && 'physical' in row.expected) expectedFrames[index] = Number(row.expected.physical >> 12n);
  });
  return machine.probe({ accesses, expectedFrames });
}

/**
 * Makes the accesses and compares every column that the machine claims to know. A column that it can observe in
 * general and does not here needs a remark. A difference that an erratum explains is accepted.
 */
export async function expectOutcomes(
  machine: Machine,
  image: GuestImage,
  rows: readonly Row[],
): Promise<void> {
  const { outcomes, remarks } = await probe(machine, rows);
  const errata = errataOf(machine.name, machine.capabilities.version);
  rows.forEach((row, index) => {
    const predicted = expectedOutcome(row.expected);
    const observed = outcomeAt(outcomes, index);
    const probed = {
      address: row.address,
      access: row.access,
      privilege: row.privilege,
      flags: row.flags ?? 0,
      pkru: row.pkru ?? 0,
    };
    const columns = FAULT_COLUMNS[image.registers.architecture];
    const known = predicted.known & observed.known;
    const [said, seen] = [predicted, observed].map((outcome) => describeOutcome(outcome, known, columns));
    const explain = () => createWalker(image.memory, image.registers).explain(row.address);
    const deviation = { ...probed, ...image, predicted, observed, explain };
    if (!isDeepStrictEqual(said, seen) && errata.some((erratum) => erratum.explains(deviation))) return;
    const name = `${PRIVILEGE_NAMES[row.privilege]} ${ACCESS_NAMES[row.access]} at ${hex(row.address)}`;
    const asked = machine.capabilities.observes & predicted.known;
    const missing = asked & ~observed.known;
    if (remarks.get(index) === undefined)
      expect(missing, `${name}: columns without an answer or a remark`).toBe(0);
    else expect(missing & ~REMARKABLE, `${name}: columns missing beside what remarks are for`).toBe(0);
    expect(seen, name).toEqual(said);
  });
}

/** Expects outcomes of an image that `machine` may say to be unfit; it must not answer wrongly. Closes it if it ran. */
export async function expectOutcomesOrUnfit(
  machine: Machine,
  image: GuestImage,
  rows: readonly Row[],
): Promise<void> {
  try {
    await machine.load(image);
  } catch (error) {
    expect(error).toMatchObject({ name: 'MachineError', code: 'unfit' });
    return;
  }
  await expectOutcomes(machine, image, rows);
  await machine.close();
}

const KNOWN_OF_FAULT =
  Known.Completion | Known.FaultClass | Known.FaultStatus | Known.Syndrome | Known.FaultAddress;

function expectedOutcome(expected: Expected) {
  const outcomes = new OutcomeList(1);
  if ('physical' in expected) {
    outcomes.known[0] = Known.Completion | Known.PhysicalAddress;
    outcomes.physicalAddress[0] = Number(expected.physical);
    if (expected.memoryType !== undefined) {
      outcomes.known[0] |= Known.MemoryType | Known.Shareability;
      outcomes.memoryType[0] = expected.memoryType;
    }
  } else {
    outcomes.known[0] = KNOWN_OF_FAULT;
    outcomes.fault[0] = expected.fault;
    outcomes.faultAddress[0] = expected.faultAddress;
  }
  return outcomeAt(outcomes, 0);
}

/** The columns of an outcome in `known`, readable in a failure's message. */
function describeOutcome(outcome: ReturnType<typeof outcomeAt>, known: number, columns: FaultColumns) {
  const masked = (column: number, mask: number) =>
    (known & column) !== 0 ? hex((outcome.fault & mask) >>> 0) : undefined;
  return {
    completes: (known & Known.Completion) !== 0 ? outcome.fault === 0 : undefined,
    faultClass: masked(Known.FaultClass, columns.classMask),
    faultStatus: masked(Known.FaultStatus, columns.statusMask),
    syndrome: masked(Known.Syndrome, columns.syndromeMask),
    faultAddress: (known & Known.FaultAddress) !== 0 ? hex(outcome.faultAddress) : undefined,
    physical: (known & Known.PhysicalAddress) !== 0 ? outcome.physicalAddress : undefined,
    memoryType: (known & Known.MemoryType) !== 0 ? hex(outcome.memoryType & 0xff) : undefined,
    shareability: (known & Known.Shareability) !== 0 ? outcome.memoryType >> 8 : undefined,
  };
}

import { expect } from 'vitest';
import { errataOf } from '../../harness/errata.ts';
import { QEMU_AARCH64_RULES } from '../../harness/errata-qemu-aarch64.ts';
import { deviationBy } from '../../harness/errata-walk.ts';
import type { GuestImage, Machine } from '../../harness/machine.ts';
import { outcomeAt } from '../../harness/outcome.ts';
import { differs, FAULT_COLUMNS } from '../../harness/verdict.ts';
import type { DescriptorProblem } from '../../src/aarch64/walk-descriptor-marks.ts';
import { HardwareUpdatePrediction } from '../../src/aarch64/walk-hardware-updates.ts';
import { ACCESS_NAMES, type AccessList, PRIVILEGE_NAMES } from '../../src/access-list.ts';
import { FRAME_SIZE, hex } from '../../src/addresses.ts';
import { isStructuralFault, Known, OutcomeList } from '../../src/outcome-list.ts';
import { createWalker } from '../../src/walker.ts';

/** The rules that hold for every kind of access. */
const ALWAYS = QEMU_AARCH64_RULES.filter(({ accesses }) => accesses === undefined);

/**
 * Makes accesses on a machine and expects what the walker predicts, but for errata.
 * @param name the registers in short, for a failure's message
 * @returns how many accesses both had an answer for
 */
export async function compareWithWalker(
  machine: Machine,
  { registers, memory }: GuestImage,
  accesses: AccessList,
  name: string,
): Promise<number> {
  const predicted = new OutcomeList(accesses.length);
  const walker = createWalker(memory, registers);
  walker.predict(accesses, predicted);
  await machine.load({ registers, memory });
  const expectedFrames = predicted.physicalAddress.map((at) => (at < 0 ? -1 : Math.floor(at / FRAME_SIZE)));
  const { outcomes } = await machine.probe({ accesses, expectedFrames });
  const errata = errataOf(machine.name, machine.capabilities.version);
  let compared = 0;
  for (let index = 0; index < accesses.length; index++) {
    const isKnown = ((outcomes.known[index] as number) & Known.Completion) !== 0;
    if (!isKnown || isStructuralFault(predicted.fault[index] as number)) continue;
    compared++;
    if (!differs(predicted, outcomes, index, FAULT_COLUMNS[registers.architecture])) continue;
    const probe = {
      address: accesses.address(index),
      access: accesses.access(index),
      privilege: accesses.privilege(index),
      flags: accesses.flags(index),
      pkru: accesses.pkru(index),
      predicted: outcomeAt(predicted, index),
      observed: outcomeAt(outcomes, index),
      registers,
      memory,
      explain: () => walker.explain(accesses.address(index)),
    };
    if (errata.some((erratum) => erratum.explains(probe))) continue;
    const access = `${PRIVILEGE_NAMES[probe.privilege]} ${ACCESS_NAMES[probe.access]}`;
    expect(probe.observed, `${access} at ${hex(probe.address)}, ${name}`).toEqual(probe.predicted);
  }
  if (registers.architecture === 'aarch64') {
    // Hardware keeps the state of whatever the machine takes for a leaf. Unicorn's keeps none.
    const updates = new HardwareUpdatePrediction(memory, registers, deviationBy(ALWAYS));
    updates.add(accesses, completionsOf(outcomes));
    const problems = updates.compare(await machine.readBack());
    expect(problems.map(describeProblem), `tables after the accesses, ${name}`).toEqual([]);
  }
  return compared;
}

/** Whether each access completed; what is not known did not. */
function completionsOf({ length, known, fault }: OutcomeList): OutcomeList {
  const completions = new OutcomeList(length);
  for (let index = 0; index < length; index++) {
    const completes = ((known[index] as number) & Known.Completion) !== 0 && fault[index] === 0;
    completions.fault[index] = completes ? 0 : 1;
  }
  return completions;
}

function describeProblem({ entryAddress, problem, before, after }: DescriptorProblem): string {
  return `${hex(entryAddress)}: ${problem} (${hex(before)} before, ${hex(after)} after)`;
}

import { ACCESS_NAMES, PRIVILEGE_NAMES } from '../../src/access-list.ts';
import { hex } from '../../src/addresses.ts';
import type { WalkStep } from '../../src/translation.ts';
import { loadHarmlessFetchSlot } from '../fetch-slots.ts';
import { loadInput } from '../inputs/load-input.ts';
import type { VerificationInput } from '../inputs/types.ts';
import { selectMachines } from '../machines/registry.ts';
import { outcomeAt } from '../outcome.ts';
import { reportOutcome } from '../outcome-text.ts';
import { planAddress, type SingleAddressPlan } from '../plan-single.ts';
import { textTable } from '../text-table.ts';
import { type Understood, understand } from '../understand.ts';
import { differs, FAULT_COLUMNS } from '../verdict.ts';
import { addressArgument } from './address-argument.ts';
import { askMachines, type MachineAnswer } from './explain-machines.ts';
import { explainedPermissions } from './explain-text.ts';
import { type CliIo, ExitStatus } from './io.ts';

export interface ExplainCliOptions {
  readonly tables?: string;
  readonly machine: readonly string[];
}

/**
 * `mmucheck explain`: the walk to an address level by level, what becomes of every access, and what the
 * machines say of it.
 * @returns the exit status: 1 if a machine differs from the walker
 */
export async function runExplain(
  path: string,
  addressText: string,
  { tables, machine }: ExplainCliOptions,
  io: CliIo,
): Promise<number> {
  const address = addressArgument(addressText);
  const input = await loadInput(path, tables === undefined ? {} : { tables });
  const machines = selectMachines(machine, input.architecture);
  const understood = understand(input);
  io.out(`${hex(address)} in ${tables ?? path}: ${input.architecture}${regionText(input, address)}\n\n`);
  io.out(`${walkLines(understood, address).join('\n')}\n\n`);
  const { memory, registers } = input;
  const harmlessFetchSlot = await loadHarmlessFetchSlot(registers.architecture);
  const { walker, privileges } = understood;
  const plan = planAddress(address, { predictor: walker, memory, privileges, harmlessFetchSlot });
  const answers = await askMachines(machines, machine.length > 0, input, plan.probes, io.interrupted);
  io.out(`${answerLines(plan, answers, input).join('\n')}\n`);
  return answers.some((answer) => contradicts(answer, plan, input)) ? ExitStatus.Mismatch : ExitStatus.Agree;
}

function regionText(input: VerificationInput, address: bigint): string {
  if (input.kind === 'capture') return '';
  const region = input.layout.regions.find(({ base, size }) => address >= base && address < base + size);
  return region === undefined ? ', declared unmapped' : `, region ${region.name}`;
}

function walkLines({ walker }: Understood, address: bigint): string[] {
  const steps = walker.explain(address);
  if (steps.length === 0) return ['  The address is refused before any table is read.'];
  return steps.flatMap(stepLines);
}

function stepLines(step: WalkStep): string[] {
  const { levelName, tableAddress, index, entryAddress, entry, flags, forbids, next, problem } = step;
  const content = entry === undefined ? 'no memory' : `0x${entry.toString(16).padStart(16, '0')}`;
  const lines = [
    `  ${levelName}: table ${hex(tableAddress)}, index ${index}, entry ${content} at ${hex(entryAddress)}`,
  ];
  const say = (text: string) => lines.push(`    ${text}`);
  if (flags.length > 0) say(`flags: ${flags.join(', ')}`);
  if (forbids.length > 0) say(`forbids: ${forbids.join(', ')}`);
  if (problem !== undefined) say(`ends here: ${problem}`);
  if (next !== undefined)
    say(step.kind === 'leaf' ? `maps the page at ${hex(next)}` : `leads to the table at ${hex(next)}`);
  if (step.permissions !== undefined)
    say(`all levels together allow: ${explainedPermissions(step.permissions)}`);
  return lines;
}

function answerLines(
  { probes, predicted, notExecuted }: SingleAddressPlan,
  answers: readonly MachineAnswer[],
  { architecture }: VerificationInput,
): string[] {
  const { accesses } = probes;
  const present = answers.filter(({ outcomes }) => outcomes !== undefined);
  const rows = Array.from({ length: accesses.length }, (_, index) => [
    `${PRIVILEGE_NAMES[accesses.privilege(index)]} ${ACCESS_NAMES[accesses.access(index)]}`,
    hex(accesses.address(index)),
    reportOutcome(outcomeAt(predicted, index), architecture)?.text ?? '',
    ...present.map(({ outcomes }) =>
      outcomes === undefined
        ? ''
        : (reportOutcome(outcomeAt(outcomes, index), architecture)?.text ?? 'not observable'),
    ),
  ]);
  const header = ['access', 'at', 'walker', ...present.map(({ title }) => title)];
  return [
    ...textTable([header, ...rows]),
    ...(notExecuted === undefined ? [] : [`  not executed: ${notExecuted}`]),
    ...answers.flatMap(({ title, reason }) => (reason === undefined ? [] : [`  ${title}: ${reason}`])),
  ];
}

function contradicts(
  { outcomes }: MachineAnswer,
  plan: SingleAddressPlan,
  { architecture }: VerificationInput,
) {
  if (outcomes === undefined) return false;
  return Array.from({ length: outcomes.length }, (_, index) => index).some(
    (index) =>
      reportOutcome(outcomeAt(outcomes, index), architecture) !== null &&
      differs(plan.predicted, outcomes, index, FAULT_COLUMNS[architecture]),
  );
}
